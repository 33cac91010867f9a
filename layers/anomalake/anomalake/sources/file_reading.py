"""Reading of files into an aggregation: rows within a window, and the problems of invalid rows."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import closing
from dataclasses import asdict, dataclass
from functools import partial
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from anomalake.definitions.intervals import NO_INSTANT, floor_to_starts
from anomalake.definitions.messages import listed, printable
from anomalake.definitions.metric_set import CsvFormat, MetricSet, ParquetFormat
from anomalake.model.metrics import Metrics
from anomalake.sources.aggregation import Aggregation
from anomalake.sources.columns import Instants, value_fault
from anomalake.sources.completeness import Completeness
from anomalake.sources.csv_rows import CsvRow, break_line, csv_blocks, csv_rows, line_with_break
from anomalake.sources.file_bytes import FileText
from anomalake.sources.json_rows import json_blocks
from anomalake.sources.numbers import Numbers
from anomalake.sources.parquet_rows import parquet_blocks
from anomalake.sources.ports import ByteStream
from anomalake.sources.repeats import ReadFile, Window, WrittenRow, remark_on_repeats
from anomalake.sources.rows import Notes, RowBlock, SourceFileError


@dataclass(slots=True)
class RowCounts:
    """Numbers of valid rows."""

    files: int = 0
    used: int = 0
    outside: int = 0
    future: int = 0
    filtered: int = 0
    missing: int = 0


@dataclass(frozen=True, slots=True, eq=False)
class ReadPart:
    """What a `FileReader` knows of its files, but for the rows' sums.

    Attributes
    ----------
    about
        Values in JSON's types.
    hashed
        Arrays of the rows that are compared with each other; None where no others are.
    """

    about: dict[str, Any]
    hashed: dict[str, npt.NDArray[Any]] | None


class FileReader:
    """Reads files of one metric set.

    Parameters
    ----------
    metric_set
        The metric set.
    aggregation
        Adds the rows up. Default: in memory.

    Attributes
    ----------
    aggregation, completeness, counts, notes, instants
        Results of reading.
    """

    def __init__(self, metric_set: MetricSet, aggregation: Aggregation | None = None) -> None:
        self.metric_set = metric_set
        self.aggregation = aggregation if aggregation is not None else Aggregation(metric_set)
        self.completeness = Completeness(
            (metric_set.timestamp_column, *metric_set.dimension_list, *metric_set.measures), self.aggregation.codes
        )
        self.counts = RowCounts()
        self.notes = Notes()
        self._break = ""
        self.instants = Instants(metric_set)
        self._numbers = [Numbers(metric_set) for _ in metric_set.measures]
        self._read_files: list[ReadFile] = []
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
        hashed = self.aggregation.hashed
        try:
            self._read(place, stream, window, again)
        finally:
            if self.aggregation.hashed > hashed:
                self._read_files.append(ReadFile(place, window, again, self.aggregation.hashed))

    def _read(self, place: str, stream: ByteStream, window: Window, again: Callable[[], ByteStream]) -> None:
        before = self.notes.bad
        listed = len(self.notes.problems)
        text = None
        if not isinstance(self.metric_set.file_format, ParquetFormat):
            text = FileText(stream, self.metric_set.file_format.charset)
        try:
            for block in self._blocks(place, stream, text, self.notes):
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
        if self.notes.spare_lines > 0 and not self._break and place.startswith("s3://"):
            self._find_break(place, again)

    def _find_break(self, place: str, again: Callable[[], ByteStream]) -> None:
        """Note the first line break in a cell of a CSV file in S3, which Athena does not read, if queries read it."""
        csv_format = self.metric_set.file_format
        if not isinstance(csv_format, CsvFormat) or not csv_format.quote_symbol:
            return
        if self.metric_set.settings_without_queries:
            return
        with closing(again()) as stream:
            line = line_with_break(FileText(stream, csv_format.charset), csv_format)
        if line is not None:
            self._break = printable(break_line(place, line))
            self.notes.add(self._break)

    def part(self) -> ReadPart:
        """Return what is known of the files, but for the rows' sums."""
        hashed = list(self.aggregation.hashed_rows())
        rows = {
            "hashes": np.concatenate([*(hashes for hashes, _ in hashed), np.empty(0, np.uint64)]),
            "minutes": np.concatenate([*(minutes for _, minutes in hashed), np.empty(0, np.uint32)]),
            "blocks": np.array([len(hashes) for hashes, _ in hashed], np.int64),
        }
        about = {
            "counts": asdict(self.counts),
            "bad": self.notes.bad,
            "problems": self.notes.problems,
            "break": self._break,
            "completeness": self.completeness.numbers,
            "units": [sorted(numbers.units) for numbers in self._numbers],
            "skipped": sorted(self.instants.skipped),
            "repeated": sorted(self.instants.repeated.items()),
            "span": [self.aggregation.first_start, self.aggregation.last_start],
            "files": [[file.place, file.window.low, file.window.high, file.end] for file in self._read_files],
        }
        return ReadPart(about, rows)

    def add_part(self, part: ReadPart, open_file: Callable[[str], ByteStream]) -> None:
        """Add what another reader knows of the files after those of this one, as if this one had read them.

        Parameters
        ----------
        open_file
            Opens a file by its name.
        """
        about, aggregation = part.about, self.aggregation
        for name, number in about["counts"].items():
            setattr(self.counts, name, getattr(self.counts, name) + number)
        self.notes.bad += about["bad"]
        for problem in about["problems"]:
            if not self.notes.full and not (self._break and problem == about["break"]):
                self.notes.problems.append(problem)
        self._break = self._break or about["break"]
        self.completeness.add_numbers(about["completeness"])
        for numbers, units in zip(self._numbers, about["units"], strict=True):
            numbers.units |= set(units)
        self.instants.skipped.update(about["skipped"])
        self.instants.repeated.update(dict(about["repeated"]))
        first, last = about["span"]
        if first is not None:
            own = (aggregation.first_start, aggregation.last_start)
            aggregation.first_start = first if own[0] is None else min(own[0], first)
            aggregation.last_start = last if own[1] is None else max(own[1], last)
        before = aggregation.hashed
        if part.hashed is not None:
            ends = np.cumsum(part.hashed["blocks"])[:-1]
            blocks = [np.split(part.hashed[name], ends) for name in ("hashes", "minutes")]
            for hashes, minutes in zip(*blocks, strict=True):
                aggregation.add_hashed_rows(hashes, minutes)
        for place, low, high, end in about["files"]:
            end = min(before + end, aggregation.hashed)
            if end > (self._read_files[-1].end if self._read_files else 0):
                self._read_files.append(ReadFile(place, Window(low, high), partial(open_file, place), end))

    def remarks(self) -> list[str]:
        """Remarks on rows that were used: what was left out of them, and what may be wrong with them."""
        remarks = []
        if self.counts.missing:
            remarks.append(
                f"{self.counts.missing:,} cells of measures are empty or mean no value; those measures are left out of "
                "their rows"
            )
        for name, numbers in zip(self.metric_set.measures, self._numbers, strict=True):
            if len(numbers.units) > 1:
                remarks.append(
                    f"column {name!r} has numbers with the signs {listed(sorted(numbers.units))}; they are added up "
                    "as if they had one unit"
                )
        return remarks

    def repeats(self) -> tuple[int, str]:
        """Number of rows that repeat another row in all columns that are read; and a remark on them."""
        found = self.aggregation.repeats()
        if found is None:
            return 0, ""
        return found.rows, remark_on_repeats(found, self._read_files, self.metric_set, self._written_rows)

    def _written_rows(self, file: ReadFile) -> Iterator[tuple[WrittenRow, Callable[[], bool]]]:
        """Read a file again, row by row; each with a check whether it was used."""
        stream = file.again()
        try:
            for row in self._rows_of(file.place, stream):
                yield row, partial(self._is_used, row, file.window)
        finally:
            stream.close()

    def _rows_of(self, place: str, stream: ByteStream) -> Iterator[WrittenRow]:
        text = None
        if not isinstance(self.metric_set.file_format, ParquetFormat):
            text = FileText(stream, self.metric_set.file_format.charset)
        if text is not None and self.metric_set.kind == "csv":
            for row in csv_rows(text, self.metric_set):
                if isinstance(row, CsvRow):
                    yield WrittenRow(row.line, row.timestamp, row.dimensions, row.measures, row.cells)
            return
        for block in self._blocks(place, stream, text, Notes()):
            assert block.lines is not None
            columns = [column.to_pylist() for column in (block.timestamps, *block.dimensions, *block.measures)]
            split = 1 + len(block.dimensions)
            for line, *cells in zip(block.lines.tolist(), *columns, strict=True):
                yield WrittenRow(line, cells[0], tuple(cells[1:split]), tuple(cells[split:]))

    def _is_used(self, row: WrittenRow, window: Window) -> bool:
        if self._fault(None, row.dimensions, row.measures):
            return False
        if not any(numbers.has_value(value) for numbers, value in zip(self._numbers, row.measures, strict=True)):
            return False
        instant = int(self.instants.read(pa.array([row.timestamp]))[0])
        return (
            instant != NO_INSTANT
            and (window.low is None or instant >= window.low)
            and (window.high is None or instant < window.high)
            and all(row.dimensions[place] in allowed for place, allowed in self._filters)
        )

    def add(self, block: RowBlock, window: Window, place: str) -> None:
        """Add the valid rows of a block, and note the invalid ones."""
        instants = self.instants.read(block.timestamps)
        bad = instants == NO_INSTANT
        codes = [codes.read(column) for codes, column in zip(self.aggregation.codes, block.dimensions, strict=True)]
        for column in codes:
            bad |= column < 0
        values = []
        for numbers, column in zip(self._numbers, block.measures, strict=True):
            found, faulty = numbers.read(column)
            bad |= faulty
            values.append(found)
        if bad.any():
            self.notes.bad += int(bad.sum())
            self.completeness.add_bad(
                instants[bad], [column[bad] for column in codes], [column[bad] for column in values]
            )
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
        self.counts.missing += self.completeness.add_used(codes, values)
        starts = floor_to_starts(instants, self.metric_set.frequency, self.metric_set.timezone)
        self.aggregation.add(instants, starts, codes, values)

    def _blocks(self, place: str, stream: ByteStream, text: FileText | None, notes: Notes) -> Iterator[RowBlock]:
        if text is None:
            return parquet_blocks(stream, self.metric_set)
        if self.metric_set.kind == "json":
            return json_blocks(text, self.metric_set, place, notes)
        return csv_blocks(text, self.metric_set, place, notes)

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
            for row in csv_rows(FileText(stream, charset), self.metric_set):
                line, fault = row if isinstance(row, tuple) else (row.line, self._fault_of(row))
                if fault:
                    self.notes.add(f"{place}: line {line}: {fault}")
                if self.notes.full:
                    return
        finally:
            stream.close()

    def _fault_of(self, row: CsvRow) -> str | None:
        return self._fault(self.instants.fault(row.timestamp), row.dimensions, row.measures)

    def _fault(self, timestamp: str | None, dimensions: Sequence[Any], measures: Sequence[Any]) -> str | None:
        """Problem of a row: of its timestamp first, then of its values."""
        faults = [
            timestamp,
            *map(value_fault, self.metric_set.dimension_list, dimensions),
            *(
                numbers.fault(name, value)
                for numbers, name, value in zip(self._numbers, self.metric_set.measures, measures, strict=True)
            ),
        ]
        return next((fault for fault in faults if fault), None)


def _value(column: pa.Array, row: int) -> Any:
    return column[row].as_py()
