-- Which dimension values contribute most to a measure's anomalies, on average and in how many?
SELECT
  c.detector,
  c.metric_name,
  c.dimension_name,
  c.dimension_value,
  count(*) AS anomalies,
  avg(CAST(c.value_contribution AS double)) AS mean_contribution
FROM dimension_contributions AS c
GROUP BY c.detector, c.metric_name, c.dimension_name, c.dimension_value
ORDER BY anomalies DESC, mean_contribution DESC, c.detector, c.metric_name, c.dimension_name, c.dimension_value
LIMIT 50
