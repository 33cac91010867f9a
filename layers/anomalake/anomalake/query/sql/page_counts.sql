-- How many groups in single intervals (as in page_most_severe.sql) are there by detector, measure, UTC day and score?
SELECT
  m.detector_arn,
  m.metric_name,
  m.day,
  least(10 * floor(m.anomaly_score / 10), 90) AS score,
  count(*) AS group_intervals
FROM (
  SELECT
    r.detector_arn,
    r.metric_name,
    r.day,
    r.anomaly_score,
    row_number() OVER (
      PARTITION BY r.detector, r.day, r.detector_arn, coalesce(r.anomaly_group_id, r.alert_event_id), r.metric_name, date_trunc('second', r."timestamp")
      ORDER BY cardinality(r.time_series) DESC, r.anomaly_score DESC, r.alert_id
    ) AS choice
  FROM shown_rows AS r
) AS m
WHERE m.choice = 1
GROUP BY m.detector_arn, m.metric_name, m.day, least(10 * floor(m.anomaly_score / 10), 90)
ORDER BY m.detector_arn, m.metric_name, m.day, score
