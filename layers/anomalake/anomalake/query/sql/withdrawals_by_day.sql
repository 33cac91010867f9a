-- One row for each body of an alert that is withdrawn: when and why; with its partition.
SELECT
  w.detector,
  w.detector_arn,
  w.alert_event_id,
  w."timestamp",
  w.timezone,
  w.local_timestamp,
  w.metric_name,
  w.decided_at AS withdrawn_at,
  w.reason,
  w.alert_id,
  w.digest,
  w.day
FROM withdrawn_bodies AS w
