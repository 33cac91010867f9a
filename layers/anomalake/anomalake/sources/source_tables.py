"""What reading source data needs of an engine that holds it as a table."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime
from typing import Protocol

import pyarrow as pa

from anomalake.definitions.metric_set import MetricSet


class SourceTables(Protocol):
    """Athena, or what stands for it."""

    def rows(self, metric_set: MetricSet, low: datetime | None, high: datetime | None) -> Iterator[pa.RecordBatch]:
        """The table's rows with the metric set's columns: timestamps and dimensions as text, measures as numbers.

        Parameters
        ----------
        low, high
            Moments that rows are wanted from, and before; more may come. None: without end.

        Raises
        ------
        StoreError
            The engine cannot answer.
        """
        ...
