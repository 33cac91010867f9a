-- Source data of a detector: one row for each source row, with UTC time, wall-clock time and UTC date. The example detector is that
-- of metricvalue_anomalyscore_orders_by_day.sql; its timestamps have the form 2021-02-14 04:00:00, in Europe/Paris. The day of a
-- row's folder is a partition.
SELECT
  CAST(at_timezone(with_timezone(w.local_timestamp, 'Europe/Paris'), 'UTC') AS timestamp) AS "timestamp",
  w.local_timestamp,
  w.marketplace,
  w.platform,
  w.revenue,
  w.views,
  date_format(CAST(at_timezone(with_timezone(w.local_timestamp, 'Europe/Paris'), 'UTC') AS timestamp), '%Y-%m-%d') AS day,
  w.folder_day
FROM (
  SELECT
    CAST(TRY(date_parse(f.source_timestamp, '%Y-%m-%d %H:%i:%s')) AS timestamp) AS local_timestamp,
    f.source_marketplace AS marketplace,
    f.source_platform AS platform,
    TRY_CAST(f.source_revenue AS DECIMAL(38, 20)) AS revenue,
    TRY_CAST(f.source_views AS DECIMAL(38, 20)) AS views,
    f.source_folder_day AS folder_day
  FROM source_orders AS f
) AS w
