"""Conversion of the cells of measures to numbers.

A number may have a currency sign or a per cent sign before or after it, which is left out: ``12 %`` is 12. Separators
of thousands are accepted in groups of three only (or as in India, of two before the last three), so that a decimal
separator is not taken for one.
"""

from __future__ import annotations

import re
import unicodedata

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from anomalake.definitions.messages import shown
from anomalake.definitions.metric_set import MAX_METRIC_VALUE, CsvFormat, MetricSet
from anomalake.sources.cells import Text, as_text, codes_of

Floats = npt.NDArray[np.float64]
Flags = npt.NDArray[np.bool_]

EXPECTED = "expected a number below 1e18 in size"

# Blanks that do not break a line are used as separators too.
_BLANKS = " \u00a0\u2009\u202f"
_LONGEST = 400
_SIGNED = r"(?P<sign>[+\-\u2212]?)\s*(?P<before>[^\w\s+.,\-\u2212]?)\s*(?P<inner>[+\-\u2212]?)"


class Numbers:
    """Reads one measure.

    Parameters
    ----------
    metric_set
        Its file format has the separators, and the texts that mean "no value".

    Attributes
    ----------
    units
        The currency signs and per cent signs that numbers had.
    """

    def __init__(self, metric_set: MetricSet) -> None:
        self.units: set[str] = set()
        file_format = metric_set.file_format
        self._is_csv = metric_set.kind == "csv"
        csv = file_format if self._is_csv and isinstance(file_format, CsvFormat) else CsvFormat()
        self._decimal, self._thousands = csv.decimal_separator, csv.thousands_separator
        self._nulls = frozenset(text.strip() for text in csv.null_values)
        self._null_set = pa.array(sorted({"", *self._nulls}), pa.string())
        thousands = f"[{_BLANKS}]" if self._thousands in _BLANKS and self._thousands else re.escape(self._thousands)
        self._separator = thousands
        whole = f"(?:[0-9]{{1,3}}(?:{thousands}[0-9]{{2,3}})*{thousands}[0-9]{{3}}|[0-9]+)" if thousands else "[0-9]+"
        decimal = re.escape(self._decimal)
        number = f"(?:{whole}(?:{decimal}[0-9]*)?|{decimal}[0-9]+)(?:[eE][+-]?[0-9]+)?"
        self._bare = f"^[+-]?{number}$"
        self._regex = re.compile(rf"{_SIGNED}(?P<number>{number})\s*(?P<after>[^\w\s+.,\-\u2212]?)")
        # Arrow's own reader suits numbers without separators, unless some of them mean "no value".
        self._is_plain = self._decimal == "." and all(self._unsigned(text) is None for text in self._nulls)

    def read(self, column: pa.Array) -> tuple[Floats, Flags]:
        """Values of a measure, NaN for cells without a value, and a mask of invalid cells."""
        if pa.types.is_floating(column.type):
            present = column.is_valid().to_numpy(zero_copy_only=False)
            values = column.to_numpy(zero_copy_only=False).astype(np.float64, copy=True)
            return _within_bounds(values, present)
        try:
            texts = column.cast(pa.string())
        except pa.ArrowInvalid:
            return self._one_by_one(column)
        for usual in (self._read_plain, self._read_separated) if self._is_plain else (self._read_separated,):
            try:
                return usual(texts)
            except pa.ArrowInvalid:
                continue
        return self._one_by_one(column)

    def fault(self, name: str, value: Text | float) -> str | None:
        """Problem of a measure's value; empty if none."""
        if isinstance(value, (int, float)):
            return None if abs(value) < MAX_METRIC_VALUE else f"column {name!r} {value!r}: {EXPECTED}"
        if value is None or self._number(value) is not None:
            return None
        return f"column {name!r} {shown(value)}: {EXPECTED}{self._hint(value)}"

    def has_value(self, value: Text | float) -> bool:
        """Whether a cell has a valid number."""
        number = value if isinstance(value, (int, float)) else None if value is None else self._number(value)
        return number is not None and abs(number) < MAX_METRIC_VALUE

    def _read_plain(self, texts: pa.Array) -> tuple[Floats, Flags]:
        empty = pc.equal(pc.binary_length(texts), 0)
        if pc.any(empty).as_py():
            texts = pc.if_else(empty, pa.scalar(None, pa.string()), texts)
        return _converted(texts)

    def _read_separated(self, texts: pa.Array) -> tuple[Floats, Flags]:
        texts = pc.utf8_trim_whitespace(texts)
        null = pc.is_in(texts, value_set=self._null_set)
        texts = pc.if_else(null, pa.scalar(None, pa.string()), texts)
        if not self._is_plain or self._thousands:
            if not pc.all(pc.match_substring_regex(texts, self._bare)).as_py():
                raise pa.ArrowInvalid("not numbers only")
            if self._thousands:
                texts = pc.replace_substring_regex(texts, self._separator, "")
            texts = pc.replace_substring(texts, self._decimal, ".")
        return _converted(texts)

    def _one_by_one(self, column: pa.Array) -> tuple[Floats, Flags]:
        coded = column.dictionary_encode()
        distinct = coded.dictionary.to_pylist()
        parsed = [self._number(text) for text in distinct]
        values = np.array([*(np.nan if item is None else item for item in parsed), np.nan], np.float64)
        bad = np.array([*(entry is None for entry in parsed), False], np.bool_)
        codes = codes_of(coded, len(distinct))
        return values[codes], bad[codes]

    def _number(self, text: Text) -> float | None:
        """Parse a cell: NaN if it has no value, None if it is invalid."""
        try:
            plain = as_text(text).strip()
        except ValueError:
            return None
        if not plain or plain in self._nulls:
            return float("nan")
        return self._unsigned(plain) if len(plain) <= _LONGEST else None

    def _unsigned(self, text: str) -> float | None:
        """Parse a number without the sign of a currency or of per cent; None if it is none."""
        found = self._regex.fullmatch(text)
        if found is None:
            return None
        signs, symbols = found["sign"] + found["inner"], found["before"] + found["after"]
        if len(signs) > 1 or len(symbols) > 1 or (symbols and not _is_unit(symbols)):
            return None
        digits = re.sub(self._separator, "", found["number"]) if self._thousands else found["number"]
        self.units.update(symbols)
        value = float(digits.replace(self._decimal, "."))
        if not value < MAX_METRIC_VALUE:
            return None
        return -value if signs in ("-", "\u2212") else value

    def _hint(self, value: str | bytes) -> str:
        text = value.decode("utf-8", "replace") if isinstance(value, bytes) else value
        if not self._is_csv:
            return ""
        if not any(letter.isdigit() for letter in text):
            return "; NullValues lists texts that mean no value" if len(text) <= 10 else ""
        other = {",", ".", "'", "\u2019"} & set(text) - {self._decimal, self._thousands}
        if other and re.fullmatch(r"[\s0-9+.,'\u2019\-]+", text):
            return f"; if {sorted(other)[0]!r} is a separator, DecimalSeparator or ThousandsSeparator names it"
        return ""


def _is_unit(symbol: str) -> bool:
    return symbol == "%" or unicodedata.category(symbol) == "Sc"


def _converted(texts: pa.Array) -> tuple[Floats, Flags]:
    present = texts.is_valid().to_numpy(zero_copy_only=False)
    values = texts.cast(pa.float64()).to_numpy(zero_copy_only=False).astype(np.float64, copy=True)
    return _within_bounds(values, present)


def _within_bounds(values: Floats, present: Flags) -> tuple[Floats, Flags]:
    with np.errstate(invalid="ignore"):
        bad = present & ~(np.abs(values) < MAX_METRIC_VALUE)
    values[~present | bad] = np.nan
    return values, bad
