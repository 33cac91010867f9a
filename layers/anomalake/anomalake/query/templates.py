"""The files in ``queries/``: relations in Athena's dialect, and what makes an example's relation a detector's."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from importlib import resources

import sqlglot
from sqlglot import exp

DIALECT = "athena"

#: Relations that every lake has, each after those it reads.
GENERIC = ("alerts", "clashes", "dimension_contributions", "metric_values", "anomalies")
#: Relations that each detector has, with the columns that its dimensions and measures name.
PER_DETECTOR = (
    "anomalies",
    "live",
    "metricvalue_anomalyscore",
    "with_dimensioncontributions",
    "with_livedata",
)
#: What the relations are made of, and nobody asks for; each after those it reads.
INTERNAL = ("shown_rows", "group_spans")
#: Those of which a part of the days would be wrong, not only less.
OF_ALL_DAYS = frozenset({"group_spans"})

EXAMPLE_DETECTOR = "orders"
EXAMPLE_ARN = f"arn:aws:lookoutmetrics:us-east-1:123456789012:AnomalyDetector:{EXAMPLE_DETECTOR}"
EXAMPLE_DIMENSIONS = ("marketplace", "platform")
EXAMPLE_MEASURES = ("revenue", "views")
EXAMPLE_TIMEZONE = "Europe/Paris"
# In a syntax tree formats are strptime's, whatever the dialect.
EXAMPLE_FORMAT = "%Y-%m-%d %H:%M:%S"
EXAMPLE_MINUTES = "60"

SCORE_COLUMNS = ("{}anomalymetricvalue", "{}groupscore")

_REPEATED = (
    (exp.Select, "expressions"),
    (exp.Group, "expressions"),
    (exp.Window, "partition_by"),
    (exp.Array, "expressions"),
)


@dataclass(frozen=True, slots=True)
class Repeat:
    """What one dimension or measure puts in the place of an example's: identifiers and texts."""

    identifiers: Mapping[str, str]
    texts: Mapping[str, str]
    average: bool = False


@dataclass(frozen=True, slots=True)
class Filling:
    """What a detector puts in the place of the example.

    Attributes
    ----------
    repeats
        By the example's identifier: what its projections are repeated with.
    texts, numbers, tables
        Texts, numbers and tables that stand once.
    """

    repeats: Mapping[str, Sequence[Repeat]]
    texts: Mapping[str, str]
    numbers: Mapping[str, str]
    tables: Mapping[str, str]


@lru_cache(maxsize=64)
def _template(name: str) -> exp.Query:
    file = resources.files("anomalake") / "query" / "sql" / f"{name}.sql"
    parsed = sqlglot.parse_one(file.read_text("utf-8"), read=DIALECT)
    assert isinstance(parsed, exp.Query), name
    # What a file says of itself does not belong into every query made of it.
    for node in parsed.walk():
        node.comments = None
    return parsed


def template(name: str) -> exp.Query:
    """A file of ``queries/``, parsed."""
    return _template(name).copy()


def example(kind: str) -> exp.Query:
    """A relation that each detector has, with its partition, as it is for the example."""
    return template(f"{kind}_{EXAMPLE_DETECTOR}_by_day")


@lru_cache(maxsize=1)
def own_columns() -> frozenset[str]:
    """Every column that the wide relations' files name, but for the example's: no dimension may be called so."""
    examples = {
        identifier for name in (*EXAMPLE_DIMENSIONS, *EXAMPLE_MEASURES) for identifier in _example_columns(name)
    }
    names = set()
    for relation in PER_DETECTOR:
        for node in example(relation).find_all(exp.Column, exp.Alias, exp.Dot):
            names.add((node.alias if isinstance(node, exp.Alias) else node.name).lower())
    return frozenset(names - examples - {"*"})


def _example_columns(name: str) -> set[str]:
    return {name, f"source_{name}", *(column.format(name) for column in SCORE_COLUMNS)}


_DROPPED = _example_columns(EXAMPLE_DIMENSIONS[1]) | _example_columns(EXAMPLE_MEASURES[1])


def fill(query: exp.Query, filling: Filling) -> exp.Query:
    """Make the example's relation a detector's, by repeating and replacing parts of its syntax tree."""
    _fill(query, filling)
    return query


def _fill(node: exp.Expr, filling: Filling) -> None:
    if isinstance(node, exp.Join) and node.args.get("on") is not None:
        parts = list(node.args["on"].flatten()) if isinstance(node.args["on"], exp.And) else [node.args["on"]]
        node.set("on", exp.and_(*_repeated(parts, filling), copy=False))
        _fill(node.this, filling)
        return
    if isinstance(node, exp.Table) and node.name in filling.tables:
        node.set("this", exp.to_identifier(filling.tables[node.name]))
        return
    if isinstance(node, exp.Literal):
        values = filling.texts if node.is_string else filling.numbers
        node.set("this", values.get(node.this, node.this))
        return
    for key, value in list(node.args.items()):
        if not isinstance(value, list):
            if isinstance(value, exp.Expr):
                _fill(value, filling)
        elif any(isinstance(node, owner) and key == list_ for owner, list_ in _REPEATED):
            node.set(key, _repeated(value, filling))
        else:
            for item in value:
                if isinstance(item, exp.Expr):
                    _fill(item, filling)


def _repeated(items: list[exp.Expr], filling: Filling) -> list[exp.Expr]:
    out: list[exp.Expr] = []
    block: list[exp.Expr] = []
    repeats: Sequence[Repeat] = ()

    def end_block() -> None:
        for repeat in repeats:
            out.extend(_replaced(item.copy(), repeat) for item in block)
        block.clear()

    for item in items:
        mentioned = set(_mentions(item))
        example = next((name for name in filling.repeats if name in mentioned), None)
        if example is None:
            end_block()
            if not mentioned & _DROPPED:
                _fill(item, filling)
                out.append(item)
            continue
        if filling.repeats[example] is not repeats:
            end_block()
            repeats = filling.repeats[example]
        block.append(item)
    end_block()
    return out


def _mentions(node: exp.Expr) -> Iterator[str]:
    """Identifiers in an item of a list, but for those in lists and queries within it."""
    if isinstance(node, exp.Identifier):
        yield node.name
    for key, value in node.args.items():
        if any(isinstance(node, owner) and key == list_ for owner, list_ in _REPEATED):
            continue
        for child in value if isinstance(value, list) else [value]:
            if isinstance(child, exp.Expr):
                yield from _mentions(child)


def _replaced(node: exp.Expr, repeat: Repeat) -> exp.Expr:
    for found in list(node.find_all(exp.Identifier, exp.Literal)):
        if isinstance(found, exp.Identifier) and found.name in repeat.identifiers:
            found.replace(exp.to_identifier(repeat.identifiers[found.name], quoted=True))
        elif isinstance(found, exp.Literal) and found.is_string and found.this in repeat.texts:
            found.replace(exp.Literal.string(repeat.texts[found.this]))
    if repeat.average:
        for total in list(node.find_all(exp.Sum)):
            total.replace(exp.cast(exp.Avg(this=total.this.copy()), "DECIMAL(38, 20)"))
    return node
