-- Which metrics did the latest anomaly affect, and with which values?
SELECT
  m.detector,
  m."timestamp",
  m.metric_name,
  m.dimensions,
  m.metric_value,
  m.anomaly_score,
  m.anomaly_group_id
FROM metric_values AS m
INNER JOIN (
  SELECT a.detector_arn, a.alert_event_id, a.metric_name, a."timestamp"
  FROM alerts AS a
  ORDER BY a."timestamp" DESC, a.anomaly_score DESC, a.alert_event_id
  LIMIT 1
) AS latest
  ON m.detector_arn = latest.detector_arn
  AND m.alert_event_id = latest.alert_event_id
  AND m.metric_name = latest.metric_name
  AND m."timestamp" = latest."timestamp"
ORDER BY m.metric_value DESC, m.time_series_id
