"""Which columns have the time, and in what format."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final

import numpy as np
import numpy.typing as npt

from anomalake.sources.guessing import names
from anomalake.sources.guessing.guess import Guess
from anomalake.sources.guessing.samples import Column, Sample
from anomalake.sources.guessing.time_texts import (
    EPOCH_MILLISECONDS,
    EPOCH_SECONDS,
    EXCEL_SERIAL,
    TimeFormat,
    format_of,
    moment,
)

Moments = npt.NDArray[np.datetime64]

#: Texts of a column from which the format is guessed, taken evenly from all of them.
_TEXTS: Final = 4_000
_FEWEST_TIMES_IN_NAMES: Final = 4
_MONTHS = ("jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec")
_EPOCH = datetime(1970, 1, 1)


@dataclass(frozen=True, slots=True, eq=False)
class Times:
    """The time of the rows.

    Attributes
    ----------
    columns
        The columns whose texts, joined by one blank, are the time.
    pattern
        In Java's letters, or a format of numbers; None if the column has the type of a time.
    moments
        Of each row, in UTC if the times say their offset, else in wall-clock time; NaT where there is none.
    finest
        The finest unit that the times can have.
    zone
        ``UTC`` if the times say which zone they are in; None if they do not.
    in_names
        Columns whose names are times.
    """

    columns: tuple[str, ...]
    pattern: str | None
    moments: Moments
    finest: str
    zone: str | None
    in_names: tuple[str, ...] = ()


def times_of(sample: Sample, *, only: Sequence[str] = (), pattern: str | None = None) -> Guess[Times] | None:
    """Guess the time of the rows; None if no column has times.

    Parameters
    ----------
    only
        The columns that have the time, where they are known.
    pattern
        The format, where it is known.
    """
    by_name = {column.name: column for column in sample.columns}
    if len(only) > 1:
        given = [by_name[name] for name in only]
        return _joined(given, pattern, Guess(0, 0.99, "given"))
    columns = [by_name[name] for name in only] or list(sample.columns)
    candidates = sorted(_single(columns, pattern, is_given=bool(only)), key=lambda item: -item[0])
    if only:
        return candidates[0][1] if candidates else None
    in_names = _in_names(sample)
    if in_names is not None:
        return in_names
    split = _parts(sample.columns)
    best = candidates[0] if candidates else None
    # A year with months or weeks beside it is only a part of the time; and so is a column that is no time by its name.
    if split is not None and (best is None or best[1].value.finest in "yM" or best[0] < 1.5):
        return split
    if best is None:
        return None
    chosen = best[1]
    rival = next(
        (other for score, other in candidates[1:] if score > best[0] - 0.25 and not _is_day_of(other, chosen)), None
    )
    if chosen.value.finest in "dw":
        with_clock = _with_clock(chosen, sample)
        if with_clock is not None:
            return with_clock
    if rival is not None and rival.value.columns != chosen.value.columns:
        return Guess(
            chosen.value, min(chosen.confidence, 0.6), f"{chosen.evidence}; {rival.value.columns[0]!r} has times too"
        )
    return chosen


def _single(columns: Sequence[Column], pattern: str | None, *, is_given: bool) -> Iterator[tuple[float, Guess[Times]]]:
    for place, column in enumerate(columns):
        if column.share < 0.5 or not column.distinct:
            continue
        named = 1.0 if is_given else names.time_score(column.name)
        found = _times_in(column, named)
        if found is None:
            continue
        if pattern is not None and found.value.pattern is not None:
            found = _given_pattern(found, pattern)
        steps = len(column.distinct) / len(column.codes)
        score = named + found.confidence + 0.3 * (place == 0) + 0.2 * min(1.0, 2 * steps) + _fineness(found.value)
        yield score, found


def _given_pattern(found: Guess[Times], pattern: str) -> Guess[Times]:
    times = found.value
    return Guess(Times(times.columns, pattern, times.moments, times.finest, times.zone), 1.0, "given")


def _is_day_of(other: Guess[Times], chosen: Guess[Times]) -> bool:
    """Whether a time is only the day of another."""
    days, times = other.value.moments, chosen.value.moments
    return bool((days == times.astype("datetime64[D]").astype("datetime64[s]")).mean() > 0.95)


def _fineness(times: Times) -> float:
    return {"y": -0.9, "Q": -0.2, "M": -0.1, "w": 0.0, "d": 0.2}.get(times.finest, 0.6)


def _times_in(column: Column, named: float) -> Guess[Times] | None:
    """The times of one column; None if it has none."""
    if column.type_ in ("time", "instant"):
        moments = _moments(column, [_iso(text) for text in column.distinct])
        zone = "UTC" if column.type_ == "instant" else None
        return Guess(Times((column.name,), None, moments, _finest(moments), zone), 0.99, "its type is that of a time")
    texts = _evenly(column.distinct)
    found = format_of(texts)
    numeric = _is_numeric(texts)
    if numeric:
        epoch = _epoch(column, named)
        if epoch is not None:
            return epoch
        # Whole numbers such as 2015 or 201501 are times only where the name says so.
        if found is None or (named < 0.5 and len(texts[0]) < 8):
            return None
        if not names.has(column.name, names.YEAR | names.TIME) and found.value.pattern == "yyyy":
            return None
    if found is None:
        return None
    moments = _moments(column, [moment(text, found.value) for text in column.distinct])
    zone = "UTC" if found.value.has_offset else None
    confidence = found.confidence if named >= 0.5 or found.confidence < 0.9 else 0.9
    times = Times((column.name,), found.value.pattern, moments, found.value.finest, zone)
    return Guess(times, confidence, f"{column.name!r}: {found.evidence}")


def _evenly(texts: Sequence[str]) -> Sequence[str]:
    return texts[:: max(1, len(texts) // _TEXTS)]


def _is_numeric(texts: Sequence[str]) -> bool:
    return all(text.replace(".", "", 1).isdigit() for text in texts[:200])


def _iso(text: str) -> datetime | None:
    try:
        return datetime.fromisoformat(text)
    except ValueError:
        return None


def _moments(column: Column, distinct: Sequence[datetime | None]) -> Moments:
    values = np.array(
        [
            *(np.datetime64("NaT", "s") if instant is None else np.datetime64(instant, "s") for instant in distinct),
            np.datetime64("NaT", "s"),
        ],
        "datetime64[s]",
    )
    moments: Moments = values[column.codes]
    return moments


def _finest(moments: Moments) -> str:
    """The finest unit in which moments differ from midnight."""
    seconds = moments[~np.isnat(moments)].astype(np.int64)
    for unit, size in (("s", 60), ("m", 3_600), ("H", 86_400)):
        if (seconds % size).any():
            return unit
    return "d"


def _epoch(column: Column, named: float) -> Guess[Times] | None:
    """Times that are numbers since 1970, or Excel's days."""
    try:
        numbers = np.array([float(text) for text in column.distinct])
    except ValueError:
        return None
    low, high = float(np.min(numbers)), float(np.max(numbers))
    for name, scale in ((EPOCH_SECONDS, 1.0), (EPOCH_MILLISECONDS, 1e3), ("epoch_us", 1e6), ("epoch_ns", 1e9)):
        if 3e8 * scale <= low and high <= 4.2e9 * scale and (named or _are_even(numbers)):
            values = np.append((numbers / scale).astype("int64").astype("datetime64[s]"), np.datetime64("NaT", "s"))
            times = Times((column.name,), name, values[column.codes], "s", "UTC")
            return Guess(times, 0.97 if named else 0.85, f"{column.name!r}: numbers of {name} from 1979 to 2103")
    if named >= 0.6 and low >= 20_000 and high <= 60_000 and not names.has(column.name, names.YEAR):
        seconds = np.round((numbers - 25_569) * 86_400).astype("int64").astype("datetime64[s]")
        values = np.append(seconds, np.datetime64("NaT", "s"))
        times = Times((column.name,), EXCEL_SERIAL, values[column.codes], _finest(values), None)
        return Guess(times, 0.8, f"{column.name!r}: numbers of Excel's days")
    return None


def _are_even(numbers: npt.NDArray[np.float64]) -> bool:
    steps = np.diff(np.unique(numbers))
    return len(steps) > 2 and bool((steps == np.median(steps)).mean() > 0.8)


def _range(column: Column) -> tuple[int, int] | None:
    """Smallest and largest of whole numbers; None if there is another text."""
    if not column.distinct or len(column.distinct) > 400 or column.share < 0.9:
        return None
    if not all(re.fullmatch(r"\d{1,4}(\.0)?", text) for text in column.distinct):
        return None
    values = [int(float(text)) for text in column.distinct]
    return min(values), max(values)


def _part(columns: Sequence[Column], vocabulary: frozenset[str], low: int, high: int) -> Column | None:
    """The column of a part of the time: its name is of a vocabulary, and its numbers are in a range."""
    fitting = []
    for column in columns:
        span = _range(column)
        if span is not None and low <= span[0] and span[1] <= high and names.has(column.name, vocabulary):
            fitting.append((len(names.words(column.name)), column))
    return min(fitting, key=lambda item: item[0])[1] if fitting else None


def _parts(columns: Sequence[Column]) -> Guess[Times] | None:
    """The time over columns of its parts: years with quarters, weeks, or months with days, hours and minutes."""
    year = _part(columns, names.YEAR, 1500, 2199)
    if year is None:
        return None
    rest = [column for column in columns if column is not year]
    month = _part(rest, names.MONTH - {"mm"}, 1, 12) or _named_months(rest)
    if month is None:
        quarter = _part(rest, names.QUARTER, 1, 4)
        if quarter is not None:
            return _joined([year, quarter], "yyyy Q", Guess(0, 0.95, "their names and ranges"))
        week = _part(rest, names.WEEK, 1, 53)
        if week is not None:
            return _joined([year, week], "YYYY w", Guess(0, 0.9, "their names and ranges"))
        return None
    found = [year, month]
    is_week = frozenset({"week", "dow", "weekday", "wochentag"})
    days = [column for column in rest if column is not month and not names.has(column.name, is_week)]
    for vocabulary, low, high in ((names.DAY, 1, 31), (names.HOUR, 0, 24), (names.MINUTE, 0, 59)):
        part = _part([column for column in days if column not in found], vocabulary, low, high)
        if part is None:
            break
        found.append(part)
    return _joined(found, None, Guess(0, 0.95, "their names and ranges"))


def _named_months(columns: Sequence[Column]) -> Column | None:
    for column in columns:
        if (
            names.has(column.name, names.MONTH)
            and 1 < len(column.distinct) <= 12
            and all(text[:3].casefold() in _MONTHS for text in column.distinct)
        ):
            return column
    return None


def _joined(columns: Sequence[Column], pattern: str | None, why: Guess[int]) -> Guess[Times] | None:
    """The time of columns whose texts are joined by a blank."""
    codes, distinct = _pairs(columns)
    found = format_of(_evenly(distinct))
    if pattern in ("yyyy Q", "YYYY w"):
        moments = [_of_quarter_or_week(text, pattern) for text in distinct]
        finest, zone = ("Q" if pattern == "yyyy Q" else "w"), None
    elif found is not None:
        moments = [moment(text, found.value) for text in distinct]
        finest, zone = found.value.finest, "UTC" if found.value.has_offset else None
        pattern = pattern or found.value.pattern
    else:
        return None
    values = np.array(
        [
            *(np.datetime64("NaT", "s") if instant is None else np.datetime64(instant, "s") for instant in moments),
            np.datetime64("NaT", "s"),
        ],
        "datetime64[s]",
    )
    listed = tuple(column.name for column in columns)
    return Guess(
        Times(listed, pattern, values[codes], finest, zone),
        why.confidence,
        f"{' and '.join(map(repr, listed))}: {why.evidence}",
    )


def _of_quarter_or_week(text: str, pattern: str) -> datetime | None:
    year, _, number = text.partition(" ")
    try:
        if pattern == "yyyy Q":
            return datetime(int(float(year)), 3 * int(float(number)) - 2, 1)
        return datetime.fromisocalendar(int(float(year)), int(float(number)), 1)
    except ValueError:
        return None


def _pairs(columns: Sequence[Column]) -> tuple[npt.NDArray[np.int64], list[str]]:
    """Texts of columns, joined by a blank, and the place of each row's text among them."""
    present = np.all([column.present for column in columns], axis=0)
    stacked = np.stack([column.codes for column in columns], axis=1)
    unique, inverse = np.unique(stacked, axis=0, return_inverse=True)
    texts = [
        " ".join(column.distinct[code] for column, code in zip(columns, row, strict=True)) if (row >= 0).all() else ""
        for row in unique
    ]
    return np.where(present, inverse.reshape(-1), len(texts)), texts


def _with_clock(date: Guess[Times], sample: Sample) -> Guess[Times] | None:
    """A date with the column of its time of day, where that makes more times."""
    days = next(column for column in sample.columns if column.name == date.value.columns[0])
    if date.value.pattern is None:
        return None
    for column in sample.columns:
        if column is days or not names.has(column.name, names.CLOCK | names.HOUR) or column.share < 0.9:
            continue
        span = _range(column)
        is_hour = span is not None and span[0] >= 0 and 11 < span[1] <= 24
        is_clock = all(
            re.fullmatch(r"\d{1,2}[:.]\d{2}([:.]\d{2}(\.\d+)?)?( ?[AaPp][Mm])?", text) for text in column.distinct[:500]
        )
        if not (is_hour or is_clock):
            continue
        joined = _joined([days, column], None, Guess(0, min(date.confidence, 0.95), "a date and a time of day"))
        if joined is None:
            continue
        times = joined.value
        if span is not None and span[1] == 24 and times.pattern is not None:
            times = Times(times.columns, times.pattern.replace("H", "k"), times.moments, "H", times.zone)
        if len(np.unique(times.moments)) > len(np.unique(date.value.moments)):
            return Guess(times, joined.confidence, joined.evidence)
    return None


def _in_names(sample: Sample) -> Guess[Times] | None:
    """Times in the names of columns: days, months or years, with a column of numbers below each."""
    columns = sample.columns
    months = [
        column.name
        for column in columns
        if column.name.strip()[:3].casefold() in _MONTHS
        and len(column.name.strip()) <= 9
        and column.name.strip().isalpha()
    ]
    year = _part(columns, names.YEAR, 1500, 2199)
    if len(months) == 12 and year is not None:
        pattern = "yyyy " + ("MMM" if all(len(name.strip()) == 3 for name in months) else "MMMM")
        return _of_names((year.name,), months, pattern, sample)
    # A name of a time may be that of a text, but most names must be.
    named = [column.name for column in columns if any(map(str.isdigit, column.name))]
    found = format_of(named) if len(named) >= _FEWEST_TIMES_IN_NAMES else None
    if found is None or len(named) < 0.3 * len(columns):
        return None
    if _is_numeric(named) and not all(len(name) >= 4 for name in named):
        return None
    fitting = [name for name in named if moment(name, found.value) is not None]
    return _of_names((), fitting, found.value.pattern, sample)


def _of_names(before: tuple[str, ...], fitting: Sequence[str], pattern: str, sample: Sample) -> Guess[Times]:
    when = format_of(fitting)
    moments = np.array([], "datetime64[s]")
    if not before and when is not None:
        found = [moment(name, when.value) for name in fitting]
        moments = np.array([np.datetime64(instant, "s") for instant in found if instant is not None], "datetime64[s]")
    elif before:
        years = next(column for column in sample.columns if column.name == before[0])
        moments = np.array(
            [
                np.datetime64(f"{int(float(text)):04d}-{month:02d}-01", "s")
                for text in years.distinct
                for month in range(1, 13)
            ],
            "datetime64[s]",
        )
    finest = "M" if before else when.value.finest if when is not None else "d"
    times = Times(before, pattern, moments, finest, None, tuple(fitting))
    return Guess(times, 0.95, f"the names of {len(fitting)} columns are times, such as {fitting[0]!r}")


def format_for_detector(pattern: str | None) -> str | None:
    """The ColumnFormat of a detector file for a pattern."""
    return {EPOCH_SECONDS: "epoch_seconds", EPOCH_MILLISECONDS: "epoch_milliseconds"}.get(pattern or "", pattern)


__all__ = ["TimeFormat", "Times", "format_for_detector", "times_of"]
