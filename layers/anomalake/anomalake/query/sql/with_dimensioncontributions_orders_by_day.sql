-- Contributions and affected metrics of each alert, each of them in exactly one row, so that sums over either are right; with its
-- partition. The example detector is that of metricvalue_anomalyscore_orders_by_day.sql.
-- A metric and a contribution share a row if the contribution is that of the metric's first dimension by name, and the metric is the
-- first of its alert with that dimension value. All others have rows of their own. UNION and GROUP BY are used instead of FULL OUTER
-- JOIN, because the engines push conditions on day and detector through them to the table.
SELECT
  u."timestamp",
  u.metricname,
  max(u.dimensionname) AS dimensionname,
  max(u.dimensionvalue) AS dimensionvalue,
  max(u.valuecontribution) AS valuecontribution,
  max(u.marketplace) AS marketplace,
  max(u.platform) AS platform,
  max(CASE WHEN u.metricname = 'revenue' THEN u.metric_value END) AS revenueanomalymetricvalue,
  max(CASE WHEN u.metricname = 'revenue' THEN u.anomaly_score END) AS revenuegroupscore,
  max(CASE WHEN u.metricname = 'views' THEN u.metric_value END) AS viewsanomalymetricvalue,
  max(CASE WHEN u.metricname = 'views' THEN u.anomaly_score END) AS viewsgroupscore,
  u.day
FROM (
  SELECT
    c.day,
    c."timestamp",
    c.alert_event_id,
    c.metricname,
    c.anomaly_score,
    c.dimensionname AS pair_name,
    c.dimensionvalue AS pair_value,
    CASE WHEN c.pair_rank = 1 THEN 0 ELSE c.pair_rank END AS pair_place,
    c.dimensionname,
    c.dimensionvalue,
    c.valuecontribution,
    CASE WHEN c.dimensionname = 'marketplace' THEN c.dimensionvalue END AS marketplace,
    CASE WHEN c.dimensionname = 'platform' THEN c.dimensionvalue END AS platform,
    CAST(NULL AS DECIMAL(38, 20)) AS metric_value
  FROM (
    SELECT
      b.*,
      row_number() OVER (
        PARTITION BY b.day, b."timestamp", b.alert_event_id, b.metricname, b.dimensionname, b.dimensionvalue
        ORDER BY b.valuecontribution DESC
      ) AS pair_rank
    FROM (
      SELECT
        r.day,
        r."timestamp",
        r.alert_event_id,
        r.metric_name AS metricname,
        r.anomaly_score,
        r.contributions[s.i].dimension_name AS dimensionname,
        r.contributions[s.i].dimension_value AS dimensionvalue,
        r.contributions[s.i].value_contribution AS valuecontribution
      FROM (
        SELECT *
        FROM shown_rows
        WHERE
          detector = 'orders'
          AND detector_arn = 'arn:aws:lookoutmetrics:us-east-1:123456789012:AnomalyDetector:orders'
      ) AS r
      CROSS JOIN UNNEST(transform(r.contributions, x -> 1)) WITH ORDINALITY AS s (element, i)
    ) AS b
  ) AS c
  UNION ALL
  SELECT
    t.day,
    t."timestamp",
    t.alert_event_id,
    t.metricname,
    t.anomaly_score,
    t.pair_name,
    t.pair_value,
    CASE WHEN t.pair_rank = 1 THEN 0 ELSE 0 - t.pair_rank END AS pair_place,
    CAST(NULL AS VARCHAR) AS dimensionname,
    CAST(NULL AS VARCHAR) AS dimensionvalue,
    CAST(NULL AS BIGINT) AS valuecontribution,
    t.marketplace,
    t.platform,
    t.metric_value
  FROM (
    SELECT
      p.*,
      row_number() OVER (
        PARTITION BY p.day, p."timestamp", p.alert_event_id, p.metricname, p.pair_name, p.pair_value
        ORDER BY p.time_series_id, p.series_number
      ) AS pair_rank
    FROM (
      SELECT
        q.day,
        q."timestamp",
        q.alert_event_id,
        q.metricname,
        q.anomaly_score,
        q.series_number,
        q.time_series_id,
        q.metric_value,
        array_min(map_keys(q.dimensions)) AS pair_name,
        element_at(q.dimensions, array_min(map_keys(q.dimensions))) AS pair_value,
        element_at(q.dimensions, 'marketplace') AS marketplace,
        element_at(q.dimensions, 'platform') AS platform
      FROM (
        SELECT
          r.day,
          r."timestamp",
          r.alert_event_id,
          r.metric_name AS metricname,
          r.anomaly_score,
          s.i AS series_number,
          r.time_series[s.i].time_series_id AS time_series_id,
          r.time_series[s.i].metric_value AS metric_value,
          r.time_series[s.i].dimensions AS dimensions
        FROM (
          SELECT *
          FROM shown_rows
          WHERE
            detector = 'orders'
            AND detector_arn = 'arn:aws:lookoutmetrics:us-east-1:123456789012:AnomalyDetector:orders'
        ) AS r
        CROSS JOIN UNNEST(transform(r.time_series, x -> 1)) WITH ORDINALITY AS s (element, i)
      ) AS q
    ) AS p
  ) AS t
) AS u
GROUP BY u.day, u."timestamp", u.alert_event_id, u.metricname, u.pair_name, u.pair_value, u.pair_place
