-- One row an alert: of the rows that bear one identity, the one with the lowest digest. A repeat disappears, a clash is
-- decided by a rule that knows no order. Every other relation reads this one.
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
  FROM alert_rows AS a
) AS r
WHERE r.body = 1
