-- Which anomalies lasted, and alerted again under one event?
SELECT
  a.detector,
  a.metric_name,
  a.alert_event_id,
  min(a."timestamp") AS first_timestamp,
  max(a."timestamp") AS last_timestamp,
  count(*) AS alerts,
  max(a.anomaly_score) AS highest_score
FROM alerts AS a
GROUP BY a.detector, a.detector_arn, a.metric_name, a.alert_event_id
HAVING count(*) > 1
ORDER BY alerts DESC, last_timestamp DESC, a.alert_event_id
