"""Read source data into metrics: the history, or one interval."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import cast

import numpy as np
import pyarrow as pa

from anomalake.definitions.detector import Detector
from anomalake.definitions.intervals import folder_of, next_start, start_of_folder
from anomalake.definitions.messages import printable
from anomalake.definitions.metric_set import MetricSet
from anomalake.errors import AnomalakeError
from anomalake.model.metrics import Metrics
from anomalake.sources.aggregation import LimitExceededError
from anomalake.sources.completeness import ColumnCompleteness
from anomalake.sources.file_reading import FileReader, RowCounts
from anomalake.sources.parquet_rows import typed_blocks
from anomalake.sources.ports import ByteStream, SourceFile, SourceFiles, SourceTables, is_hidden
from anomalake.sources.prefetching import opened
from anomalake.sources.repeats import Window
from anomalake.sources.roll_ups import with_roll_ups
from anomalake.sources.rows import Notes
from anomalake.sources.spacing import spacing_problem


@dataclass(frozen=True, slots=True)
class ReadReport:
    """Report on the rows that were read. `rows` is the sum of `used`, `bad`, `outside`, `future` and `filtered`.

    Attributes
    ----------
    files
        Files read.
    rows
        Rows, and lines that are not rows.
    used
        Valid rows that were used.
    bad
        Rows that could not be read.
    outside
        Rows before the wanted intervals.
    future
        Rows after the wanted intervals.
    filtered
        Rows that the dimension filters exclude.
    duplicates
        Used rows that repeat another row in all columns that are read. They count, as in L4M.
    missing
        Cells of measures without a value, in used rows.
    partial
        Used rows that lack a dimension value or a measure.
    columns
        For each column, how many of the used and the bad rows have a usable value.
    problems
        The first invalid rows (file, line, column, value, what was expected), and other problems.
    """

    files: int = 0
    rows: int = 0
    used: int = 0
    bad: int = 0
    outside: int = 0
    future: int = 0
    filtered: int = 0
    duplicates: int = 0
    missing: int = 0
    partial: int = 0
    columns: tuple[ColumnCompleteness, ...] = ()
    problems: tuple[str, ...] = ()

    def __str__(self) -> str:
        """The report as one line."""
        named = ("bad", "outside", "future", "filtered", "duplicates", "missing")
        others = [f"{getattr(self, name):,} {name}" for name in named if getattr(self, name)]
        return ", ".join([f"{self.used:,} of {self.rows:,} rows of {self.files:,} files used", *others])


#: Reader of files, or of tables for a metric set with an Athena table.
SourceData = SourceFiles | SourceTables


class ReadingError(AnomalakeError, ValueError):
    """Source data that cannot be read into metrics.

    Attributes
    ----------
    report
        Report on the rows read so far.
    """

    def __init__(self, message: str, report: ReadReport) -> None:
        super().__init__(message)
        self.report = report


class NoDataError(ReadingError):
    """There is no row for the request."""


class InsufficientDataError(ReadingError):
    """Too many rows are invalid, or the data do not fit into memory."""


#: Called with the number of bytes of the files that were read, and of all files that are known so far.
ReadProgress = Callable[[int, int], None]


def read_history(
    detector: Detector, files: SourceData, *, until: datetime | None = None, progress: ReadProgress | None = None
) -> tuple[Metrics, ReadReport]:
    """Read the history: the historical files, then the folders of later intervals.

    Parameters
    ----------
    files
        Reader of the files or tables.
    until
        Rows at or after this instant are not used.
    progress
        Called while files are read.

    Returns
    -------
    Metrics, ReadReport
        Metrics from the first interval that has a row to the last.

    Raises
    ------
    NoDataError, InsufficientDataError
        See `ReadReport.problems` for why.
    StoreError
        The files cannot be read.
    """
    metrics, report = _read_history(detector.metric_set, files, until, progress)
    problem = spacing_problem(metrics)
    return metrics, report if problem is None else replace(report, problems=(problem, *report.problems))


def _read_history(
    metric_set: MetricSet, files: SourceData, until: datetime | None, progress: ReadProgress | None
) -> tuple[Metrics, ReadReport]:
    if metric_set.athena is not None:
        return _read_table(metric_set, _tables(files), None, until)
    files = _files(files)
    reader = FileReader(metric_set)
    meter = _Meter(progress)
    for wanted in history_files(metric_set, files, reader, until):
        read_files(reader, files, wanted, meter)
    return _result(reader, _nothing_until(metric_set, until), ", ".join(metric_set.paths))


def history_files(
    metric_set: MetricSet, files: SourceFiles, reader: FileReader, until: datetime | None = None
) -> Iterator[Sequence[tuple[SourceFile, Window]]]:
    """Yield the files of a history, in the order in which they are read, with the span of their rows that is used.

    Those that are yielded together can be read side by side; they are to be read into `reader` before the next are
    asked for.
    """
    high = None if until is None else _seconds(until)
    yield [(file, Window(None, high)) for file in _historical_files(metric_set, files, reader)]
    after = _after(reader)
    for template in metric_set.templated_path_list:
        yield _live_files(metric_set, template, files, after, high)


def check_history(reader: FileReader, until: datetime | None = None) -> ReadReport:
    """Return the report on a history that was read until an instant; raises `NoDataError`, `InsufficientDataError`."""
    metric_set = reader.metric_set
    return _checked(reader, _nothing_until(metric_set, until), ", ".join(metric_set.paths))


def _nothing_until(metric_set: MetricSet, until: datetime | None) -> str:
    nothing = f"No datapoint was found at the source location: {', '.join(metric_set.paths)}"
    return nothing if until is None else f"{nothing}, until {_text(until)}"


def read_interval(detector: Detector, files: SourceData, start: datetime) -> tuple[Metrics, ReadReport]:
    """Read one interval's folder.

    Parameters
    ----------
    start
        Start of the interval.

    Returns
    -------
    Metrics, ReadReport
        Metrics of the interval.

    Raises
    ------
    NoDataError
        There is no file, or no row of that interval.
    InsufficientDataError
        Fewer than MinimumGoodShare of the rows are valid.
    StoreError
        The files cannot be read.
    """
    metric_set = detector.metric_set
    end = next_start(start, metric_set.frequency, metric_set.timezone)
    if metric_set.athena is not None:
        return _read_table(metric_set, _tables(files), start, end)
    files = _files(files)
    folders = [folder_of(template, start, metric_set.timezone) for template in metric_set.templated_path_list]
    reader = FileReader(metric_set)
    if folders:
        listed = list({file.name: file for folder in folders for file in files.list(folder)}.values())
        for folder in folders if not listed else ():
            _note_subfolders(files, folder, "TemplatedPathList names the folder of the files", reader)
    else:
        # Without live folders, the rows of an interval are in the historical files.
        listed = _historical_files(metric_set, files, reader)
    window = Window(_seconds(start), _seconds(end))
    read_files(reader, files, [(file, window) for file in listed])
    places = ", ".join(folders or metric_set.historical_data_path_list)
    return _result(reader, _nothing_in(start, end, places), places, start)


def _historical_files(metric_set: MetricSet, files: SourceFiles, reader: FileReader) -> list[SourceFile]:
    """List the historical files, and note the folders whose files are all in subfolders."""
    found: dict[str, SourceFile] = {}
    for path in metric_set.historical_data_path_list:
        listed = files.list(path, recursive=metric_set.recursive)
        found.update((file.name, file) for file in listed)
        # The folders of a template may be there too.
        if not listed and not metric_set.recursive and not metric_set.templated_path_list:
            _note_subfolders(files, path, "S3SourceConfig.Recursive: true reads them", reader)
    return list(found.values())


def _note_subfolders(files: SourceFiles, folder: str, advice: str, reader: FileReader) -> None:
    """Note that all files of a folder are in its subfolders."""
    names = (file.name for file in files.walk(folder) if file.size)
    first = next((name for name in names if not is_hidden(name.removeprefix(folder).lstrip("/"))), None)
    if first is not None:
        reader.notes.add(f"{folder}: files are in subfolders, such as {first}; {advice}")


def _read_table(
    metric_set: MetricSet, tables: SourceTables, low: datetime | None, high: datetime | None
) -> tuple[Metrics, ReadReport]:
    assert metric_set.athena is not None
    place = f"{metric_set.athena.data_catalog}.{metric_set.athena.database_name}.{metric_set.athena.table_name}"
    return _read_batches(metric_set, tables.rows(metric_set, low, high), place, low, high)


def read_batches(
    metric_set: MetricSet, batches: Iterable[pa.RecordBatch], place: str, low: datetime | None = None
) -> tuple[Metrics, ReadReport]:
    """Read rows with typed columns that are in memory.

    Parameters
    ----------
    place
        Name of the rows in messages.
    low
        Rows before this instant are not used.

    Returns
    -------
    Metrics, ReadReport
        Metrics from the first interval that has a row to the last.

    Raises
    ------
    NoDataError, InsufficientDataError
        See `ReadReport.problems` for why.
    SourceFileError
        A column is missing, or has a type that cannot be read.
    """
    metrics, report = _read_batches(metric_set, batches, place, low, None)
    problem = spacing_problem(metrics)
    return metrics, report if problem is None else replace(report, problems=(problem, *report.problems))


def _read_batches(
    metric_set: MetricSet,
    batches: Iterable[pa.RecordBatch],
    place: str,
    low: datetime | None,
    high: datetime | None,
) -> tuple[Metrics, ReadReport]:
    reader = FileReader(metric_set)
    reader.counts.files = 1
    window = Window(None if low is None else _seconds(low), None if high is None else _seconds(high))
    first_row = 1
    for batch in batches:
        for block in typed_blocks(batch.schema, iter([batch]), metric_set, first_row):
            reader.add(block, window, place)
        first_row += len(batch)
    if low is not None and high is not None:
        return _result(reader, _nothing_in(low, high, place), place, low)
    return _result(reader, f"No datapoint was found at the source location: {place}", place)


def _nothing_in(start: datetime, end: datetime, places: str) -> str:
    return (
        f"No datapoint was found at the source location for time interval from {_text(start)} to {_text(end)}: {places}"
    )


def _files(source: SourceData) -> SourceFiles:
    assert not hasattr(source, "rows"), "files are read from files"
    return source


def _tables(source: SourceData) -> SourceTables:
    assert hasattr(source, "rows"), "a table is read from what reads tables"
    return cast(SourceTables, source)


class _Meter:
    """Number of bytes that were read."""

    def __init__(self, progress: ReadProgress | None) -> None:
        self._progress = progress
        self._done = self._total = 0

    def expect(self, n_bytes: int) -> None:
        self._total += n_bytes

    def count(self, n_bytes: int) -> None:
        self._done += n_bytes
        if self._progress is not None:
            # A file may have grown since it was listed.
            self._progress(min(self._done, self._total), self._total)


class _MeteredStream:
    """A stream whose bytes are counted."""

    def __init__(self, stream: ByteStream, meter: _Meter) -> None:
        self._stream, self._meter = stream, meter
        self.close = stream.close

    def read(self, size: int, /) -> bytes:
        found = self._stream.read(size)
        self._meter.count(len(found))
        return found


def read_files(
    reader: FileReader, files: SourceFiles, wanted: Sequence[tuple[SourceFile, Window]], meter: _Meter | None = None
) -> None:
    """Read files, each with the span of its rows that is used; raises `StoreError`."""
    windows = {file.name: window for file, window in wanted}
    if meter is not None:
        meter.expect(sum(file.size for file, _ in wanted))
    for file, stream in opened(files, [file for file, _ in wanted]):
        with closing(stream):
            counted = stream if meter is None else _MeteredStream(stream, meter)
            reader.read(file.name, counted, windows[file.name], lambda name=file.name: files.open(name))  # type: ignore[misc]


def _after(reader: FileReader) -> int | None:
    """End of the last interval with a row."""
    last, metric_set = reader.aggregation.last_start, reader.metric_set
    if last is None:
        return None
    return _seconds(next_start(datetime.fromtimestamp(last, UTC), metric_set.frequency, metric_set.timezone))


def _live_files(
    metric_set: MetricSet, template: str, files: SourceFiles, after: int | None, high: int | None
) -> list[tuple[SourceFile, Window]]:
    """List the files in the folders of intervals, after the last historical interval and until an instant."""
    frequency, timezone = metric_set.frequency, metric_set.timezone
    root = template.partition("{{")[0]
    root = root[: root.rfind("/") + 1]
    windows: dict[str, Window | None] = {}
    found = []
    for file in files.walk(root):
        folder = file.name.rpartition("/")[0]
        if folder not in windows:
            start = start_of_folder(template.rstrip("/"), folder, frequency, timezone)
            windows[folder] = None if start is None else _window(template.rstrip("/"), start, frequency, timezone)
        window = windows[folder]
        if window is None or (high is not None and window.low is not None and window.low >= high):
            continue
        if after is not None and window.high is not None and window.high <= after:
            continue
        low = window.low if after is None or window.low is None else max(window.low, after)
        ends = window.high if high is None or window.high is None else min(window.high, high)
        found.append((file, Window(low, ends)))
    return sorted(found, key=lambda item: (item[1].low or 0, item[0].name))


def _window(template: str, start: datetime, frequency: str, timezone: str) -> Window:
    """Window from the start of an interval to the end of the last interval with the same folder."""
    folder = folder_of(template, start, timezone)
    end = next_start(start, frequency, timezone)
    # Terminates: `start_of_folder` finds a start only where the template names the year, so the folder changes in time.
    while folder_of(template, end, timezone) == folder:
        end = next_start(end, frequency, timezone)
    return Window(_seconds(start), _seconds(end))


def _checked(reader: FileReader, nothing: str, places: str, start: datetime | None = None) -> ReadReport:
    """Return the report on rows that were read, which are enough."""
    report = _report(reader, start)
    share = reader.metric_set.minimum_good_share
    if report.rows and (report.rows - report.bad) / report.rows < share:
        first = f"; first: {report.problems[0]}" if report.problems else ""
        raise InsufficientDataError(
            f"Insufficient amount of data was found at the source location: {places}: {report.bad:,} of "
            f"{report.rows:,} rows are bad, and MinimumGoodShare is {share:g}{first}",
            report,
        )
    if reader.aggregation.empty and not _is_doubled(reader, start):
        raise NoDataError(f"{nothing}{_why(report)}", report)
    return report


def _is_doubled(reader: FileReader, start: datetime | None) -> bool:
    return start is not None and _seconds(start) in reader.doubled


def _result(reader: FileReader, nothing: str, places: str, start: datetime | None = None) -> tuple[Metrics, ReadReport]:
    report = _checked(reader, nothing, places, start)
    if reader.aggregation.empty:
        assert start is not None
        return _unobserved(reader.metric_set, start), report
    with beyond_limits(reader.metric_set, report, places):
        metrics, problems = reader.metrics(), reader.aggregation.problems
        if reader.metric_set.roll_ups:
            metrics, more = with_roll_ups(
                metrics, [measure.aggregation_function == "SUM" for measure in reader.metric_set.metric_list]
            )
            problems = [*problems, *more]
    return metrics, replace(report, problems=(*report.problems, *map(printable, problems)))


@contextmanager
def beyond_limits(metric_set: MetricSet, report: ReadReport, places: str | None = None) -> Iterator[None]:
    """Raise `InsufficientDataError` in place of `LimitExceededError`."""
    try:
        yield
    except LimitExceededError as error:
        places = places if places is not None else ", ".join(metric_set.paths)
        raise InsufficientDataError(
            f"Metric set beyond its limits at the source location: {places}: {error}", report
        ) from error


def _unobserved(metric_set: MetricSet, start: datetime) -> Metrics:
    """Metrics of an interval in which nothing was observed."""
    starts = np.array([_seconds(start)]).astype("datetime64[s]")
    values = np.empty((len(metric_set.metric_list), 0, 1))
    names = (metric_set.measures, metric_set.dimension_list)
    return Metrics(metric_set.frequency, metric_set.timezone, starts, *names, (), values, metric_set.roll_ups)


def _why(report: ReadReport) -> str:
    if not report.files:
        return f": no file is there{''.join(f'; {problem}' for problem in report.problems)}"
    named = {"bad": report.bad, "before that": report.outside, "after that": report.future}
    named["left out by filters"] = report.filtered
    counts = [f"{number:,} {name}" for name, number in named.items() if number]
    return f": {report.files:,} files have {report.rows:,} rows" + (f", {', '.join(counts)}" if counts else "")


def _report(reader: FileReader, start: datetime | None) -> ReadReport:
    counts: RowCounts = reader.counts
    notes: Notes = reader.notes
    duplicates, remark = reader.repeats()
    problems = [
        *_zone_problems(reader, start),
        *notes.problems,
        *map(printable, filter(None, [remark, *reader.remarks()])),
    ]
    return ReadReport(
        files=counts.files,
        rows=counts.used + notes.bad + counts.outside + counts.future + counts.filtered,
        used=counts.used,
        bad=notes.bad,
        outside=counts.outside,
        future=counts.future,
        filtered=counts.filtered,
        duplicates=duplicates,
        missing=counts.missing,
        partial=reader.completeness.partial,
        columns=reader.completeness.columns(),
        problems=tuple(problems),
    )


def _zone_problems(reader: FileReader, start: datetime | None) -> Iterator[str]:
    """Describe wall-clock times that the zone skips or, in the wanted intervals, has twice."""
    timezone, skipped, doubled = reader.metric_set.timezone, reader.instants.skipped, reader.doubled
    if start is not None:
        doubled = doubled[doubled == _seconds(start)]
    if skipped:
        first = np.datetime64(min(skipped), "s").item()
        yield (
            f"Timezone {timezone!r}: rows have times that its clocks skip ({len(skipped):,}, first {first}); expected "
            "the zone of the timestamps, such as UTC"
        )
    if len(doubled) and any(measure.aggregation_function == "SUM" for measure in reader.metric_set.metric_list):
        first = np.datetime64(int(doubled[0]), "s").item()
        yield (
            f"no sums of intervals whose times occur twice in {timezone}, when its clocks go back, and have no offset "
            f"({len(doubled):,}, first {first}Z)"
        )


def _seconds(instant: datetime) -> int:
    return int(instant.timestamp())


def _text(instant: datetime) -> str:
    return instant.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
