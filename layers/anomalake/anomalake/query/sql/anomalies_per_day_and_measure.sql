-- How many anomalies did each measure have on each day, and how severe was the worst?
SELECT
  a.detector,
  date(a."timestamp") AS day,
  a.metric_name,
  count(*) AS alerts,
  max(a.anomaly_score) AS highest_score
FROM alerts AS a
GROUP BY a.detector, date(a."timestamp"), a.metric_name
ORDER BY day DESC, a.detector, a.metric_name
