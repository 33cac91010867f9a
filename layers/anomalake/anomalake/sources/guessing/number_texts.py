"""How a table writes numbers: separators of decimals and thousands, and texts that mean "no value"."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Sequence
from typing import Final

import numpy as np
import numpy.typing as npt

from anomalake.definitions.metric_set import DEFAULT_NULL_VALUES, CsvFormat
from anomalake.sources.guessing.guess import Guess
from anomalake.sources.guessing.samples import Column, numbers_of

_SAMPLED: Final = 2_000
_MOST_PLACEHOLDERS: Final = 3
# So many numbers with three digits after a comma have separators of thousands.
_MANY: Final = 20
_SIGNS = re.compile(r"^[-+\u2212(]*\s*[^\w\s.,'\u2019+-]?\s*[-+]?|\s*[^\w\s.,]?\)?$")
_FORMS: Final = (
    ("both.", re.compile(r"\d{1,3}(,\d{3})+\.\d+")),
    ("both,", re.compile(r"\d{1,3}(\.\d{3})+,\d+")),
    ("many,", re.compile(r"\d{1,3}(,\d{2,3}){1,}(,\d{3})+")),
    ("many.", re.compile(r"\d{1,3}(\.\d{3}){2,}")),
    ("maybe,", re.compile(r"[1-9]\d{0,2},\d{3}")),
    ("maybe.", re.compile(r"[1-9]\d{0,2}\.\d{3}")),
    ("decimal,", re.compile(r"\d*,\d+")),
    ("decimal.", re.compile(r"\d*\.\d+([eE][-+]?\d+)?")),
    ("blank", re.compile(r"\d{1,3}([ \u00a0\u2009\u202f]\d{3})+([.,]\d+)?")),
    ("quote", re.compile(r"\d{1,3}(['\u2019]\d{3})+([.,]\d+)?")),
    ("whole", re.compile(r"\d+")),
)
#: Numbers that stand for no value where they are far from all others.
_SENTINEL: Final = re.compile(r"-1|-200|-?9{2,6}|-?9{2,6}[.]9+")


def separators_of(columns: Iterable[Column], delimiter: str | None) -> Guess[tuple[str, str]]:
    """Guess the separators of decimals and thousands."""
    votes: Counter[str] = Counter()
    for column in columns:
        forms = Counter(map(_form, column.distinct[:_SAMPLED]))
        numbers = forms.total() - forms["text"]
        if numbers < 0.5 * forms.total() or not numbers:
            continue
        for form, number in forms.items():
            votes[form] += 1 if number else 0
        # With separators of thousands, numbers of four digits without one do not occur.
        if forms["maybe,"] and not forms["decimal,"]:
            small = all(len(text) <= 3 for text in column.distinct[:_SAMPLED] if text.isdigit())
            only = forms["maybe,"] + forms["text"] == forms.total() and forms["maybe,"] > _MANY and delimiter == ","
            votes["thousands," if (small and forms["whole"]) or only else "unclear,"] += 1
    decimal_comma = votes["both,"] + votes["decimal,"] + votes["many."]
    decimal_dot = votes["both."] + votes["decimal."] + votes["many,"]
    if decimal_comma and not votes["both."] and (decimal_comma > decimal_dot or votes["both,"]):
        thousands = "." if votes["both,"] or votes["many."] else _other_thousands(votes)
        return Guess((",", thousands), 0.95 if not decimal_dot else 0.7, "numbers such as 1,5")
    if votes["both."] or votes["many,"] or votes["thousands,"] or (votes["unclear,"] and votes["decimal."]):
        return Guess((".", ","), 0.95 if votes["both."] or votes["many,"] else 0.85, "numbers such as 1,500")
    if votes["unclear,"] and delimiter != "," and not decimal_dot:
        return Guess((",", ""), 0.6, "numbers such as 1,500, of which none tells what the comma is")
    sure = 0.99 if decimal_dot else 0.9
    return Guess((".", _other_thousands(votes)), sure, "numbers such as 1.5" if decimal_dot else "whole numbers")


def _other_thousands(votes: Counter[str]) -> str:
    return " " if votes["blank"] else "'" if votes["quote"] else ""


def _form(text: str) -> str:
    bare = _SIGNS.sub("", text.strip()) if len(text) < 60 else ""
    return next((name for name, form in _FORMS if form.fullmatch(bare)), "text")


def numeric_columns(
    columns: Sequence[Column], csv: CsvFormat
) -> tuple[dict[str, npt.NDArray[np.float64]], dict[str, tuple[str, ...]], frozenset[str]]:
    """The numbers of columns that are mostly numbers, the texts of each that mean no value, and signs of currencies.

    Texts that are in the list of `csv` already are not among them, except by their meaning.
    """
    found, placeholders, units = {}, {}, set[str]()
    for column in columns:
        if not column.distinct or column.type_ in ("nested", "time", "instant"):
            continue
        first = numbers_of(_part(column), csv)[1] if len(column.distinct) > _SAMPLED else []
        if len(first) > 0.3 * _SAMPLED:
            continue
        values, others, signs = numbers_of(column, csv)
        wrong = np.isin(column.codes, [column.distinct.index(text) for text in others]) if others else np.array([False])
        share = float(wrong.sum()) / max(1, int(column.present.sum()))
        if np.isnan(values).all() or share > (0.3 if len(others) <= _MOST_PLACEHOLDERS else 0.02):
            continue
        if others and _are_codes(column, others):
            continue
        found[column.name] = values
        units |= signs
        used = [text for text in column.distinct if text in csv.null_values]
        placeholders[column.name] = (*others[:_MOST_PLACEHOLDERS], *used)
    return found, placeholders, frozenset(units)


def _part(column: Column) -> Column:
    return Column(column.name, np.arange(_SAMPLED), column.distinct[:: len(column.distinct) // _SAMPLED][:_SAMPLED])


def _are_codes(column: Column, others: Sequence[str]) -> bool:
    """Whether texts beside numbers are codes like them, such as ``C123`` beside ``123``."""
    return sum(any(map(str.isdigit, text)) for text in others) > max(1, 0.5 * len(others)) and len(others) > 2


def sentinel_of(values: npt.NDArray[np.float64]) -> float | None:
    """A number that stands for no value: repeated, and far from all others; None if there is none."""
    present = values[~np.isnan(values)]
    if len(present) < 50:
        return None
    for sentinel in (float(np.min(present)), float(np.max(present))):
        if not _SENTINEL.fullmatch(f"{sentinel:g}"):
            continue
        hits = present == sentinel
        rest = present[~hits]
        if not len(rest) or hits.sum() >= 0.9 * len(present):
            continue
        # One such number may be a true one, unless it is negative and no other is.
        if hits.sum() < 5 and not (sentinel < -90 and (rest >= 0).all()):
            continue
        low, high = float(np.quantile(rest, 0.001)), float(np.quantile(rest, 0.999))
        spread = max(high - low, 1e-9)
        is_apart = (sentinel < 0 and (low >= 0 or low - sentinel > 0.5 * spread)) or (
            sentinel > 0 and sentinel - high > 2 * spread
        )
        if is_apart and (abs(sentinel) > 1 or ((rest >= 0).all() and (rest != np.round(rest)).any())):
            return sentinel
    return None


def null_values(placeholders: dict[str, tuple[str, ...]]) -> tuple[str, ...]:
    """NullValues of a detector file: the default, and what the table has beyond it."""
    more = dict.fromkeys(text for texts in placeholders.values() for text in texts)
    return (*DEFAULT_NULL_VALUES, *(text for text in more if text not in DEFAULT_NULL_VALUES))
