"""Functions of JSON. A JSON value is its text, without blanks and with sorted keys; Python reads and writes it."""

from __future__ import annotations

import re

from anomalake.query.trino.casts import cast
from anomalake.query.trino.signatures import SCALARS, declare_all, function
from anomalake.query.trino.text_functions import literal_text
from anomalake.query.trino.types import JSON, VARCHAR, invalid, unsupported
from anomalake.query.trino.values import Value, quoted

for _document in ("varchar", "json"):
    declare_all(
        SCALARS,
        f"""
        json_array_length({_document}) -> bigint = trino_json_array_length({{0}})
        json_array_get({_document}, bigint) -> json = trino_json_array_get({{0}}, {{1}})
        is_json_scalar({_document}) -> boolean = trino_is_json_scalar({{0}})
        """,
    )
declare_all(
    SCALARS,
    """
    json_parse(varchar) -> json = trino_json_parse({0})
    json_format(json) -> varchar = {0}
    """,
)


def _declare_path(name: str, result: str) -> None:
    @function(SCALARS, *(f"{name}({document}, varchar) -> {result}" for document in ("varchar", "json")))
    def of_path(document: Value, path: Value) -> str:
        return f"trino_{name}({document.sql}, {quoted(_simple_path(path))})"


def _simple_path(path: Value) -> str:
    text = literal_text(path, "JSON path")
    if not re.fullmatch(r"""\$(\.[A-Za-z_]\w*|\."(?:[^"\\])*"|\[\d+\]|\["(?:[^"\\])*"\])*""", text):
        raise unsupported(f"JSON path {text!r}")
    return text


_declare_path("json_extract", "json")
_declare_path("json_extract_scalar", "varchar")
_declare_path("json_size", "bigint")


@function(SCALARS, *(f"json_array_contains({document}, any) -> boolean" for document in ("varchar", "json")))
def _json_array_contains(document: Value, item: Value) -> str:
    if item.type.name not in ("bigint", "integer", "double", "boolean", "varchar"):
        raise unsupported(f"json_array_contains of {item.type}")
    return f"trino_json_array_contains({document.sql}, {cast(item, JSON).sql})"


@function(SCALARS, "json_array(any...) -> varchar")
def _json_array(*items: Value) -> str:
    known = [f"coalesce({cast(item, JSON).sql}, '')" for item in items if item.type.name != "unknown"]
    if any(item.literal is None for item in items):
        raise unsupported("json_array of other than literals")
    return f"('[' || {' || chr(44) || '.join(known)} || ']')" if known else "'[]'"


def json_object(entries: list[tuple[Value, Value]]) -> Value:
    """Return ``json_object(key: value, …)``."""
    parts = [
        f"trino_json_text({key.sql}) || ':' || coalesce({cast(value, JSON).sql}, 'null')" for key, value in entries
    ]
    return Value(f"('{{' || {' || chr(44) || '.join(parts)} || '}}')" if parts else "'{}'", VARCHAR)


def of_lax_path(function: str, document: Value, path: Value) -> str:
    """Return a call of ``json_value``, ``json_query`` or ``json_exists``, whose paths have a mode."""
    mode, _, rest = literal_text(path, "JSON path").partition(" ")
    if mode != "lax":
        if mode == "strict":
            raise unsupported("a strict JSON path")
        raise invalid("SYNTAX_ERROR: a JSON path begins with lax or strict")
    if document.type.name not in ("varchar", "unknown"):
        raise unsupported(f"{function} of {document.type}")
    return f"trino_{function}({document.sql}, {quoted(_simple_path(Value('', VARCHAR, rest.strip())))})"


@function(SCALARS, "json_exists(varchar, varchar) -> boolean")
def _json_exists(document: Value, path: Value) -> str:
    return of_lax_path("json_exists", document, path)
