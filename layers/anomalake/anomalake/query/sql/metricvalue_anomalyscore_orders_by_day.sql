-- Values and scores of affected metrics: one row for each timestamp and combination of dimension values, two columns for each
-- measure; with its partition. Example: detector orders, dimensions marketplace and platform, measures revenue and views.
-- If several alerts have the same series, measure and timestamp, the most severe is used.
SELECT
  array_join(
    ARRAY[
      date_format(v."timestamp", '%Y-%m-%d %H:%i:%s.%f'),
      coalesce(replace(replace(v.marketplace, '%', '%25'), '|', '%7C'), '%'),
      coalesce(replace(replace(v.platform, '%', '%25'), '|', '%7C'), '%')
    ],
    '|'
  ) AS key,
  v."timestamp",
  v.marketplace,
  v.platform,
  max(CASE WHEN v.metric_name = 'revenue' THEN v.metric_value END) AS revenueanomalymetricvalue,
  max(CASE WHEN v.metric_name = 'revenue' THEN v.anomaly_score END) AS revenuegroupscore,
  max(CASE WHEN v.metric_name = 'views' THEN v.metric_value END) AS viewsanomalymetricvalue,
  max(CASE WHEN v.metric_name = 'views' THEN v.anomaly_score END) AS viewsgroupscore,
  min(v.timezone) AS timezone,
  min_by(v.local_timestamp, v.timezone) AS local_timestamp,
  v.day
FROM (
  SELECT
    w.*,
    row_number() OVER (
      PARTITION BY w."timestamp", w.metric_name, w.marketplace, w.platform
      ORDER BY w.anomaly_score DESC, w.alert_event_id, w.time_series_id, w.metric_value
    ) AS severity_rank
  FROM (
    SELECT
      m.day,
      m."timestamp",
      m.timezone,
      m.local_timestamp,
      m.metric_name,
      m.metric_value,
      m.anomaly_score,
      m.alert_event_id,
      m.time_series_id,
      element_at(m.dimensions, 'marketplace') AS marketplace,
      element_at(m.dimensions, 'platform') AS platform
    FROM metric_values_by_day AS m
    WHERE m.detector = 'orders' AND m.detector_arn = 'arn:aws:lookoutmetrics:us-east-1:123456789012:AnomalyDetector:orders'
  ) AS w
) AS v
WHERE v.severity_rank = 1
GROUP BY v.day, v."timestamp", v.marketplace, v.platform
