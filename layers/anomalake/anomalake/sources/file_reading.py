"""Reading of files into an aggregation: rows within a window, and the problems of invalid rows."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from anomalake.definitions.intervals import NO_INSTANT, floor_to_starts
from anomalake.definitions.metric_set import CsvFormat, MetricSet, ParquetFormat
from anomalake.sources.aggregation import Aggregation
from anomalake.sources.columns import Instants, number_fault, read_numbers, value_fault
from anomalake.sources.csv_rows import break_line, csv_blocks, csv_texts, line_with_break
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
    aggregation, counts, notes
        Results of reading.
    """

    def __init__(self, metric_set: MetricSet) -> None:
        self.metric_set = metric_set
        self.aggregation = Aggregation(metric_set)
        self.counts = RowCounts()
        self.notes = Notes()
        self._has_break = False
        self._instants = Instants(metric_set)
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
        self.notes.spare_lines = 0
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
        if self.notes.spare_lines > 0 and not self._has_break and place.startswith("s3://"):
            self._find_break(place, again)

    def _find_break(self, place: str, again: Callable[[], ByteStream]) -> None:
        """Note the first line break in a cell of a CSV file in S3, which Athena does not read."""
        csv_format = self.metric_set.file_format
        if not isinstance(csv_format, CsvFormat) or not csv_format.quote_symbol:
            return
        with closing(again()) as stream:
            line = line_with_break(FileText(stream, csv_format.charset), csv_format)
        if line is not None:
            self._has_break = True
            self.notes.add(break_line(place, line))

    def add(self, block: RowBlock, window: Window, place: str) -> None:
        """Add the valid rows of a block, and note the invalid ones."""
        instants = self._instants.read(block.timestamps)
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
                self._instants.fault_at(block.timestamps, row),
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
                fault = texts if isinstance(texts, str) else self._fault(self._instants.fault(texts[0]), *texts[1:])
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
