-- The rows of alert_rows without the bodies of alerts that are withdrawn. All relations read this relation. In a lake without
-- withdrawals it is alert_rows.
SELECT
  a.*
FROM alert_rows AS a
LEFT JOIN withdrawn_bodies AS w
  ON a.detector = w.detector
  AND a.day = w.day
  AND a.alert_id = w.alert_id
  AND a.digest = w.digest
WHERE w.digest IS NULL
