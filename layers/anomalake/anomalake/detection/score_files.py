"""Tested points of a backtest as a Parquet file."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Final

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.parquet as pq

from anomalake.files import unfinished

if TYPE_CHECKING:
    from anomalake.records.backtests import Backtest

SCHEMA: Final = pa.schema(
    [
        pa.field("measure", pa.string(), nullable=False),
        pa.field("dimensions", pa.map_(pa.string(), pa.string()), nullable=False),
        pa.field("timestamp", pa.timestamp("us", tz="UTC"), nullable=False),
        pa.field("value", pa.float64(), nullable=False),
        pa.field("expected", pa.float64()),
        pa.field("lower", pa.float64()),
        pa.field("upper", pa.float64()),
        pa.field("severity", pa.float64(), nullable=False),
        pa.field("is_anomaly", pa.bool_(), nullable=False),
    ]
)

# Number of points in memory as rows at a time.
_POINTS: Final = 250_000
# Columns with a dictionary; the others have numbers, which hardly repeat.
_DICTIONARY: Final = ["measure", "dimensions.key_value.key", "dimensions.key_value.value", "timestamp"]


def write_scores(path: Path, backtest: Backtest) -> int:
    """Write the observed tested points, metric by metric, each by time; the file is replaced when it is complete.

    The columns are those of `SCHEMA`. `expected` is null where the model did not know the metric well enough; `lower`
    and `upper` are null there, and where that side is open.

    Returns
    -------
    int
        Number of points.

    Raises
    ------
    OSError
        The file cannot be written.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    n_points = 0
    with (
        unfinished(path) as hidden,
        pq.ParquetWriter(hidden, SCHEMA, compression="zstd", use_dictionary=_DICTIONARY) as out,
    ):
        for batch in _batches(backtest):
            out.write_batch(batch)
            n_points += batch.num_rows
    return n_points


def _batches(backtest: Backtest) -> Iterator[pa.RecordBatch]:
    metrics = backtest.metrics
    n_combinations = len(metrics.combinations)
    names = pa.array(metrics.measures, pa.string())
    dimensions = pa.array([list(metrics.dimensions(k)) for k in range(n_combinations)], SCHEMA.field("dimensions").type)
    starts = metrics.starts[backtest.first :].astype("datetime64[us]")
    at_once = max(1, _POINTS // max(1, backtest.tested))
    for start in range(0, metrics.n_metrics, at_once):
        values, judgement = backtest.judged.rows(start, min(start + at_once, metrics.n_metrics))
        rows, columns = np.nonzero(~np.isnan(values))
        metric = rows + start
        yield pa.RecordBatch.from_arrays(
            [
                names.take(pa.array(metric // n_combinations)),
                dimensions.take(pa.array(metric % n_combinations)),
                pa.array(starts[columns]).cast(SCHEMA.field("timestamp").type),
                pa.array(values[rows, columns]),
                _nullable(judgement.expected[rows, columns]),
                _nullable(judgement.lower[rows, columns]),
                _nullable(judgement.upper[rows, columns]),
                pa.array(judgement.severity[rows, columns]),
                pa.array(judgement.is_anomaly[rows, columns]),
            ],
            schema=SCHEMA,
        )


def _nullable(numbers: npt.NDArray[np.float64]) -> pa.Array:
    return pa.array(numbers, mask=~np.isfinite(numbers))
