"""Queries: SELECT, set operations, VALUES, common table expressions and FROM, as DuckDB's text."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from sqlglot import exp

from anomalake.query.trino.expressions import Expressions
from anomalake.query.trino.operators import equal
from anomalake.query.trino.python_functions import PYTHON_FUNCTIONS
from anomalake.query.trino.scopes import Column, Relation, Scope, Table
from anomalake.query.trino.types import BIGINT, VARCHAR, Type, identifier, invalid, stored, unsupported
from anomalake.query.trino.values import Value, coerce, common_of, condition, fields_of, over, unify

#: The schema in which a query names the tables that DuckDB reads. No table of a lake can be named so.
LAKE_SCHEMA = "$lake"


@dataclass(frozen=True, slots=True)
class CompiledQuery:
    """A query for DuckDB.

    Attributes
    ----------
    sql
        Its text.
    columns
        Names and types of its columns; a name may be there several times.
    functions
        Names of the functions in `PYTHON_FUNCTIONS` that it calls.
    """

    sql: str
    columns: tuple[tuple[str, Type], ...]
    functions: tuple[str, ...]


def compile_query(query: exp.Expr, tables: Mapping[str, Table] | None = None) -> CompiledQuery:
    """Compile a query.

    Parameters
    ----------
    query
        Syntax tree of the dialect `AsWritten`.
    tables
        Tables in `LAKE_SCHEMA`, by name.

    Raises
    ------
    QueryError
        Trino refuses the query, or the local engine does not know a function, type or form in it.
    """
    try:
        table = _Queries(tables or {}).query(query, Scope({}))
    except RecursionError as error:
        raise unsupported("a query that is nested so deeply") from error
    functions = sorted(set(re.findall(r"\btrino_\w+(?=\()", table.sql)) & PYTHON_FUNCTIONS.keys())
    return CompiledQuery(table.sql, tuple((name, type_) for name, type_, _ in table.columns), tuple(functions))


_PARTS_OF_SELECT = (
    "with_", "expressions", "from_", "joins", "where", "group", "having", "windows", "distinct", "order", "limit",
    "offset",
)  # fmt: skip


class _Queries:
    """Compiles the queries of one statement."""

    def __init__(self, tables: Mapping[str, Table]) -> None:
        self._tables = tables
        self._count = 0

    def _name(self, prefix: str) -> str:
        self._count += 1
        return f"{prefix}{self._count}"

    def _expressions(self, scope: Scope) -> Expressions:
        return Expressions(scope, self.query)

    def query(self, node: exp.Expr, outer: Scope) -> Table:
        """Compile a query; `outer` has the tables, and the columns of the queries around it."""
        if isinstance(node, exp.Subquery):
            if isinstance(node.this, exp.Table):
                raise unsupported("a join in parentheses here")
            inner = self.query(node.this, outer)
            return self._sorted(node, Table(f"SELECT * FROM ({inner.sql})", inner.columns), outer)
        with_, scope = self._with(node, outer)
        if isinstance(node, exp.Select):
            table = self._select(node, scope)
        elif isinstance(node, exp.SetOperation):
            table = self._set_operation(node, scope)
        elif isinstance(node, exp.Values):
            table = self._values(node, scope)
        else:
            raise unsupported(f"{type(node).__name__} as a query")
        return Table(with_ + table.sql, table.columns)

    def _with(self, node: exp.Expr, outer: Scope) -> tuple[str, Scope]:
        scope = Scope(outer.tables, outer)
        with_ = node.args.get("with_")
        if with_ is None:
            return "", scope
        parts, own = [], set[str]()
        for cte in with_.expressions:
            _check_parts(cte, "this", "alias")
            name, alias = self._name("cte"), cte.args["alias"]
            if alias.name.lower() in own:
                raise invalid(f"DUPLICATE_NAMED_QUERY: WITH query name {alias.name!r} specified more than once")
            own.add(alias.name.lower())
            names = [column.name for column in alias.args.get("columns") or []]
            if with_.args.get("recursive") and _names_itself(cte):
                table, columns = self._recursive(cte.this, alias.name.lower(), name, names, scope)
                parts.append(f"{name}({', '.join(column for _, _, column in columns)}) AS ({table})")
            else:
                table_ = self.query(cte.this, scope)
                columns = _renamed(table_.columns, names, alias.name)
                parts.append(f"{name} AS ({table_.sql})")
            scope = Scope({**scope.tables, alias.name.lower(): Table(name, columns)}, outer)
        return f"WITH {'RECURSIVE ' if with_.args.get('recursive') else ''}{', '.join(parts)} ", scope

    def _recursive(
        self, union: exp.Union, own: str, name: str, names: list[str], scope: Scope
    ) -> tuple[str, list[tuple[str, Type, str]]]:
        anchor = self.query(union.this, scope)
        if len(names) != len(anchor.columns):
            raise invalid("MISMATCHED_COLUMN_ALIASES: the recursive query has another number of columns")
        columns = [
            (names[place], VARCHAR if type_.name == "varchar" else type_, f"c{place}")
            for place, (_, type_, _) in enumerate(anchor.columns)
        ]
        step = self.query(union.expression, Scope({**scope.tables, own: Table(name, columns)}, scope.outer))
        word = "UNION" if union.args.get("distinct") else "UNION ALL"
        return f"{_conform(anchor, columns)} {word} {_conform(step, columns)}", columns

    def _values(self, node: exp.Values, scope: Scope) -> Table:
        expressions = self._expressions(scope)
        rows: list[list[Value]] = []
        for item in node.expressions:
            parts = item.expressions if isinstance(item, exp.Tuple) else [item]
            if len(parts) == 1 and isinstance(parts[0], exp.Tuple):
                parts = parts[0].expressions
            values = expressions.values(parts)
            is_row = len(values) == 1 and isinstance(parts[0], exp.Anonymous) and values[0].type.name == "row"
            rows.append(fields_of(values[0]) if is_row else values)
        if len({len(values) for values in rows}) != 1:
            raise invalid("TYPE_MISMATCH: the rows of VALUES differ in their number of columns")
        columns, texts = [], []
        for place, column in enumerate(zip(*rows, strict=True)):
            type_, same = unify(column)
            columns.append((f"_col{place}", type_, f"c{place}"))
            texts.append([f"CAST({value.sql} AS {stored(type_)})" for value in same])
        listed = ", ".join(f"({', '.join(row)})" for row in zip(*texts, strict=True))
        names = ", ".join(name for _, _, name in columns)
        return self._sorted(node, Table(f"SELECT * FROM (VALUES {listed}) AS t({names})", columns), scope)

    def _set_operation(self, node: exp.SetOperation, scope: Scope) -> Table:
        left, right = self.query(node.this, scope), self.query(node.expression, scope)
        word = node.key.upper()
        if len(left.columns) != len(right.columns):
            counts = f"{len(left.columns)}, {len(right.columns)}"
            raise invalid(f"TYPE_MISMATCH: {word} query has different number of fields: {counts}")
        _check_parts(node, "with_", "this", "expression", "distinct", "order", "limit", "offset")
        pairs = zip(left.columns, right.columns, strict=True)
        columns = [
            (name, common_of(type_, second, word), f"c{place}")
            for place, ((name, type_, _), (_, second, _)) in enumerate(pairs)
        ]
        all_ = "" if node.args.get("distinct") else " ALL"
        both = f"({_conform(left, columns)}) {word}{all_} ({_conform(right, columns)})"
        return self._sorted(node, Table(f"SELECT * FROM ({both})", columns), scope)

    def _sorted(self, node: exp.Expr, table: Table, scope: Scope) -> Table:
        """Add ORDER BY, OFFSET and LIMIT to a query whose columns are known."""
        order, sql = node.args.get("order"), table.sql
        if order is not None:
            columns = [Column(name, Value(identifier(own), type_)) for name, type_, own in table.columns]
            expressions = self._expressions(replace(scope, relations=[Relation(None, columns)]))
            items = (self._order_item(item, table, expressions) for item in order.expressions)
            sql += f" ORDER BY {', '.join(items)}"
        return Table(sql + _limits(node), table.columns)

    def _order_item(self, item: exp.Expr, table: Table, expressions: Expressions) -> str:
        position = _position(item.this, table, "ORDER BY")
        return expressions.ordered(item, None if position is None else str(position))

    # SELECT.

    def _select(self, node: exp.Select, scope: Scope) -> Table:
        _check_parts(node, *_PARTS_OF_SELECT)
        if not node.expressions:
            raise invalid("SYNTAX_ERROR: SELECT without columns")
        from_ = ""
        if node.args.get("from_"):
            from_ = f" FROM {self._source(node.args['from_'].this, scope)}"
            from_ += "".join(self._join(join, scope) for join in node.args.get("joins") or [])
        scope.windows = {window.name.lower(): window for window in node.args.get("windows") or []}
        expressions = self._expressions(scope)
        outputs = self._outputs(node, scope, expressions)
        names = _unique([name for name, _ in outputs])
        columns = [(name, value.type, own) for (name, value), own in zip(outputs, names, strict=True)]
        distinct = node.args.get("distinct")
        if distinct is not None and distinct.args.get("on"):
            raise invalid("SYNTAX_ERROR: mismatched input 'ON'")
        shown = ", ".join(f"{value.sql} AS {identifier(own)}" for (_, value), own in zip(outputs, names, strict=True))
        sql = f"SELECT {'DISTINCT ' if distinct is not None else ''}{shown}{from_}"
        if node.args.get("where"):
            sql += f" WHERE {condition(expressions.value(node.args['where'].this), 'WHERE clause')}"
        if node.args.get("group"):
            sql += f" GROUP BY {self._group(node.args['group'], expressions, outputs)}"
        if node.args.get("having"):
            sql += f" HAVING {condition(expressions.value(node.args['having'].this), 'HAVING clause')}"
        return self._ordered_select(node, Table(sql, columns), outputs, scope)

    def _outputs(self, node: exp.Select, scope: Scope, expressions: Expressions) -> list[tuple[str, Value]]:
        outputs: list[tuple[str, Value]] = []
        for item in node.expressions:
            if item.is_star and isinstance(item, (exp.Star, exp.Column)):
                star = item.this if isinstance(item, exp.Column) else item
                if any(star.args.values()):
                    raise invalid("SYNTAX_ERROR: * with EXCEPT, EXCLUDE, REPLACE or RENAME")
                outputs += self._star(item.table if isinstance(item, exp.Column) else "", scope)
                continue
            inner = item.this if isinstance(item, exp.Alias) else item
            name = item.alias if isinstance(item, exp.Alias) else ""
            if isinstance(inner, (exp.Column, exp.Dot)):
                name = name or (inner.expression.name if isinstance(inner, exp.Dot) else inner.name)
            outputs.append((name or f"_col{len(outputs)}", expressions.value(inner)))
        return outputs

    def _star(self, table: str, scope: Scope) -> list[tuple[str, Value]]:
        outputs: list[tuple[str, Value]] = []
        if not table:
            outputs += scope.merged.items()
        found = [
            relation for relation in scope.relations if not table or (relation.alias or "").lower() == table.lower()
        ]
        if not found:
            raise invalid(f"TABLE_NOT_FOUND: Unable to resolve reference {table or '*'}")
        for relation in found:
            for column in relation.columns:
                outputs.append((column.name, column.value))
        return outputs

    def _group(self, group: exp.Group, expressions: Expressions, outputs: list[tuple[str, Value]]) -> str:
        if group.args.get("all"):
            raise invalid("COLUMN_NOT_FOUND: Column 'all' cannot be resolved")
        if group.args.get("all") is not None:
            raise unsupported("GROUP BY DISTINCT")
        _check_parts(group, "expressions", "all")

        def one(node: exp.Expr) -> str:
            if isinstance(node, exp.Literal) and not node.is_string:
                number = int(node.this) if node.this.isdigit() else 0
                if not 1 <= number <= len(outputs):
                    raise invalid(f"INVALID_COLUMN_REFERENCE: GROUP BY position {node.this} is not in select list")
                value = outputs[number - 1][1]
                # DuckDB takes a literal for a position.
                text = str(number) if value.literal is not None else value.sql
            else:
                value = expressions.value(node)
                text = value.sql
            if value.type.name in ("map", "json"):
                raise unsupported(f"GROUP BY of {value.type}")
            return text

        def sets(node: exp.Expr) -> str:
            if isinstance(node, exp.Tuple):
                return f"({', '.join(map(one, node.expressions))})"
            if isinstance(node, exp.Paren):
                return f"({one(node.this)})"
            if isinstance(node, (exp.Rollup, exp.Cube, exp.GroupingSets)):
                word = "GROUPING SETS" if isinstance(node, exp.GroupingSets) else node.key.upper()
                return f"{word} ({', '.join(map(sets, node.expressions))})"
            return one(node)

        return ", ".join(map(sets, group.expressions))

    def _ordered_select(self, node: exp.Select, table: Table, outputs: list[tuple[str, Value]], scope: Scope) -> Table:
        order, limit = node.args.get("order"), node.args.get("limit")
        options = limit.args.get("limit_options") if isinstance(limit, exp.Fetch) else None
        with_ties = options is not None and options.args.get("with_ties")
        if order is None:
            if with_ties:
                raise invalid("MISSING_ORDER_BY: FETCH FIRST WITH TIES clause requires ORDER BY")
            return Table(table.sql + _limits(node), table.columns)
        names: dict[str, list[Value]] = {}
        for name, value in outputs:
            names.setdefault(name.lower(), []).append(value)
        expressions = self._expressions(replace(scope, outputs=names))
        shown = {value.sql for _, value in outputs}
        items = []
        for item in order.expressions:
            position = _position(item.this, table, "ORDER BY")
            if position is None and node.args.get("distinct") is not None:
                value = expressions.value(item.this)
                if value.sql not in shown:
                    raise invalid(
                        "EXPRESSION_NOT_IN_DISTINCT: For SELECT DISTINCT, "
                        "ORDER BY expressions must appear in select list"
                    )
                position = [value.sql for _, value in outputs].index(value.sql) + 1
            items.append((item, position))
        sorted_ = ", ".join(expressions.ordered(item, str(place) if place else None) for item, place in items)
        if not with_ties:
            return Table(f"{table.sql} ORDER BY {sorted_}{_limits(node)}", table.columns)
        if any(node.args.get(key) for key in ("group", "distinct", "offset", "having")):
            raise unsupported("WITH TIES with GROUP BY, DISTINCT or OFFSET (use rank())")
        ranked = ", ".join(
            expressions.ordered(item, outputs[place - 1][1].sql if place else None) for item, place in items
        )
        rank = f"rank() OVER (ORDER BY {ranked}) <= {_count_of(limit)}"
        return Table(f"{table.sql} QUALIFY {rank} ORDER BY {sorted_}", table.columns)

    # FROM.

    def _source(self, node: exp.Expr, scope: Scope) -> str:
        """Compile an item of FROM, and add its relation to the scope."""
        if isinstance(node, exp.Paren):
            return self._source(node.this, scope)
        _check_parts(
            node, "this", "expressions", "alias", "joins", "db", "catalog", "offset", "order", "limit", "with_"
        )
        alias = node.args.get("alias")
        alias_name = alias.name if isinstance(alias, exp.TableAlias) else ""
        names = [column.name for column in alias.args.get("columns") or []] if isinstance(alias, exp.TableAlias) else []
        if isinstance(node, exp.Subquery) and isinstance(node.this, exp.Table) and not alias_name:
            inner = self._source(node.this, scope)
            return f"({inner}{''.join(self._join(join, scope) for join in node.this.args.get('joins') or [])})"
        beside = Scope(scope.tables, scope.outer, list(scope.relations), scope.merged)
        if isinstance(node, exp.Unnest):
            table = self._unnest(node, beside, names)
            text = f"LATERAL ({table.sql})"
            names = [] if node.args.get("offset") else names
        elif isinstance(node, exp.Lateral):
            table = self.query(node.this, beside)
            text = f"LATERAL ({table.sql})"
        elif isinstance(node, exp.Subquery):
            inner_scope = Scope(scope.tables, scope.outer)
            body = node if any(node.args.get(key) for key in ("order", "limit", "offset", "with_")) else node.this
            table = self.query(body, inner_scope)
            text = f"({table.sql})"
        elif isinstance(node, exp.Values):
            table = self._values(node, Scope(scope.tables, scope.outer))
            text = f"({table.sql})"
        elif isinstance(node, exp.Table) and isinstance(node.this, exp.Identifier):
            table = self._table(node, scope)
            text, alias_name = table.sql, alias_name or node.name
        else:
            raise unsupported(f"{' '.join(node.sql('trino').split())[:60]} in FROM")
        own = self._name("r")
        columns = [
            Column(name, Value(f"{own}.{identifier(stored_name)}", type_))
            for name, type_, stored_name in _renamed(table.columns, names, alias_name)
        ]
        scope.relations.append(Relation(alias_name or None, columns))
        return f"{text} AS {own}"

    def _table(self, node: exp.Table, scope: Scope) -> Table:
        name = node.name.lower()
        if node.db == LAKE_SCHEMA:
            return self._tables[name]
        if node.db or name not in scope.tables:
            raise invalid(f"TABLE_NOT_FOUND: Table '{node.sql('trino')[:80]}' does not exist")
        return scope.tables[name]

    def _join(self, node: exp.Join, scope: Scope) -> str:
        side, kind = node.side.upper(), node.kind.upper()
        if node.args.get("method"):
            raise invalid(f"NOT_SUPPORTED: {node.args['method']} join not supported")
        if kind not in ("", "INNER", "OUTER", "CROSS"):
            raise unsupported(f"{kind} JOIN")
        before = len(scope.relations)
        source = self._source(node.this, scope)
        if node.args.get("using"):
            left = replace(scope, relations=scope.relations[:before], outer=None)
            right = Scope(scope.tables, relations=scope.relations[before:])
            conditions = []
            names = {column.name.lower() for column in node.args["using"]}
            for column in node.args["using"]:
                pair = left.find([column.name]), right.find([column.name])
                conditions.append(equal(*pair))
                type_, (a, b) = unify(pair)
                scope.merged[column.name.lower()] = Value(f"coalesce({a.sql}, {b.sql})", type_)
            # Afterwards the columns belong to none of the relations.
            for relation in scope.relations:
                relation.columns[:] = [column for column in relation.columns if column.name.lower() not in names]
            return f" {side} JOIN {source} ON {' AND '.join(conditions)}"
        if node.args.get("on") is not None:
            on = condition(self._expressions(scope).value(node.args["on"]), "JOIN ON clause")
            return f" {side} JOIN {source} ON {on}"
        return f" CROSS JOIN {source}"

    def _unnest(self, node: exp.Unnest, scope: Scope, names: list[str]) -> Table:
        expressions = self._expressions(scope)
        lists: list[tuple[str, Type]] = []
        for value in expressions.values(node.expressions):
            type_ = value.type
            if type_.name == "map":
                lists += [(f"map_keys({value.sql})", type_.items[0]), (f"map_values({value.sql})", type_.items[1])]
            elif type_.name == "array" and type_.items[0].name == "row":
                item = type_.items[0]
                for place, field in enumerate(item.items):
                    text = over(value.sql, item, lambda row, place=place: fields_of(row)[place].sql)  # type: ignore[misc]
                    lists.append((text, field))
            elif type_.name == "array":
                lists.append((value.sql, type_.items[0]))
            else:
                raise invalid(f"INVALID_FUNCTION_ARGUMENT: Cannot unnest type: {type_}")
        ordinality = node.args.get("offset")
        if ordinality:
            longest = ", ".join(f"coalesce(len({text}), 0)" for text, _ in lists)
            lists.append((f"range(1, greatest({longest}) + 1)", BIGINT))
            if names and isinstance(ordinality, exp.Expr):
                names = [*names, ordinality.name]
        own = [(f"_col{place}", type_, f"c{place}") for place, (_, type_) in enumerate(lists)]
        shown = (f"unnest(CAST({text} AS {stored(type_)}[])) AS c{place}" for place, (text, type_) in enumerate(lists))
        return Table(f"SELECT {', '.join(shown)}", _renamed(own, names, "UNNEST"))


def _check_parts(node: exp.Expr, *known: str) -> None:
    """Raise `QueryError` for a part of a node that would be left out."""
    for key, part in node.args.items():
        if part and key not in known:
            raise unsupported(f"{key.strip('_').upper()} in {node.key.upper()}")


def _names_itself(cte: exp.CTE) -> bool:
    name = cte.alias.lower()
    return isinstance(cte.this, exp.Union) and any(table.name.lower() == name for table in cte.this.find_all(exp.Table))


def _renamed(columns: Sequence[tuple[str, Type, str]], names: list[str], of: str) -> list[tuple[str, Type, str]]:
    if names and len(names) != len(columns):
        raise invalid(
            f"MISMATCHED_COLUMN_ALIASES: Column alias list has {len(names)} entries "
            f"but {of!r} has {len(columns)} columns"
        )
    if not names:
        return list(columns)
    return [(name, type_, own) for name, (_, type_, own) in zip(names, columns, strict=True)]


def _conform(table: Table, columns: Sequence[tuple[str, Type, str]]) -> str:
    """Return a query whose columns have the given types and names in DuckDB."""
    pairs = zip(table.columns, columns, strict=True)
    shown = ", ".join(
        f"{coerce(Value(identifier(own), type_), wanted).sql} AS {identifier(name)}"
        for (_, type_, own), (_, wanted, name) in pairs
    )
    return f"SELECT {shown} FROM ({table.sql})"


def _unique(names: list[str]) -> list[str]:
    """Return names for DuckDB, which differ also in case."""
    used: set[str] = set()
    result = []
    for name in names:
        while name.lower() in used:
            name += "_"
        used.add(name.lower())
        result.append(name)
    return result


def _position(node: exp.Expr, table: Table, clause: str) -> int | None:
    """Return the position of an output column that an item names, by its number or its name; None for others."""
    if isinstance(node, exp.Literal) and not node.is_string:
        number = int(node.this) if node.this.isdigit() else 0
        if not 1 <= number <= len(table.columns):
            raise invalid(f"INVALID_COLUMN_REFERENCE: {clause} position {node.this} is not in select list")
        return number
    if isinstance(node, exp.Column) and not node.table:
        places = [
            place for place, (name, _, _) in enumerate(table.columns, start=1) if name.lower() == node.name.lower()
        ]
        if len(places) == 1:
            return places[0]
    return None


def _count_of(limit: exp.Expr | None) -> int | None:
    """Return the number of rows of LIMIT or FETCH; None for ALL."""
    if limit is None:
        return None
    _check_parts(
        limit, "expression", *(("count", "direction", "limit_options") if isinstance(limit, exp.Fetch) else ())
    )
    count = limit.args.get("count") if isinstance(limit, exp.Fetch) else limit.expression
    if isinstance(limit, exp.Fetch) and count is None:
        return 1
    options = limit.args.get("limit_options")
    if options is not None and options.args.get("percent"):
        raise invalid("SYNTAX_ERROR: FETCH … PERCENT")
    if isinstance(count, exp.Literal) and not count.is_string and count.this.isdigit():
        return int(count.this)
    if isinstance(count, (exp.Column, exp.Var)) and count.name.upper() == "ALL":
        return None
    raise invalid("SYNTAX_ERROR: the number of rows is not a whole number")


def _limits(node: exp.Expr) -> str:
    limit, offset = node.args.get("limit"), node.args.get("offset")
    count = _count_of(limit)
    text = "" if count is None else f" LIMIT {count}"
    if offset is not None:
        start = offset.expression
        if not isinstance(start, exp.Literal) or not start.this.isdigit():
            raise invalid("SYNTAX_ERROR: OFFSET is not a whole number")
        text += f" OFFSET {start.this}"
    return text
