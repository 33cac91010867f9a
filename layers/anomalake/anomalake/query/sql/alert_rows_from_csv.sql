-- The rows of alert_rows, decoded from the CSV table, for a lake without Parquet. An empty cell is null, the cell % is an empty
-- text, and every other text is percent-encoded.
SELECT
  c.alert_id,
  c.digest,
  CASE WHEN c.detector_arn = '' THEN NULL WHEN c.detector_arn = '%' THEN '' ELSE url_decode(c.detector_arn) END AS detector_arn,
  CASE WHEN c.alert_event_id = '' THEN NULL WHEN c.alert_event_id = '%' THEN '' ELSE url_decode(c.alert_event_id) END AS alert_event_id,
  CASE WHEN c.anomaly_group_id = '' THEN NULL WHEN c.anomaly_group_id = '%' THEN '' ELSE url_decode(c.anomaly_group_id) END AS anomaly_group_id,
  -- Athena has milliseconds, and a cast would round up to the next second.
  CAST(substr(c."timestamp", 1, 23) AS timestamp) AS "timestamp",
  CASE WHEN c.timezone = '' THEN NULL WHEN c.timezone = '%' THEN '' ELSE url_decode(c.timezone) END AS timezone,
  CAST(substr(c.local_timestamp, 1, 23) AS timestamp) AS local_timestamp,
  CASE WHEN c.metric_name = '' THEN NULL WHEN c.metric_name = '%' THEN '' ELSE url_decode(c.metric_name) END AS metric_name,
  CAST(NULLIF(c.anomaly_score, '') AS double) AS anomaly_score,
  CASE WHEN c.alert_name = '' THEN NULL WHEN c.alert_name = '%' THEN '' ELSE url_decode(c.alert_name) END AS alert_name,
  CASE WHEN c.alert_arn = '' THEN NULL WHEN c.alert_arn = '%' THEN '' ELSE url_decode(c.alert_arn) END AS alert_arn,
  CASE WHEN c.alert_description = '' THEN NULL WHEN c.alert_description = '%' THEN '' ELSE url_decode(c.alert_description) END AS alert_description,
  CASE WHEN c.console_url = '' THEN NULL WHEN c.console_url = '%' THEN '' ELSE url_decode(c.console_url) END AS console_url,
  CAST(
    json_parse(url_decode(c.time_series)) AS ARRAY(ROW(time_series_id VARCHAR, dimensions MAP(VARCHAR, VARCHAR), metric_value DECIMAL(38, 20)))
  ) AS time_series,
  CAST(
    json_parse(url_decode(c.contributions)) AS ARRAY(ROW(dimension_name VARCHAR, dimension_value VARCHAR, value_contribution BIGINT))
  ) AS contributions,
  c.detector,
  c.day
FROM alert_rows_csv AS c
