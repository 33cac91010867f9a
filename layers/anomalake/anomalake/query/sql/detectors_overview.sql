-- Which detectors are there, since when and until when did they alert, how often, about how many measures, and how severely?
SELECT
  a.detector,
  a.detector_arn,
  count(*) AS alerts,
  count(DISTINCT a.metric_name) AS measures,
  min(a."timestamp") AS first_alert,
  max(a."timestamp") AS last_alert,
  avg(a.anomaly_score) AS mean_score,
  max(a.anomaly_score) AS highest_score
FROM alerts AS a
GROUP BY a.detector, a.detector_arn
ORDER BY alerts DESC, a.detector, a.detector_arn
