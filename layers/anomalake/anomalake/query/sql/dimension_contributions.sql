-- One row a dimension value's share in an anomaly, in whole per cent.
SELECT
  detector,
  detector_arn,
  alert_event_id,
  anomaly_group_id,
  "timestamp",
  timezone,
  local_timestamp,
  metric_name,
  dimension_name,
  dimension_value,
  value_contribution
FROM dimension_contributions_by_day
