"""Which partitions a query can need, read off its conditions; never too few, sometimes too many."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime, timedelta

from sqlglot import exp

_DAY = timedelta(days=1)


@dataclass(frozen=True, slots=True)
class Bounds:
    """Partitions that may hold what is asked for.

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
        """What satisfies both."""
        if self.detectors is None or other.detectors is None:
            detectors = other.detectors if self.detectors is None else self.detectors
        else:
            detectors = self.detectors & other.detectors
        firsts = [one for one in (self.first, other.first) if one is not None]
        lasts = [one for one in (self.last, other.last) if one is not None]
        return Bounds(detectors, max(firsts, default=None), min(lasts, default=None))

    def or_(self, other: Bounds) -> Bounds:
        """What covers both."""
        detectors = None if self.detectors is None or other.detectors is None else self.detectors | other.detectors
        first = None if self.first is None or other.first is None else min(self.first, other.first)
        last = None if self.last is None or other.last is None else max(self.last, other.last)
        return Bounds(detectors, first, last)

    def widened(self) -> Bounds:
        """A day more on each side: for wall clocks, which are less than a day from UTC."""
        return replace(
            self,
            first=self.first - _DAY if self.first and self.first > date.min else None,
            last=self.last + _DAY if self.last and self.last < date.max else None,
        )

    def of_all_days(self) -> Bounds:
        """The same detectors' partitions of every day."""
        return Bounds(self.detectors)

    def holds_detector(self, detector: str) -> bool:
        """Whether a detector is."""
        return self.detectors is None or detector in self.detectors

    def holds_day(self, day: str) -> bool:
        """Whether a day, ``YYYY-MM-DD``, is."""
        return (self.first is None or day >= self.first.isoformat()) and (
            self.last is None or day <= self.last.isoformat()
        )

    def condition(self) -> exp.Expr | None:
        """As a condition on the partition columns."""
        parts: list[exp.Expr] = []
        if self.detectors is not None:
            names: list[exp.Expr] = [exp.Literal.string(name) for name in sorted(self.detectors)] or [exp.Null()]
            parts.append(exp.In(this=exp.column("detector"), expressions=names))
        if self.first is not None:
            parts.append(exp.GTE(this=exp.column("day"), expression=exp.Literal.string(self.first.isoformat())))
        if self.last is not None:
            parts.append(exp.LTE(this=exp.column("day"), expression=exp.Literal.string(self.last.isoformat())))
        return exp.and_(*parts) if parts else None


ALL = Bounds()

IsColumn = Callable[[exp.Expr], str | None]


def bounds_of(condition: exp.Expr | None, column_of: IsColumn) -> Bounds:
    """The bounds that a condition sets.

    Parameters
    ----------
    condition
        A WHERE's.
    column_of
        Tells the name of a column of the relation in question, in lower case; None for any other expression.
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
        found = _compared(node.this, "=", node.expressions[0], column_of)
        for value in node.expressions[1:]:
            found = found.or_(_compared(node.this, "=", value, column_of))
        return found
    for kind, sign, mirrored in _COMPARISONS:
        if type(node) is kind:
            here = _compared(node.this, sign, node.expression, column_of)
            return here.and_(_compared(node.expression, mirrored, node.this, column_of))
    return ALL


_COMPARISONS: tuple[tuple[type[exp.Expr], str, str], ...] = (
    (exp.EQ, "=", "="),
    (exp.GT, ">", "<"),
    (exp.GTE, ">=", "<="),
    (exp.LT, "<", ">"),
    (exp.LTE, "<=", ">="),
)


def _compared(side: exp.Expr, sign: str, value: exp.Expr, column_of: IsColumn) -> Bounds:
    side = side.unnest() if isinstance(side, exp.Paren) else side
    column = column_of(side)
    if column == "detector" and sign == "=" and isinstance(value, exp.Literal) and value.is_string:
        return Bounds(frozenset({value.this}))
    if column == "day" and isinstance(value, exp.Literal) and value.is_string:
        # Days are compared as texts: only a whole date bounds them.
        moment = _moment(value) if len(value.this) == 10 else None
    elif column in ("timestamp", "local_timestamp"):
        moment = _moment(value)
    else:
        column, moment = _date_of(side, column_of), _moment(value)
        if column is not None and moment is not None and moment.time() != datetime.min.time():
            return ALL
    if moment is None or column not in ("timestamp", "local_timestamp", "day"):
        return ALL
    day = moment.date()
    if sign == "<" and moment.time() == datetime.min.time() and day > date.min:
        return _of(column, Bounds(last=day - _DAY))
    bounds = Bounds(
        first=day if sign in ("=", ">", ">=") else None,
        last=day if sign in ("=", "<", "<=") else None,
    )
    return _of(column, bounds)


def _of(column: str, bounds: Bounds) -> Bounds:
    return bounds.widened() if column == "local_timestamp" else bounds


def _date_of(side: exp.Expr, column_of: IsColumn) -> str | None:
    """The column in ``date(column)``, ``CAST(column AS date)`` or ``date_trunc('day', column)``."""
    if isinstance(side, exp.Cast) and side.to.is_type("date") and not isinstance(side, exp.TryCast):
        return column_of(side.this)
    if isinstance(side, (exp.Date, exp.TsOrDsToDate)) and len(list(side.iter_expressions())) == 1:
        return column_of(side.this)
    if isinstance(side, (exp.DateTrunc, exp.TimestampTrunc)) and side.text("unit").lower() == "day":
        return column_of(side.this)
    return None


def _moment(value: exp.Expr) -> datetime | None:
    """A literal moment, in UTC: text, or text cast to a date or a timestamp."""
    node = value.unnest() if isinstance(value, exp.Paren) else value
    is_cast = isinstance(node, exp.Cast) and node.to.is_type("date", "timestamp", "timestamptz", "datetime")
    if is_cast or isinstance(node, (exp.Date, exp.TsOrDsToDate, exp.FromISO8601Timestamp)):
        node = node.this
    if not isinstance(node, exp.Literal) or not node.is_string:
        return None
    try:
        moment = datetime.fromisoformat(node.this.removesuffix(" UTC"))
    except ValueError:
        return None
    if moment.tzinfo is not None:
        try:
            moment = moment.astimezone(UTC).replace(tzinfo=None)
        except OverflowError:
            return None
    return moment
