-- One row for each interval of a group with an alert in force: its root causes. Of the documents that name the interval, the one
-- with the greatest sequence decides.
SELECT
  s.detector,
  s.day,
  s.detector_arn,
  s.anomaly_group_id,
  s."timestamp",
  s.timezone,
  s.local_timestamp,
  s.metric_name,
  s.causes
FROM (
  SELECT
    c.*,
    row_number() OVER (
      PARTITION BY c.detector, c.day, c.detector_arn, c.anomaly_group_id, c.metric_name, c."timestamp"
      ORDER BY c.sequence DESC, c.document DESC
    ) AS place
  FROM cause_rows AS c
) AS s
JOIN (
  SELECT DISTINCT
    r.detector,
    r.day,
    r.detector_arn,
    r.anomaly_group_id,
    r.metric_name,
    r."timestamp"
  FROM shown_rows AS r
) AS a
  ON s.detector = a.detector
  AND s.day = a.day
  AND s.detector_arn = a.detector_arn
  AND s.anomaly_group_id = a.anomaly_group_id
  AND s.metric_name = a.metric_name
  AND s."timestamp" = a."timestamp"
WHERE s.place = 1
