"""Expressions: each node of the syntax tree as DuckDB's text with Trino's type."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import replace
from decimal import Decimal
from typing import Any

from sqlglot import exp

from anomalake.query.trino import json_functions, number_functions, text_functions, time_functions
from anomalake.query.trino.aggregates import AGGREGATES, WINDOW_FUNCTIONS, Clauses
from anomalake.query.trino.array_functions import subscript
from anomalake.query.trino.casts import cast
from anomalake.query.trino.dialect import AsWritten, parse
from anomalake.query.trino.operators import (
    arithmetic,
    compare,
    concatenate,
    distinct_from,
    equal,
    interval_of,
    negate,
)
from anomalake.query.trino.scopes import Scope, Table, field_of
from anomalake.query.trino.signatures import SCALARS, Lambda, call
from anomalake.query.trino.types import (
    BOOLEAN,
    DATE,
    DAYS,
    JSON,
    MONTHS,
    UNKNOWN,
    VARBINARY,
    VARCHAR,
    Type,
    array,
    identifier,
    invalid,
    row,
    stored,
    type_of,
    unsupported,
)
from anomalake.query.trino.values import (
    NULL,
    Value,
    coerce,
    common_of,
    condition,
    literal,
    null,
    quoted,
    row_of,
    unify,
)

#: Compiles a subquery in a scope; the columns of the result have names in DuckDB.
CompileQuery = Callable[[exp.Expr, Scope], Table]

_SECONDS = {"SECOND": 1, "MINUTE": 60, "HOUR": 3_600, "DAY": 86_400}
_MONTHS = {"MONTH": 1, "YEAR": 12}
_ARITHMETIC = {exp.Add: "+", exp.Sub: "-", exp.Mul: "*", exp.Div: "/", exp.Mod: "%"}
_COMPARISONS = {exp.EQ: "=", exp.NEQ: "<>", exp.LT: "<", exp.LTE: "<=", exp.GT: ">", exp.GTE: ">="}


class Expressions:
    """Compiles the expressions of one scope."""

    def __init__(self, scope: Scope, compile_query: CompileQuery) -> None:
        self.scope = scope
        self._compile_query = compile_query

    def value(self, node: exp.Expr) -> Value:
        """Compile an expression; raises `QueryError`."""
        kind = type(node)
        if kind in _ARITHMETIC:
            return arithmetic(_ARITHMETIC[kind], self.value(node.this), self.value(node.expression))
        if kind in _COMPARISONS:
            return self._comparison(_COMPARISONS[kind], node)
        compile_ = _NODES.get(kind)
        if compile_ is None and isinstance(node, exp.Func) and kind is not exp.Concat:
            # A call that was not parsed but made, as sqlglot's own function.
            return self.value(parse(f"SELECT {node.sql(AsWritten)}")[0].expressions[0])
        if compile_ is None:
            raise unsupported(f"{kind.__name__} ({' '.join(node.sql('trino').split())[:60]})")
        return compile_(self, node)

    def values(self, nodes: Sequence[exp.Expr]) -> list[Value]:
        return [self.value(node) for node in nodes]

    def condition(self, node: exp.Expr, where: str = "Logical expression term") -> str:
        return condition(self.value(node), where)

    def ordered(self, node: exp.Expr, sql: str | None = None) -> str:
        """Return an item of ORDER BY; Trino sorts NULL last, whatever the direction."""
        if not isinstance(node, exp.Ordered):
            raise unsupported(f"ORDER BY {node.sql('trino')[:60]}")
        if sql is None:
            value = self.value(node.this)
            if value.type.name in ("map", "json"):
                raise invalid(f"TYPE_MISMATCH: Type {value.type} is not orderable")
            # A literal would be the position of a column.
            sql = f"({value.sql})" if value.literal is not None else value.sql
        nulls = "FIRST" if node.args.get("nulls_first") else "LAST"
        return f"{sql} {'DESC' if node.args.get('desc') else 'ASC'} NULLS {nulls}"

    def order(self, order: exp.Order) -> str:
        return "ORDER BY " + ", ".join(self.ordered(item) for item in order.expressions)

    # Literals and names.

    def _literal(self, node: exp.Literal) -> Value:
        text = node.this
        if node.is_string:
            return literal(text)
        if re.fullmatch(r"\d+", text):
            if int(text) >= 2**63:
                raise invalid(f"INVALID_LITERAL: Invalid numeric literal: {text}")
            return literal(int(text))
        if not re.fullmatch(r"(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?", text):
            raise unsupported(f"the number {text}")
        if "e" in text.lower():
            return Value(f"CAST('{text}' AS DOUBLE)", Type("double"), float(text))
        if len(text) > 38:
            raise invalid(f"INVALID_LITERAL: DECIMAL literal {text} is too long")
        whole, _, fraction = text.partition(".")
        value = literal(Decimal(f"{whole or 0}.{fraction}" if fraction else whole or "0"))
        return replace(value, sql=f"CAST('{text}' AS {stored(value.type)})")

    def _unicode(self, node: exp.UnicodeString) -> Value:
        def character(match: re.Match[str]) -> str:
            return "\\" if match[1] == "\\" else chr(int(match[1].lstrip("+"), 16))

        if node.args.get("escape"):
            raise unsupported("UESCAPE")
        return literal(re.sub(r"\\(\\|\+[0-9A-Fa-f]{6}|[0-9A-Fa-f]{4})", character, node.this))

    def _column(self, node: exp.Column) -> Value:
        return self.scope.find([part.name for part in node.parts])

    def _dot(self, node: exp.Dot) -> Value:
        if not isinstance(node.expression, exp.Identifier):
            raise unsupported(f"call {node.sql('trino')[:60]}")
        return field_of(self.value(node.this), [node.expression.name])

    def _interval(self, node: exp.Interval) -> Value:
        unit = node.args.get("unit")
        if not isinstance(unit, exp.Var) or not isinstance(node.this, exp.Literal):
            raise unsupported("INTERVAL … TO …")
        name = unit.name.upper()
        if not re.fullmatch(r"\s*[+-]?\d+(\.\d+)?\s*", node.this.this) or (name != "SECOND" and "." in node.this.this):
            raise invalid(f"INVALID_LITERAL: {node.this.this!r} is not a valid INTERVAL literal")
        amount = Decimal(node.this.this.strip())
        if name in _MONTHS:
            return interval_of(int(amount) * _MONTHS[name], MONTHS)
        return interval_of(float(amount * _SECONDS[name]), DAYS)

    # Operators.

    def _comparison(self, operator: str, node: exp.Expr) -> Value:
        left, right = self.value(node.this), node.expression
        is_call = isinstance(right, exp.Anonymous) and right.name.upper() == "ALL" and len(right.expressions) == 1
        if is_call and isinstance(right.expressions[0], exp.Values):
            right = exp.All(this=right.expressions[0])
        if not isinstance(right, (exp.All, exp.Any)):
            return Value(compare(operator, left, self.value(right)), BOOLEAN)
        query = self._compile_query(right.this, self.scope)
        column, type_ = self._only_column(query), common_of(left.type, self._only_column(query).type, operator)
        if type_.is_float or type_.is_nested:
            raise unsupported(f"{operator} {right.key.upper()} of {type_}")
        inner = f"SELECT {coerce(column, type_).sql} FROM ({query.sql})"
        return Value(f"({coerce(left, type_).sql} {operator} {right.key.upper()} ({inner}))", BOOLEAN)

    def _only_column(self, query: Table) -> Value:
        if len(query.columns) != 1:
            raise unsupported("a comparison with a subquery of several columns")
        _, type_, name = query.columns[0]
        return Value(identifier(name), type_)

    def _connected(self, node: exp.Expr) -> Value:
        word = "AND" if isinstance(node, exp.And) else "OR"
        # A long chain of ANDs is deep in the tree.
        return Value(f"({f' {word} '.join(self.condition(part) for part in node.flatten())})", BOOLEAN)

    def _is(self, node: exp.Is) -> Value:
        if not isinstance(node.expression, exp.Null):
            raise invalid("SYNTAX_ERROR: IS is followed by NULL, NOT NULL or DISTINCT FROM only")
        return Value(f"({self.value(node.this).sql} IS NULL)", BOOLEAN)

    def _between(self, node: exp.Between) -> Value:
        if node.args.get("symmetric"):
            raise unsupported("BETWEEN SYMMETRIC")
        value, low, high = self.values([node.this, node.args["low"], node.args["high"]])
        return Value(f"({compare('>=', value, low)} AND {compare('<=', value, high)})", BOOLEAN)

    def _in(self, node: exp.In) -> Value:
        value = self.value(node.this)
        if node.args.get("query"):
            query = self._compile_query(node.args["query"], self.scope)
            column = self._only_column(query)
            type_ = common_of(value.type, column.type)
            if type_.is_float or type_.is_nested:
                raise unsupported(f"IN (query) of {type_}")
            inner = f"SELECT {coerce(column, type_).sql} FROM ({query.sql})"
            return Value(f"({coerce(value, type_).sql} IN ({inner}))", BOOLEAN)
        if not node.expressions or node.args.get("unnest") or node.args.get("field"):
            raise unsupported("IN of other than a list or query")
        items = self.values(node.expressions)
        type_, same = unify([value, *items])
        if type_ == UNKNOWN:
            return Value(null(BOOLEAN), BOOLEAN)
        if type_.is_float or type_.is_nested:
            return Value(f"({' OR '.join(equal(value, item) for item in items)})", BOOLEAN)
        return Value(f"({same[0].sql} IN ({', '.join(item.sql for item in same[1:])}))", BOOLEAN)

    def _like(self, node: exp.Expr, escape: exp.Expr | None = None) -> Value:
        value, pattern = self.value(node.this), self.value(node.expression)
        if UNKNOWN in (value.type, pattern.type):
            return Value(null(BOOLEAN), BOOLEAN)
        for side, name in ((value, "Left side of"), (pattern, "Pattern for")):
            if side.type.name != "varchar":
                raise invalid(f"TYPE_MISMATCH: {name} LIKE expression must evaluate to a varchar (actual: {side.type})")
        ending = f" ESCAPE {self.value(escape).sql}" if escape else ""
        word = "NOT LIKE" if node.args.get("negate") else "LIKE"
        return Value(f"({value.sql} {word} {pattern.sql}{ending})", BOOLEAN)

    def _case(self, node: exp.Case) -> Value:
        subject = self.value(node.this) if node.this is not None else None
        tests, values = [], []
        for branch in node.args["ifs"]:
            test = self.value(branch.this)
            tests.append(condition(test, "CASE WHEN clause") if subject is None else equal(subject, test))
            values.append(self.value(branch.args["true"]))
        default = node.args.get("default")
        type_, values = unify([*values, NULL if default is None else self.value(default)])
        branches = " ".join(f"WHEN {test} THEN {value.sql}" for test, value in zip(tests, values, strict=False))
        return Value(f"CASE {branches} ELSE {values[-1].sql} END", type_)

    def _if(self, node: exp.If) -> Value:
        branches = [node.args["true"], *([node.args["false"]] if node.args.get("false") is not None else [])]
        return number_functions.if_(self.value(node.this), *self.values(branches))

    def _cast(self, node: exp.Cast) -> Value:
        if node.args.get("format") or node.args.get("action"):
            raise unsupported("CAST … FORMAT")
        to, value, soft = type_of(node.args["to"]), self.value(node.this), isinstance(node, exp.TryCast)
        if not soft and isinstance(value.literal, str) and value.type.name == "varchar":
            # Literals keep the form in which DuckDB pushes conditions down to the files.
            if to == DATE and re.fullmatch(r"\d{4}-\d\d-\d\d", value.literal):
                return Value(f"DATE {value.sql}", DATE, value.literal)
            digits = f"(\\.\\d{{1,{to.precision}}})?" if to.name == "timestamp" and to.precision else ""
            if to.name == "timestamp" and re.fullmatch(rf"\d{{4}}-\d\d-\d\d( \d\d:\d\d:\d\d{digits})?", value.literal):
                return Value(f"CAST({value.sql} AS TIMESTAMP)", to, value.literal)
        return cast(value, to, soft)

    def _bracket(self, node: exp.Bracket) -> Value:
        if len(node.expressions) != 1:
            raise unsupported("a subscript of several values")
        return subscript(self.value(node.this), self.value(node.expressions[0]))

    def _trim(self, node: exp.Trim) -> Value:
        value = self.value(node.this)
        if value.type.name != "varchar":
            raise invalid(f"FUNCTION_NOT_FOUND: Unexpected parameters ({value.type}) for function trim")
        name = {"LEADING": "ltrim", "TRAILING": "rtrim"}.get((node.args.get("position") or "").upper(), "trim")
        what = text_functions.WHITE_SPACE if node.expression is None else self.value(node.expression).sql
        return Value(f"{name}({value.sql}, {what})", value.type)

    # Subqueries.

    def _exists(self, node: exp.Exists) -> Value:
        return Value(f"EXISTS ({self._compile_query(node.this, self.scope).sql})", BOOLEAN)

    def _subquery(self, node: exp.Expr) -> Value:
        query = self._compile_query(node, self.scope)
        if len(query.columns) == 1:
            return Value(f"({query.sql})", query.columns[0][1])
        items = [Value(identifier(name), type_) for _, type_, name in query.columns]
        type_ = row(tuple(item.type for item in items), tuple(name for name, _, _ in query.columns))
        return Value(f"(SELECT {row_of(items, type_).sql} FROM ({query.sql}))", type_)

    # Calls.

    def _lambda(self, node: exp.Lambda, types: Sequence[Type]) -> Lambda:
        """Compile a lambda; equal lambdas get equal names, which depend on the depth only."""
        depth = len(self.scope.parameters)
        names = tuple(f"x{depth + place}" for place in range(len(types)))
        own = {
            parameter.name.lower(): Value(name, type_)
            for parameter, name, type_ in zip(node.expressions, names, types, strict=True)
        }
        if len(own) < len(names):
            raise invalid("SYNTAX_ERROR: two parameters of a lambda have the same name")
        scope = replace(self.scope, parameters={**self.scope.parameters, **own})
        return Lambda(names, Expressions(scope, self._compile_query).value(node.this))

    def _arguments(self, nodes: Sequence[exp.Expr]) -> list[Value | exp.Lambda]:
        return [node if isinstance(node, exp.Lambda) else self.value(node) for node in nodes]

    def _call(self, node: exp.Anonymous) -> Value:
        name = node.name.lower()
        if name in AGGREGATES or name in WINDOW_FUNCTIONS:
            return self._aggregate(name, node.expressions, Clauses())
        if name not in SCALARS:
            raise unsupported(f"function {name}")
        return call(name, SCALARS, self._arguments(node.expressions), self._lambda)

    def _special(self, name: str, *nodes: exp.Expr | None) -> Value:
        return call(name, SCALARS, self._arguments([node for node in nodes if node is not None]), self._lambda)

    def _aggregate(self, name: str, nodes: Sequence[exp.Expr], clauses: Clauses) -> Value:
        self._check_not_of_outputs(nodes)
        arguments = list(nodes)
        table = AGGREGATES if name in AGGREGATES else WINDOW_FUNCTIONS
        if table is WINDOW_FUNCTIONS and not clauses.window:
            raise invalid(f"MISSING_OVER: Window function {name} requires an OVER clause")
        if arguments and isinstance(arguments[-1], exp.Order):
            clauses = replace(clauses, order=f" {self.order(arguments[-1])}")
            arguments[-1] = arguments[-1].this
        if arguments and isinstance(arguments[0], exp.Distinct):
            clauses = replace(clauses, distinct="DISTINCT ")
            arguments[:1] = arguments[0].expressions
        if len(arguments) == 1 and isinstance(arguments[0], exp.Star):
            if name != "count" or clauses.distinct:
                raise invalid("SYNTAX_ERROR: mismatched input '*'")
            arguments = []
        if clauses.nulls and table is AGGREGATES:
            raise unsupported(f"{name} with IGNORE NULLS")
        return call(name, table, self._arguments(arguments), self._lambda, clauses)

    def _check_not_of_outputs(self, nodes: Sequence[exp.Expr]) -> None:
        names = (column for node in nodes for column in node.find_all(exp.Column) if not column.table)
        if self.scope.outputs and any(column.name.lower() in self.scope.outputs for column in names):
            raise invalid(
                "COLUMN_NOT_FOUND: Invalid reference to output projection attribute from ORDER BY aggregation; "
                "write relation.column"
            )

    def _with_clauses(self, node: exp.Expr, clauses: Clauses) -> Value:
        """Compile an aggregate below FILTER, WITHIN GROUP, IGNORE NULLS or OVER."""
        if isinstance(node, exp.Filter):
            if clauses.window:
                raise invalid("NOT_SUPPORTED: FILTER is not yet supported for window functions")
            test = self.condition(node.expression.this, "Filter expression")
            return self._with_clauses(node.this, replace(clauses, condition=test))
        if isinstance(node, (exp.IgnoreNulls, exp.RespectNulls)):
            nulls = " IGNORE NULLS" if isinstance(node, exp.IgnoreNulls) else ""
            return self._with_clauses(node.this, replace(clauses, nulls=nulls))
        if isinstance(node, exp.GroupConcat):
            separator = node.args.get("separator")
            order = node.this if isinstance(node.this, exp.Order) else None
            if order is None:
                raise invalid("SYNTAX_ERROR: listagg expects WITHIN GROUP (ORDER BY …)")
            clauses = replace(clauses, order=f" {self.order(order)}")
            return self._aggregate("listagg", [order.this, *([separator] if separator else [])], clauses)
        if isinstance(node, exp.Anonymous):
            name = node.name.lower()
            if name in AGGREGATES or name in WINDOW_FUNCTIONS:
                return self._aggregate(name, node.expressions, clauses)
            if name in SCALARS:
                raise invalid(f"FUNCTION_NOT_AGGREGATE: {name} is not an aggregate or window function")
            raise unsupported(f"function {name}")
        raise unsupported(f"{type(node).__name__} ({' '.join(node.sql('trino').split())[:60]})")

    def _of_group(self, node: exp.Expr) -> Value:
        return self._with_clauses(node, Clauses())

    def _window(self, node: exp.Window) -> Value:
        parts = self._window_parts(node)
        return self._with_clauses(node.this, Clauses(window=f" OVER ({' '.join(parts)})"))

    def _window_parts(self, node: exp.Window) -> list[str]:
        parts: list[str] = []
        base = node.args.get("alias")
        if base is not None:
            window = self.scope.windows.get(base.name.lower())
            if window is None or window is node:
                raise invalid(f"INVALID_WINDOW_REFERENCE: window {base.name!r} is not defined")
            parts += self._window_parts(window)
            ordered = node.args.get("order") and any(part.startswith("ORDER BY") for part in parts)
            if node.args.get("partition_by") or ordered:
                raise invalid("INVALID_PARTITION_BY: a window that names another one adds ORDER BY or a frame only")
        if node.args.get("partition_by"):
            parts.append("PARTITION BY " + ", ".join(value.sql for value in self.values(node.args["partition_by"])))
        if node.args.get("order"):
            parts.append(self.order(node.args["order"]))
        spec = node.args.get("spec")
        if spec is not None:
            if spec.args.get("exclude"):
                raise unsupported("EXCLUDE in a window frame")
            start = self._bound(spec.args.get("start"), spec.args.get("start_side"))
            end = spec.args.get("end")
            frame = f"BETWEEN {start} AND {self._bound(end, spec.args.get('end_side'))}" if end else start
            parts.append(f"{spec.args['kind']} {frame}")
        return parts

    def _bound(self, bound: exp.Expr | str | None, side: str | None) -> str:
        if isinstance(bound, exp.Expr):
            return f"{self.value(bound).sql} {side}"
        return "CURRENT ROW" if bound == "CURRENT ROW" else f"UNBOUNDED {side}"

    # JSON.

    def _json_object(self, node: exp.JSONObject) -> Value:
        if any(node.args.get(key) for key in ("null_handling", "unique_keys", "return_type", "encoding")):
            raise unsupported("json_object with options")
        if not all(isinstance(entry, exp.JSONKeyValue) for entry in node.expressions):
            raise unsupported("this form of json_object")
        return json_functions.json_object(
            [(self.value(entry.this), self.value(entry.expression)) for entry in node.expressions]
        )

    def _json_value(self, node: exp.JSONValue) -> Value:
        if node.args.get("returning"):
            raise unsupported("json_value … RETURNING")
        document, path = self.value(node.this), self.value(node.args["path"])
        found = json_functions.of_lax_path("json_value", document, path)
        empty = self._on_condition(node.args.get("on_condition"))
        if empty is None:
            return Value(found, VARCHAR)
        exists = json_functions.of_lax_path("json_exists", document, path)
        return Value(f"CASE WHEN NOT {exists} THEN {coerce(self.value(empty), VARCHAR).sql} ELSE {found} END", VARCHAR)

    def _json_query(self, node: exp.JSONExtract) -> Value:
        if not node.args.get("json_query") or any(node.args.get(key) for key in ("option", "quote", "on_condition")):
            raise unsupported("json_query with options")
        path = self.value(node.expression)
        return Value(json_functions.of_lax_path("json_query", self.value(node.this), path), VARCHAR)

    def _on_condition(self, node: exp.Expr | None) -> exp.Expr | None:
        """Return the default for an empty result; other defaults than NULL are not supported."""
        if node is None:
            return None
        empty, error = node.args.get("empty"), node.args.get("error")
        if error not in (None, "NULL ON ERROR") or (isinstance(empty, str) and empty != "NULL ON EMPTY"):
            raise unsupported("json_value … ON ERROR")
        return empty if isinstance(empty, exp.Expr) else None

    def _array(self, node: exp.Array) -> Value:
        type_, items = unify(self.values(node.expressions))
        return Value(f"[{', '.join(item.sql for item in items)}]", array(type_))

    def _paren(self, node: exp.Paren) -> Value:
        value = self.value(node.this)
        return Value(f"({value.sql})", value.type, value.literal)

    def _null_safe(self, node: exp.Expr) -> Value:
        left, right = self.value(node.this), self.value(node.expression)
        return Value(distinct_from(left, right, is_not=isinstance(node, exp.NullSafeEQ)), BOOLEAN)


def _position(expressions: Expressions, node: exp.Expr) -> Value:
    return expressions._special("strpos", node.this, node.args["substr"])


_NODES: dict[type, Callable[[Any, Any], Value]] = {
    exp.Literal: Expressions._literal,
    exp.UnicodeString: Expressions._unicode,
    exp.Null: lambda self, node: NULL,
    exp.Boolean: lambda self, node: Value("true" if node.this else "false", BOOLEAN, bool(node.this)),
    exp.HexString: lambda self, node: Value(f"unhex({quoted(str(node.this))})", VARBINARY),
    exp.Column: Expressions._column,
    exp.Identifier: lambda self, node: self.scope.find([node.name]),
    exp.Dot: Expressions._dot,
    exp.Paren: Expressions._paren,
    exp.Tuple: lambda self, node: row_of(self.values(node.expressions)),
    exp.Interval: Expressions._interval,
    exp.Neg: lambda self, node: negate(self.value(node.this)),
    exp.And: Expressions._connected,
    exp.Or: Expressions._connected,
    exp.Not: lambda self, node: Value(f"(NOT {self.condition(node.this)})", BOOLEAN),
    exp.Is: Expressions._is,
    exp.NullSafeEQ: Expressions._null_safe,
    exp.NullSafeNEQ: Expressions._null_safe,
    exp.Between: Expressions._between,
    exp.In: Expressions._in,
    exp.Like: lambda self, node: self._like(node),
    exp.Escape: lambda self, node: self._like(node.this, node.expression),
    exp.DPipe: lambda self, node: concatenate(self.values([node.this, node.expression])),
    exp.Case: Expressions._case,
    exp.If: Expressions._if,
    exp.Cast: Expressions._cast,
    exp.TryCast: Expressions._cast,
    exp.ParseJSON: lambda self, node: Value(f"trino_json_parse({coerce(self.value(node.this), VARCHAR).sql})", JSON),
    exp.Extract: lambda self, node: time_functions.part(node.this.name.lower(), self.value(node.expression)),
    exp.AtTimeZone: lambda self, node: time_functions.at_zone(self.value(node.this), self.value(node.args["zone"])),
    exp.CurrentTimestamp: lambda self, node: time_functions.NOW,
    exp.Localtimestamp: lambda self, node: time_functions.LOCAL_NOW,
    exp.CurrentDate: lambda self, node: time_functions.TODAY,
    exp.Array: Expressions._array,
    exp.Bracket: Expressions._bracket,
    exp.Trim: Expressions._trim,
    exp.StrPosition: _position,
    exp.Substring: lambda self, node: self._special(
        "substr", node.this, node.args.get("start"), node.args.get("length")
    ),
    exp.Exists: Expressions._exists,
    exp.Subquery: Expressions._subquery,
    exp.Select: Expressions._subquery,
    exp.Anonymous: Expressions._call,
    exp.Filter: Expressions._of_group,
    exp.GroupConcat: Expressions._of_group,
    exp.WithinGroup: Expressions._of_group,
    exp.Window: Expressions._window,
    exp.JSONObject: Expressions._json_object,
    exp.JSONValue: Expressions._json_value,
    exp.JSONExtract: Expressions._json_query,
}
