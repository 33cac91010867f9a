"""Check of a query in Athena's dialect, and expansion of its relations to the partitions that it needs."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass

from sqlglot import exp
from sqlglot.errors import SqlglotError
from sqlglot.optimizer.scope import Scope, traverse_scope

from anomalake.query.bounds import ALL, Bounds, bounds_of
from anomalake.query.errors import QueryError
from anomalake.query.relations import PHYSICAL, Relations, Tables, expand, physical_rows, replace_table
from anomalake.query.templates import DIALECT
from anomalake.query.trino import dialect

_EXPLAIN = re.compile(r"\s*EXPLAIN(?P<analyze>\s+ANALYZE)?\s+(?=\(*\s*(?:SELECT|WITH|VALUES|TABLE)\b)", re.IGNORECASE)
_SHOW = re.compile(
    r"\s*SHOW\s+(?:TABLES|VIEWS)(?:\s+IN\s+[\w`\"]+)?(?:\s+(?:LIKE\s+)?'(?P<pattern>[^']*)')?\s*;?\s*", re.IGNORECASE
)
_DESCRIBE = re.compile(
    r"\s*(?:DESCRIBE|DESC|SHOW\s+COLUMNS\s+(?:IN|FROM))\s+(?:EXTENDED\s+|FORMATTED\s+)?(?P<table>[\w.\"`]+)\s*;?\s*",
    re.IGNORECASE,
)
READ_ONLY = "expected one SELECT, WITH, SHOW TABLES, DESCRIBE or EXPLAIN"


@dataclass(frozen=True, slots=True)
class ShowTables:
    """``SHOW TABLES``, with Hive's pattern (``*`` and ``|``) or None."""

    pattern: str | None

    def matches(self, name: str) -> bool:
        """Whether a name matches the pattern."""
        if self.pattern is None:
            return True
        alternatives = (re.escape(part).replace(r"\*", ".*") for part in self.pattern.lower().split("|"))
        return any(re.fullmatch(alternative, name) for alternative in alternatives)


@dataclass(frozen=True, slots=True)
class Describe:
    """``DESCRIBE`` of a relation."""

    table: str


@dataclass(frozen=True, slots=True)
class Select:
    """A query, with ``EXPLAIN`` or ``EXPLAIN ANALYZE`` if its plan is requested."""

    query: exp.Query
    explain: str = ""


def parse(sql: str) -> Select | ShowTables | Describe:
    """Parse a statement in Athena's dialect.

    Raises
    ------
    QueryError
        The statement is invalid, or is not a query.
    """
    show = _SHOW.fullmatch(sql)
    if show:
        return ShowTables(show["pattern"])
    describe = _DESCRIBE.fullmatch(sql)
    if describe:
        return Describe(describe["table"].replace('"', "").replace("`", "").rpartition(".")[2])
    explain = _EXPLAIN.match(sql)
    try:
        statements = dialect.parse(sql[explain.end() :] if explain else sql)
    except SqlglotError as error:
        raise QueryError(_syntax_error(error)) from error
    except RecursionError as error:
        raise QueryError("query: nested too deeply") from error
    if len(statements) != 1:
        raise QueryError(f"query: {len(statements)} statements; {READ_ONLY}")
    query = statements[0]
    if isinstance(query, exp.Values):
        query = exp.select("*").from_(query)
    if not isinstance(query, exp.Query) or isinstance(query, exp.Table):
        raise QueryError(f"query: {_kind_of(sql)} is refused; {READ_ONLY}")
    for node in query.walk():
        if isinstance(node, (exp.Into, exp.Command, exp.DDL, exp.DML)) and not isinstance(node, exp.Query):
            raise QueryError(f"query: {type(node).__name__.upper()} is refused; {READ_ONLY}")
        if isinstance(node, (exp.Parameter, exp.Placeholder)):
            raise QueryError(f"query: parameter {node.sql(DIALECT)!r}; expected a value")
    return Select(query, " ".join(explain[0].upper().split()) if explain else "")


def rewrite(
    query: exp.Query, relations: Relations, tables: Tables, *, only_relations: bool = True, database: str = "anomalake"
) -> exp.Query:
    """Replace each relation of a query by its SQL, limited to the partitions that the query needs.

    Parameters
    ----------
    query
        The query; it is changed and returned.
    relations
        Relations of the lake.
    tables
        Physical tables of the engine.
    only_relations
        Whether other tables and functions in FROM are refused; if not, they are left to the engine.
    database
        Database name that a query may write before a relation.

    Raises
    ------
    QueryError
        The lake has no relation of that name.
    """
    reads: dict[int, tuple[exp.Table, str, Bounds, list[str]]] = {}
    try:
        scopes = list(traverse_scope(query))
    except SqlglotError as error:
        raise QueryError(_syntax_error(error)) from error
    for scope in scopes:
        for alias, source in scope.sources.items():
            if isinstance(source, exp.Table) and id(source) not in reads:
                bounds, columns = _bounds_and_columns(scope, alias, source)
                reads[id(source)] = (source, source.name, bounds, columns)
    for table, name, bounds, columns in reads.values():
        if not isinstance(table.this, exp.Identifier):
            if only_relations:
                raise QueryError(f"query: {table.this.sql(DIALECT)[:60]} in FROM is refused; expected a relation")
            continue
        relation = None
        if name.lower() in PHYSICAL and not table.db:
            replace_table(table, physical_rows(name.lower(), tables, bounds))
            continue
        if table.catalog.lower() in ("", "awsdatacatalog") and (not table.db or table.db.lower() == database.lower()):
            relation = relations.find(name, lambda columns=columns: columns)  # type: ignore[misc]
        if relation is None:
            if only_relations or _is_of_detector(name):
                raise relations.unknown_relation(table.sql(DIALECT) if table.db else name)
            continue
        replace_table(table, expand(relation, relations, tables, bounds))
    return query


def _is_of_detector(name: str) -> bool:
    return name.lower().startswith(("metricvalue_anomalyscore_", "with_dimensioncontributions_", "with_livedata_"))


def _bounds_and_columns(scope: Scope, alias: str, table: exp.Table) -> tuple[Bounds, list[str]]:
    """Return the bounds that a SELECT sets on one of its tables, and the columns that it reads from it."""
    select = scope.expression
    if not isinstance(select, exp.Select):
        return ALL, []
    is_only_source = len(scope.sources) == 1 and not select.args.get("laterals") and not select.args.get("joins")

    def column_of(node: exp.Expr) -> str | None:
        if not isinstance(node, exp.Column) or (
            node.table.lower() != alias.lower() if node.table else not is_only_source
        ):
            return None
        return node.name.lower()

    where = select.args.get("where")
    aliases = {column.alias.lower() for column in select.selects if isinstance(column, exp.Alias)}
    names = (column_of(column) for column in scope.columns)
    columns = sorted({name for name in names if name is not None and name not in aliases})
    # With column aliases on the table, names in the query are not the names of its columns.
    if table.args.get("alias") and table.args["alias"].args.get("columns"):
        return ALL, []
    return bounds_of(where.this if where else None, column_of), columns


def _syntax_error(error: SqlglotError) -> str:
    """Return a syntax error on one line, with its position."""
    details: Iterable[dict[str, object]] = getattr(error, "errors", ())
    for detail in details:
        description = str(detail.get("description", "")).strip().rstrip(".")
        near = f"{detail.get('start_context', '')}{detail.get('highlight', '')}"[-40:].strip()
        return f"query: line {detail.get('line')}, column {detail.get('col')}: {description}, near {near!r}"
    return f"query: {' '.join(str(error).split())[:200]}"


def _kind_of(sql: str) -> str:
    """Return the first keyword of a statement."""
    words = re.findall(r"[A-Za-z]+", re.sub(r"(--[^\n]*|/\*.*?\*/)", " ", sql, flags=re.DOTALL))
    return words[0].upper() if words else "an empty statement"
