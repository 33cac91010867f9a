-- Alerts with the same identity and different bodies: one row for each body, is_shown for the body in the other relations; with
-- its partition.
SELECT
  c.detector,
  c.detector_arn,
  c.alert_event_id,
  c."timestamp",
  c.timezone,
  c.local_timestamp,
  c.metric_name,
  c.alert_id,
  c.digest,
  c.place = 1 AS is_shown,
  c.day
FROM (
  SELECT
    b.*,
    row_number() OVER (
      PARTITION BY b.detector, b.day, b.alert_event_id, b.metric_name, b."timestamp" ORDER BY b.digest
    ) AS place,
    count(*) OVER (PARTITION BY b.detector, b.day, b.alert_event_id, b.metric_name, b."timestamp") AS bodies
  FROM (
    SELECT DISTINCT
      a.detector,
      a.day,
      a.detector_arn,
      a.alert_event_id,
      a."timestamp",
      a.timezone,
      a.local_timestamp,
      a.metric_name,
      a.alert_id,
      a.digest
    FROM rows_in_force AS a
  ) AS b
) AS c
WHERE c.bodies > 1
