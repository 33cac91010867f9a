"""Bounds on the partitions that a query reads, derived from its conditions.

The bounds never exclude a partition that the query needs; they may include others.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime, timedelta

from sqlglot import exp

_DAY = timedelta(days=1)


@dataclass(frozen=True, slots=True)
class Bounds:
    """Detectors and days whose partitions a query may need.

    Attributes
    ----------
    detectors
        Names; None for all.
    first, last
        First and last day; None for no bound.
    """

    detectors: frozenset[str] | None = None
    first: date | None = None
    last: date | None = None

    def and_(self, other: Bounds) -> Bounds:
        """Return the bounds of both conditions together: the intersection."""
        if self.detectors is None or other.detectors is None:
            detectors = other.detectors if self.detectors is None else self.detectors
        else:
            detectors = self.detectors & other.detectors
        firsts = [day for day in (self.first, other.first) if day is not None]
        lasts = [day for day in (self.last, other.last) if day is not None]
        return Bounds(detectors, max(firsts, default=None), min(lasts, default=None))

    def or_(self, other: Bounds) -> Bounds:
        """Return bounds that include both: the union, with all days in between."""
        detectors = None if self.detectors is None or other.detectors is None else self.detectors | other.detectors
        first = None if self.first is None or other.first is None else min(self.first, other.first)
        last = None if self.last is None or other.last is None else max(self.last, other.last)
        return Bounds(detectors, first, last)

    def widened(self) -> Bounds:
        """Return bounds with one more day on each side. Wall-clock times differ from UTC by less than a day."""
        return replace(
            self,
            first=self.first - _DAY if self.first and self.first > date.min else None,
            last=self.last + _DAY if self.last and self.last < date.max else None,
        )

    def of_all_days(self) -> Bounds:
        """Return bounds on the same detectors without bounds on days."""
        return Bounds(self.detectors)

    def holds_detector(self, detector: str) -> bool:
        """Whether a detector is within the bounds."""
        return self.detectors is None or detector in self.detectors

    def holds_day(self, day: str) -> bool:
        """Whether a day, ``YYYY-MM-DD``, is within the bounds."""
        return (self.first is None or day >= self.first.isoformat()) and (
            self.last is None or day <= self.last.isoformat()
        )

    def condition(self) -> exp.Expr | None:
        """Return the bounds as a condition on the partition columns; None if there are none."""
        parts: list[exp.Expr] = []
        if self.detectors is not None:
            names: list[exp.Expr] = [exp.Literal.string(name) for name in sorted(self.detectors)] or [exp.Null()]
            parts.append(exp.In(this=exp.column("detector"), expressions=names))
        if self.first is not None:
            parts.append(exp.GTE(this=exp.column("day"), expression=exp.Literal.string(self.first.isoformat())))
        if self.last is not None:
            parts.append(exp.LTE(this=exp.column("day"), expression=exp.Literal.string(self.last.isoformat())))
        return exp.and_(*parts) if parts else None


#: No bounds: every partition.
ALL = Bounds()

#: Returns the name of a column of the relation, in lower case; None for any other expression.
ColumnOf = Callable[[exp.Expr], str | None]


def bounds_of(condition: exp.Expr | None, column_of: ColumnOf) -> Bounds:
    """Return the bounds that follow from a condition on a relation.

    Parameters
    ----------
    condition
        Condition of a WHERE clause; None if there is none.
    column_of
        Recognizes the columns of the relation.
    """
    if condition is None:
        return ALL
    node = condition.unnest() if isinstance(condition, exp.Paren) else condition
    if isinstance(node, exp.And):
        return bounds_of(node.this, column_of).and_(bounds_of(node.expression, column_of))
    if isinstance(node, exp.Or):
        return bounds_of(node.this, column_of).or_(bounds_of(node.expression, column_of))
    if isinstance(node, exp.Between) and not node.args.get("symmetric"):
        low = _compared(node.this, ">=", node.args["low"], column_of)
        return low.and_(_compared(node.this, "<=", node.args["high"], column_of))
    if isinstance(node, exp.In) and node.expressions and not node.args.get("query"):
        bounds = _compared(node.this, "=", node.expressions[0], column_of)
        for value in node.expressions[1:]:
            bounds = bounds.or_(_compared(node.this, "=", value, column_of))
        return bounds
    for kind, operator, mirrored in _COMPARISONS:
        if type(node) is kind:
            of_left = _compared(node.this, operator, node.expression, column_of)
            return of_left.and_(_compared(node.expression, mirrored, node.this, column_of))
    return ALL


_COMPARISONS: tuple[tuple[type[exp.Expr], str, str], ...] = (
    (exp.EQ, "=", "="),
    (exp.GT, ">", "<"),
    (exp.GTE, ">=", "<="),
    (exp.LT, "<", ">"),
    (exp.LTE, "<=", ">="),
)


def _compared(side: exp.Expr, operator: str, value: exp.Expr, column_of: ColumnOf) -> Bounds:
    """Return the bounds that follow from a comparison of an expression with a value."""
    side = side.unnest() if isinstance(side, exp.Paren) else side
    column = column_of(side)
    if column == "detector" and operator == "=" and isinstance(value, exp.Literal) and value.is_string:
        return Bounds(frozenset({value.this}))
    if column == "day" and isinstance(value, exp.Literal) and value.is_string:
        # Days are compared as text, so that only a complete date is a bound.
        time = _literal_time(value) if len(value.this) == 10 else None
    elif column in ("timestamp", "local_timestamp"):
        time = _literal_time(value)
    else:
        column, time = _column_of_date(side, column_of), _literal_time(value)
        if column is not None and time is not None and time.time() != datetime.min.time():
            return ALL
    if time is None or column not in ("timestamp", "local_timestamp", "day"):
        return ALL
    day = time.date()
    if operator == "<" and time.time() == datetime.min.time() and day > date.min:
        return _bounds_on(column, Bounds(last=day - _DAY))
    bounds = Bounds(
        first=day if operator in ("=", ">", ">=") else None,
        last=day if operator in ("=", "<", "<=") else None,
    )
    return _bounds_on(column, bounds)


def _bounds_on(column: str, bounds: Bounds) -> Bounds:
    return bounds.widened() if column == "local_timestamp" else bounds


def _column_of_date(side: exp.Expr, column_of: ColumnOf) -> str | None:
    """Return the column in ``date(column)``, ``CAST(column AS date)`` or ``date_trunc('day', column)``."""
    if isinstance(side, exp.Cast) and side.to.is_type("date") and not isinstance(side, exp.TryCast):
        return column_of(side.this)
    arguments = side.expressions if isinstance(side, exp.Anonymous) else []
    if _is_call(side, "date") and len(arguments) == 1:
        return column_of(arguments[0])
    if _is_call(side, "date_trunc") and len(arguments) == 2 and arguments[0].name.lower() == "day":
        return column_of(arguments[1])
    return None


def _is_call(node: exp.Expr, *names: str) -> bool:
    return isinstance(node, exp.Anonymous) and node.name.lower() in names


def _literal_time(value: exp.Expr) -> datetime | None:
    """Return a literal time in UTC: a text, or a text cast to a date or timestamp; None for any other expression."""
    node = value.unnest() if isinstance(value, exp.Paren) else value
    is_cast = isinstance(node, exp.Cast) and node.to.is_type("date", "timestamp", "timestamptz", "datetime")
    if is_cast:
        node = node.this
    elif _is_call(node, "date", "from_iso8601_timestamp") and len(node.expressions) == 1:
        node = node.expressions[0]
    if not isinstance(node, exp.Literal) or not node.is_string:
        return None
    try:
        time = datetime.fromisoformat(node.this.removesuffix(" UTC"))
    except ValueError:
        return None
    if time.tzinfo is not None:
        try:
            time = time.astimezone(UTC).replace(tzinfo=None)
        except OverflowError:
            return None
    return time
