"""Results of ``backtest`` and ``detect`` as one JSON object; docs/commands.md describes the members."""

from __future__ import annotations

import json
import math
import sys
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

from anomalake.definitions.detector import Detector
from anomalake.definitions.settings import DetectionSettings
from anomalake.services.backtests.backtest import BacktestOutcome, Evaluation, LoadedAlerts
from anomalake.services.detect import DetectedInterval, rules_of
from anomalake.services.group_rows import group_rows

if TYPE_CHECKING:
    import numpy as np


def backtest_report(outcome: BacktestOutcome, lake: str | None = None, scores: Path | None = None) -> dict[str, Any]:
    """Return a backtest in JSON's types."""
    tested, metrics, read = outcome.backtest, outcome.backtest.metrics, asdict(outcome.read)
    problems = read.pop("problems")
    rows = group_rows(tested.groups, rules_of(outcome.detector), DetectionSettings.of(outcome.detector))
    first, first_tested, last = (_instant(metrics.starts[at]) for at in (0, tested.first, -1))
    return {
        **_of(outcome.detector),
        "metrics": metrics.n_metrics,
        "intervals": {
            "first": first,
            "first_tested": first_tested,
            "last": last,
            "trained": tested.first,
            "tested": tested.tested,
            "with_rows": int(metrics.has_value.sum()),
        },
        "rows": read,
        "points": {
            "tested": tested.n_points,
            "anomalous": sum(tested.points_by_measure().values()),
            "anomalous_by_measure": tested.points_by_measure(),
        },
        "groups": [_json_group(asdict(row)) for row in rows],
        "evaluation": _evaluation(outcome.evaluated),
        "scores": None if outcome.scored is None else {"file": str(scores), "points": outcome.scored},
        "alerts": None if outcome.sent is None else {"lake": lake, **_alerts(outcome.sent)},
        "problems": [*problems, *outcome.unread],
    }


def detection_report(detector: Detector, lake: str, intervals: Sequence[DetectedInterval]) -> dict[str, Any]:
    """Return the executions of a detector in JSON's types."""
    return {
        **_of(detector),
        "lake": lake,
        "executions": [interval.execution.to_fields() for interval in intervals],
        "problems": [interval.unregistered for interval in intervals if interval.unregistered is not None],
    }


def print_report(report: dict[str, Any]) -> None:
    """Print a report on standard output; NaN becomes null, and all characters are ASCII."""
    sys.stdout.write(json.dumps(_finite(report), indent=2, allow_nan=False) + "\n")


def _of(detector: Detector) -> dict[str, Any]:
    return {
        "detector": detector.name,
        "detector_arn": detector.arn,
        "frequency": detector.frequency,
        "timezone": detector.timezone,
        "measures": list(detector.metric_set.measures),
        "dimensions": list(detector.metric_set.dimension_list),
    }


def _json_group(row: dict[str, Any]) -> dict[str, Any]:
    return {**row, "start": row["start"].isoformat(), "end": row["end"].isoformat()}


def _evaluation(evaluated: Evaluation | None) -> dict[str, Any] | None:
    if evaluated is None:
        return None
    return {"labelled": evaluated.labelled, "unknown": evaluated.unknown, **asdict(evaluated.figures)}


def _alerts(sent: LoadedAlerts) -> dict[str, Any]:
    summary = sent.summary
    return {
        "loaded": summary.loaded,
        "repeated": summary.repeated,
        "withdrawn": sent.withdrawn,
        "clashes": summary.clashes,
        "refused": summary.refused + len(sent.too_large),
        "failed": summary.failed,
        "points_written": sent.points_written,
        "problems": [*summary.reasons, *sent.too_large, *([sent.unregistered] if sent.unregistered else [])],
    }


def _instant(start: np.datetime64) -> str:
    return f"{start.astype('datetime64[s]')}+00:00"


def _finite(value: Any) -> Any:
    if isinstance(value, dict):
        return {name: _finite(member) for name, member in value.items()}
    if isinstance(value, (list, tuple)):
        return [_finite(member) for member in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value
