-- Which anomalies do all alerts report, in all their bodies, with the affected metrics and the contributing dimension values?
-- Row i of an alert has its i-th affected metric and its i-th contribution of a dimension value.
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
  q.value_contribution
FROM (
  SELECT
    a.detector,
    a.alert_id,
    substr(a.digest, 1, 16) AS digest,
    s.i,
    CASE WHEN s.i = 1 THEN a.detector_arn END AS detector_arn,
    CASE WHEN s.i = 1 THEN coalesce(a.anomaly_group_id, a.alert_event_id) END AS group_id,
    CASE WHEN s.i = 1 THEN a."timestamp" END AS "timestamp",
    CASE WHEN s.i = 1 THEN a.timezone END AS timezone,
    CASE WHEN s.i = 1 THEN a.metric_name END AS metric_name,
    CASE WHEN s.i = 1 THEN a.anomaly_score END AS anomaly_score,
    cardinality(a.time_series) AS metrics,
    cardinality(a.contributions) AS shares,
    CASE WHEN s.i <= cardinality(a.time_series) THEN a.time_series[s.i].metric_value END AS metric_value,
    CASE WHEN s.i <= cardinality(a.time_series) THEN a.time_series[s.i].dimensions END AS dimensions,
    CASE WHEN s.i <= cardinality(a.contributions) THEN a.contributions[s.i].dimension_name END AS dimension_name,
    CASE WHEN s.i <= cardinality(a.contributions) THEN a.contributions[s.i].dimension_value END AS dimension_value,
    CASE WHEN s.i <= cardinality(a.contributions) THEN a.contributions[s.i].value_contribution END AS value_contribution
  FROM rows_in_force AS a
  CROSS JOIN UNNEST(
    CASE
      WHEN cardinality(a.time_series) = 0 AND cardinality(a.contributions) = 0 THEN ARRAY[1]
      WHEN cardinality(a.time_series) < cardinality(a.contributions) THEN transform(a.contributions, x -> 1)
      ELSE transform(a.time_series, x -> 1)
    END
  ) WITH ORDINALITY AS s (element, i)
) AS q
