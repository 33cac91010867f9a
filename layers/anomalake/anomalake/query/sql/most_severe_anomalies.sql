-- Which anomalies were the most severe, and how many metrics did each affect?
SELECT
  a.detector,
  a."timestamp",
  a.metric_name,
  a.anomaly_score,
  count(m.alert_event_id) AS affected_metrics,
  a.anomaly_group_id,
  a.alert_event_id
FROM alerts AS a
LEFT JOIN metric_values AS m
  ON a.detector_arn = m.detector_arn
  AND a.alert_event_id = m.alert_event_id
  AND a.metric_name = m.metric_name
  AND a."timestamp" = m."timestamp"
GROUP BY
  a.detector, a.detector_arn, a."timestamp", a.metric_name, a.anomaly_score, a.anomaly_group_id, a.alert_event_id
ORDER BY a.anomaly_score DESC, a."timestamp" DESC, a.alert_event_id
LIMIT 20
