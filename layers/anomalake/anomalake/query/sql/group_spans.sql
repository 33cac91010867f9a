-- Start and end of each anomaly group with several intervals: the first and the last interval of its alerts. Alerts without a group
-- are grouped by event. This relation is always read over all days, because a group may begin before the days of a query, or end
-- after them.
SELECT
  r.detector,
  r.detector_arn,
  r.metric_name,
  coalesce(r.anomaly_group_id, r.alert_event_id) AS group_id,
  min(r."timestamp") AS group_start,
  max(r."timestamp") AS group_end
FROM shown_rows AS r
GROUP BY r.detector, r.detector_arn, r.metric_name, coalesce(r.anomaly_group_id, r.alert_event_id)
HAVING min(r."timestamp") < max(r."timestamp")
