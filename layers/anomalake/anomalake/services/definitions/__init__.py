"""Detectors, metric sets and alerts: what the API makes, changes and finds (docs/adr/0014)."""

from __future__ import annotations

from anomalake.services.definitions.lookup import alert_by_arn as alert_by_arn
from anomalake.services.definitions.lookup import detector_by_arn as detector_by_arn
from anomalake.services.definitions.lookup import metric_set_by_arn as metric_set_by_arn
