-- One row an affected metric, with its partition.
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
  r.time_series[s.i].metric_value AS metric_value,
  r.anomaly_score,
  r.time_series[s.i].time_series_id AS time_series_id,
  r.time_series[s.i].dimensions AS dimensions,
  r.day
FROM shown_rows AS r
CROSS JOIN UNNEST(transform(r.time_series, x -> 1)) WITH ORDINALITY AS s (one, i)
