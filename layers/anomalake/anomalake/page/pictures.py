"""A chart of metrics with their expected range and their anomalies, as Vega-Lite."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import UTC, datetime
from typing import Any, Final
from zoneinfo import ZoneInfo

import numpy as np
import numpy.typing as npt

from anomalake.frequencies import FREQUENCIES
from anomalake.groups.anomaly_group import Group
from anomalake.model.judgement import Judgement
from anomalake.model.metrics import Metrics

#: Most metrics of a chart, and most intervals of a metric.
MOST_METRICS: Final = 50
MOST_INTERVALS: Final = 2_000

_LONGEST_LABEL: Final = 100
_WIDTH, _HEIGHT = 720, 100
_LINE, _BAND, _ANOMALY = "#4c566a", "#88aadd", "#c4122f"


def picture(metrics: Metrics, judgement: Judgement, groups: Sequence[Group], most: int) -> dict[str, Any]:
    """Return a chart of the metrics with the worst anomalies, worst first, as Vega-Lite.

    If there are more than `MOST_INTERVALS`, those about the worst of the drawn anomalies are shown.

    Parameters
    ----------
    groups
        Groups whose metrics are drawn. Without a group, the metrics with the most unusual points are drawn.
    most
        Most metrics.
    """
    rows = _rows_of_groups(metrics, groups, most) or _most_unusual(judgement, most)
    first, end = _span(metrics, judgement, rows, groups)
    labels = [_label(metrics, row) for row in rows]
    values = [
        point
        for row, label in zip(rows, labels, strict=True)
        for point in _points(metrics, judgement, row, label, first, end)
    ]
    axis = _time_axis(metrics, end - first)
    x = {"field": "t", "type": "temporal", "title": None, "scale": {"type": "utc"}, "axis": axis}
    y = {"type": "quantitative", "title": None, "scale": {"zero": False}, "axis": {"tickCount": 4}}
    sizes = {"domain": [50, 100], "range": [20, 120]}
    severity = {"field": "s", "type": "quantitative", "legend": None, "scale": sizes}
    line = {"strokeWidth": 1, "color": _LINE}
    layers = [
        {
            "mark": {"type": "area", "color": _BAND, "opacity": 0.35},
            "encoding": {"x": x, "y": {**y, "field": "l"}, "y2": {"field": "u"}},
        },
        {"mark": {"type": "line", **line, "strokeDash": [2, 2]}, "encoding": {"x": x, "y": {**y, "field": "e"}}},
        {"mark": {"type": "line", **line}, "encoding": {"x": x, "y": {**y, "field": "v"}}},
        {
            "transform": [{"filter": "isValid(datum.a)"}],
            "mark": {"type": "point", "filled": True, "color": _ANOMALY, "opacity": 1},
            "encoding": {"x": x, "y": {**y, "field": "a"}, "size": severity},
        },
    ]
    return {
        "$schema": "https://vega.github.io/schema/vega-lite/v5.json",
        "description": f"{len(rows)} metrics with their expected range and their anomalies",
        "data": {"values": values},
        "facet": {
            "row": {
                "field": "m",
                "type": "nominal",
                "title": None,
                "sort": labels,
                "header": {"labelAngle": 0, "labelOrient": "top", "labelAnchor": "start", "labelLimit": _WIDTH},
            }
        },
        "spec": {"width": _WIDTH, "height": _HEIGHT, "layer": layers},
        "resolve": {"scale": {"y": "independent"}},
        "config": {"view": {"stroke": None}},
    }


def _rows_of_groups(metrics: Metrics, groups: Iterable[Group], most: int) -> list[int]:
    """Return the metrics of groups, those of the worst group first, and of a group by their severity."""
    n_combinations = len(metrics.combinations)
    combinations = {metrics.dimensions(k): k for k in range(n_combinations)}
    rows: dict[int, None] = {}
    for group in sorted(groups, key=lambda group: (-group.score, group.start, group.measure)):
        worst: dict[int, float] = {}
        for interval in group.intervals:
            for metric in interval.affected:
                if metric.dimensions in combinations:
                    row = metrics.measures.index(group.measure) * n_combinations + combinations[metric.dimensions]
                    worst[row] = max(worst.get(row, 0.0), metric.severity)
        rows.update(dict.fromkeys(sorted(worst, key=lambda row: (-worst[row], row))))
        if len(rows) >= most:
            break
    return list(rows)[:most]


def _most_unusual(judgement: Judgement, most: int) -> list[int]:
    worst = judgement.severity.max(axis=1, initial=0.0)
    return [int(row) for row in np.argsort(-worst, kind="stable")[:most]]


def _span(metrics: Metrics, judgement: Judgement, rows: Sequence[int], groups: Sequence[Group]) -> tuple[int, int]:
    """Return the first judged interval to show, and the one after the last."""
    n_judged = judgement.severity.shape[1]
    if len(groups) == 1:
        seconds = metrics.starts[judgement.first :].astype("datetime64[s]").astype(np.int64)
        group = groups[0]
        begin, last = (int(np.searchsorted(seconds, int(at.timestamp()))) for at in (group.start, group.end))
        around = max(2 * FREQUENCIES[metrics.frequency].day_length, 12, last - begin)
        first, end = max(0, begin - around), min(n_judged, last + around + 1)
    else:
        first, end = 0, n_judged
    if end - first > MOST_INTERVALS:
        worst = first + int(np.argmax(judgement.severity[rows, first:end].max(axis=0))) if rows else first
        first = min(max(first, worst - MOST_INTERVALS // 2), end - MOST_INTERVALS)
        end = first + MOST_INTERVALS
    return first, end


def _time_axis(metrics: Metrics, n_intervals: int) -> dict[str, Any]:
    days = n_intervals * FREQUENCIES[metrics.frequency].seconds / 86_400
    format_ = "%d %b %H:%M" if days < 10 else "%d %b" if days < 300 else "%b %Y"
    return {"format": format_, "tickCount": 6, "labelOverlap": True}


def _points(
    metrics: Metrics, judgement: Judgement, row: int, label: str, first: int, end: int
) -> Iterable[dict[str, Any]]:
    span = slice(first, end)
    starts = metrics.starts[judgement.first :][span].astype("datetime64[s]").astype(np.int64).tolist()
    values = metrics.flat[row, judgement.first :][span]
    expected = judgement.expected[row, span]
    known = np.isfinite(expected)
    shown = np.concatenate([values[np.isfinite(values)], expected[known]])
    # A side of the range that is open goes to the edge of what is shown.
    lower, upper = judgement.lower[row, span], judgement.upper[row, span]
    if len(shown):
        lower = np.where(known & ~np.isfinite(lower), shown.min(), lower)
        upper = np.where(known & ~np.isfinite(upper), shown.max(), upper)
    flagged = np.where(judgement.is_anomaly[row, span], values, np.nan)
    zone = ZoneInfo(metrics.timezone)
    columns = [_numbers(column) for column in (values, expected, lower, upper, flagged)]
    for second, *numbers, severity in zip(starts, *columns, judgement.severity[row, span].tolist(), strict=True):
        # The wall clock, drawn as if it were UTC, so that the zone of this machine has no effect.
        wall_clock = datetime.fromtimestamp(second, UTC).astimezone(zone)
        yield {"m": label, "t": f"{wall_clock:%Y-%m-%dT%H:%M:%S}Z", "s": severity} | dict(
            zip("velua", numbers, strict=True)
        )


def _numbers(column: npt.NDArray[np.float64]) -> list[float | None]:
    return [number if np.isfinite(number) else None for number in column.tolist()]


def _label(metrics: Metrics, row: int) -> str:
    measure, combination = divmod(row, len(metrics.combinations))
    dimensions = [f"{name}={value}" for name, value in metrics.dimensions(combination)]
    text = ", ".join([metrics.measures[measure], *dimensions])
    return text if len(text) <= _LONGEST_LABEL else f"{text[:_LONGEST_LABEL]}… ({row})"
