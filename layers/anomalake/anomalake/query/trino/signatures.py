"""Tables of functions: signatures in Trino's words, each with DuckDB's text or a Python function that returns it.

A signature such as ``split_part(S, varchar, bigint) -> S`` takes values that Trino coerces to its parameters. Letters
are type variables, which Trino binds to the types of the arguments:

======  =============================
I       a whole number
N       a number
F       a whole number, or a double
M       a date or timestamp
S       a varchar of any length
others  any type
======  =============================

``any`` takes a value of any type as it is. ``(T, U) -> V`` is a lambda. ``T...`` stands for one or more arguments.
In DuckDB's text ``{0}`` is the first argument, and ``{...}`` all of them.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from typing import Any, TypeVar

from sqlglot import exp

from anomalake.query.trino.types import UNKNOWN, Type, coerces, common, decimal, invalid, varchar
from anomalake.query.trino.values import Value, coerce

_TOKEN = re.compile(r"\s*(->|\.\.\.|[\w ]*\w|[(),])")
_CLASSES: dict[str, Callable[[Type], bool]] = {
    "I": lambda type_: type_.is_whole,
    "N": lambda type_: type_.is_number,
    "F": lambda type_: type_.is_whole or type_.is_float,
    "M": lambda type_: type_.is_moment,
    "S": lambda type_: type_.name == "varchar",
}


@dataclass(frozen=True, slots=True)
class Lambda:
    """A compiled lambda: the names of its parameters and its body."""

    names: tuple[str, ...]
    body: Value


#: Compiles a lambda for parameters of these types; None names them itself.
CompileLambda = Callable[[exp.Lambda, Sequence[Type]], Lambda]
Body = str | Callable[..., "str | Value"]
_BodyT = TypeVar("_BodyT", bound=Callable[..., "str | Value"])


@dataclass(frozen=True, slots=True)
class Signature:
    """One way to call a function."""

    text: str
    parameters: tuple[Type, ...]
    repeated: bool
    result: Type
    body: Body


Table = dict[str, list[Signature]]

#: Functions of values, by name; the modules ``*_functions`` declare them.
SCALARS: Table = {}


def declare(table: Table, text: str, body: Body) -> None:
    """Add a signature to a table."""
    signature = _parse(text, body)
    for name in text.partition("(")[0].split("/"):
        table.setdefault(name.strip(), []).append(signature)


def declare_all(table: Table, lines: str, body_of: Callable[[str], Body] = str) -> None:
    """Add one signature for each line ``signature = text in DuckDB's dialect``, of which `body_of` makes the body."""
    for line in lines.strip().splitlines():
        text, _, body = line.strip().partition(" = ")
        declare(table, text, body_of(body.strip()))


def function(table: Table, *texts: str) -> Callable[[_BodyT], _BodyT]:
    """Declare signatures whose text the decorated function returns."""

    def add(body: _BodyT) -> _BodyT:
        for text in texts:
            declare(table, text, body)
        return body

    return add


def _parse(text: str, body: Body) -> Signature:
    tokens = [match[1] for match in _TOKEN.finditer(text.partition("(")[2])]
    position = 0

    def take() -> str:
        nonlocal position
        position += 1
        return tokens[position - 1]

    def type_() -> Type:
        name = take()
        if name == "(":
            items = [*parameters(), type_after_arrow()]
            return Type("function", items=tuple(items))
        if position < len(tokens) and tokens[position] == "(":
            take()
            return Type(name, items=tuple(parameters()))
        if len(name) == 1:
            return Type(f"${name}")
        return {"timestamp": Type(name, (3,)), "timestamp with time zone": Type(name, (3,), zone="'UTC'")}.get(
            name, Type(name)
        )

    def type_after_arrow() -> Type:
        assert take() == "->"
        return type_()

    def parameters() -> list[Type]:
        found: list[Type] = []
        while tokens[position] != ")":
            if tokens[position] in (",", "..."):
                take()
                continue
            found.append(type_())
        take()
        return found

    repeated = "..." in tokens
    own = tuple(parameters())
    return Signature(text, own, repeated, type_after_arrow(), body)


@lru_cache(maxsize=1024)
def _substitute(type_: Type, bound: frozenset[tuple[str, Type]]) -> Type:
    if type_.name.startswith("$"):
        found = dict(bound).get(type_.name, UNKNOWN)
        return varchar(0) if type_.name == "$S" and found == UNKNOWN else found
    return replace(type_, items=tuple(_substitute(item, bound) for item in type_.items)) if type_.items else type_


def call(
    name: str, table: Table, arguments: Sequence[Value | exp.Lambda], compile_lambda: CompileLambda, *before: Any
) -> Value:
    """Return the value of a call.

    Parameters
    ----------
    before
        Arguments of the function's body before those of the call.

    Raises
    ------
    QueryError
        No signature takes these arguments.
    """
    candidates = ((signature, exactly) for exactly in (True, False) for signature in table[name])
    for signature, exactly in candidates:
        bound = _bind(signature, arguments, exactly)
        if bound is None:
            continue
        parameters = _expand(signature, len(arguments))
        compiled: list[Value | Lambda] = []
        for parameter, argument in zip(parameters, arguments, strict=True):
            if isinstance(argument, Value):
                compiled.append(coerce(argument, _concrete(_substitute(parameter, frozenset(bound.items())), argument)))
                continue
            wanted_types = [_substitute(item, frozenset(bound.items())) for item in parameter.items]
            function = compile_lambda(argument, wanted_types[:-1])
            if not _unify(parameter.items[-1], function.body.type, bound):
                raise invalid(f"FUNCTION_NOT_FOUND: Unexpected parameters for function {name}: {signature.text}")
            wanted = _concrete(_substitute(parameter.items[-1], frozenset(bound.items())), function.body)
            compiled.append(Lambda(function.names, coerce(function.body, wanted)))
        result = _substitute(signature.result, frozenset(bound.items()))
        if callable(signature.body):
            made = signature.body(*before, *compiled)
        else:
            made = _filled(signature.body, [item.sql for item in compiled if isinstance(item, Value)])
        return made if isinstance(made, Value) else Value(made, result)
    types = ", ".join(str(item.type) if isinstance(item, Value) else "<function>" for item in arguments)
    known = ", ".join(dict.fromkeys(signature.text for signature in table[name]))
    raise invalid(f"FUNCTION_NOT_FOUND: Unexpected parameters ({types}) for function {name}. Known here: {known}")


def _filled(template: str, arguments: list[str]) -> str:
    return template.replace("{...}", ", ".join(arguments)) if "{...}" in template else template.format(*arguments)


def _expand(signature: Signature, count: int) -> tuple[Type, ...]:
    own = signature.parameters
    return own + own[-1:] * (count - len(own)) if signature.repeated else own


def _bind(signature: Signature, arguments: Sequence[Value | exp.Lambda], exactly: bool) -> dict[str, Type] | None:
    """Return the types of a signature's variables; None if it does not take the arguments.

    `exactly`: nor if it takes them only as doubles.
    """
    parameters = _expand(signature, len(arguments))
    if len(parameters) != len(arguments):
        return None
    bound: dict[str, Type] = {}
    for parameter, argument in zip(parameters, arguments, strict=True):
        if isinstance(argument, Value):
            if parameter.name == "function" or not _unify(parameter, argument.type, bound):
                return None
            if exactly and parameter.name == "double" and argument.type.is_number and not argument.type.is_float:
                return None
        elif parameter.name != "function" or len(parameter.items) - 1 != len(argument.expressions):
            return None
    return bound


def _unify(parameter: Type, actual: Type, bound: dict[str, Type]) -> bool:
    if parameter.name == "any":
        return True
    if parameter.name.startswith("$"):
        type_ = common(bound.get(parameter.name, UNKNOWN), actual)
        in_class = _CLASSES.get(parameter.name[1:])
        if type_ is None or (type_ != UNKNOWN and in_class is not None and not in_class(type_)):
            return False
        bound[parameter.name] = type_
        return True
    if parameter.items:
        if actual == UNKNOWN:
            return all(_unify(item, UNKNOWN, bound) for item in parameter.items)
        return parameter.name == actual.name and all(
            _unify(item, given, bound) for item, given in zip(parameter.items, actual.items, strict=True)
        )
    if parameter.name == "decimal":
        return actual.name == "decimal"
    if parameter.name in ("timestamp", "timestamp with time zone"):
        return actual.name == parameter.name
    return coerces(actual, parameter)


def _concrete(type_: Type, value: Value) -> Type:
    """Return the type to which an argument is coerced: its own, where the signature leaves precision open."""
    if type_.name == "any" or type_ == value.type == UNKNOWN:
        return value.type
    if type_.name in ("decimal", "timestamp", "timestamp with time zone", "varchar") and value.type.name == type_.name:
        return value.type
    if type_.name == "decimal" and not type_.numbers:
        return decimal(1, 0)
    return varchar(0) if type_.name == "varchar" and value.type == UNKNOWN else type_
