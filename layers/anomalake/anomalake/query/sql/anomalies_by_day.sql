-- One row for each affected metric of all detectors: value, score, and start and end of its anomaly group; with its partition.
SELECT
  m.detector,
  m.detector_arn,
  m."timestamp",
  m.metric_name AS measure,
  m.dimensions,
  m.metric_value AS value,
  m.anomaly_score AS score,
  coalesce(m.anomaly_group_id, m.alert_event_id) AS group_id,
  coalesce(g.group_start, m."timestamp") AS group_start,
  coalesce(g.group_end, m."timestamp") AS group_end,
  m.timezone,
  m.local_timestamp,
  m.day
FROM metric_values_by_day AS m
LEFT JOIN group_spans AS g
  ON m.detector = g.detector
  AND m.detector_arn = g.detector_arn
  AND m.metric_name = g.metric_name
  AND coalesce(m.anomaly_group_id, m.alert_event_id) = g.group_id
