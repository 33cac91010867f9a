"""Scopes: the columns that an expression can name."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

from sqlglot import exp

from anomalake.query.trino.types import Type, invalid
from anomalake.query.trino.values import Value, fields_of


@dataclass(frozen=True, slots=True)
class Column:
    """A column of a relation, with the name that the query gives it."""

    name: str
    value: Value


@dataclass(frozen=True, slots=True)
class Relation:
    """A relation in FROM."""

    alias: str | None
    columns: list[Column]


@dataclass(frozen=True, slots=True)
class Table:
    """A table: its text in FROM, and its columns: name, type, name in DuckDB."""

    sql: str
    columns: list[tuple[str, Type, str]]


@dataclass(slots=True)
class Scope:
    """What the expressions of one SELECT can name.

    Attributes
    ----------
    tables
        Common table expressions by their names.
    outer
        The scope of the query around a subquery.
    merged
        Columns of USING, which belong to no relation.
    outputs
        In ORDER BY: output columns, which come before those of relations; several for an ambiguous name.
    parameters
        Parameters of the lambdas around an expression.
    windows
        Windows of the clause WINDOW.
    """

    tables: Mapping[str, Table]
    outer: Scope | None = None
    relations: list[Relation] = field(default_factory=list)
    merged: dict[str, Value] = field(default_factory=dict)
    outputs: dict[str, list[Value]] = field(default_factory=dict)
    parameters: dict[str, Value] = field(default_factory=dict)
    windows: dict[str, exp.Window] = field(default_factory=dict)

    def find(self, parts: list[str]) -> Value:
        """Return what a name with dots means: a column, or a field of a row.

        Raises
        ------
        QueryError
            There is no such column, or several.
        """
        lower = [part.lower() for part in parts]
        if lower[0] in self.parameters:
            return field_of(self.parameters[lower[0]], parts[1:])
        scope: Scope | None = self
        while scope is not None:
            for table, name, fields in _readings(lower):
                found = list(scope._columns(table, name))
                if len(found) > 1:
                    raise invalid(f"AMBIGUOUS_NAME: Column {name!r} is ambiguous")
                if found:
                    return field_of(found[0], fields)
            scope = scope.outer
        raise invalid(f"COLUMN_NOT_FOUND: Column {'.'.join(parts)!r} cannot be resolved")

    def _columns(self, table: str | None, name: str) -> Iterator[Value]:
        if table is None and name in self.outputs:
            yield from self.outputs[name]
        elif table is None and name in self.merged:
            yield self.merged[name]
        else:
            for relation in self.relations:
                if table is None or table == (relation.alias or "").lower():
                    yield from (column.value for column in relation.columns if column.name.lower() == name)


def _readings(parts: list[str]) -> Iterator[tuple[str | None, str, list[str]]]:
    """Yield the ways to read a name with dots: table, column and fields."""
    if len(parts) > 1:
        yield parts[0], parts[1], parts[2:]
    yield None, parts[0], parts[1:]


def field_of(value: Value, names: list[str]) -> Value:
    """Return a field of a row, of a row in it, and so on."""
    for name in names:
        if value.type.name != "row":
            raise invalid(f"TYPE_MISMATCH: {value.type} is not of type ROW; it has no field {name!r}")
        places = [place for place, own in enumerate(value.type.fields) if own and own.lower() == name.lower()]
        if len(places) != 1:
            raise invalid(f"COLUMN_NOT_FOUND: {value.type} has no field {name!r}")
        value = fields_of(value)[places[0]]
    return value
