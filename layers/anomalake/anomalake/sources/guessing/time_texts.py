"""Formats of times that are texts, in Java's letters, and the moments that the texts mean."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import cache
from itertools import pairwise
from typing import Final

from anomalake.definitions.time_formats import SHORT_MONTHS
from anomalake.sources.guessing.guess import Guess

#: Texts from which a format is guessed.
MOST_TEXTS: Final = 4_000
#: Formats of numbers.
EPOCH_SECONDS, EPOCH_MILLISECONDS, EXCEL_SERIAL = "epoch_s", "epoch_ms", "excel_serial"
# Parts of a time; what stands between them is literal.
_PARTS = frozenset(("y", "Y", "M", "N", "first", "second", "d", "E", "Q", "w", "H", "m", "s", "S", "a", "z"))
# Share of the texts that must have the format.
_SHARE = 0.9

_MONTH = (
    "January|February|March|April|May|June|July|August|September|October|November|December"
    "|Jan|Feb|Mar|Apr|Jun|Jul|Aug|Sep|Oct|Nov|Dec"
)
_DAY = "Monday|Tuesday|Wednesday|Thursday|Friday|Saturday|Sunday|Mon|Tue|Wed|Thu|Fri|Sat|Sun"
_TIME = (
    r"(?:T|[ ,]{1,3}|[-:_])(?P<H>\d{1,2})(?P<c>[:.])(?P<m>\d{2})(?:(?P=c)(?P<s>\d{2})(?:[.,](?P<S>\d{1,9}))?)?"
    r"(?: ?(?P<a>[AaPp][Mm]))?"
    r"(?: ?(?P<z>Z|UTC|GMT|[+-]\d{2}(?::?\d{2})?|[A-Z][a-z]+/[A-Za-z_]+|(?:[ECMP][SD]T|CES?T|BST)))?"
)
_COMPACT = r"(?:T|[ _-])(?P<H>\d{2})(?P<m>\d{2})(?P<s>\d{2})?(?:(?P<z>Z|[+-]\d{4}))?"
_HOUR = r"(?:T|[ _-])(?P<H>\d{1,2})(?: ?(?P<a>[AaPp][Mm]))?"
_DATES = (
    r"(?P<y>\d{4})(?P<g1>[-/. ])(?P<M>\d{1,2})(?:[-/. ])(?P<d>\d{1,2})",
    r"(?P<first>\d{1,2})(?P<g1>[-/. ])(?P<second>\d{1,2})(?:[-/. ])(?P<y>\d{4}|\d{2})",
    r"(?P<y>(?:19|20)\d{2})(?P<M>\d{2})(?P<d>\d{2})",
    rf"(?:(?P<E>{_DAY})(?:,? ))?(?P<d>\d{{1,2}})(?P<g1>[-/. ]?)(?P<N>{_MONTH})(?:[-/. ,]{{0,2}})(?P<y>\d{{4}}|\d{{2}})",
    rf"(?:(?P<E>{_DAY})(?:,? ))?(?P<N>{_MONTH})(?P<g1>[-/. ])(?P<d>\d{{1,2}})(?:, ?|[-/. ])(?P<y>\d{{4}})",
    rf"(?P<y>\d{{4}})(?P<g1>[-/ ])(?P<N>{_MONTH})(?:[-/ ])(?P<d>\d{{1,2}})",
)
_SPANS = (
    r"(?P<y>(?:1[5-9]|20|21)\d{2})(?P<g1>[-/. ])(?P<M>\d{1,2})",
    r"(?P<M>\d{1,2})(?P<g1>[-/.])(?P<y>(?:1[5-9]|20|21)\d{2})",
    r"(?P<y>(?:19|20)\d{2})(?P<M>0[1-9]|1[0-2])",
    r"(?P<y>(?:1[5-9]|20|21)\d{2})(?P<g1>[ -]?M)(?P<M>\d{1,2})",
    rf"(?P<N>{_MONTH})(?P<g1>[-/ .,]{{1,2}})(?P<y>\d{{4}}|\d{{2}})",
    rf"(?P<y>\d{{4}})(?P<g1>[-/ ]?)(?P<N>{_MONTH})",
    r"(?P<y>\d{4})(?P<g1>[- ]?Q)(?P<Q>[1-4])",
    r"(?:Q)(?P<Q>[1-4])(?P<g1>[-/ ]?)(?P<y>\d{4})",
    r"(?P<Y>\d{4})(?P<g1>[- ]?W)(?P<w>\d{2})",
    r"(?P<y>(?:1[5-9]|20|21)\d{2})",
)


@cache
def _families() -> tuple[re.Pattern[str], ...]:
    """Compile the regular expressions; most processes use none of them."""
    return tuple(
        re.compile(expression, re.IGNORECASE | re.ASCII)
        for expression in (
            *(date + _TIME for date in _DATES),
            *_DATES,
            *(_DATES[place] + _COMPACT for place in (0, 2)),
            r"(?P<y>(?:19|20)\d{2})(?P<M>\d{2})(?P<d>\d{2})(?P<H>\d{2})(?:(?P<m>\d{2})(?P<s>\d{2})?)?",
            *(_DATES[place] + _HOUR for place in (0, 1, 2)),
            *_SPANS,
        )
    )


@dataclass(frozen=True, slots=True)
class TimeFormat:
    """A format of times.

    Attributes
    ----------
    pattern
        In Java's letters, or a format of numbers.
    family
        Number of the regular expression; -1 for numbers.
    day_first
        Whether ``03/04/2020`` is in April; None where the order is known.
    has_offset
        Whether the texts have an offset or a zone.
    letters
        Letters of the pattern.
    """

    pattern: str
    family: int
    day_first: bool | None = None
    has_offset: bool = False

    @property
    def finest(self) -> str:
        """The finest unit of the pattern: ``S s m H d w M Q y``."""
        plain = re.sub(r"'[^']*'", "", self.pattern)
        if self.family < 0:
            return "s"
        return next((letter for letter in "SsmHhdwMQy" if letter in plain), "y").replace("h", "H")


def format_of(texts: Iterable[str]) -> Guess[TimeFormat] | None:
    """Guess the format of times; None if they are no times.

    Where only the order of time can tell whether the day or the month comes first, the texts are taken in their order.
    """
    sample = [text for text in texts if text][:MOST_TEXTS]
    if not sample:
        return None
    for number, family in enumerate(_families()):
        if family.fullmatch(sample[0]) is None and (len(sample) < 2 or family.fullmatch(sample[-1]) is None):
            continue
        found = [match for text in sample if (match := family.fullmatch(text)) is not None]
        if len(found) < _SHARE * len(sample):
            continue
        order = _order(found)
        if order is None:
            continue
        if order.value == "none":
            continue
        day_first = {"day": True, "month": False}.get(order.value)
        has_offset = any(_group(match, "z") is not None for match in found)
        guessed = TimeFormat(_pattern(found, day_first), number, day_first, has_offset)
        valid = sum(moment(match.group(), guessed) is not None for match in found[:500])
        if valid < _SHARE * min(len(found), 500):
            continue
        share = len(found) / len(sample)
        return Guess(
            guessed,
            min(order.confidence, 0.99 if share > 0.99 else 0.9),
            f"{share:.0%} of the values are {guessed.pattern}{order.evidence}",
        )
    return None


def _order(found: Sequence[re.Match[str]]) -> Guess[str] | None:
    """Guess whether the day or the month is first; ``known`` where it is clear; None if the texts are no dates."""
    if "first" not in found[0].re.groupindex:
        return Guess("known", 0.99, "")
    firsts = [int(match["first"]) for match in found]
    seconds = [int(match["second"]) for match in found]
    if max(firsts) > 31 or max(seconds) > 31 or min(firsts) < 1 or min(seconds) < 1:
        return None
    if max(firsts) > 12:
        return None if max(seconds) > 12 else Guess("day", 0.99, f", for there is a day {max(firsts)}")
    if max(seconds) > 12:
        return Guess("month", 0.99, f", for there is a day {max(seconds)}")
    return _order_in_time(found)


def _order_in_time(found: Sequence[re.Match[str]]) -> Guess[str]:
    """Guess the order with which days, weeks or months follow one another."""
    worth = {}
    for name, (month, day) in {"day": ("second", "first"), "month": ("first", "second")}.items():
        days = []
        for match in found:
            try:
                days.append(datetime(_year(match["y"]), int(match[month]), int(match[day])).toordinal())
            except ValueError:
                continue
        worth[name] = _evenness(sorted(set(days))) + _sortedness(days)
    dotted = found[0]["g1"] in ".-"
    if abs(worth["day"] - worth["month"]) > 0.25:
        better = max(worth, key=lambda name: worth[name])
        sure = 0.9 if len(found) > 20 else 0.7
        return Guess(better, sure, f", for with the {better} first the times are even and sorted")
    return Guess("day" if dotted else "month", 0.6, ", though no value tells the day from the month")


def _evenness(days: Sequence[int]) -> float:
    """How far the days are a series with a step of a day, a week, a month, a quarter or a year, without gaps."""
    steps = [after - before for before, after in pairwise(days)]
    if not steps:
        return 0.0
    shares = (
        sum(low <= step <= high for step in steps) / len(steps) * min(1.0, len(steps) * high / sum(steps))
        for low, high in ((1, 1), (7, 7), (28, 31), (89, 92), (365, 366))
    )
    return max(shares)


def _sortedness(days: Sequence[int]) -> float:
    steps = [after - before for before, after in pairwise(days) if after != before]
    return abs(sum(step > 0 for step in steps) - sum(step < 0 for step in steps)) / max(1, len(steps))


def _pattern(found: Sequence[re.Match[str]], day_first: bool | None) -> str:
    # The text with the most parts tells their order.
    model = max(found[:200], key=lambda match: sum(group is not None for group in match.groups()))
    parts = sorted((model.start(name), name) for name in model.re.groupindex if name in _PARTS and model[name])
    letters = _letters([name for _, name in parts], found, day_first)
    pieces, end = [], 0
    for start, name in parts:
        pieces += [_literal(model.string[end:start]), letters[name]]
        end = model.end(name)
    return "".join(pieces)


def _literal(text: str) -> str:
    return re.sub("[A-Za-z]+", lambda letters: f"'{letters[0]}'", text.replace("'", "''"))


def _letters(names: Sequence[str], found: Sequence[re.Match[str]], day_first: bool | None) -> dict[str, str]:
    """The letters of each part."""
    values = {name: [match[name] for match in found if match[name]] for name in names}
    padded = {name: any(value[0] == "0" and len(value) == 2 for value in values[name]) for name in names}
    # One number without a leading zero tells that the others have none.
    numbers = [name for name in names if name in ("M", "d", "first", "second", "H")]
    is_short = any(len(value) == 1 for name in numbers for value in values[name])
    letters = {}
    for name in names:
        lengths = set(map(len, values[name]))
        if name in numbers:
            letter = {"first": "Md"[bool(day_first)], "second": "dM"[bool(day_first)]}.get(name, name)
            letter = "h" if name == "H" and "a" in names else letter
            letters[name] = letter if 1 in lengths or (is_short and not padded[name]) else letter * 2
        elif name == "y":
            letters[name] = "yy" if lengths == {2} else "yyyy"
        elif name == "N":
            letters[name] = "MMMM" if any(length > 3 for length in lengths) else "MMM"
        elif name == "E":
            letters[name] = "EEEE" if any(length > 3 for length in lengths) else "EEE"
        elif name == "z":
            letters[name] = _zone_letters(values[name])
        else:
            letters[name] = {"Y": "YYYY", "w": "ww", "S": "S" * max(lengths), "m": "mm", "s": "ss"}.get(name, name)
    return letters


def _zone_letters(values: Sequence[str]) -> str:
    offsets = [value for value in values if value[0] in "+-"]
    if any(value[0].isalpha() and value not in ("Z", "z") for value in values):
        return "VV" if any("/" in value for value in values) else "z"
    if not offsets:
        return "X"
    if any(":" in value for value in offsets):
        return "XXX"
    return "Z" if len(offsets[0]) == 5 else "X"


def moment(text: str, guessed: TimeFormat) -> datetime | None:
    """The moment that a text means, in UTC if it has an offset, else in wall-clock time; None if it is none."""
    found = _families()[guessed.family].fullmatch(text)
    if found is None:
        return None
    try:
        year = _year(_group(found, "y") or _group(found, "Y") or "")
        week = _group(found, "w")
        if week is not None:
            return datetime.fromisocalendar(year, int(week), 1)
        when = datetime(
            year,
            _month(found, guessed.day_first),
            _day(found, guessed.day_first),
            _hour(found),
            int(_group(found, "m") or 0),
            int(_group(found, "s") or 0),
        )
    except ValueError:
        return None
    fraction = _group(found, "S")
    if fraction:
        when += timedelta(microseconds=int(fraction[:6].ljust(6, "0")))
    return when - _offset(_group(found, "z"))


def _group(found: re.Match[str], name: str) -> str | None:
    return found[name] if name in found.re.groupindex else None


def _year(text: str) -> int:
    year = int(text)
    if len(text) == 2:
        year += 1900 if year >= 70 else 2000
    if not 1500 <= year <= 2199:
        raise ValueError(text)
    return year


def _month(found: re.Match[str], day_first: bool | None) -> int:
    named = _group(found, "N")
    if named is not None:
        return SHORT_MONTHS[named[:3].lower()]
    quarter = _group(found, "Q")
    if quarter is not None:
        return 3 * int(quarter) - 2
    return int(_group(found, "M") or _group(found, "second" if day_first else "first") or 1)


def _day(found: re.Match[str], day_first: bool | None) -> int:
    return int(_group(found, "d") or _group(found, "first" if day_first else "second") or 1)


def _hour(found: re.Match[str]) -> int:
    hour, half = int(_group(found, "H") or 0), _group(found, "a")
    if half is None:
        # Hours from 1 to 24 are those of the letter k.
        return 0 if hour == 24 and not _group(found, "m") else hour
    if not 1 <= hour <= 12:
        raise ValueError(hour)
    return hour % 12 + (12 if half.lower() == "pm" else 0)


def _offset(zone: str | None) -> timedelta:
    if not zone or zone[0] not in "+-":
        return timedelta()
    digits = zone[1:].replace(":", "").ljust(4, "0")
    size = timedelta(hours=int(digits[:2]), minutes=int(digits[2:]))
    return size if zone[0] == "+" else -size
