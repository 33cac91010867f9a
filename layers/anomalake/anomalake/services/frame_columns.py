"""What the columns of a data frame mean: what its caller says, and guesses of the rest."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import timedelta
from typing import Any, Final

import pyarrow as pa

from anomalake.definitions.detector_file import DEFAULT_ACCOUNT, DEFAULT_REGION
from anomalake.definitions.errors import SourceError
from anomalake.definitions.messages import shown
from anomalake.definitions.metric_set import (
    DEFAULT_TIMESTAMP_FORMAT,
    Measure,
    MetricSet,
    ParquetFormat,
    check_timezone,
)
from anomalake.definitions.time_formats import OFFSET_LETTERS, ZONE_LETTERS, PatternReader, timestamp_reader
from anomalake.detection.result_tables import POINT_COLUMNS, KeyColumns
from anomalake.frequencies import FREQUENCIES
from anomalake.local.frames import UNNAMED_INDEX, Frame, FrameError, check_columns, read_frame
from anomalake.sources.guessing.detector_text import NotSupportedError, supported_frequency
from anomalake.sources.guessing.readings import Choices, NotATableError, TableReading, read_columns
from anomalake.sources.guessing.samples import sample_of_table
from anomalake.sources.guessing.times import format_for_detector

#: ARN of the detector of data frames, of which the ids of groups are made.
ARN: Final = f"arn:aws:lookoutmetrics:{DEFAULT_REGION}:{DEFAULT_ACCOUNT}:AnomalyDetector:frame"

#: Other names of frequencies, as pandas has them.
_ALIASES: Final = {
    "5min": "PT5M", "10min": "PT10M", "15min": "PT15M", "30min": "PT30M", "h": "PT1H", "1h": "PT1H", "d": "P1D",
    "1d": "P1D", "w": "P7D", "1w": "P7D", "7d": "P7D",
}  # fmt: skip
#: Aggregation functions, with pandas' names.
_FUNCTIONS: Final = {"sum": "SUM", "avg": "AVG", "mean": "AVG"}


@dataclass(frozen=True, slots=True)
class Asked:
    """What a caller says about a data frame; None: not said.

    Attributes
    ----------
    time
        Column with the time; several if it is in parts, such as a day and an hour.
    measures
        A column, several, or columns with their aggregation functions.
    dimensions
        A column or several.
    frequency
        A frequency, its name in pandas, or its length.
    timezone
        Zone of times without one, and of days.
    """

    time: str | Sequence[str] | None = None
    measures: str | Sequence[str] | Mapping[str, str] | None = None
    dimensions: str | Sequence[str] | None = None
    frequency: str | timedelta | None = None
    timezone: str | None = None


@dataclass(frozen=True, slots=True, eq=False)
class FrameColumns:
    """What the columns of a data frame mean.

    Attributes
    ----------
    metric_set
        Time, measures, dimensions, frequency and zone.
    keys
        Columns that the result has too.
    unsure
        What was guessed and may be wrong, in one line; empty if nothing was.
    """

    metric_set: MetricSet
    keys: KeyColumns
    unsure: str = ""


def read_asked(frame: Any, asked: Asked) -> Frame:
    """Read a data frame; columns that are not needed may be left out; raises `FrameError`."""
    said = (asked.time, asked.measures, asked.dimensions)
    names = [name for argument, given in zip(("time", "measures", "dimensions"), said, strict=True)
             for name in _names(argument, given)]  # fmt: skip
    return read_frame(frame, names if None not in said else None)


def columns_of(frame: Frame, asked: Asked) -> FrameColumns:
    """Return what the columns of a data frame mean: what is said, and guesses of the rest; raises `FrameError`."""
    times = _given_times(frame, asked.time)
    functions = _given_functions(asked.measures)
    dimensions = None if asked.dimensions is None else _names("dimensions", asked.dimensions)
    frequency = None if asked.frequency is None else _given_frequency(asked.frequency)
    measures = _names("measures", asked.measures)
    check_columns(frame, "measures", measures)
    check_columns(frame, "dimensions", dimensions or [])
    _check_once(times, measures, dimensions or [])
    is_typed = len(times) == 1 and pa.types.is_temporal(frame.table.schema.field(times[0]).type)
    if is_typed and functions is not None and all(functions.values()) and dimensions is not None and frequency:
        return _columns(frame, asked, times, DEFAULT_TIMESTAMP_FORMAT, functions, dimensions, frequency)
    reading = _reading_of(frame, times, functions, dimensions)
    pattern = None if is_typed else format_for_detector(reading.time.value.pattern)
    found = _columns(
        frame,
        asked,
        times or reading.time.value.columns,
        pattern or DEFAULT_TIMESTAMP_FORMAT,
        reading.measures,
        list(reading.dimensions) if dimensions is None else dimensions,
        frequency or _supported(reading),
    )
    said = {"time": times, "measures": functions, "dimensions": dimensions, "frequency": frequency}
    known = [name for name, given in said.items() if given or (name == "dimensions" and given is not None)]
    return replace(found, unsure=_unsure(reading, found.metric_set, known))


def keys_of(frame: Frame, metric_set: MetricSet) -> KeyColumns:
    """Return the columns of a data frame that its result has too."""
    name = metric_set.timestamp_column
    type_ = pa.string() if metric_set.joined_timestamp_columns else frame.table.schema.field(name).type
    if pa.types.is_date(type_) and not FREQUENCIES[metric_set.frequency].days:
        type_ = pa.timestamp("us")
    elif not pa.types.is_temporal(type_):
        reader = timestamp_reader(metric_set.timestamp_format)
        if isinstance(reader, PatternReader):
            is_zoned = bool(set(reader.full.letters) & set(OFFSET_LETTERS + ZONE_LETTERS))
        else:
            is_zoned = reader.is_utc
        type_ = pa.timestamp("us", metric_set.timezone if is_zoned else None)
    dimensions = tuple(frame.table.schema.field(name).type for name in metric_set.dimension_list)
    return KeyColumns(UNNAMED_INDEX if metric_set.joined_timestamp_columns else name, type_, dimensions)


# ---- what is said ----


def _names(argument: str, given: Any) -> list[str]:
    if given is not None and not isinstance(given, Iterable):
        raise FrameError(f"{argument} {given!r}: expected a column's name, or several")
    names = [given] if isinstance(given, str) else list(given or ())
    for name in names:
        if not isinstance(name, str):
            raise FrameError(f"{argument} {name!r}: expected a column's name")
    return names


def _given_times(frame: Frame, time: Any) -> tuple[str, ...]:
    """Return the columns that are given, or the index of a pandas frame if it is one of times; none if neither is."""
    names = _names("time", time)
    if time is not None and not names:
        raise FrameError("time: none is given; expected a column's name")
    check_columns(frame, "time", names)
    if time is None:
        indexed = [name for name in frame.index if pa.types.is_temporal(frame.table.schema.field(name).type)]
        names = indexed if len(indexed) == 1 else []
    return tuple(names)


def _given_functions(given: Any) -> dict[str, str] | None:
    """Return the measures that are given, with their functions; "" for a function that is not."""
    names = _names("measures", given)
    if given is None:
        return None
    if not names:
        raise FrameError("measures: none is given; expected a column's name, several, or columns with SUM or AVG")
    if not isinstance(given, Mapping):
        return dict.fromkeys(names, "")
    for name, function in given.items():
        if not isinstance(function, str) or function.lower() not in _FUNCTIONS:
            raise FrameError(f"measures {shown(name)}: {function!r}; expected SUM or AVG")
    return {name: _FUNCTIONS[function.lower()] for name, function in given.items()}


def _given_frequency(given: str | timedelta) -> str:
    if isinstance(given, timedelta):
        seconds = given.total_seconds()
        found = next((name for name, frequency in FREQUENCIES.items() if frequency.seconds == seconds), None)
    else:
        found = given if given in FREQUENCIES else _ALIASES.get(str(given).lower())
    if found is None:
        raise FrameError(f"frequency {given!r}: expected one of {', '.join(FREQUENCIES)}")
    return found


def _check_once(times: Sequence[str], measures: Sequence[str], dimensions: Sequence[str]) -> None:
    seen = dict.fromkeys(times, "the time")
    for argument, columns in (("measures", measures), ("dimensions", dimensions)):
        for name in columns:
            if name in seen:
                raise FrameError(f"{argument} {shown(name)}: is {seen[name]} too; expected each column once")
            seen[name] = f"among the {argument}"


# ---- what is guessed ----


def _reading_of(
    frame: Frame, times: Sequence[str], functions: Mapping[str, str] | None, dimensions: Sequence[str] | None
) -> TableReading:
    table = frame.table.select([field.name for field in frame.table.schema if _is_readable(field.type)])
    for argument, names in (("time", times), ("measures", functions or ()), ("dimensions", dimensions or ())):
        for name in names:
            if name not in table.column_names:
                type_ = frame.table.schema.field(name).type
                raise FrameError(f"{argument} {shown(name)}: has the type {type_}; expected {_EXPECTED[argument]}")
    if not len(table):
        raise FrameError("frame: has no row; expected a table with a row for each time")

    def measures(function: str) -> tuple[str, ...]:
        return tuple(name for name, chosen in (functions or {}).items() if chosen == function)

    choices = Choices(
        time=tuple(times),
        sums=measures("SUM"),
        means=measures("AVG"),
        measures=measures(""),
        dimensions=None if dimensions is None else tuple(dimensions),
    )
    try:
        reading = read_columns(*sample_of_table(table), choices)
    except NotATableError as error:
        for name in functions or ():
            if str(error).startswith(f"column {shown(name)}:"):
                type_ = frame.table.schema.field(name).type
                raise FrameError(
                    f"measures {shown(name)}: has the type {type_} and no numbers; expected numbers"
                ) from error
        raise FrameError(f"{'time' if times else 'frame'}: {error}") from error
    if reading.time.value.in_names:
        raise FrameError(f"frame: {reading.notices[0].text}, as pandas.melt makes")
    if not reading.measures:
        raise FrameError("measures: no column has numbers to sum or to average; expected one")
    return reading


_EXPECTED: Final = {
    "time": "timestamps, such as pandas.to_datetime makes", "measures": "numbers", "dimensions": "one value a row",
}  # fmt: skip


def _is_readable(type_: pa.DataType) -> bool:
    kinds = (pa.types.is_string, pa.types.is_boolean, pa.types.is_integer, pa.types.is_floating, pa.types.is_decimal,
             pa.types.is_timestamp, pa.types.is_date, pa.types.is_null)  # fmt: skip
    return any(is_kind(type_) for is_kind in kinds)


def _supported(reading: TableReading) -> str:
    try:
        return supported_frequency(reading.frequency.value)
    except NotSupportedError as error:
        raise FrameError(f"frequency: {error}") from error


def _unsure(reading: TableReading, metric_set: MetricSet, said: Sequence[str]) -> str:
    """Describe the guesses that may be wrong, without what is said."""
    functions = {measure.metric_name: measure.aggregation_function for measure in metric_set.metric_list}
    guessed = {
        "time": metric_set.timestamp_column,
        "measures": functions,
        "dimensions": list(metric_set.dimension_list),
        "frequency": metric_set.frequency,
    }
    unsure = [f"{name}={guessed[name]!r}" for name in guessed if name in reading.unsure and name not in said]
    return f"guessed, and perhaps wrong: {', '.join(unsure)}" if unsure else ""


# ---- both ----


def _columns(
    frame: Frame,
    asked: Asked,
    times: Sequence[str],
    pattern: str,
    functions: Mapping[str, str],
    dimensions: Sequence[str],
    frequency: str,
) -> FrameColumns:
    time = " ".join(times)
    type_ = frame.table.schema.field(times[0]).type
    try:
        metric_set = MetricSet(
            ARN,
            time,
            tuple(Measure(name, function) for name, function in functions.items()),
            tuple(dimensions),
            timestamp_format=pattern,
            timezone=_timezone_of(time, type_, asked.timezone),
            frequency=frequency,
            historical_data_path_list=("frame",),
            file_format=ParquetFormat(),
            joined_timestamp_columns=tuple(times) if len(times) > 1 else (),
        )
    except SourceError as error:
        raise FrameError(f"frame: {error}") from error
    keys = keys_of(frame, metric_set)
    for argument, columns in (("time", [keys.time]), ("dimensions", dimensions)):
        for name in columns:
            if name in POINT_COLUMNS or (argument == "dimensions" and name == keys.time):
                raise FrameError(f"{argument} {shown(name)}: is a column of the result too; expected another name")
    return FrameColumns(metric_set, keys)


def _timezone_of(time: str, type_: pa.DataType, given: str | None) -> str:
    zone = type_.tz if pa.types.is_timestamp(type_) and type_.tz is not None else None
    name = str(given if given is not None else zone or "UTC")
    try:
        check_timezone(name)
    except SourceError:
        if given is None:
            raise FrameError(
                f"time {shown(time)}: is in the zone {shown(name)}, which has no name; expected one as timezone, such "
                "as Europe/Paris"
            ) from None
        raise FrameError(f"timezone {given!r}: expected the name of a zone, such as Europe/Paris") from None
    return name
