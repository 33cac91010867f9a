"""Conversion of columns to instants and codes. Each distinct text is parsed once."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from anomalake.alerts.timestamps import EARLIEST_YEAR, LATEST_YEAR
from anomalake.definitions.intervals import NO_INSTANT, Seconds, local_seconds, second_instants, to_utc
from anomalake.definitions.messages import is_marked, shown
from anomalake.definitions.metric_set import MAX_VALUE, MetricSet
from anomalake.definitions.time_formats import NumberReader, PatternReader, WallClockReader, timestamp_reader
from anomalake.sources.cells import Text, as_text, codes_of

_REMEMBERED = 1_000_000
_EARLIEST = np.datetime64(f"{EARLIEST_YEAR}-01-01", "s").astype(np.int64)
_LATEST = np.datetime64(f"{LATEST_YEAR + 1}-01-01", "s").astype(np.int64)


class Instants:
    """Reads the timestamp column.

    Parameters
    ----------
    metric_set
        Has the timestamp's format and zone.

    Attributes
    ----------
    skipped
        Wall-clock times that the zone skips, in seconds since 1970.
    repeated
        Instants of wall-clock times that the zone has twice: the first, which rows get, and the second.
    """

    def __init__(self, metric_set: MetricSet) -> None:
        self._zone = metric_set.timezone
        self._column = metric_set.timestamp_column
        self._format = metric_set.timestamp_format
        self._reader = timestamp_reader(self._format)
        self._fixed = _FixedWidth(self._reader.full) if isinstance(self._reader, PatternReader) else None
        self._known: dict[Text, int] = {}
        self.skipped: set[int] = set()
        self.repeated: dict[int, int] = {}

    def read(self, column: pa.Array) -> Seconds:
        """Return instants in seconds since 1970, `NO_INSTANT` for invalid timestamps."""
        if pa.types.is_temporal(column.type):
            return self._typed(column)
        coded = column if pa.types.is_dictionary(column.type) else column.dictionary_encode()
        distinct = coded.dictionary.to_pylist()
        unknown = [text for text in distinct if text not in self._known]
        if unknown:
            if len(self._known) + len(unknown) > _REMEMBERED:
                self._known.clear()
                unknown = distinct
            self._known.update(zip(unknown, self._parse(unknown).tolist(), strict=True))
        seconds = np.array([*(self._known[text] for text in distinct), NO_INSTANT], np.int64)
        return seconds[codes_of(coded, len(distinct))]

    def fault_at(self, column: pa.Array, row: int) -> str | None:
        """Problem of a row's timestamp; empty if none."""
        if not pa.types.is_temporal(column.type):
            return self.fault(column[row].as_py())
        value = column.slice(row, 1)
        if self._typed(value)[0] != NO_INSTANT:
            return None
        text = value.cast(pa.string())[0].as_py()
        if text is None:
            return f"Timestamp Column {self._column!r} is empty"
        return (
            f"Timestamp Column {self._column!r} {shown(text)} is no time in {self._zone}, or not between "
            f"{EARLIEST_YEAR} and {LATEST_YEAR}"
        )

    def fault(self, text: Text) -> str | None:
        """Problem of a timestamp; empty if none."""
        # The bytes of most valid texts of a file were read before.
        key = text.encode("utf-8", "replace") if isinstance(text, str) else text
        if self._known.get(key, NO_INSTANT) != NO_INSTANT or self._parse([text])[0] != NO_INSTANT:
            return None
        try:
            self._reader.read(as_text(text))
        except ValueError:
            return (
                f"Timestamp Column {self._column!r} {shown('' if text is None else text)} does not match provided "
                f"timestamp format {self._format!r}"
            )
        return f"Timestamp Column {self._column!r} {shown(text)} is no time in {self._zone}: its clocks skip it"

    def _parse(self, texts: Sequence[Text]) -> Seconds:
        if isinstance(self._reader, NumberReader):
            local, parsed = _parse_numbers(texts, self._reader)
        else:
            assert self._fixed is not None
            local, parsed = self._fixed.parse(texts)
        offsets = np.full(len(texts), NO_INSTANT, np.int64)
        for place in np.flatnonzero(~parsed).tolist():
            try:
                clock = self._reader.read(as_text(texts[place]))
            except ValueError:
                continue
            local[place] = local_seconds(clock.local)
            if clock.offset is not None:
                offsets[place] = clock.offset
        good = local != NO_INSTANT
        if isinstance(self._reader, NumberReader) and self._reader.is_utc:
            return local
        own_zone = good & (offsets == NO_INSTANT)
        instants = np.full(len(texts), NO_INSTANT, np.int64)
        instants[own_zone] = self._in_zone(local[own_zone], is_date=not self._reader.has_time)
        with_offset = good & ~own_zone
        instants[with_offset] = local[with_offset] - offsets[with_offset]
        return instants

    def _typed(self, column: pa.Array) -> Seconds:
        is_date = pa.types.is_date(column.type)
        zoned = not is_date and column.type.tz is not None
        values = column.cast(pa.timestamp("s", column.type.tz if zoned else None), safe=False)
        seconds = values.cast(pa.int64()).fill_null(NO_INSTANT).to_numpy(zero_copy_only=False).astype(np.int64)
        bad = (seconds < _EARLIEST) | (seconds >= _LATEST)
        if not zoned:
            seconds = np.where(bad, 0, seconds)
            seconds = self._in_zone(seconds, is_date=is_date)
        return np.where(bad, NO_INSTANT, seconds)

    def _in_zone(self, local: Seconds, *, is_date: bool) -> Seconds:
        """Convert wall-clock times without an offset to instants; note those that the zone skips or has twice."""
        instants = to_utc(local, self._zone, gaps_forward=is_date)
        if is_date:
            return instants
        self.skipped.update(local[instants == NO_INSTANT].tolist())
        again = second_instants(local, self._zone)
        twice = again != NO_INSTANT
        self.repeated.update(zip(instants[twice].tolist(), again[twice].tolist(), strict=True))
        return instants


def _parse_numbers(texts: Sequence[Text], reader: NumberReader) -> tuple[Seconds, npt.NDArray[np.bool_]]:
    """Parse timestamps that are whole numbers, in seconds; also return which texts are valid. Others are left."""
    local = np.full(len(texts), NO_INSTANT, np.int64)
    try:
        numbers = pa.array(texts).cast(pa.string()).cast(pa.int64())
    except (pa.ArrowInvalid, pa.ArrowTypeError, pa.ArrowNotImplementedError, UnicodeEncodeError):
        return local, np.zeros(len(texts), np.bool_)
    scaled = np.floor(reader.scaled(numbers.fill_null(NO_INSTANT).to_numpy(zero_copy_only=False).astype(np.float64)))
    parsed = (scaled >= _EARLIEST) & (scaled < _LATEST)
    local[parsed] = scaled[parsed].astype(np.int64)
    return local, parsed


class _FixedWidth:
    """Patterns of numbers of a fixed width, such as ``yyyy-MM-dd HH:mm:ss``, read as a matrix of characters."""

    def __init__(self, reader: WallClockReader) -> None:
        self._fields: dict[str, slice] = {}
        self._literals: list[tuple[int, int]] = []
        self.width = 0
        usable = True
        for part in reader.parts:
            text = part.text
            if not part.is_field:
                encoded = text.encode()
                self._literals += [(self.width + place, byte) for place, byte in enumerate(encoded)]
                self.width += len(encoded)
                continue
            usable = usable and text in ("yyyy", "MM", "dd", "HH", "mm", "ss") and text[0] not in self._fields
            self._fields[text[0]] = slice(self.width, self.width + len(text))
            self.width += len(text)
        self._usable = usable and {"y", "M", "d"} <= set(self._fields)

    def parse(self, texts: Sequence[Text]) -> tuple[Seconds, npt.NDArray[np.bool_]]:
        """Parse wall-clock times, in seconds; also return which texts are valid."""
        local = np.full(len(texts), NO_INSTANT, np.int64)
        parsed = np.zeros(len(texts), np.bool_)
        if not self._usable:
            return local, parsed
        encoded = [text.encode("utf-8", "replace") if isinstance(text, str) else text or b"" for text in texts]
        places = np.array([place for place, text in enumerate(encoded) if len(text) == self.width], np.int64)
        if not len(places):
            return local, parsed
        matrix = np.frombuffer(b"".join(encoded[place] for place in places), np.uint8).reshape(-1, self.width)
        good = np.ones(len(matrix), np.bool_)
        for at, byte in self._literals:
            good &= matrix[:, at] == byte
        numbers: dict[str, Seconds] = {}
        for letter, where in self._fields.items():
            digits = matrix[:, where].astype(np.int64) - ord("0")
            good &= ((digits >= 0) & (digits <= 9)).all(axis=1)
            numbers[letter] = digits @ (10 ** np.arange(digits.shape[1])[::-1])
        good &= (numbers["y"] >= EARLIEST_YEAR) & (numbers["y"] <= LATEST_YEAR)
        good &= (numbers["M"] >= 1) & (numbers["M"] <= 12)
        for letter, end in (("H", 24), ("m", 60), ("s", 60)):
            good &= numbers.setdefault(letter, np.zeros(len(matrix), np.int64)) < end
        months = np.where(good, (numbers["y"] - 1970) * 12 + numbers["M"] - 1, 0).astype("datetime64[M]")
        days = months.astype("datetime64[D]") + (numbers["d"] - 1)
        good &= (numbers["d"] >= 1) & (days.astype("datetime64[M]") == months)
        seconds = days.astype("datetime64[s]").astype(np.int64)
        seconds += numbers["H"] * 3600 + numbers["m"] * 60 + numbers["s"]
        local[places[good]] = seconds[good]
        parsed[places[good]] = True
        return local, parsed


def value_fault(name: str, value: Text) -> str | None:
    """Problem of a dimension's value; empty if none."""
    if value is None or _value(value) is not None:
        return None
    return f"column {name!r} {shown(value)}: expected text in the charset, up to {MAX_VALUE} characters"


def _value(value: str | bytes) -> str | None:
    try:
        text = as_text(value)
    except ValueError:
        return None
    return text if len(text) <= MAX_VALUE and not is_marked(text) else None


class Codes:
    """Codes for the values of one dimension, in order of appearance from 0; None for missing values has a code too."""

    def __init__(self) -> None:
        self.values: list[str | None] = []
        self._codes: dict[str | None, int] = {}

    def read(self, column: pa.Array) -> npt.NDArray[np.int64]:
        """Return the code of each row's value, -1 if it is invalid."""
        coded = column if pa.types.is_dictionary(column.type) else column.dictionary_encode()
        distinct = coded.dictionary.to_pylist()
        codes = np.empty(len(distinct) + 1, np.int64)
        for place, given in enumerate(distinct):
            value = None if given is None else _value(given)
            codes[place] = -1 if value is None and given is not None else self._code(value)
        places = codes_of(coded, len(distinct))
        codes[-1] = self._code(None) if coded.null_count else -1
        return codes[places]

    @property
    def empty(self) -> tuple[int, ...]:
        """Codes of the missing and the empty value, as far as they were read."""
        return tuple(self._codes[value] for value in (None, "") if value in self._codes)

    def _code(self, value: str | None) -> int:
        code = self._codes.setdefault(value, len(self.values))
        if code == len(self.values):
            self.values.append(value)
        return code
