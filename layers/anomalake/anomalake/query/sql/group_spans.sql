-- From when to when each anomaly group lasted that has several intervals: the first and the last one that an alert of it tells of.
-- Where alerts name no group, those of one event are one. It is read over all days, whatever days are asked for: a group does not end
-- where a question does.
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
