-- One row for each alert, with its partition.
SELECT
  r.detector,
  r.detector_arn,
  r.alert_event_id,
  r.anomaly_group_id,
  r."timestamp",
  r.timezone,
  r.local_timestamp,
  r.metric_name,
  r.anomaly_score,
  r.alert_name,
  r.alert_arn,
  r.alert_description,
  r.console_url,
  r.alert_id,
  r.digest,
  r.day
FROM shown_rows AS r
