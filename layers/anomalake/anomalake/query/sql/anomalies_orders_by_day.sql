-- Every affected metric with its dimensions, value and score, and from when to when its anomaly group lasted, as a list to work
-- through; with its partition. Example as in metricvalue_anomalyscore_orders_by_day.sql.
SELECT
  a."timestamp",
  element_at(a.dimensions, 'marketplace') AS marketplace,
  element_at(a.dimensions, 'platform') AS platform,
  a.value,
  a.score,
  a.measure,
  a.group_id,
  a.group_start,
  a.group_end,
  a.timezone,
  a.local_timestamp,
  a.day
FROM anomalies_by_day AS a
WHERE a.detector = 'orders' AND a.detector_arn = 'arn:aws:lookoutmetrics:us-east-1:123456789012:AnomalyDetector:orders'
