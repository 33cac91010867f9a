-- Every affected metric with its dimensions, value and score, as a list to work through; with its partition. Example as in
-- metricvalue_anomalyscore_by_day.sql.
SELECT
  m."timestamp",
  element_at(m.dimensions, 'marketplace') AS marketplace,
  element_at(m.dimensions, 'platform') AS platform,
  m.metric_value AS value,
  m.anomaly_score AS score,
  m.metric_name AS measure,
  m.day
FROM metric_values_by_day AS m
WHERE m.detector = 'orders' AND m.detector_arn = 'arn:aws:lookoutmetrics:us-east-1:123456789012:AnomalyDetector:orders'
