"""anomalake turns anomaly alerts into tables that Athena and QuickSight query."""
