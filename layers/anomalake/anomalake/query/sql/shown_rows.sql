-- One row for each alert: of the rows with the same identity, that with the lowest digest. Repeated alerts are removed, and the
-- result for clashes does not depend on the order of arrival. All relations but clashes read this relation.
SELECT
  r.detector,
  r.day,
  r.digest,
  r.alert_id,
  r.detector_arn,
  r.alert_event_id,
  r.anomaly_group_id,
  r."timestamp",
  r.timezone,
  r.local_timestamp,
  r.metric_name,
  r.anomaly_score,
  r.alert_name,
  r.alert_arn,
  r.alert_description,
  r.console_url,
  r.time_series,
  r.contributions
FROM (
  SELECT
    a.*,
    row_number() OVER (
      PARTITION BY a.detector, a.day, a."timestamp", a.alert_id ORDER BY a.digest
    ) AS body
  FROM rows_in_force AS a
) AS r
WHERE r.body = 1
