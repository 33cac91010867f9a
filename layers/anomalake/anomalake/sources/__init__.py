"""A metric set's definition: where source data lies and how to read it, in the fields of L4M's CreateMetricSet."""
