-- Source data, aggregated by interval and combination of dimension values, with the values and scores of its anomalies; with the UTC
-- date. The example detector is that of live_orders_by_day.sql; its intervals have 60 minutes and are counted from a Monday,
-- because weeks begin on Mondays. When clocks are set back, the repeated hour is one interval, as in the source data, and has the scores
-- of the first of the two hours.
SELECT
  l."timestamp",
  l.marketplace,
  l.platform,
  l.revenue,
  l.views,
  s.revenueanomalymetricvalue,
  s.revenuegroupscore,
  s.viewsanomalymetricvalue,
  s.viewsgroupscore,
  l.local_timestamp,
  date_format(l."timestamp", '%Y-%m-%d') AS day
FROM (
  SELECT
    CAST(at_timezone(with_timezone(g.local_timestamp, 'Europe/Paris'), 'UTC') AS timestamp) AS "timestamp",
    g.local_timestamp,
    g.marketplace,
    g.platform,
    sum(g.revenue) AS revenue,
    sum(g.views) AS views
  FROM (
    SELECT
      date_add(
        'minute',
        date_diff('minute', CAST('1969-12-29 00:00:00' AS timestamp), w.local_timestamp)
        - mod(date_diff('minute', CAST('1969-12-29 00:00:00' AS timestamp), w.local_timestamp), 60),
        CAST('1969-12-29 00:00:00' AS timestamp)
      ) AS local_timestamp,
      w.marketplace,
      w.platform,
      w.revenue,
      w.views
    FROM live_orders_by_day AS w
    WHERE w.local_timestamp IS NOT NULL
  ) AS g
  GROUP BY g.local_timestamp, g.marketplace, g.platform
) AS l
LEFT JOIN (
  SELECT *
  FROM (
    SELECT
      v.*,
      row_number() OVER (PARTITION BY v.local_timestamp, v.marketplace, v.platform ORDER BY v."timestamp", v.key) AS live_rank
    FROM metricvalue_anomalyscore_orders_by_day AS v
  ) AS e
  WHERE e.live_rank = 1
) AS s
  ON l.local_timestamp = s.local_timestamp
  AND l.marketplace IS NOT DISTINCT FROM s.marketplace
  AND l.platform IS NOT DISTINCT FROM s.platform
