-- One row for each affected metric, with its partition.
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
  r.time_series[s.i].metric_value AS metric_value,
  r.anomaly_score,
  r.time_series[s.i].time_series_id AS time_series_id,
  r.time_series[s.i].dimensions AS dimensions,
  r.day
FROM shown_rows AS r
CROSS JOIN UNNEST(transform(r.time_series, x -> 1)) WITH ORDINALITY AS s (element, i)
