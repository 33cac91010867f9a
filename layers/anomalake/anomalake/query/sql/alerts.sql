-- One row an alert.
SELECT
  detector,
  detector_arn,
  alert_event_id,
  anomaly_group_id,
  "timestamp",
  timezone,
  local_timestamp,
  metric_name,
  anomaly_score,
  alert_name,
  alert_arn,
  alert_description,
  console_url,
  alert_id,
  digest
FROM alerts_by_day
