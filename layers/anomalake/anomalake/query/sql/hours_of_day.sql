-- At which hours of the local day do anomalies fall?
SELECT
  a.detector,
  hour(a.local_timestamp) AS local_hour,
  count(*) AS alerts,
  avg(a.anomaly_score) AS mean_score
FROM alerts AS a
GROUP BY a.detector, hour(a.local_timestamp)
ORDER BY a.detector, local_hour
