-- The detector's source data: one row a source row, times in UTC and on the wall clock, with the UTC date. Example as in
-- metricvalue_anomalyscore_orders_by_day.sql; rows are stamped like 2021-02-14 04:00:00 in Europe/Paris.
SELECT
  CAST(at_timezone(with_timezone(w.local_timestamp, 'Europe/Paris'), 'UTC') AS timestamp) AS "timestamp",
  w.local_timestamp,
  w.marketplace,
  w.platform,
  w.revenue,
  w.views,
  date_format(CAST(at_timezone(with_timezone(w.local_timestamp, 'Europe/Paris'), 'UTC') AS timestamp), '%Y-%m-%d') AS day
FROM (
  SELECT
    CAST(TRY(date_parse(f.source_timestamp, '%Y-%m-%d %H:%i:%s')) AS timestamp) AS local_timestamp,
    f.source_marketplace AS marketplace,
    f.source_platform AS platform,
    TRY_CAST(f.source_revenue AS DECIMAL(38, 20)) AS revenue,
    TRY_CAST(f.source_views AS DECIMAL(38, 20)) AS views
  FROM source_orders AS f
) AS w
