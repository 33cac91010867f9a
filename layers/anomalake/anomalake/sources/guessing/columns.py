"""What the columns of a table are: measures with SUM or AVG, dimensions, or nothing to watch."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Final

import numpy as np
import numpy.typing as npt

from anomalake.sources.guessing import names
from anomalake.sources.guessing.guess import Guess
from anomalake.sources.guessing.samples import Column, is_usable, row_codes
from anomalake.sources.guessing.time_texts import format_of

Codes = npt.NDArray[np.int64]
Floats = npt.NDArray[np.float64]

SUM, AVG, DIMENSION, IGNORED = "SUM", "AVG", "dimension", "ignored"

#: A column with less of its cells filled is taken for empty.
ALMOST_EMPTY: Final = 0.1
#: Most values of a dimension.
MOST_VALUES: Final = 1_000
#: Share of the rows that time and dimensions should tell apart.
_KEY: Final = 0.985
_MOST_KEY: Final = 6
# A dimension of events is repeated so often.
_REPEATS: Final = 5
_FEWEST_STEPS: Final = 20


@dataclass(frozen=True, slots=True)
class Role:
    """What a column is.

    Attributes
    ----------
    name
        The column.
    role
        ``SUM`` or ``AVG`` of a measure, ``dimension``, or ``ignored``.
    kind
        What it is where that is worth a warning: ``cumulative``, ``label column``, ``empty columns``,
        ``too many series``; else empty.
    """

    name: str
    role: Guess[str]
    kind: str = ""

    @property
    def is_measure(self) -> bool:
        """Whether it is a measure."""
        return self.role.value in (SUM, AVG)


@dataclass(frozen=True, slots=True, eq=False)
class Table:
    """A table whose time is known.

    Attributes
    ----------
    columns
        The columns beside those of the time.
    numbers
        Values of those that are numbers.
    moments
        Number of each row's time, and whether it has one.
    is_irregular
        Whether the times are those of events.
    is_daily
        Whether intervals are days or weeks.
    """

    columns: tuple[Column, ...]
    numbers: Mapping[str, Floats]
    times: Codes
    is_irregular: bool
    is_daily: bool = False

    @property
    def n_times(self) -> int:
        """Number of times."""
        return len(np.unique(self.times))


def dimensions_of(table: Table) -> dict[str, Role]:
    """Guess which columns are dimensions, and which of the others are none that could be: each with the reason."""
    roles: dict[str, Role] = {}
    candidates = []
    for column in table.columns:
        role = _excluded(column, table)
        if role is not None:
            roles[column.name] = role
        elif column.name not in table.numbers or _is_code(column, table.numbers[column.name]):
            candidates.append(column)
    n_rows = len(table.times)
    if table.n_times >= 0.97 * n_rows and not table.is_irregular:
        for column in candidates:
            if column.name not in table.numbers:
                why = "there is one row for each time, so it cannot tell series apart"
                roles[column.name] = _role(column, IGNORED, 0.9, why)
        return roles
    key, share = _key(table, candidates)
    if share < 0.85:
        return roles | _of_events(table, candidates)
    if key and _is_sparse(table, key):
        for column in candidates:
            if column.name not in table.numbers:
                why = "as a dimension it would tear one series into many with gaps"
                roles[column.name] = _role(column, IGNORED, 0.7, why)
        return roles
    for column in key:
        roles[column.name] = _role(
            column,
            DIMENSION,
            _sureness_of_key(column, table, share),
            f"with the time it tells {share:.0%} of the rows apart",
        )
    return roles | _beside_the_key(table, [column for column in candidates if column not in key], key)


def _role(column: Column, role: str, confidence: float, evidence: str, kind: str = "") -> Role:
    return Role(column.name, Guess(role, confidence, evidence), kind)


def _excluded(column: Column, table: Table) -> Role | None:
    """The role of a column that can be neither a measure nor a dimension; None for any other."""
    is_number = column.name in table.numbers
    if column.type_ == "nested":
        return _role(column, IGNORED, 0.95, "has lists or objects", "nested")
    if not is_usable(column.name):
        return _role(column, IGNORED, 0.95, "its name is too long or has characters that cannot be shown")
    if column.share < ALMOST_EMPTY or (is_number and np.isnan(table.numbers[column.name]).all()):
        return _role(column, IGNORED, 0.95, f"{1 - column.share:.0%} of its cells are empty", "empty columns")
    if len(column.distinct) == 1:
        if is_number and not names.has(column.name, names.IDENTIFIER | names.CALENDAR) and column.share > 0.9:
            return _role(column, IGNORED, 0.7, f"is always {column.distinct[0][:40]!r}")
        return _role(column, IGNORED, 0.9, f"is always {column.distinct[0][:40]!r}")
    if column.type_ in ("time", "instant"):
        return _role(column, IGNORED, 0.9, "is another time")
    if not is_number and len(column.distinct) <= 3 and names.has(column.name, names.LABEL):
        return _role(column, IGNORED, 0.9, "is a label that a person gave", "label column")
    if not is_number and format_of(column.distinct) is not None:
        return _role(column, IGNORED, 0.9, "is another time")
    if is_number:
        return None
    if len(column.distinct) > MOST_VALUES:
        return _role(column, IGNORED, 0.85, f"has {len(column.distinct):,} values", "too many series")
    number, share = _recurrence(column.codes, table.times)
    if len(column.distinct) > 20 and number < min(5.0, 0.2 * table.n_times) and share < 0.5:
        kind = "too many series" if len(column.distinct) > 200 else ""
        return _role(column, IGNORED, 0.85, f"its {len(column.distinct):,} values hardly come again", kind)
    if np.mean([len(text) for text in column.distinct[:500]]) > 80:
        return _role(column, IGNORED, 0.9, "has long texts")
    return None


def _recurrence(codes: Codes, times: Codes) -> tuple[float, float]:
    """How many times have a value, in the mean of the values: their number, and their share of all times."""
    used = codes >= 0
    pairs = len(np.unique(row_codes([codes[used], times[used]]))) if used.any() else 0
    mean = pairs / max(1, len(np.unique(codes[used])))
    return mean, mean / max(1, len(np.unique(times)))


def _names_an_identifier(name: str) -> bool:
    found = names.words(name)
    if not found:
        return True
    ends = {"id", "ids", "uuid", "guid", "key", "code", "nr", "no", "zip", "postcode", "plz", "fips", "sku", "unnamed"}
    return (
        found[-1] in ends
        or found[0] == "unnamed"
        or (len(found) == 1 and found[0] in names.IDENTIFIER)
        or any("".join(found).endswith(end) for end in ("id", "uuid", "code", "number") if len(found) > 1)
        or (found[-1].endswith(("id", "code", "nr")) and len(found[-1]) > 6)
    )


def _is_code(column: Column, values: Floats) -> bool:
    """Whether whole numbers may be the names of things, such as shops 1 to 10."""
    present = values[~np.isnan(values)]
    return (
        len(column.distinct) <= MOST_VALUES
        and bool((present == np.round(present)).all())
        and len(column.distinct) <= max(2, len(present) // 10)
        and not names.has(column.name, names.SUM | names.AVG | names.LABEL)
    )


def _key(table: Table, candidates: Sequence[Column]) -> tuple[list[Column], float]:
    """The fewest columns that tell the rows of a time apart, and the share of the rows that they tell apart."""
    # Rows that repeat others in all columns say nothing about the key.
    rows = np.unique(row_codes([table.times, *(column.codes for column in table.columns)]), return_index=True)[1]
    n_rows = max(1, len(rows))
    key: list[Column] = []
    codes, share = table.times, table.n_times / n_rows
    fitting = [column for column in candidates if _may_be_key(column, table)]
    while share < _KEY and len(key) < _MOST_KEY:
        gains = []
        for place, column in enumerate(fitting):
            if column in key:
                continue
            gain = len(np.unique(row_codes([codes, column.codes]))) / n_rows - share
            gains.append((_preference(column, gain, table), -place, gain, column))
        if not gains:
            break
        _, _, gain, best = max(gains, key=lambda item: item[:2])
        if gain < 0.02 and gain < 0.3 * (1 - share):
            break
        key.append(best)
        codes = row_codes([codes, best.codes])
        share = len(np.unique(codes)) / n_rows
    return key, share


def _is_sparse(table: Table, key: Sequence[Column]) -> bool:
    """Whether most times have one row, and most of the series that a key makes have few."""
    n_series = len(np.unique(row_codes([column.codes for column in key])))
    n_rows = len(table.times)
    return table.n_times > 0.5 * n_rows and n_rows < 0.15 * n_series * table.n_times


def _sureness_of_key(column: Column, table: Table, share: float) -> float:
    if column.name not in table.numbers:
        return 0.95 if share > 0.95 else 0.85
    is_named = _names_an_identifier(column.name) or names.has(column.name, names.THING)
    return 0.85 if is_named and share > 0.95 else 0.65


def _may_be_key(column: Column, table: Table) -> bool:
    """Whether a column's values come again at most times, as those of a dimension."""
    if _follows_from(column.codes, table.times):
        return False
    number, share = _recurrence(column.codes, table.times)
    if column.name in table.numbers:
        if _names_an_identifier(column.name) or names.has(column.name, names.THING):
            return share >= 0.2 or number >= 20
        return share >= 0.5
    return number >= min(5.0, 0.2 * table.n_times)


def _preference(column: Column, gain: float, table: Table) -> float:
    """How well a column tells rows apart: texts before numbers, names before codes, columns without empty cells."""
    worth = gain * (0.5 + 0.5 * column.share)
    if column.name in table.numbers:
        worth *= 0.9 if _names_an_identifier(column.name) else 0.6
    elif _names_an_identifier(column.name):
        worth *= 0.97
    return worth


def _follows_from(codes: Codes, others: Codes) -> bool:
    """Whether each of the other values has one value of these, and at least some repeat."""
    n_others = len(np.unique(others))
    return n_others < 0.9 * len(others) and len(np.unique(row_codes([others, codes]))) <= 1.002 * n_others


def _beside_the_key(table: Table, rest: Sequence[Column], key: Sequence[Column]) -> dict[str, Role]:
    roles: dict[str, Role] = {}
    series = row_codes([column.codes for column in key]) if key else np.zeros(len(table.times), np.int64)
    for column in rest:
        is_number = column.name in table.numbers
        same = next((part for part in key if _follows_from(column.codes, part.codes)
                     and _follows_from(part.codes, column.codes)), None)  # fmt: skip
        if same is not None:
            roles[column.name] = _role(column, IGNORED, 0.85, f"says the same as {same.name!r}")
        elif _follows_from(column.codes, table.times):
            if not is_number or len(column.distinct) <= 53:
                roles[column.name] = _role(column, IGNORED, 0.9, "follows from the time")
        elif is_number:
            continue
        elif key and _follows_from(column.codes, series):
            names_of_key = ", ".join(repr(part.name) for part in key)
            roles[column.name] = _role(
                column, DIMENSION, 0.6, f"follows from {names_of_key}, so it makes no more series"
            )
        else:
            roles[column.name] = _role(
                column, IGNORED, 0.7, "changes within a series, and is not needed to tell rows apart"
            )
    return roles


def _of_events(table: Table, candidates: Sequence[Column]) -> dict[str, Role]:
    """The roles of columns of events: values that many events have are dimensions."""
    roles: dict[str, Role] = {}
    for column in candidates:
        is_number = column.name in table.numbers
        rows = int(column.present.sum())
        if names.has(column.name, names.CALENDAR):
            roles[column.name] = _role(column, IGNORED, 0.8, "follows from the time")
        elif is_number and not _names_an_identifier(column.name) and not names.has(column.name, names.KIND):
            continue
        elif len(column.distinct) * _REPEATS > rows or len(column.distinct) > (30 if is_number else 200):
            kind = "too many series" if len(column.distinct) > 200 else ""
            roles[column.name] = _role(
                column, IGNORED, 0.75, f"has {len(column.distinct):,} values in {rows:,} rows", kind
            )
        else:
            roles[column.name] = _role(
                column, DIMENSION, 0.75, f"has {len(column.distinct):,} values in {rows:,} events"
            )
    return roles


def measures_of(table: Table, series: Codes, known: Mapping[str, Role]) -> dict[str, Role]:
    """Guess what the columns of numbers are that are not `known`."""
    order = np.lexsort((table.times, series))
    same_series = np.diff(series[order]) == 0
    roles: dict[str, Role] = {}
    for column in table.columns:
        if column.name in table.numbers and column.name not in known:
            roles[column.name] = _measure(column, table, order, same_series)
    if not any(role.is_measure for role in roles.values()):
        # What only grows may still be watched where nothing else is.
        why = "only grows, and nothing else is a number"
        roles = {
            name: replace(role, role=Guess(AVG, 0.6, why)) if role.kind == "cumulative" else role
            for name, role in roles.items()
        }
    return _without_neighbours(_alike(roles, table), table, order, same_series)


def _measure(column: Column, table: Table, order: Codes, same_series: npt.NDArray[np.bool_]) -> Role:
    values = table.numbers[column.name]
    present = values[~np.isnan(values)]
    is_whole = bool((present == np.round(present)).all())
    is_binary = is_whole and bool(np.isin(present, (0, 1)).all())
    name = column.name
    if is_whole and names.has(name, names.LABEL) and len(column.distinct) <= 10:
        return _role(column, IGNORED, 0.95, "is a label that a person gave", "label column")
    if names.has(name, names.PLACE):
        return _role(column, IGNORED, 0.9, "is a place")
    if is_whole and _is_calendar(name, present):
        return _role(column, IGNORED, 0.9, "is a part of the calendar")
    if is_whole and _is_row_number(values):
        return _role(column, IGNORED, 0.95, "is the number of the row")
    if is_whole and _names_an_identifier(name):
        kind = "too many series" if len(column.distinct) > MOST_VALUES else ""
        return _role(column, IGNORED, 0.85, "is an identifier", kind)
    steps = np.diff(values[order])[same_series]
    steps = steps[~np.isnan(steps)]
    if len(steps) >= _FEWEST_STEPS:
        if (steps == 0).mean() >= 0.99 and _differs_between_series(values[order], same_series):
            return _role(column, IGNORED, 0.8, "hardly changes within a series")
        if _grows(steps):
            if names.has(name, names.AVG) and not names.has(name, names.CUMULATIVE):
                return _role(column, AVG, 0.6, "only grows, and its name is that of a state", "cumulative")
            return _role(column, IGNORED, 0.85, "only grows: differences could be watched, not the sum", "cumulative")
    if is_binary and len(np.unique(present)) > 1 and not names.has(name, names.SUM):
        return _role(column, IGNORED, 0.7, "is 0 or 1, as the answer to a question")
    function, confidence, why = _function(name, present, is_whole)
    if function == SUM and table.is_daily and _is_smooth(steps, values):
        return _role(column, AVG, 0.6, "hardly differs from one time to the next, as a state does")
    return _role(column, function, confidence, why)


def _differs_between_series(values: Floats, same_series: npt.NDArray[np.bool_]) -> bool:
    """Whether series begin with different values, as of a property of their thing."""
    first = values[np.append(True, ~same_series)]
    return len(first) > 1 and len(np.unique(first[~np.isnan(first)])) > 1


def _is_calendar(name: str, present: Floats) -> bool:
    if not names.has(name, names.CALENDAR) or names.has(name, names.SUM - frozenset({"n", "number", "no"})):
        return False
    return bool(np.min(present) >= 0 and np.max(present) <= 366) or bool(
        np.min(present) >= 1500 and np.max(present) <= 2199
    )


def _is_row_number(values: Floats) -> bool:
    steps = np.diff(values)
    return len(values) > 10 and not np.isnan(values).any() and bool((steps == 1).all()) and values[0] in (0, 1)


def _grows(steps: Floats) -> bool:
    """Whether a column only grows, up to a few corrections, or new beginnings of a counter."""
    falls = steps < 0
    if falls.mean() > 0.02 or (steps > 0).mean() < 0.1:
        return False
    is_counter = falls.mean() <= 0.01 and (steps > 0).mean() > 0.5
    return bool(is_counter or steps[~falls].sum() > 20 * np.abs(steps[falls]).sum())


def _is_smooth(steps: Floats, values: Floats) -> bool:
    """Whether values hardly differ from one day to the next, as of a state and not of what happens in a day."""
    usual = float(np.nanmedian(np.abs(values)))
    return usual > 20 and len(steps) >= _FEWEST_STEPS and float(np.median(np.abs(steps))) < 0.03 * usual


def function_of(name: str, values: Floats) -> Guess[str]:
    """Guess whether a measure is to be summed or averaged, from its name and its values."""
    present = values[~np.isnan(values)]
    return Guess(*_function(name, present, bool((present == np.round(present)).all())))


def _function(name: str, present: Floats, is_whole: bool) -> tuple[str, float, str]:
    """SUM or AVG of a measure, from its name and its values."""
    unit = names.unit_of(name)
    says_avg, says_sum = names.has(name, names.AVG), names.has(name, names.SUM)
    negative = bool((present < 0).any())
    if says_avg and not (says_sum and is_whole and not negative and not _is_strong_average(name)):
        sure = not is_whole or unit == AVG or _is_strong_average(name)
        return AVG, 0.9 if sure else 0.82, "its name is that of a rate, a price or a state"
    if says_sum:
        fits = not negative or is_whole
        return SUM, (0.9 if is_whole and not negative else 0.75 if fits else 0.6), "its name is that of an amount"
    if unit:
        return unit, 0.85, "its unit"
    if not is_whole:
        if np.min(present) >= 0 and np.max(present) <= 1:
            return AVG, 0.8, "its values lie between 0 and 1"
        return AVG, 0.75, "has decimals, and its name does not tell"
    if negative:
        return AVG, 0.6, "has negative whole numbers, and its name does not tell"
    if np.max(present) == 100 and np.min(present) >= 0:
        return AVG, 0.6, "is a whole number from 0 to 100"
    return SUM, 0.7, "is a whole number, and its name does not tell"


def _is_strong_average(name: str) -> bool:
    return names.has(name, names.STRONG_AVG)


def _alike(roles: dict[str, Role], table: Table) -> dict[str, Role]:
    """Give the columns of a wide table one function: columns whose names tell nothing, with values of one size."""
    vague = [name for name, role in roles.items() if role.is_measure and role.role.confidence < 0.8]
    if len(vague) < 3 or len(vague) < 0.6 * len(roles):
        return roles
    functions = {roles[name].role.value for name in vague}
    if len(functions) == 1:
        return roles
    why = "has the function of the other columns of its kind"
    return roles | {name: replace(roles[name], role=Guess(AVG, 0.65, why)) for name in vague}


def _without_neighbours(
    roles: dict[str, Role], table: Table, order: Codes, same_series: npt.NDArray[np.bool_]
) -> dict[str, Role]:
    """Ignore columns that repeat another one's value of the row before or after."""
    result = dict(roles)
    measures = [name for name, role in roles.items() if role.is_measure]
    for name in measures:
        if not names.has(name, names.NEIGHBOUR):
            continue
        values = table.numbers[name][order]
        for other in measures:
            if other == name:
                continue
            near = table.numbers[other][order]
            for here, there in ((values[1:], near[:-1]), (values[:-1], near[1:])):
                both = same_series & ~np.isnan(here) & ~np.isnan(there)
                if both.sum() >= 5 and np.isclose(here[both], there[both], rtol=1e-6).mean() > 0.95:
                    why = f"repeats {other!r} of the row before or after"
                    result[name] = Role(name, Guess(IGNORED, 0.9, why))
    return result


def totals_of(table: Table, dimensions: Sequence[Column], measures: Sequence[str]) -> list[tuple[str, str]]:
    """Values of dimensions that are totals of the others: dimension and value."""
    found = []
    for column in dimensions:
        if not 2 < len(column.distinct) <= MOST_VALUES:
            continue
        named = [text for text in column.distinct if _names_a_total(text)]
        summed = _total_by_sum(
            table, column, [dimension for dimension in dimensions if dimension is not column], measures
        )
        found += [(column.name, text) for text in dict.fromkeys([*named, *([summed] if summed else [])])]
    return found


def _names_a_total(text: str) -> bool:
    joined = re.sub(r"[^a-z0-9]", "", text.casefold())
    return joined in names.TOTAL or text.casefold().startswith(("total ", "all ", "european union", "euro area"))


def _total_by_sum(table: Table, column: Column, others: Sequence[Column], measures: Sequence[str]) -> str:
    """The value of a dimension whose rows are the sums of all others'; empty if there is none."""
    group = row_codes([table.times, *(other.codes for other in others)])
    for measure in measures[:3]:
        values = np.nan_to_num(table.numbers[measure])
        whole = np.bincount(column.codes + 1, values, len(column.distinct) + 1)[1:]
        place = int(np.argmax(whole))
        sums = np.bincount(group, values)
        own = np.bincount(group, np.where(column.codes == place, values, 0.0))
        used = own > 0
        if used.sum() >= 5 and (np.abs(2 * own[used] - sums[used]) <= 0.02 * np.abs(sums[used])).mean() > 0.8:
            return column.distinct[place]
    return ""
