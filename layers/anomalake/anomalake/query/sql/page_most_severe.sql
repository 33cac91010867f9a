-- Which groups were most severe in which intervals, which metrics were affected, and which dimension values contributed?
-- Like page_anomalies.sql, for a lake that is too large to be read whole: of several alerts about a group in one interval, the one with
-- most metrics, and only up to the limits of the page. They are the parameters :group_intervals and :rows.
-- The outermost SELECT has plain columns only, because Athena's text of a map can be read only if the map is a plain column.
SELECT
  q.detector,
  q.alert_id,
  q.digest,
  q.i,
  q.detector_arn,
  q.group_id,
  q."timestamp",
  q.timezone,
  q.metric_name,
  q.anomaly_score,
  q.metrics,
  q.shares,
  q.metric_value,
  q.dimensions,
  q.dimension_name,
  q.dimension_value,
  q.value_contribution,
  q.severity_rank,
  q.rows_before
FROM (
  SELECT
    n.detector,
    n.alert_id,
    n.digest,
    s.i,
    CASE WHEN s.i = 1 THEN n.detector_arn END AS detector_arn,
    CASE WHEN s.i = 1 THEN n.group_id END AS group_id,
    CASE WHEN s.i = 1 THEN n."timestamp" END AS "timestamp",
    CASE WHEN s.i = 1 THEN n.timezone END AS timezone,
    CASE WHEN s.i = 1 THEN n.metric_name END AS metric_name,
    CASE WHEN s.i = 1 THEN n.anomaly_score END AS anomaly_score,
    n.metrics,
    n.shares,
    CASE WHEN s.i <= n.metrics THEN n.time_series[s.i].metric_value END AS metric_value,
    CASE WHEN s.i <= n.metrics THEN n.time_series[s.i].dimensions END AS dimensions,
    CASE WHEN s.i <= n.shares THEN n.contributions[s.i].dimension_name END AS dimension_name,
    CASE WHEN s.i <= n.shares THEN n.contributions[s.i].dimension_value END AS dimension_value,
    CASE WHEN s.i <= n.shares THEN n.contributions[s.i].value_contribution END AS value_contribution,
    n.severity_rank,
    n.rows_before
  FROM (
    SELECT
      f.*,
      row_number() OVER (ORDER BY f.anomaly_score DESC, f."timestamp", f.detector_arn, f.metric_name, f.group_id) AS severity_rank,
      sum(greatest(f.metrics, f.shares)) OVER (
        ORDER BY f.anomaly_score DESC, f."timestamp", f.detector_arn, f.metric_name, f.group_id
        ROWS BETWEEN UNBOUNDED PRECEDING AND CURRENT ROW
      ) - greatest(f.metrics, f.shares) AS rows_before
    FROM (
      SELECT
        r.detector,
        r.alert_id,
        substr(r.digest, 1, 16) AS digest,
        r.detector_arn,
        coalesce(r.anomaly_group_id, r.alert_event_id) AS group_id,
        r."timestamp",
        r.timezone,
        r.metric_name,
        r.anomaly_score,
        r.time_series,
        r.contributions,
        cardinality(r.time_series) AS metrics,
        cardinality(r.contributions) AS shares,
        row_number() OVER (
          PARTITION BY r.detector, r.day, r.detector_arn, coalesce(r.anomaly_group_id, r.alert_event_id), r.metric_name, date_trunc('second', r."timestamp")
          ORDER BY cardinality(r.time_series) DESC, r.anomaly_score DESC, r.alert_id
        ) AS choice
      FROM shown_rows AS r
    ) AS f
    WHERE f.choice = 1
  ) AS n
  CROSS JOIN UNNEST(
    CASE
      WHEN n.metrics = 0 AND n.shares = 0 THEN ARRAY[1]
      WHEN n.metrics < n.shares THEN transform(n.contributions, x -> 1)
      ELSE transform(n.time_series, x -> 1)
    END
  ) WITH ORDINALITY AS s (element, i)
  WHERE n.severity_rank <= :group_intervals AND (s.i = 1 OR n.rows_before < :rows)
) AS q
