"""Reading of files into an aggregation: rows within a window, and the problems of invalid rows."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from anomalake.definitions.intervals import NO_INSTANT, floor_to_starts
from anomalake.definitions.metric_set import MetricSet, ParquetFormat
from anomalake.model.metrics import Metrics
from anomalake.sources.aggregation import Aggregation
from anomalake.sources.columns import Instants, number_fault, read_numbers, value_fault
from anomalake.sources.csv_rows import csv_blocks, csv_texts
from anomalake.sources.file_bytes import FileText
from anomalake.sources.json_rows import json_blocks
from anomalake.sources.parquet_rows import parquet_blocks
from anomalake.sources.ports import ByteStream
from anomalake.sources.rows import Notes, RowBlock, SourceFileError


@dataclass(frozen=True, slots=True)
class Window:
    """A span of time in seconds since 1970: from `low` on, before `high`; None: no limit."""

    low: int | None
    high: int | None


@dataclass(slots=True)
class RowCounts:
    """Numbers of valid rows."""

    files: int = 0
    used: int = 0
    outside: int = 0
    future: int = 0
    filtered: int = 0
    missing: int = 0


class FileReader:
    """Reads files of one metric set.

    Parameters
    ----------
    metric_set
        The metric set.

    Attributes
    ----------
    aggregation, counts, notes, instants
        Results of reading.
    """

    def __init__(self, metric_set: MetricSet) -> None:
        self.metric_set = metric_set
        self.aggregation = Aggregation(metric_set)
        self.counts = RowCounts()
        self.notes = Notes()
        self.instants = Instants(metric_set)
        places = {name: place for place, name in enumerate(metric_set.dimension_list)}
        self._filters = [(places[item.name], frozenset(item.values)) for item in metric_set.dimension_filter_list]

    def read(self, place: str, stream: ByteStream, window: Window, again: Callable[[], ByteStream]) -> None:
        """Read a file.

        Parameters
        ----------
        place
            Name of the file.
        window
            Rows outside are only counted.
        again
            Opens the file again, to find the lines of invalid rows.
        """
        self.counts.files += 1
        before = self.notes.bad
        listed = len(self.notes.problems)
        text = None
        if not isinstance(self.metric_set.file_format, ParquetFormat):
            text = FileText(stream, self.metric_set.file_format.charset)
        try:
            for block in self._blocks(place, stream, text):
                self.add(block, window, place)
        except SourceFileError as fault:
            lines = 1 if text is None else max(1, text.drain())
            self.notes.add(f"{place}: {fault}; {lines} rows lost", lines)
            return
        if text is not None and text.broken:
            self.notes.add(f"{place}: {text.broken}; rows until then are used", 1)
        unlisted = self.notes.bad - before > len(self.notes.problems) - listed
        if unlisted and self.metric_set.kind == "csv" and not self.notes.full:
            self._explain(place, again)

    def add(self, block: RowBlock, window: Window, place: str) -> None:
        """Add the valid rows of a block, and note the invalid ones."""
        instants = self.instants.read(block.timestamps)
        bad = instants == NO_INSTANT
        codes = [codes.read(column) for codes, column in zip(self.aggregation.codes, block.dimensions, strict=True)]
        for column in codes:
            bad |= column < 0
        values = []
        for column in block.measures:
            numbers, faulty = read_numbers(column)
            bad |= faulty
            values.append(numbers)
        if bad.any():
            self.notes.bad += int(bad.sum())
            if block.lines is not None:
                self._describe(block, bad, place)
        wanted = ~bad
        if window.low is not None:
            outside = wanted & (instants < window.low)
            self.counts.outside += int(outside.sum())
            wanted &= ~outside
        if window.high is not None:
            future = wanted & (instants >= window.high)
            self.counts.future += int(future.sum())
            wanted &= ~future
        for place_, allowed in self._filters:
            known = self.aggregation.codes[place_].values
            passes = np.array([value in allowed for value in known], np.bool_)
            kept = wanted.copy()
            kept[wanted] = passes[codes[place_][wanted]]
            self.counts.filtered += int((wanted & ~kept).sum())
            wanted = kept
        self._use(instants, codes, values, wanted)

    def metrics(self) -> Metrics:
        """Return the metrics of the rows; raises `LimitExceededError`.

        Sums are missing in both intervals of wall-clock times that the zone has twice (see `doubled`), because no row
        tells to which of the two it belongs.
        """
        metrics = self.aggregation.metrics()
        unknown = np.isin(metrics.starts.astype(np.int64), self.doubled)
        for place, measure in enumerate(self.metric_set.metric_list):
            if measure.aggregation_function == "SUM":
                metrics.values[place][:, unknown] = np.nan
        return metrics

    @property
    def doubled(self) -> npt.NDArray[np.int64]:
        """Starts of the intervals with wall-clock times that occur again in another interval, and of those others."""
        pairs = np.array(sorted(self.instants.repeated.items()), np.int64).reshape(-1, 2)
        starts = floor_to_starts(pairs.ravel(), self.metric_set.frequency, self.metric_set.timezone).reshape(-1, 2)
        return np.unique(starts[starts[:, 0] != starts[:, 1]])

    def _use(
        self,
        instants: npt.NDArray[np.int64],
        codes: list[npt.NDArray[np.int64]],
        values: list[npt.NDArray[np.float64]],
        wanted: npt.NDArray[np.bool_],
    ) -> None:
        if not wanted.all():
            instants = instants[wanted]
            codes = [column[wanted] for column in codes]
            values = [column[wanted] for column in values]
        self.counts.used += len(instants)
        self.counts.missing += sum(int(np.isnan(column).sum()) for column in values)
        starts = floor_to_starts(instants, self.metric_set.frequency, self.metric_set.timezone)
        self.aggregation.add(instants, starts, codes, values)

    def _blocks(self, place: str, stream: ByteStream, text: FileText | None) -> Iterator[RowBlock]:
        if text is None:
            return parquet_blocks(stream, self.metric_set)
        if self.metric_set.kind == "json":
            return json_blocks(text, self.metric_set, place, self.notes)
        return csv_blocks(text, self.metric_set, place, self.notes)

    def _describe(self, block: RowBlock, bad: npt.NDArray[np.bool_], place: str) -> None:
        """Describe the invalid rows of a block with known lines."""
        assert block.lines is not None
        for row in np.flatnonzero(bad).tolist():
            if self.notes.full:
                return
            fault = self._fault(
                self.instants.fault_at(block.timestamps, row),
                [_value(column, row) for column in block.dimensions],
                [_value(column, row) for column in block.measures],
            )
            self.notes.add(f"{place}: line {block.lines[row]}: {fault}")

    def _explain(self, place: str, again: Callable[[], ByteStream]) -> None:
        """Describe the invalid rows of a CSV file by reading it again, row by row."""
        stream = again()
        try:
            charset = getattr(self.metric_set.file_format, "charset", "UTF-8")
            for line, texts in csv_texts(FileText(stream, charset), self.metric_set):
                fault = texts if isinstance(texts, str) else self._fault(self.instants.fault(texts[0]), *texts[1:])
                if fault:
                    self.notes.add(f"{place}: line {line}: {fault}")
                if self.notes.full:
                    return
        finally:
            stream.close()

    def _fault(self, timestamp: str | None, dimensions: Sequence[Any], measures: Sequence[Any]) -> str | None:
        """Problem of a row: of its timestamp first, then of its values."""
        faults = [
            timestamp,
            *map(value_fault, self.metric_set.dimension_list, dimensions),
            *map(number_fault, self.metric_set.measures, measures),
        ]
        return next((fault for fault in faults if fault), None)


def _value(column: pa.Array, row: int) -> Any:
    return column[row].as_py()
