"""What the columns of a data frame mean: what its caller says, as a metric set."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import timedelta
from typing import Any, Final

import numpy as np
import pyarrow as pa

from anomalake.definitions.detector_file import DEFAULT_ACCOUNT, DEFAULT_REGION
from anomalake.definitions.errors import SourceError
from anomalake.definitions.intervals import NO_INSTANT
from anomalake.definitions.messages import shown
from anomalake.definitions.metric_set import Measure, MetricSet, ParquetFormat, check_timezone
from anomalake.definitions.time_formats import OFFSET_LETTERS, ZONE_LETTERS, PatternReader, timestamp_reader
from anomalake.detection.result_tables import POINT_COLUMNS, KeyColumns
from anomalake.frequencies import FREQUENCIES
from anomalake.local.frames import Frame, FrameError, check_columns, read_frame
from anomalake.sources.columns import Instants

#: ARN of the detector of data frames, of which the ids of groups are made.
ARN: Final = f"arn:aws:lookoutmetrics:{DEFAULT_REGION}:{DEFAULT_ACCOUNT}:AnomalyDetector:frame"

#: Other names of frequencies, as pandas has them.
_ALIASES: Final = {
    "5min": "PT5M", "10min": "PT10M", "15min": "PT15M", "30min": "PT30M", "h": "PT1H", "1h": "PT1H", "d": "P1D",
    "1d": "P1D", "w": "P7D", "1w": "P7D", "7d": "P7D",
}  # fmt: skip
#: Aggregation functions, with pandas' names.
_FUNCTIONS: Final = {"sum": "SUM", "avg": "AVG", "mean": "AVG"}
#: Formats of timestamps that are text.
_TEXT_FORMATS: Final = (
    "yyyy-MM-dd HH:mm:ss", "yyyy-MM-dd'T'HH:mm:ss", "yyyy-MM-dd HH:mm", "yyyy-MM-dd'T'HH:mm", "yyyy-MM-dd HH:mm:ssX",
    "yyyy-MM-dd'T'HH:mm:ssX", "yyyy-MM-dd HH:mm:ss.SSS", "yyyy-MM-dd'T'HH:mm:ss.SSS", "yyyy-MM-dd'T'HH:mm:ss.SSSX",
)  # fmt: skip
_CLOCK_CHANGE: Final = 3_600
# Fewest distances between times that tell a frequency.
_FEWEST: Final = 5


@dataclass(frozen=True, slots=True)
class Asked:
    """What a caller says about a data frame; None: not said.

    Attributes
    ----------
    time
        Column with the time.
    measures
        A column, several, or columns with their aggregation functions.
    dimensions
        A column or several.
    frequency
        A frequency, its name in pandas, or its length.
    timezone
        Zone of times without one, and of days.
    """

    time: str | None = None
    measures: str | Sequence[str] | Mapping[str, str] | None = None
    dimensions: str | Sequence[str] | None = None
    frequency: str | timedelta | None = None
    timezone: str | None = None


def read_asked(frame: Any, asked: Asked) -> Frame:
    """Read a data frame; columns that are not needed may be left out; raises `FrameError`."""
    names = [*_names("measures", asked.measures), *_names("dimensions", asked.dimensions)]
    return read_frame(frame, [asked.time, *names] if asked.time is not None else None)


def _names(argument: str, given: str | Iterable[str] | None) -> list[str]:
    names = [given] if isinstance(given, str) else list(given) if isinstance(given, Iterable) else []
    if given is not None and not isinstance(given, Iterable):
        raise FrameError(f"{argument} {given!r}: expected a column's name, or several")
    for name in names:
        if not isinstance(name, str):
            raise FrameError(f"{argument} {name!r}: expected a column's name")
    return names


def metric_set_of(frame: Frame, asked: Asked) -> tuple[MetricSet, KeyColumns]:
    """Return the metric set of a data frame, and the columns that its result has too; raises `FrameError`."""
    time = _time_of(frame, asked.time)
    measures = _measures_of(asked.measures)
    dimensions = _names("dimensions", asked.dimensions)
    names = [measure.metric_name for measure in measures]
    check_columns(frame, "measures", names)
    check_columns(frame, "dimensions", dimensions)
    seen = {time: "the time"}
    for argument, columns in (("measures", names), ("dimensions", dimensions)):
        for name in columns:
            if name in seen:
                raise FrameError(f"{argument} {shown(name)}: is {seen[name]} too; expected each column once")
            seen[name] = f"among the {argument}"
    for argument, columns in (("time", [time]), ("dimensions", dimensions)):
        for name in columns:
            if name in POINT_COLUMNS:
                raise FrameError(f"{argument} {shown(name)}: is a column of the result too; expected another name")
    type_ = frame.table.schema.field(time).type
    timezone = _timezone_of(time, type_, asked.timezone)
    try:
        unknown = MetricSet(
            ARN,
            time,
            measures,
            tuple(dimensions),
            timestamp_format=_text_format(time, frame.table.column(time)),
            timezone=timezone,
            historical_data_path_list=("frame",),
            file_format=ParquetFormat(),
        )
        metric_set = replace(unknown, frequency=_frequency_of(frame, unknown, asked.frequency))
    except SourceError as error:
        raise FrameError(f"frame: {error}") from error
    return metric_set, keys_of(frame, metric_set)


def _time_of(frame: Frame, time: str | None) -> str:
    if time is None:
        indexed = [name for name in frame.index if pa.types.is_temporal(frame.table.schema.field(name).type)]
        if len(indexed) == 1:
            return str(indexed[0])
        typed = [field.name for field in frame.table.schema if pa.types.is_timestamp(field.type)]
        if len(typed) != 1:
            raise FrameError("time: is not given; expected the column with the time")
        return str(typed[0])
    if not isinstance(time, str):
        raise FrameError(f"time {time!r}: expected a column's name")
    check_columns(frame, "time", [time])
    return time


def _measures_of(given: Any) -> tuple[Measure, ...]:
    names = _names("measures", given)
    if not names:
        raise FrameError("measures: none is given; expected a column's name, several, or columns with SUM or AVG")
    functions = list(given.items()) if isinstance(given, Mapping) else [(name, "SUM") for name in names]
    for name, function in functions:
        if not isinstance(function, str) or function.lower() not in _FUNCTIONS:
            raise FrameError(f"measures {shown(name)}: {function!r}; expected SUM or AVG")
    return tuple(Measure(name, _FUNCTIONS[function.lower()]) for name, function in functions)


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


def _text_format(time: str, column: pa.ChunkedArray) -> str:
    """Return the format of a column's timestamps; the default where they are no text."""
    if pa.types.is_temporal(column.type):
        return _TEXT_FORMATS[0]
    if not pa.types.is_string(column.type):
        raise FrameError(
            f"time {shown(time)}: has the type {column.type}; expected timestamps, such as pandas.to_datetime makes"
        )
    texts = [text for text in column.unique().slice(0, 1_000).to_pylist() if text is not None]
    for pattern in _TEXT_FORMATS:
        if all(_reads(pattern, text) for text in texts):
            return pattern
    odd = next((text for text in texts if not any(_reads(pattern, text) for pattern in _TEXT_FORMATS)), texts[0])
    raise FrameError(
        f"time {shown(time)}: has the text {shown(odd)}; expected timestamps, such as pandas.to_datetime makes"
    )


def _reads(pattern: str, text: str) -> bool:
    try:
        timestamp_reader(pattern).read(text)
    except ValueError:
        return False
    return True


def _frequency_of(frame: Frame, metric_set: MetricSet, given: str | timedelta | None) -> str:
    if given is None:
        return _usual_frequency(frame, metric_set)
    if isinstance(given, timedelta):
        seconds = given.total_seconds()
        found = next((name for name, one in FREQUENCIES.items() if one.seconds == seconds), None)
    else:
        found = given if given in FREQUENCIES else _ALIASES.get(str(given).lower())
    if found is None:
        raise FrameError(f"frequency {given!r}: expected one of {', '.join(FREQUENCIES)}")
    return found


def _usual_frequency(frame: Frame, metric_set: MetricSet) -> str:
    """Return the frequency of which the times usually are apart."""
    instants = Instants(metric_set)
    chunks = [instants.read(chunk) for chunk in frame.table.column(metric_set.timestamp_column).chunks]
    seconds = np.unique(np.concatenate([np.empty(0, np.int64), *chunks]))
    apart = np.diff(seconds[seconds != NO_INSTANT])
    what = f"frequency: times of {shown(metric_set.timestamp_column)} are"
    if len(apart) < _FEWEST:
        raise FrameError(f"{what} {len(apart) + 1 if len(seconds) else 0}; expected one of {', '.join(FREQUENCIES)}")
    typical = int(np.median(apart))
    for name, frequency in FREQUENCIES.items():
        if abs(typical - frequency.seconds) <= (_CLOCK_CHANGE if frequency.days else 0):
            return name
    raise FrameError(f"{what} usually {timedelta(seconds=typical)} apart; expected one of {', '.join(FREQUENCIES)}")


def keys_of(frame: Frame, metric_set: MetricSet) -> KeyColumns:
    """Return the columns of a data frame that its result has too."""
    type_ = frame.table.schema.field(metric_set.timestamp_column).type
    if pa.types.is_date(type_) and not FREQUENCIES[metric_set.frequency].days:
        type_ = pa.timestamp("us")
    elif not pa.types.is_temporal(type_):
        reader = timestamp_reader(metric_set.timestamp_format)
        zoned = isinstance(reader, PatternReader) and set(reader.full.letters) & set(OFFSET_LETTERS + ZONE_LETTERS)
        type_ = pa.timestamp("us", metric_set.timezone if zoned else None)
    dimensions = tuple(frame.table.schema.field(name).type for name in metric_set.dimension_list)
    return KeyColumns(metric_set.timestamp_column, type_, dimensions)
