"""CloudFormation templates with Lookout for Metrics' resource types, translated to custom resources."""
