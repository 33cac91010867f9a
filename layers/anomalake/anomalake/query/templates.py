"""SQL files of the relations, in Athena's dialect.

The relations of a detector are written for an example detector. `instantiate` replaces the names of the example by
those of a detector, and repeats the columns of its dimensions and measures.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from importlib import resources

from sqlglot import exp

from anomalake.query.trino.dialect import AsWritten, parse

#: Athena's dialect, with function calls as they are written.
DIALECT = AsWritten

#: Relations of every lake, each after those that it reads.
GENERIC = ("alerts", "clashes", "dimension_contributions", "metric_values", "anomalies", "causes", "withdrawals")
#: Relations of each detector. Their columns follow from its dimensions and measures.
PER_DETECTOR = (
    "anomalies",
    "live",
    "metricvalue_anomalyscore",
    "with_dimensioncontributions",
    "with_livedata",
)
#: Relations that only other relations read, each after those that it reads.
INTERNAL = ("withdrawn_bodies", "rows_in_force", "shown_rows", "group_spans", "shown_causes")
#: Internal relation of the alerts that are in force.
IN_FORCE = "rows_in_force"
#: Internal relations that must be computed from all days: bounds on days would change their rows.
READ_OVER_ALL_DAYS = frozenset({"group_spans"})

EXAMPLE_DETECTOR = "orders"
EXAMPLE_ARN = f"arn:aws:lookoutmetrics:us-east-1:123456789012:AnomalyDetector:{EXAMPLE_DETECTOR}"
EXAMPLE_DIMENSIONS = ("marketplace", "platform")
EXAMPLE_MEASURES = ("revenue", "views")
EXAMPLE_TIMEZONE = "Europe/Paris"
EXAMPLE_FORMAT = "%Y-%m-%d %H:%i:%s"
EXAMPLE_MINUTES = "60"

#: Fixed columns of the relations of a detector: those of the example's SQL without its dimensions and measures.
#: Dimensions and measures cannot have these names. (Not computed from the files, which takes longer than most queries.)
FIXED_COLUMNS = frozenset({
    "alert_event_id", "anomaly_score", "contributions", "day", "detector", "detector_arn", "dimension_name",
    "dimension_value", "dimensionname", "dimensions", "dimensionvalue", "folder_day", "group_end", "group_id",
    "group_start", "i", "key", "live_rank", "local_timestamp", "measure", "metric_name", "metric_value", "metricname",
    "pair_name", "pair_place", "pair_rank", "pair_value", "score", "series_number", "severity_rank",
    "source_folder_day", "source_timestamp", "time_series", "time_series_id", "timestamp", "timezone", "value",
    "value_contribution", "valuecontribution",
})  # fmt: skip

SCORE_COLUMNS = ("{}anomalymetricvalue", "{}groupscore")

# Lists of the syntax tree in which the items of an example's dimension or measure are repeated.
_REPEATED = (
    (exp.Select, "expressions"),
    (exp.Group, "expressions"),
    (exp.Window, "partition_by"),
    (exp.Array, "expressions"),
)


@dataclass(frozen=True, slots=True)
class Replacement:
    """Replacement of an example's dimension or measure by one of a detector.

    Attributes
    ----------
    identifiers
        New identifiers by those of the example.
    texts
        New string literals by those of the example; several where names are equal.
    average
        Whether sums become averages.
    absent
        Columns of the example that the table of the detector lacks; they become NULL.
    """

    identifiers: Mapping[str, str]
    texts: Mapping[str, Sequence[str]]
    average: bool = False
    absent: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True)
class Replacements:
    """Replacements that turn the example's relations into those of a detector.

    Attributes
    ----------
    repeated
        By identifier of the example: an item with it is repeated once for each replacement.
    texts, numbers, tables
        New string literals, numbers and tables by those of the example; their items are not repeated.
    """

    repeated: Mapping[str, Sequence[Replacement]]
    texts: Mapping[str, str]
    numbers: Mapping[str, str]
    tables: Mapping[str, str]


@lru_cache(maxsize=64)
def _template(name: str) -> exp.Query:
    file = resources.files("anomalake") / "query" / "sql" / f"{name}.sql"
    (parsed,) = parse(file.read_text("utf-8"))
    assert isinstance(parsed, exp.Query), name
    # Comments of the file do not belong in queries.
    for node in parsed.walk():
        node.comments = None
    return parsed


def template(name: str) -> exp.Query:
    """Parse a SQL file of the package, without its comments."""
    return _template(name).copy()


def with_parameters(query: exp.Query, numbers: Mapping[str, int]) -> exp.Query:
    """Replace the parameters (``:name``) of a query by numbers; the query is changed and returned.

    Raises `KeyError` if there is no number for a parameter.
    """
    for parameter in list(query.find_all(exp.Placeholder)):
        parameter.replace(exp.Literal.number(numbers[parameter.name]))
    return query


def example(kind: str) -> exp.Query:
    """Return the example's relation of a kind, in its ``_by_day`` form."""
    return template(f"{kind}_{EXAMPLE_DETECTOR}_by_day")


def _example_columns(name: str) -> set[str]:
    return {name, f"source_{name}", *(column.format(name) for column in SCORE_COLUMNS)}


# The example has two dimensions and two measures. The items of the first are repeated, those of the second removed.
_REMOVED = _example_columns(EXAMPLE_DIMENSIONS[1]) | _example_columns(EXAMPLE_MEASURES[1])


def instantiate(query: exp.Query, replacements: Replacements) -> exp.Query:
    """Turn a relation of the example into that of a detector; the query is changed and returned."""
    _replace(query, replacements)
    return query


def _replace(node: exp.Expr, replacements: Replacements) -> None:
    if isinstance(node, exp.Join) and node.args.get("on") is not None:
        parts = list(node.args["on"].flatten()) if isinstance(node.args["on"], exp.And) else [node.args["on"]]
        node.set("on", exp.and_(*_repeated(parts, replacements), copy=False))
        _replace(node.this, replacements)
        return
    if isinstance(node, exp.Table) and node.name in replacements.tables:
        node.set("this", exp.to_identifier(replacements.tables[node.name]))
        return
    if isinstance(node, exp.Literal):
        values = replacements.texts if node.is_string else replacements.numbers
        node.set("this", values.get(node.this, node.this))
        return
    for key, value in list(node.args.items()):
        if not isinstance(value, list):
            if isinstance(value, exp.Expr):
                _replace(value, replacements)
        elif any(isinstance(node, owner) and key == list_ for owner, list_ in _REPEATED):
            node.set(key, _repeated(value, replacements))
        else:
            for item in value:
                if isinstance(item, exp.Expr):
                    _replace(item, replacements)


def _repeated(items: list[exp.Expr], replacements: Replacements) -> list[exp.Expr]:
    """Return the items of a list, with adjacent items of the same replacements repeated as a block."""
    result: list[exp.Expr] = []
    block: list[exp.Expr] = []
    block_replacements: Sequence[Replacement] = ()

    def end_block() -> None:
        for replacement in block_replacements:
            result.extend(_replaced(item.copy(), replacement) for item in block)
        block.clear()

    for item in items:
        identifiers = set(_identifiers(item))
        example = next((name for name in replacements.repeated if name in identifiers), None)
        if example is None:
            end_block()
            if not identifiers & _REMOVED:
                _replace(item, replacements)
                result.append(item)
            continue
        if replacements.repeated[example] is not block_replacements:
            end_block()
            block_replacements = replacements.repeated[example]
        block.append(item)
    end_block()
    return result


def _identifiers(node: exp.Expr) -> Iterator[str]:
    """Yield the identifiers in an item, without those in repeated lists inside it."""
    if isinstance(node, exp.Identifier):
        yield node.name
    for key, value in node.args.items():
        if any(isinstance(node, owner) and key == list_ for owner, list_ in _REPEATED):
            continue
        for child in value if isinstance(value, list) else [value]:
            if isinstance(child, exp.Expr):
                yield from _identifiers(child)


def _replaced(node: exp.Expr, replacement: Replacement) -> exp.Expr:
    """Apply a replacement to an item; the item is changed and returned."""
    for column in [column for column in node.find_all(exp.Column) if column.name in replacement.absent]:
        column.replace(exp.cast(exp.null(), "VARCHAR"))
    for leaf in list(node.find_all(exp.Identifier, exp.Literal)):
        if isinstance(leaf, exp.Identifier) and leaf.name in replacement.identifiers:
            leaf.replace(exp.to_identifier(replacement.identifiers[leaf.name], quoted=True))
        elif isinstance(leaf, exp.Literal) and leaf.is_string and leaf.this in replacement.texts:
            _replace_text(leaf, replacement.texts[leaf.this])
    if replacement.average:
        for call in list(node.find_all(exp.Anonymous)):
            if call.name.lower() == "sum":
                average = exp.Anonymous(this="avg", expressions=[part.copy() for part in call.expressions])
                call.replace(exp.cast(average, "DECIMAL(38, 20)"))
    return node


def _replace_text(leaf: exp.Literal, texts: Sequence[str]) -> None:
    """Replace a string literal by several: ``x = text`` by ``x IN (…)``, ``m[text]`` by the first of ``m[…]``."""
    literals = [exp.Literal.string(text) for text in texts]
    around = leaf.parent
    if len(literals) == 1 or around is None:
        leaf.replace(literals[0])
    elif isinstance(around, exp.EQ):
        around.replace(exp.In(this=around.this.copy(), expressions=literals))
    else:
        items = []
        for literal in literals:
            leaf = leaf.replace(literal)
            items.append(around.copy())
        around.replace(exp.func("coalesce", *items))
