"""Lookout for Metrics' API, version 2017-07-25 (docs/adr/0014-the-lookout-for-metrics-api.md)."""
