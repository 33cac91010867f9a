"""Real data for the demo: KPIs from public records."""
