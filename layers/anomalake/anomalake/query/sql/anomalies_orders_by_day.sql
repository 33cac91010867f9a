-- One row for each affected metric of a detector: dimensions, value, score, and start and end of its anomaly group; with its
-- partition. The example detector is that of metricvalue_anomalyscore_orders_by_day.sql.
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
