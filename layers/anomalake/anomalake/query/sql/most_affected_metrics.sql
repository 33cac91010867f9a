-- Which metrics, by measure and dimension values, are affected again and again?
SELECT
  m.detector,
  m.metric_name,
  json_format(CAST(m.dimensions AS JSON)) AS dimensions_json,
  count(DISTINCT m."timestamp") AS intervals,
  max(m.anomaly_score) AS highest_score,
  max(m."timestamp") AS last_timestamp
FROM metric_values AS m
GROUP BY m.detector, m.detector_arn, m.metric_name, json_format(CAST(m.dimensions AS JSON))
ORDER BY intervals DESC, highest_score DESC, m.detector, m.metric_name, dimensions_json
LIMIT 50
