-- One row a dimension value's share in an anomaly, with its partition.
-- Numbers are unnested instead of rows: Athena makes columns of rows, DuckDB does not; and sequence() ends at 10,000.
SELECT
  r.detector,
  r.detector_arn,
  r.alert_event_id,
  r.anomaly_group_id,
  r."timestamp",
  r.timezone,
  r.local_timestamp,
  r.metric_name,
  r.contributions[s.i].dimension_name AS dimension_name,
  r.contributions[s.i].dimension_value AS dimension_value,
  r.contributions[s.i].value_contribution AS value_contribution,
  r.day
FROM shown_rows AS r
CROSS JOIN UNNEST(transform(r.contributions, x -> 1)) WITH ORDINALITY AS s (one, i)
