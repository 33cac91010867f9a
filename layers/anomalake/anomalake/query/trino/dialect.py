"""Trino's dialect for sqlglot, with every call as it is written, and the syntax that Trino refuses."""

from __future__ import annotations

import re
from collections.abc import Sequence
from itertools import pairwise
from typing import Any, ClassVar

from sqlglot import exp
from sqlglot.dialects.trino import Trino
from sqlglot.parsers.trino import TrinoParser
from sqlglot.tokenizer_core import Token, TokenType

from anomalake.query.trino.types import invalid, unsupported

_CALLS_WITH_SYNTAX = (
    "CAST", "TRY_CAST", "EXTRACT", "TRIM", "POSITION", "SUBSTRING", "NORMALIZE", "LISTAGG", "JSON_OBJECT", "JSON_VALUE",
    "JSON_QUERY",
)  # fmt: skip
_UNITS = ("SECOND", "MINUTE", "HOUR", "DAY", "MONTH", "YEAR")
#: Of the words that sqlglot takes for types, those that Trino has.
_TYPES = {
    "ARRAY", "BIGINT", "BOOLEAN", "CHAR", "DATE", "DECIMAL", "DOUBLE", "INT", "INTEGER", "INTERVAL", "IPADDRESS",
    "JSON", "MAP", "NULL", "RANGE", "REAL", "ROW", "SMALLINT", "TIME", "TIMESTAMP", "TINYINT", "UNION", "UUID",
    "VARBINARY", "VARCHAR",
}  # fmt: skip
_OTHER_WORDS = ("QUALIFY", "ISNULL", "NOTNULL")


class AsWritten(Trino):
    """Trino's dialect without sqlglot's translation of functions, whose meanings differ from Trino's."""

    # sqlglot would subtract 1 from literal subscripts.
    INDEX_OFFSET = 0

    class Tokenizer(Trino.Tokenizer):
        # Words that Trino has for other things, or not at all.
        KEYWORDS: ClassVar = {
            word: token
            for word, token in Trino.Tokenizer.KEYWORDS.items()
            if (token not in TrinoParser.TYPE_TOKENS or word in _TYPES or " " in word) and word not in _OTHER_WORDS
        }

    class Parser(TrinoParser):
        FUNCTIONS: ClassVar[dict[str, Any]] = {}
        FUNCTION_PARSERS: ClassVar = {
            name: parser for name, parser in TrinoParser.FUNCTION_PARSERS.items() if name in _CALLS_WITH_SYNTAX
        }
        TYPE_LITERAL_PARSERS: ClassVar = {
            **TrinoParser.TYPE_LITERAL_PARSERS,
            exp.DType.DECIMAL: lambda self, this, to: _decimal_literal(self, this, to),
        }

        def _parse_join(self, *args: Any, **kwargs: Any) -> exp.Join | None:
            comma = self._curr and self._curr.token_type == TokenType.COMMA
            join = super()._parse_join(*args, **kwargs)
            if join is None or comma or any(join.args.get(key) for key in ("on", "using", "method")):
                return join
            if join.kind.upper() != "CROSS":
                self.raise_error("Expected ON or USING after JOIN")
            return join


def _decimal_literal(parser: Any, this: exp.Expr, to: exp.DataType) -> exp.Expr:
    """Return ``DECIMAL '1.50'``, whose type follows from its digits."""
    match = re.fullmatch(r"\s*[+-]?0*(\d*)(?:\.(\d*))?\s*", this.name)
    if not match or not (match[1] or match[2] or "0" in this.name):
        parser.raise_error(f"{this.name!r} is not a valid DECIMAL literal")
        raise AssertionError
    scale = len(match[2] or "")
    numbers = (max(1, len(match[1]) + scale), scale)
    to.set("expressions", [exp.DataTypeParam(this=exp.Literal.number(number)) for number in numbers])
    return exp.Cast(this=this, to=to)


_GLUED = re.compile(r"('(?:[^']|'')*'|\"(?:[^\"]|\"\")*\"|--[^\n]*|/\*.*?\*/)|(\d[eE][+-]?\d+)(?=[+-])", re.DOTALL)


def parse(sql: str) -> list[exp.Expr]:
    """Parse statements.

    Raises
    ------
    QueryError, SqlglotError
        The syntax is not Trino's.
    """
    # sqlglot's tokenizer takes 1e0+2e0 for one number.
    sql = _GLUED.sub(lambda match: match[1] or f"{match[2]} ", sql)
    dialect = AsWritten()
    tokens = dialect.tokenize(sql)
    _check(tokens, sql)
    return [statement for statement in dialect.parser().parse(tokens, sql) if statement is not None]


# Each is a token of sqlglot's.
_OPERATORS = {"::", "==", "!", "&", "|", "^", "~", "<<", ">>", "<=>", "**", "//", "{", "}", "#", "@", "->>", "&&"}
_NEVER_TOGETHER = {
    (TokenType.STRING, TokenType.STRING), (TokenType.L_PAREN, TokenType.FROM), (TokenType.ALIAS, TokenType.STRING),
}  # fmt: skip
_BEFORE_NOTHING = {TokenType.FROM, TokenType.R_PAREN, TokenType.WHERE, TokenType.GROUP_BY, TokenType.ORDER_BY}


def _check(tokens: Sequence[Token], sql: str) -> None:
    """Raise `QueryError` for syntax that sqlglot accepts and Trino does not."""

    def text(token: Token) -> str:
        return sql[token.start : token.end + 1]

    def mismatched(token: Token) -> Exception:
        return invalid(f"SYNTAX_ERROR: line {token.line}: mismatched input {text(token)!r}")

    limit_depth: int | None = None
    depth = 0
    for place, token in enumerate(tokens):
        kind = token.token_type
        depth += (kind == TokenType.L_PAREN) - (kind == TokenType.R_PAREN)
        if text(token) in _OPERATORS:
            raise mismatched(token)
        if kind == TokenType.HEX_STRING and text(token)[:1] == "0":
            raise unsupported(f"the number {text(token)}")
        if kind == TokenType.LIMIT:
            limit_depth = depth
        elif kind in (TokenType.SELECT, TokenType.UNION, TokenType.EXCEPT, TokenType.INTERSECT, TokenType.WITH):
            limit_depth = None
        elif kind in (TokenType.OFFSET, TokenType.COMMA) and limit_depth == depth:
            following = tokens[place + 1] if place + 1 < len(tokens) else None
            if kind == TokenType.COMMA or (following and following.token_type == TokenType.NUMBER):
                raise mismatched(token)
        elif depth < (limit_depth or 0):
            limit_depth = None
    for token, following in pairwise(tokens):
        kinds = (token.token_type, following.token_type)
        if kinds[0] == TokenType.NUMBER and following.start == token.end + 1 and text(following)[0].isidentifier():
            raise unsupported(f"the number {text(token)}{text(following)}")
        if kinds[0] == TokenType.COMMA and kinds[1] in _BEFORE_NOTHING:
            raise mismatched(following)
        if kinds in _NEVER_TOGETHER:
            raise mismatched(following)
        if token.token_type == TokenType.INTERVAL and kinds[1] == TokenType.NUMBER:
            raise mismatched(following)
    for first, second, third in zip(tokens, tokens[1:], [*tokens[2:], None], strict=False):
        is_interval = first.token_type == TokenType.INTERVAL and second.token_type == TokenType.STRING
        if is_interval and (third is None or text(third).upper() not in _UNITS):
            raise mismatched(third or second)
    if tokens and tokens[0].token_type == TokenType.FROM:
        raise mismatched(tokens[0])
