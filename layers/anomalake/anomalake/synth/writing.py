"""A shop as files: rows in L4M's layout, labels, and a detector file."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Final

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.csv as pa_csv

from anomalake.files import unfinished, write_whole
from anomalake.model.metrics import Metrics
from anomalake.synth.events import KINDS, Ints
from anomalake.synth.shop import Shop

# Rows that are converted to text at once.
_ROWS: Final = 500_000
# No value needs quotes, but pyarrow would quote the header.
_PLAIN: Final = pa_csv.WriteOptions(include_header=False, quoting_style="none")


def write_shop(
    shop: Shop, folder: Path, live: int = 0, progress: Callable[[int, int], None] | None = None
) -> list[Path]:
    """Write a shop to a folder; existing files are replaced.

    Parameters
    ----------
    live
        Number of the last intervals that become live folders; the earlier ones are ``backtest/input.csv``.
    progress
        Called with the number of intervals that are written, and of all.

    Returns
    -------
    list
        ``backtest/input.csv``, ``labels.csv``, ``detector.yaml``, and ``live`` if there is one.
    """
    n_history = len(shop.metrics.starts) - live
    history, labels = folder / "backtest" / "input.csv", folder / "labels.csv"
    history.parent.mkdir(parents=True, exist_ok=True)
    step = max(1, _ROWS // len(shop.metrics.combinations))
    spans = range(0, n_history, step)
    report = progress if progress is not None else _no_progress

    def history_rows() -> Iterator[pa.Table]:
        for first in spans:
            report(first, len(shop.metrics.starts))
            yield _rows(shop.metrics, first, min(first + step, n_history))

    _write_csv(history, history_rows())
    for at in range(n_history, len(shop.metrics.starts)):
        report(at, len(shop.metrics.starts))
        start = shop.metrics.starts[at].item()
        path = folder / "live" / f"{start:%Y%m%d}" / f"{start:%H%M}" / f"{start:%Y%m%d_%H%M%S}.csv"
        path.parent.mkdir(parents=True, exist_ok=True)
        _write_csv(path, [_rows(shop.metrics, at, at + 1)])
    report(len(shop.metrics.starts), len(shop.metrics.starts))
    _write_csv(labels, [labels_of(shop)])
    detector = folder / "detector.yaml"
    write_whole(detector, detector_file(shop).encode("utf-8"))
    return [history, labels, detector, *([folder / "live"] if live else [])]


def _no_progress(done: int, total: int) -> None:
    """Report nothing."""


def labels_of(shop: Shop) -> pa.Table:
    """The anomalous points, by time: timestamp, dimensions, measure, is_anomaly (1), event, kind."""
    event, series, at = shop.events.points()
    labelled = shop.labels[:, series, at]
    measure, point = np.nonzero(labelled)
    order = np.lexsort((measure, series[point], at[point]))
    measure, point = measure[order], point[order]
    columns = _stamps(shop.metrics, at[point]) | _dimensions(shop.metrics, series[point])
    columns["measure"] = pa.array(shop.metrics.measures).take(pa.array(measure))
    columns["is_anomaly"] = pa.array(np.ones(len(point), np.int8))
    columns["event"] = pa.array(event[point] + 1)
    columns["kind"] = pa.array(KINDS).take(pa.array(shop.events.kind[event[point]]))
    return pa.table(columns)


def detector_file(shop: Shop) -> str:
    """The detector file of the shop; its paths are relative to the file."""
    settings = shop.settings
    lines = [
        f"AnomalyDetectorName: {'hard-shop' if settings.hard else 'shop'}",
        f"AnomalyDetectorDescription: Synthetic {'hard ' if settings.hard else ''}shop, seed {settings.seed}",
        "AnomalyDetectorConfig:",
        f"  AnomalyDetectorFrequency: {settings.frequency}",
        "MetricSet:",
        "  MetricSetName: shop",
        f"  MetricSetFrequency: {settings.frequency}",
        "  Timezone: UTC",
        "  TimestampColumn:",
        "    ColumnName: timestamp",
        "    ColumnFormat: yyyy-MM-dd HH:mm:ss",
        "  DimensionList:",
        *(f"    - {name}" for name in shop.metrics.dimension_names),
        "  MetricList:",
    ]
    for name in shop.metrics.measures:
        lines += [f"    - MetricName: {name}", "      AggregationFunction: SUM"]
    lines += [
        "  MetricSource:",
        "    S3SourceConfig:",
        "      HistoricalDataPathList:",
        "        - backtest/",
        "      TemplatedPathList:",
        "        - live/{{yyyyMMdd}}/{{HHmm}}",
        "      FileFormatDescriptor:",
        "        CsvFormatDescriptor:",
        "          ContainsHeader: true",
        '          Delimiter: ","',
    ]
    if shop.holidays:
        lines += ["Holidays:", *(f"  - {day.isoformat()}" for day in shop.holidays)]
    return "\n".join(lines) + "\n"


def _write_csv(path: Path, tables: Iterable[pa.Table]) -> None:
    with unfinished(path) as hidden, hidden.open("wb") as out:
        for table in tables:
            if not out.tell():
                out.write((",".join(table.schema.names) + "\n").encode("ascii"))
            pa_csv.write_csv(table, out, _PLAIN)


def _rows(metrics: Metrics, first: int, end: int) -> pa.Table:
    """Rows of a span by time, without missing ones."""
    values = metrics.values[:, :, first:end].transpose(0, 2, 1)
    at, series = np.nonzero(~np.isnan(values[0]))
    columns = _stamps(metrics, at + first) | _dimensions(metrics, series)
    for name, measured in zip(metrics.measures, values, strict=True):
        column = pa.array(measured[at, series])
        columns[name] = pc.cast(column, pa.int64()) if name == "views" else column
    return pa.table(columns)


def _stamps(metrics: Metrics, at: Ints) -> dict[str, pa.Array]:
    # Each instant is converted once for all its rows.
    which, place = np.unique(at, return_inverse=True)
    texts = [text.replace("T", " ") for text in np.datetime_as_string(metrics.starts[which], unit="s").tolist()]
    return {"timestamp": pa.array(texts, pa.string()).take(pa.array(place))}


def _dimensions(metrics: Metrics, series: Ints) -> dict[str, pa.Array]:
    values = zip(*metrics.combinations, strict=True)
    taken = pa.array(series)
    return {
        name: pa.array(column, pa.string()).take(taken)
        for name, column in zip(metrics.dimension_names, values, strict=True)
    }
