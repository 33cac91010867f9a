-- One row for each root cause of an anomaly group in an interval, the best first, with its partition.
SELECT
  c.detector,
  c.detector_arn,
  c.anomaly_group_id,
  c."timestamp",
  c.timezone,
  c.local_timestamp,
  c.metric_name,
  s.i AS "rank",
  c.causes[s.i].dimensions AS dimensions,
  c.causes[s.i].share_off AS share_off,
  c.causes[s.i].explained AS explained,
  c.causes[s.i].gain AS gain,
  c.day
FROM shown_causes AS c
CROSS JOIN UNNEST(transform(c.causes, x -> 1)) WITH ORDINALITY AS s (element, i)
