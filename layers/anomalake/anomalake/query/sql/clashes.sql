-- Every identity that came with more than one body: one row a body, and which of them the tables show.
SELECT
  detector,
  detector_arn,
  alert_event_id,
  "timestamp",
  timezone,
  local_timestamp,
  metric_name,
  alert_id,
  digest,
  is_shown
FROM clashes_by_day
