"""Real data to try anomalake on: KPIs made from public records, and alerts about them."""
