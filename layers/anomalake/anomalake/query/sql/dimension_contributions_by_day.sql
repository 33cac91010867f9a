-- One row for each contribution of a dimension value to an anomaly, with its partition.
-- Positions are unnested, not rows: UNNEST of rows returns one column for each field in Athena, and a single column in DuckDB.
-- transform() instead of sequence(), which has at most 10,000 elements.
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
CROSS JOIN UNNEST(transform(r.contributions, x -> 1)) WITH ORDINALITY AS s (element, i)
