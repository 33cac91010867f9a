-- Which detectors have alerts, from which to which time, in which zone, and how many of the alerts have more than one body?
SELECT
  i.detector_arn,
  count(*) AS alerts,
  min(i."timestamp") AS first_alert,
  max(i."timestamp") AS last_alert,
  max(i.timezone) AS timezone,
  sum(CASE WHEN i.lowest_digest <> i.highest_digest THEN 1 ELSE 0 END) AS clashes
FROM (
  SELECT
    a.alert_id,
    a.day,
    a."timestamp",
    min(a.detector_arn) AS detector_arn,
    max(a.timezone) AS timezone,
    min(a.digest) AS lowest_digest,
    max(a.digest) AS highest_digest
  FROM rows_in_force AS a
  GROUP BY a.detector, a.day, a."timestamp", a.alert_id
) AS i
GROUP BY i.detector_arn
ORDER BY i.detector_arn
