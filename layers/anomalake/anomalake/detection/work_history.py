"""A history whose values are blocks of series in a work folder (docs/adr/0016)."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import Final

import numpy as np

from anomalake.detection.arrow_blocks import batch_of_bytes, values_of_batch
from anomalake.model.array_types import BoolArray, FloatArray, TimeArray
from anomalake.model.metrics import Metrics, StoredMetrics
from anomalake.records.work import WorkFolder
from anomalake.storage.store import ObjectStore

#: Name of the objects with the values of a block.
GIVEN: Final = "given"


@dataclass(frozen=True, slots=True, eq=False)
class Span:
    """Intervals whose values are in the blocks of a work folder.

    Attributes
    ----------
    folder
        The work folder.
    frequency, timezone, starts
        The intervals, as in `Metrics`.
    first
        Index of the first of them in the blocks.
    left_out
        Intervals whose values are not used; None for none.
    """

    folder: str
    frequency: str
    timezone: str
    starts: TimeArray
    first: int = 0
    left_out: BoolArray | None = None

    def values(self, store: ObjectStore, number: int) -> FloatArray:
        """Read the values of a block."""
        values = values_of_batch(batch_of_bytes(WorkFolder(store, self.folder).get(GIVEN, number)))
        values = np.ascontiguousarray(values[:, self.first : self.first + len(self.starts)])
        return values if self.left_out is None else np.where(self.left_out, np.nan, values)

    def metrics(self, store: ObjectStore, number: int) -> Metrics:
        """Read the values of a block as metrics with other names."""
        values = self.values(store, number)
        names = tuple((str(index),) for index in range(len(values)))
        return Metrics(self.frequency, self.timezone, self.starts, ("",), ("series",), names, values[None])


@dataclass(frozen=True, slots=True, eq=False)
class WorkHistory(StoredMetrics):
    """A history whose values are in a work folder.

    Attributes
    ----------
    span
        Where its intervals are.
    series_with_value
        Number of metrics with a value in any interval of the folder.
    """

    span: Span = field(kw_only=True)

    def between(self, first: int, last: int) -> WorkHistory:
        """Return the intervals from index `first` up to `last`, the latter excluded."""
        left_out = self.span.left_out
        span = replace(
            self.span,
            starts=self.starts[first:last],
            first=self.span.first + first,
            left_out=None if left_out is None else left_out[first:last],
        )
        return replace(
            self,
            starts=span.starts,
            values=self.values[:, :, first:last],
            intervals_with_value=self.intervals_with_value[first:last],
            span=span,
        )

    def without(self, left_out: BoolArray) -> WorkHistory:
        """Return the history with some intervals that count as not observed."""
        if not left_out.any():
            return self
        return replace(
            self,
            intervals_with_value=self.intervals_with_value & ~left_out,
            span=replace(self.span, left_out=left_out),
        )
