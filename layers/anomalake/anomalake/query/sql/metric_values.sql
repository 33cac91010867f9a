-- One row an affected metric: what was observed, and how severe the anomaly is.
SELECT
  detector,
  detector_arn,
  alert_event_id,
  anomaly_group_id,
  "timestamp",
  timezone,
  local_timestamp,
  metric_name,
  metric_value,
  anomaly_score,
  time_series_id,
  dimensions
FROM metric_values_by_day
