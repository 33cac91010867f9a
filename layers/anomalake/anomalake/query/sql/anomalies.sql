-- Every affected metric of every detector as a list to work through: what was observed, how severe it is, and from when to when its
-- anomaly group lasted.
SELECT
  detector,
  detector_arn,
  "timestamp",
  measure,
  dimensions,
  value,
  score,
  group_id,
  group_start,
  group_end,
  timezone,
  local_timestamp
FROM anomalies_by_day
