"""The reading of a whole table: its time, frequency, measures and dimensions, and what its reader should know."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Final

import numpy as np

from anomalake.definitions.messages import listed, shown
from anomalake.definitions.metric_set import CsvFormat
from anomalake.definitions.metric_set_fields import MOST_MEASURES
from anomalake.errors import AnomalakeError
from anomalake.frequencies import FREQUENCIES, least_intervals
from anomalake.sources.guessing import spacing as spacings
from anomalake.sources.guessing.columns import (
    AVG,
    DIMENSION,
    IGNORED,
    SUM,
    Codes,
    Floats,
    Role,
    Table,
    dimensions_of,
    function_of,
    measures_of,
    totals_of,
)
from anomalake.sources.guessing.guess import SURE, Guess, Notice
from anomalake.sources.guessing.number_texts import null_values, numeric_columns, sentinel_of, separators_of
from anomalake.sources.guessing.samples import Column, Sample, row_codes
from anomalake.sources.guessing.spacing import Spacing
from anomalake.sources.guessing.texts import TextFormat
from anomalake.sources.guessing.times import Moments, Times, times_of

#: More series than a person can look at.
MANY_SERIES: Final = 1_000
_KINDS: Final = (
    ("cumulative", "only grow"),
    ("label column", "are labels that a person gave"),
    ("too many series", "have too many values for a dimension"),
    ("empty columns", "are almost empty"),
    ("nested", "have lists or objects"),
)
#: Intervals from which on a history is long enough. Lookout for Metrics refused a backtest of fewer.
_ENOUGH_INTERVALS: Final = 285


class NotATableError(AnomalakeError, ValueError):
    """A table that no detector can watch: why, and what was expected."""


@dataclass(frozen=True, slots=True)
class Choices:
    """What a person has said about a table; what is None or empty is guessed.

    Attributes
    ----------
    time, time_format, zone, frequency
        Columns of the time; their format; the zone; the ISO 8601 duration.
    sums, means, dimensions, ignored
        Columns by what they are. With any measure, all others are none; with any dimension likewise.
    decimal
        Separator of decimals.
    """

    time: tuple[str, ...] = ()
    time_format: str | None = None
    zone: str | None = None
    frequency: str | None = None
    sums: tuple[str, ...] = ()
    means: tuple[str, ...] = ()
    measures: tuple[str, ...] = ()
    dimensions: tuple[str, ...] | None = None
    ignored: tuple[str, ...] = ()
    decimal: str | None = None


NO_CHOICES: Final = Choices()


@dataclass(frozen=True, slots=True)
class TableReading:
    """What a table was taken for.

    Attributes
    ----------
    text
        How its bytes are read.
    separators
        Of decimals and of thousands.
    null_values
        Texts that mean "no value".
    time, zone, frequency
        The time of the rows, the zone that the data state or that was given, and the ISO 8601 duration.
    spacing
        How the times lie.
    layout
        ``long`` or ``wide``.
    roles
        What each column is, in the order of the table, without those of the time.
    series
        Combinations of dimension values, times measures.
    rows
        Rows that were looked at.
    is_whole
        Whether these are all.
    columns, names_changed
        Names of all columns; whether some are not as the header has them, for it repeats a name or has none.
    notices
        What the reader should know.
    """

    text: TextFormat
    separators: Guess[tuple[str, str]]
    null_values: tuple[str, ...]
    time: Guess[Times]
    zone: Guess[str | None]
    frequency: Guess[str]
    spacing: Spacing
    layout: Guess[str]
    roles: tuple[Role, ...]
    series: int
    rows: int
    is_whole: bool
    columns: tuple[str, ...] = ()
    names_changed: bool = False
    notices: tuple[Notice, ...] = field(default=())

    @property
    def measures(self) -> dict[str, str]:
        """Measures with their aggregation functions."""
        return {role.name: role.role.value for role in self.roles if role.is_measure}

    @property
    def dimensions(self) -> tuple[str, ...]:
        """Dimensions."""
        return tuple(role.name for role in self.roles if role.role.value == DIMENSION)

    @property
    def ignored(self) -> tuple[str, ...]:
        """Columns that are not used."""
        return tuple(role.name for role in self.roles if role.role.value == IGNORED)

    @property
    def unsure(self) -> tuple[str, ...]:
        """Names of the guesses that a person should look at."""
        named: list[tuple[str, Guess[object]]] = [
            ("delimiter", self.text.delimiter),
            ("quote", self.text.quote),
            ("charset", self.text.charset),
            ("header", self.text.header),
            ("decimal", self.separators),
            ("time", self.time),
            ("zone", self.zone),
            ("frequency", self.frequency),
            ("layout", self.layout),
        ]
        found = [name for name, guess in named if not guess.is_sure]
        if not self.time.is_sure:
            found += ["time_format", "frequency"]
        doubtful = [role for role in self.roles if not role.role.is_sure]
        if any(role.is_measure or role.role.value == IGNORED for role in doubtful):
            found.append("measures")
        if any(not role.is_measure for role in doubtful):
            found.append("dimensions")
        return tuple(dict.fromkeys(found))


def read_columns(text: TextFormat, sample: Sample, choices: Choices = NO_CHOICES) -> TableReading:
    """Guess what the columns of a table are.

    Raises
    ------
    NotATableError
        No column has times or numbers, or a column that was named is not there.
    """
    _check_names(sample, choices)
    time = times_of(sample, only=choices.time, pattern=choices.time_format)
    if time is None:
        raise NotATableError(_without_time(sample, choices))
    used = {*time.value.columns}
    rest = tuple(column for column in sample.columns if column.name not in used)
    guessed = separators_of(rest, text.delimiter.value) if text.kind.value == "csv" else Guess((".", ""), 1.0, "JSON")
    separators = Guess((choices.decimal, "" if guessed.value[1] == choices.decimal else guessed.value[1]), 1.0, "given"
                       ) if choices.decimal else guessed  # fmt: skip
    csv = CsvFormat(decimal_separator=separators.value[0], thousands_separator=separators.value[1])
    numbers, placeholders, units = numeric_columns(rest, csv)
    sentinels = {name: found for name, values in numbers.items() if (found := sentinel_of(values)) is not None}
    for name, sentinel in sentinels.items():
        numbers[name] = np.where(numbers[name] == sentinel, np.nan, numbers[name])
        column = next(candidate for candidate in rest if candidate.name == name)
        written = tuple(text for text in column.distinct if _is_the_number(text, sentinel, separators.value[0]))
        placeholders[name] = (*placeholders[name], *written)
    if time.value.in_names:
        return _in_names(text, sample, time, separators, numbers)
    moments = time.value.moments
    valid = ~np.isnat(moments)
    alone = spacings.spacing_of(moments, None, time.value.finest)
    table = Table(
        tuple(replace(column, codes=column.codes[valid]) for column in rest),
        {name: values[valid] for name, values in numbers.items()},
        _numbered(moments[valid], alone.value),
        alone.value.is_irregular,
        86_400 <= spacings.seconds_of(alone.value.frequency) <= 7 * 86_400,
    )
    roles = _roles(table, choices)
    dimensions = _dimensions(table, roles)
    series = row_codes([column.codes for column in dimensions]) if dimensions else np.zeros(len(table.times), np.int64)
    whole_series = np.zeros(len(moments), np.int64)
    whole_series[valid] = series
    spacing = spacings.spacing_of(moments, whole_series if dimensions else None, time.value.finest)
    frequency = Guess(choices.frequency, 1.0, "given") if choices.frequency else Guess(
        spacing.value.frequency, spacing.confidence, spacing.evidence)  # fmt: skip
    ordered = tuple(roles[column.name] for column in rest if column.name in roles)
    measures = {role.name for role in ordered if role.is_measure}
    zone: Guess[str | None] = (
        Guess(choices.zone, 1.0, "given")
        if choices.zone
        else Guess(
            time.value.zone, 0.95, "the times say it" if time.value.zone else "the data do not say it; UTC is taken"
        )
    )
    reading = TableReading(
        text=text, separators=separators, null_values=null_values(placeholders), time=time, zone=zone,
        frequency=frequency, spacing=spacing.value, layout=_layout(ordered), roles=ordered,
        series=len(np.unique(series)) * max(1, len(measures)), rows=sample.n_rows, is_whole=sample.is_whole,
        columns=tuple(column.name for column in sample.columns), names_changed=sample.names_changed,
    )  # fmt: skip
    totals = totals_of(table, dimensions, list(measures))
    return replace(reading, notices=tuple(_notices(reading, sample, table, series, placeholders, units, totals)))


def _numbered(moments: Moments, spacing: Spacing) -> Codes:
    """Number of each row's time; events of one interval have one."""
    seconds = moments.astype(np.int64)
    if spacing.is_irregular:
        seconds = seconds // spacings.seconds_of(spacing.frequency)
    return np.unique(seconds, return_inverse=True)[1].astype(np.int64)


def _is_the_number(text: str, number: float, decimal: str) -> bool:
    try:
        return float(text.replace(decimal, ".")) == number
    except ValueError:
        return False


def _check_names(sample: Sample, choices: Choices) -> None:
    known = [column.name for column in sample.columns]
    wanted = (
        *choices.time,
        *choices.sums,
        *choices.means,
        *choices.measures,
        *(choices.dimensions or ()),
        *choices.ignored,
    )
    for name in wanted:
        if name not in known:
            raise NotATableError(f"no column {shown(name)}; the table has {listed(known)}")


def _without_time(sample: Sample, choices: Choices) -> str:
    if choices.time:
        return (
            f"column {shown(' '.join(choices.time))}: no times that are known; expected ones such as "
            "2024-01-31 13:00:00, or seconds since 1970"
        )
    if len(sample.columns) == 1:
        name = shown(sample.columns[0].name)
        return f"has one column, {name}, and no times; expected a column with the time of each row"
    return (
        f"no column has times; expected one with the time of each row, such as 2024-01-31 13:00; "
        f"the table has {listed(column.name for column in sample.columns)}"
    )


def _given(table: Table, choices: Choices) -> dict[str, Role]:
    """The columns about which something was said; raises `NotATableError` for a measure without numbers."""
    given = {}
    for column in table.columns:
        name = column.name
        if name in (*choices.sums, *choices.means, *choices.measures):
            values = table.numbers.get(name)
            if values is None or np.isnan(values).all():
                raise NotATableError(f"column {shown(name)}: no numbers; expected a measure")
            function = SUM if name in choices.sums else AVG if name in choices.means else ""
            given[name] = Role(name, Guess(function, 1.0, "given") if function else function_of(name, values))
        elif name in (choices.dimensions or ()):
            given[name] = Role(name, Guess(DIMENSION, 1.0, "given"))
        elif name in choices.ignored:
            given[name] = Role(name, Guess(IGNORED, 1.0, "given"))
    return given


def _roles(table: Table, choices: Choices) -> dict[str, Role]:
    """What each column is: as was said, else as is guessed."""
    given = _given(table, choices)
    has_measures = bool(choices.sums or choices.means or choices.measures)
    free = replace(table, columns=tuple(column for column in table.columns if column.name not in given))
    roles = dimensions_of(free) | given
    if choices.dimensions is not None:
        roles = {name: _unnamed(role) if role.role.value == DIMENSION and name not in given else role
                 for name, role in roles.items()}  # fmt: skip
    dimensions = _dimensions(table, roles)
    series = row_codes([column.codes for column in dimensions]) if dimensions else np.zeros(len(table.times), np.int64)
    measures = measures_of(table, series, roles)
    roles |= {name: _unnamed(role) for name, role in measures.items()} if has_measures else measures
    for column in table.columns:
        roles.setdefault(column.name, Role(column.name, Guess(IGNORED, 0.7, "has texts that are no dimension")))
    return roles


def _unnamed(role: Role) -> Role:
    return Role(role.name, Guess(IGNORED, 1.0, "was not named"))


def _dimensions(table: Table, roles: Mapping[str, Role]) -> list[Column]:
    return [column for column in table.columns if column.name in roles and roles[column.name].role.value == DIMENSION]


def _layout(roles: Sequence[Role]) -> Guess[str]:
    measures = [role for role in roles if role.is_measure]
    if any(role.role.value == DIMENSION for role in roles) or len(measures) < 2:
        return Guess("long", 0.9, "dimensions tell series apart" if len(measures) > 1 else "there is one measure")
    vague = sum(role.role.confidence < SURE for role in measures)
    if vague > len(measures) / 2:
        return Guess("wide", 0.8, "no dimension, and columns of one kind")
    return Guess("long", 0.85, "no dimension, and columns of several kinds")


def _in_names(
    text: TextFormat,
    sample: Sample,
    time: Guess[Times],
    separators: Guess[tuple[str, str]],
    numbers: Mapping[str, Floats],
) -> TableReading:
    """The reading of a table whose columns are times."""
    times = time.value
    cells = [numbers[name] for name in times.in_names if name in numbers]
    present = np.concatenate(cells) if cells else np.array([np.nan])
    present = present[~np.isnan(present)]
    is_whole = bool(len(present)) and bool((present == np.round(present)).all())
    spacing = spacings.spacing_of(times.moments, None, times.finest)
    roles = []
    for column in sample.columns:
        if column.name in times.in_names or column.name in times.columns:
            continue
        is_text = column.name not in numbers and len(column.distinct) > 1
        roles.append(Role(column.name, Guess(DIMENSION if is_text else IGNORED, 0.6, "stands beside the times")))
    every = Role("*", Guess(SUM if is_whole else AVG, 0.6, "the cells below the times"))
    joined = ",".join(times.in_names)
    notice = Notice(
        "time in columns",
        f"time runs across the columns, from {times.in_names[0]!r} to "
        f"{times.in_names[-1]!r}; a detector wants a row for each time",
    )
    return TableReading(
        text=text, separators=separators, null_values=(), time=time, zone=Guess(None, 0.9, "the data do not say it"),
        frequency=Guess(spacing.value.frequency, spacing.confidence, spacing.evidence), spacing=spacing.value,
        layout=Guess("wide", 0.9, f"columns {joined[:60]} are times"), roles=(every, *roles),
        series=sample.n_rows if not times.columns else 1, rows=sample.n_rows, is_whole=sample.is_whole,
        columns=tuple(column.name for column in sample.columns), notices=(notice,),
    )  # fmt: skip


def _notices(
    reading: TableReading,
    sample: Sample,
    table: Table,
    series: Codes,
    placeholders: Mapping[str, tuple[str, ...]],
    units: frozenset[str],
    totals: Sequence[tuple[str, str]],
) -> list[Notice]:
    return [
        *_of_the_file(reading, sample, units),
        *_of_the_time(reading, table, series),
        *_of_the_rows(reading, sample, table, series),
        *_of_the_columns(reading, table, placeholders, totals),
    ]


def _of_the_file(reading: TableReading, sample: Sample, units: frozenset[str]) -> list[Notice]:
    text, found = reading.text, []
    if text.has_mark:
        found.append(Notice("byte order mark", "the file begins with a byte order mark, which is left out"))
    if text.header.value is False:
        found.append(Notice("no header", f"no line names the columns; they are called {listed(reading.columns[:3])} …"))
    if text.skip_lines.value:
        found.append(Notice("leading lines", f"{text.skip_lines.value} lines before the header are skipped"))
    if sample.ragged:
        found.append(Notice("ragged rows", f"{sample.ragged:,} of {sample.n_rows:,} rows have another number of cells"))
    if any("\ufffd" in name for name in reading.columns):
        found.append(Notice("bad characters", "names of columns have characters that were lost before"))
    if units:
        found.append(
            Notice(
                "currency signs" if units != {"%"} else "per cent signs",
                f"signs beside numbers are left out: {' '.join(sorted(units))}",
            )
        )
    if not sample.is_whole:
        found.append(Notice("beginning only", f"the first {sample.n_rows:,} rows were looked at"))
    return found


def _wanted(frequency: str) -> str:
    """Return how many intervals a backtest takes; a week has another name in detector files."""
    name = "P7D" if frequency == "P1W" else frequency
    better = f"results are better from {_ENOUGH_INTERVALS} on"
    return f"a backtest takes at least {least_intervals(name)}, and {better}" if name in FREQUENCIES else better


def _of_the_time(reading: TableReading, table: Table, series: Codes) -> list[Notice]:
    spacing, found, frequency = reading.spacing, [], reading.frequency.value
    if len(reading.time.value.columns) > 1:
        found.append(Notice("split time", f"the time is in {len(reading.time.value.columns)} columns"))
    supported = ("PT5M", "PT10M", "PT1H", "P1D")
    if frequency not in supported:
        found.append(Notice("unsupported frequency", f"Lookout for Metrics had no {frequency}"))
    with_rows = min(spacing.with_rows, spacing.intervals)
    if with_rows < _ENOUGH_INTERVALS and reading.is_whole:
        found.append(Notice("too short", f"{with_rows:,} intervals of {frequency} have rows; {_wanted(frequency)}"))
    if spacing.is_irregular or spacing.off_grid > 0.02:
        found.append(Notice("irregular times", "times lie on no grid; rows are collected into intervals"))
    if spacing.closed:
        found.append(Notice(spacing.closed, "there is nothing at regular times, such as nights or weekends"))
    elif frequency == "P1D" and _measures_on_business_days(reading, table):
        found.append(Notice("business days", "some measures have no value at weekends"))
    missing = spacing.intervals - spacing.with_rows
    if spacing.gaps or (reading.dimensions and _has_gaps(table, series, spacing)):
        found.append(
            Notice(
                "gaps",
                f"{max(missing, spacing.gaps):,} of {spacing.intervals:,} intervals have no row"
                if missing > 0
                else "some series lack intervals that others have",
            )
        )
    if (np.diff(table.times) < 0).any() and not _is_sorted_within(table, series):
        found.append(Notice("unsorted", "rows are not in the order of time"))
    if _has_clock_change(reading):
        found.append(
            Notice("clock change", "an hour is missing or doubled where clocks change; Timezone tells which zone")
        )
    return found


def _measures_on_business_days(reading: TableReading, table: Table) -> bool:
    moments = reading.time.value.moments
    days = moments[~np.isnat(moments)].astype("datetime64[D]").astype(np.int64)
    weekend = (days + 3) % 7 >= 5
    if weekend.sum() < 5 or len(weekend) != len(table.times):
        return False
    return any(
        np.isnan(table.numbers[name][weekend]).mean() > 0.9 > 0.5 > np.isnan(table.numbers[name][~weekend]).mean()
        for name in reading.measures
    )


def _has_gaps(table: Table, series: Codes, spacing: Spacing) -> bool:
    """Whether series lack times between their first and last."""
    first = np.full(int(np.max(series, initial=0)) + 1, np.iinfo(np.int64).max)
    last, number = np.full(len(first), -1), np.zeros(len(first), np.int64)
    np.minimum.at(first, series, table.times)
    np.maximum.at(last, series, table.times)
    pairs = np.unique(row_codes([series, table.times]), return_index=True)[1]
    np.add.at(number, series[pairs], 1)
    used = number > 0
    return bool(((last - first + 1)[used] > number[used]).any()) and not spacing.is_irregular


def _is_sorted_within(table: Table, series: Codes) -> bool:
    """Whether the rows of each series are in the order of time, and the series after one another."""
    changes = np.diff(series) != 0
    return bool((np.diff(table.times)[~changes] >= 0).all()) and int(changes.sum()) < len(np.unique(series))


def _has_clock_change(reading: TableReading) -> bool:
    """Whether an hour is missing or doubled on a Sunday of March, April, October or November."""
    moments = reading.time.value.moments
    if reading.time.value.zone or spacings.seconds_of(reading.frequency.value) > 3_600 or reading.dimensions:
        return False
    hours = np.sort(moments[~np.isnat(moments)]).astype("datetime64[h]")
    step = np.diff(hours).astype(np.int64)
    odd = hours[1:][(step == 2)]
    size = spacings.seconds_of(reading.frequency.value)
    counts = np.unique(hours, return_counts=True)
    doubled = counts[0][counts[1] > 3_600 // size]
    for hour in np.concatenate([odd, doubled])[:1_000]:
        when = hour.astype("datetime64[s]").item()
        if when.weekday() == 6 and when.month in (3, 4, 10, 11) and when.hour <= 4:
            return True
    return False


def _of_the_rows(reading: TableReading, sample: Sample, table: Table, series: Codes) -> list[Notice]:
    found = []
    if sample.identical:
        found.append(
            Notice("identical rows", f"{sample.identical:,} rows repeat another one in all columns; all count")
        )
    pairs = row_codes([series, table.times])
    repeated = len(pairs) - len(np.unique(pairs))
    if repeated and not reading.spacing.is_irregular:
        found.append(
            Notice("duplicates", f"{repeated:,} rows have the time and dimension values of another; they are added up")
        )
    return found


def _of_the_columns(
    reading: TableReading, table: Table, placeholders: Mapping[str, tuple[str, ...]], totals: Sequence[tuple[str, str]]
) -> list[Notice]:
    found = []
    for kind, what in _KINDS:
        concerned = [role.name for role in reading.roles if role.kind == kind]
        if concerned:
            found.append(Notice(kind, f"columns {listed(concerned)} {what}"))
    if reading.series > MANY_SERIES and not any(notice.kind == "too many series" for notice in found):
        found.append(Notice("too many series", f"{reading.series:,} series"))
    measures = set(reading.measures)
    if len(measures) > MOST_MEASURES:
        text = f"{len(measures)} measures: the first {MOST_MEASURES} are watched; --measure chooses others"
        found.append(Notice("too many measures", text))
    marks = sorted({text for name, texts in placeholders.items() if name in measures for text in texts})
    if marks:
        found.append(Notice("placeholder values", f"{listed(marks)} mean no value in measures"))
    lacking = [name for name in reading.measures if name in table.numbers and np.isnan(table.numbers[name]).any()]
    if lacking and any(np.isnan(table.numbers[name]).mean() > 0 for name in lacking):
        found.append(Notice("missing values", f"measures {listed(lacking)} lack values in some rows"))
    if totals:
        named = ", ".join(f"{name} {value!r}" for name, value in totals[:5])
        found.append(
            Notice("totals", f"{named}: a total of other values would count twice; DimensionFilterList leaves it out")
        )
    if not reading.measures:
        found.append(Notice("no measure", "no column has numbers to sum or to average"))
    return found
