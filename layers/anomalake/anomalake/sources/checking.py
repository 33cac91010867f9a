"""A metric set against the first rows of one of its files."""

from __future__ import annotations

import io
from collections.abc import Iterator
from dataclasses import dataclass, replace
from itertools import islice
from typing import Final

from anomalake.definitions.messages import listed, printable
from anomalake.definitions.metric_set import CsvFormat, MetricSet, ParquetFormat
from anomalake.sources.columns import Instants
from anomalake.sources.csv_rows import CsvRow, csv_rows
from anomalake.sources.file_bytes import FileText
from anomalake.sources.guessing.time_texts import format_of
from anomalake.sources.json_rows import json_blocks
from anomalake.sources.numbers import Numbers
from anomalake.sources.rows import Notes, SourceFileError, found_places
from anomalake.sources.sample_rows import SampleRows, sample_rows

#: Rows that are checked.
MOST_ROWS: Final = 5_000
# Timestamps from which another format is guessed.
_TEXTS = 200

_DESCRIPTOR: Final = "MetricSource.S3SourceConfig.FileFormatDescriptor"


@dataclass(frozen=True, slots=True)
class Fault:
    """A field of CreateMetricSet that does not fit the rows: its path, and what is wrong."""

    field: str
    problem: str


@dataclass(frozen=True, slots=True)
class _Row:
    """The cells of a row that are read; `problem` is that of a line that is no row."""

    line: int
    timestamp: str | None = None
    measures: tuple[str | None, ...] = ()
    problem: str = ""


def faults_in(lines: bytes, metric_set: MetricSet, place: str) -> list[Fault]:
    """Compare a metric set with the first lines of a file.

    Parameters
    ----------
    lines
        Result of `sample_rows.first_lines`.
    place
        Name of the file in messages.

    Returns
    -------
    Columns that are missing; else the timestamp, the measures and the lines, if more of them cannot be read than
    MinimumGoodShare allows.
    """
    form = metric_set.file_format
    assert not isinstance(form, ParquetFormat)
    metric_set = replace(metric_set, file_format=replace(form, charset="UTF-8"))
    try:
        sample = sample_rows(lines, form, MOST_ROWS)
        if not sample.rows:
            return []
        missing = list(_missing(sample, metric_set, place))
        return missing or list(_faults(list(islice(_rows(lines, metric_set, place), MOST_ROWS)), metric_set, place))
    except SourceFileError as error:
        return [Fault(_DESCRIPTOR, printable(f"{place}: {error}"))]


def _missing(sample: SampleRows, metric_set: MetricSet, place: str) -> Iterator[Fault]:
    """The columns that the rows do not have."""
    wanted = metric_set.columns
    fields = [*["TimestampColumn.ColumnName"] * len(metric_set.timestamp_columns)]
    fields += [f"DimensionList[{number}]" for number in range(len(metric_set.dimension_list))]
    fields += [f"MetricList[{number}].MetricName" for number in range(len(metric_set.measures))]
    for name, field, found in zip(wanted, fields, found_places(sample.header, wanted), strict=True):
        if found is None:
            what = "more than one column" if sample.header.count(name) > 1 else "no column"
            yield Fault(field, printable(f"{place}: {what} {name!r}; it has {listed(sample.header)}"))


def _rows(lines: bytes, metric_set: MetricSet, place: str) -> Iterator[_Row]:
    text = FileText(io.BytesIO(lines), "UTF-8")
    if isinstance(metric_set.file_format, CsvFormat):
        for row in csv_rows(text, metric_set):
            yield (
                _Row(row.line, row.timestamp, row.measures)
                if isinstance(row, CsvRow)
                else _Row(row[0], problem=f"line {row[0]}: {row[1]}")
            )
        return
    notes = Notes()
    for block in json_blocks(text, metric_set, place, notes):
        assert block.lines is not None
        columns = [column.to_pylist() for column in block.measures]
        measures = zip(*columns, strict=True)
        for line, stamp, cells in zip(block.lines.tolist(), block.timestamps.to_pylist(), measures, strict=True):
            yield _Row(line, stamp, cells)
    for _ in range(notes.bad):
        yield _Row(0, problem=notes.problems[0].removeprefix(f"{place}: "))


def _faults(rows: list[_Row], metric_set: MetricSet, place: str) -> Iterator[Fault]:
    instants, most = Instants(metric_set), (1 - metric_set.minimum_good_share) * len(rows)
    whole = [row for row in rows if not row.problem]

    def fault(field: str, problems: list[str], hint: str = "") -> Iterator[Fault]:
        if len(problems) > most:
            share = f" ({len(problems):,} of {len(rows):,} rows)"
            yield Fault(field, printable(f"{place}: {problems[0]}{hint}{share}"))

    known: dict[str | None, str | None] = {}
    for row in whole:
        if row.timestamp not in known:
            known[row.timestamp] = instants.fault(row.timestamp)
    late = [f"line {row.line}: {known[row.timestamp]}" for row in whole if known[row.timestamp]]
    yield from fault(_DESCRIPTOR, [row.problem for row in rows if row.problem])
    yield from fault("TimestampColumn.ColumnFormat", late, _expected(whole) if late else "")
    for number, name in enumerate(metric_set.measures):
        numbers = Numbers(metric_set)
        found = [(row.line, numbers.fault(name, row.measures[number])) for row in whole]
        yield from fault(
            f"MetricList[{number}].MetricName", [f"line {line}: {problem}" for line, problem in found if problem]
        )


def _expected(rows: list[_Row]) -> str:
    """The format that the timestamps seem to have."""
    guessed = format_of(row.timestamp for row in rows[:_TEXTS] if row.timestamp)
    return "" if guessed is None else f"; the timestamps look like {guessed.value.pattern}"
