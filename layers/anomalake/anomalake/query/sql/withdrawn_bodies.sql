-- One row for each body of an alert that is withdrawn: of the documents that name it, the one with the greatest sequence decides.
SELECT
  s.detector,
  s.day,
  s.alert_id,
  s.digest,
  s.detector_arn,
  s.alert_event_id,
  s."timestamp",
  s.timezone,
  s.local_timestamp,
  s.metric_name,
  s.decided_at,
  s.reason
FROM (
  SELECT
    w.*,
    row_number() OVER (PARTITION BY w.detector, w.day, w.alert_id, w.digest ORDER BY w.sequence DESC, w.document DESC) AS place
  FROM withdrawal_rows AS w
) AS s
WHERE s.place = 1 AND s.is_withdrawn
