"""Functions that only Python computes as Trino does: JSON, texts of doubles, long decimals, optional groups.

The local engine registers those that a query calls. None of them is called with NULL; what it raises fails the query.
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Callable
from decimal import ROUND_HALF_UP, Decimal, localcontext
from typing import Any


class _Number(str):
    """A number in JSON, as it is written."""

    __slots__ = ()


_MISSING = object()


def _load(text: str) -> Any:
    def refuse(word: str) -> Any:
        raise ValueError(f"Cannot convert value to JSON: {word}")

    return json.loads(text, parse_float=_Number, parse_int=_Number, parse_constant=refuse)


def _canonical(value: Any) -> str:
    """Return JSON as Trino writes it: without blanks, with sorted keys, and with doubles as Java writes them."""
    if isinstance(value, _Number):
        return str(value) if re.fullmatch(r"-?\d+", value) else java_double(float(value))
    if isinstance(value, list):
        return f"[{','.join(map(_canonical, value))}]"
    if isinstance(value, dict):
        return f"{{{','.join(f'{_text(key)}:{_canonical(value[key])}' for key in sorted(value))}}}"
    return _text(value)


def _text(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False)


def _parse(text: str) -> str:
    try:
        return _canonical(_load(text))
    except ValueError as error:
        raise ValueError(f"Cannot convert value to JSON: {text[:60]!r}") from error


def _load_or_none(text: str) -> Any:
    try:
        return _load(text)
    except ValueError:
        return None


_STEP = re.compile(r"""\.(\w+)|\."([^"]*)"|\[(\d+)\]|\["([^"]*)"\]""")


def _find(text: str, path: str, lax: bool) -> Any:
    """Return what a path leads to in JSON; `_MISSING` if nothing, or if the text is not JSON."""
    try:
        value = _load(text)
    except ValueError:
        if text.lstrip()[:1] in ("{", "[") or lax:
            raise ValueError(f"JSON that is wrong or breaks off: {text[:60]!r}; Athena may find it there") from None
        return _MISSING
    for step in _STEP.finditer(path, 1):
        key = next((name for name in (step[1], step[2], step[4]) if name is not None), None)
        if lax and isinstance(value, list) == (key is not None):
            raise ValueError(f"JSON path {path!r}: the local engine makes no arrays and unwraps none; Athena may")
        if key is not None:
            value = value.get(key, _MISSING) if isinstance(value, dict) else _MISSING
        else:
            index = int(step[3])
            value = value[index] if isinstance(value, list) and index < len(value) else _MISSING
        if value is _MISSING:
            break
    return value


def _extract(text: str, path: str) -> str | None:
    value = _find(text, path, lax=False)
    return None if value is _MISSING else _canonical(value)


def _scalar(value: Any) -> str | None:
    if value is _MISSING or value is None or isinstance(value, (list, dict)):
        return None
    return str(value) if isinstance(value, str) else _text(value)


def _size(text: str, path: str) -> int | None:
    value = _find(text, path, lax=False)
    return None if value is _MISSING else len(value) if isinstance(value, (list, dict)) else 0


def _query(text: str, path: str) -> str | None:
    value = _find(text, path, lax=True)
    if value is not _MISSING and not isinstance(value, (list, dict)):
        raise ValueError("json_query of a scalar is not supported by the local engine; Athena may have it")
    return None if value is _MISSING else _canonical(value)


def _array(text: str) -> list[Any] | None:
    value = _load_or_none(text)
    return value if isinstance(value, list) else None


def _array_length(text: str) -> int | None:
    value = _array(text)
    return None if value is None else len(value)


def _array_get(text: str, index: int) -> str | None:
    value = _array(text)
    return _canonical(value[index]) if value is not None and -len(value) <= index < len(value) else None


def _array_contains(text: str, item: str) -> bool | None:
    value = _array(text)
    return None if value is None else item in map(_canonical, value)


def _wrong(value: Any, type_: str) -> ValueError:
    return ValueError(f"Cannot cast {_canonical(value)[:60]} to {type_}")


def _of_type(text: str, type_: type, name: str) -> Any:
    value = _load(text)
    if value is not None and not isinstance(value, type_):
        raise _wrong(value, name)
    return value


def _item(value: Any) -> str | None:
    return None if value is None else _canonical(value)


def _items(text: str) -> list[str | None] | None:
    value = _of_type(text, list, "array")
    return None if value is None else [_item(item) for item in value]


def _entries(text: str) -> list[tuple[str, str | None]] | None:
    value = _of_type(text, dict, "map")
    return None if value is None else [(key, _item(item)) for key, item in value.items()]


def _fields(text: str, names: str) -> list[str | None] | None:
    """Return the fields of an object by their names, or of an array by their places."""
    value, wanted = _load(text), json.loads(names)
    if value is None:
        return None
    if isinstance(value, list) and len(value) == len(wanted):
        return [_item(item) for item in value]
    if not isinstance(value, dict):
        raise _wrong(value, "row")
    lower = {key.lower(): item for key, item in value.items()}
    return [_item(lower.get(name.lower())) for name in wanted]


def _known_scalar(text: str, type_: str) -> Any:
    value = _load(text)
    if isinstance(value, (list, dict)):
        raise _wrong(value, type_)
    return value


def _to_varchar(text: str) -> str | None:
    value = _known_scalar(text, "varchar")
    return _item(value) if value is None or isinstance(value, (_Number, bool)) else str(value)


def _to_bigint(text: str) -> int | None:
    value = _known_scalar(text, "bigint")
    if value is None or isinstance(value, bool):
        return None if value is None else int(value)
    if isinstance(value, _Number) and not re.fullmatch(r"-?\d+", value):
        return int(Decimal(value).quantize(Decimal(1), ROUND_HALF_UP))
    if not re.fullmatch(r"[+-]?\d+", value):
        raise _wrong(value, "bigint")
    return int(value)


def _to_double(text: str) -> float | None:
    value = _known_scalar(text, "double")
    return None if value is None else float(value)


def _to_boolean(text: str) -> bool | None:
    value = _known_scalar(text, "boolean")
    if value is None or isinstance(value, bool):
        return value
    if isinstance(value, _Number):
        return float(value) != 0
    if value.lower() not in ("true", "false"):
        raise _wrong(value, "boolean")
    return bool(value.lower() == "true")


def _to_decimal(text: str, scale: int) -> str | None:
    value = _known_scalar(text, "decimal")
    if value is None:
        return None
    if isinstance(value, bool):
        value = int(value)
    with localcontext() as context:
        context.prec = 120
        return format(Decimal(value).quantize(Decimal(1).scaleb(-scale), ROUND_HALF_UP), "f")


def _digits(value: float) -> tuple[str, int]:
    """Return the shortest digits that read back as a double, and the exponent of the first."""
    digits = "".join(map(str, (parts := Decimal(repr(abs(value))).normalize().as_tuple()).digits))
    return digits, len(digits) - 1 + int(parts.exponent)


def _scientific(value: float, digits: str, exponent: int) -> str:
    return f"{'-' if value < 0 else ''}{digits[0]}.{digits[1:] or '0'}E{exponent}"


def _special(value: float) -> str | None:
    return "NaN" if math.isnan(value) else f"{'-' if value < 0 else ''}Infinity" if math.isinf(value) else None


def double_text(value: float) -> str:
    """Return the text of a double as CAST to varchar does (Java's DecimalFormat ``0.0###…E0``)."""
    special = _special(value)
    if special or value == 0:
        return special or "0E0" if math.copysign(1, value) > 0 or special else "-0E0"
    if abs(value) >= 2**63 or abs(value) < 2.3e-308:
        raise ValueError(f"the text of the double {value!r} is not supported by the local engine; Athena may have it")
    if abs(value) >= 2**53:
        # Java takes the digits of the whole number, without those that 53 bits cannot tell.
        number, power = int(abs(value)), math.frexp(value)[1] - 55
        left_out = int(math.log10(2) * power) if power > 1 else 0
        if left_out:
            number, rest = divmod(number, 10**left_out)
            number += rest >= 10**left_out // 2
        digits = str(number)
        return _scientific(value, digits.rstrip("0"), len(digits) - 1 + left_out)
    return _scientific(value, *_digits(value))


def java_double(value: float) -> str:
    """Return the text of a double as Java's Double.toString."""
    special = _special(value)
    if special or value == 0:
        return special or ("0.0" if math.copysign(1, value) > 0 else "-0.0")
    digits, exponent = _digits(value)
    if not -3 <= exponent < 7:
        return _scientific(value, digits, exponent)
    sign = "-" if value < 0 else ""
    if exponent < 0:
        return f"{sign}0.{'0' * (-exponent - 1)}{digits}"
    digits = digits.ljust(exponent + 1, "0")
    return f"{sign}{digits[: exponent + 1]}.{digits[exponent + 1 :] or '0'}"


def _hexadecimal(text: str) -> float:
    try:
        return float.fromhex(text.strip().rstrip("fFdD"))
    except OverflowError:
        return -math.inf if text.lstrip().startswith("-") else math.inf


def _decimal_divide(left: str, right: str, precision: int, scale: int) -> str:
    divisor = Decimal(right)
    if not divisor:
        raise ValueError("DIVISION_BY_ZERO: Division by zero")
    with localcontext() as context:
        context.prec = 120
        quotient = (Decimal(left) / divisor).quantize(Decimal(1).scaleb(-scale), ROUND_HALF_UP)
    if len(quotient.as_tuple().digits) > precision:
        raise ValueError("NUMERIC_VALUE_OUT_OF_RANGE: Decimal overflow")
    return format(quotient, "f")


def python_pattern(pattern: str) -> str:
    """Return a regular expression of Java as Python writes it."""
    return re.sub(r"\\(.)", lambda match: r"\Z" if match[1] == "z" else match[0], pattern, flags=re.DOTALL)


def _regexp_extract(text: str, pattern: str, group: int) -> str | None:
    match = re.search(python_pattern(pattern), text, re.ASCII)
    return match[group] if match else None


#: Functions by name, with DuckDB's types of their parameters and their result.
PYTHON_FUNCTIONS: dict[str, tuple[Callable[..., Any], tuple[str, ...], str]] = {
    "trino_decimal_divide": (_decimal_divide, ("VARCHAR", "VARCHAR", "INTEGER", "INTEGER"), "VARCHAR"),
    "trino_double_text": (double_text, ("DOUBLE",), "VARCHAR"),
    "trino_hexadecimal": (_hexadecimal, ("VARCHAR",), "DOUBLE"),
    "trino_is_json_scalar": (lambda text: not isinstance(_load(text), (list, dict)), ("VARCHAR",), "BOOLEAN"),
    "trino_java_double": (java_double, ("DOUBLE",), "VARCHAR"),
    "trino_json_array_contains": (_array_contains, ("VARCHAR", "VARCHAR"), "BOOLEAN"),
    "trino_json_array_get": (_array_get, ("VARCHAR", "BIGINT"), "VARCHAR"),
    "trino_json_array_length": (_array_length, ("VARCHAR",), "BIGINT"),
    "trino_json_bigint": (_to_bigint, ("VARCHAR",), "BIGINT"),
    "trino_json_boolean": (_to_boolean, ("VARCHAR",), "BOOLEAN"),
    "trino_json_decimal": (_to_decimal, ("VARCHAR", "INTEGER"), "VARCHAR"),
    "trino_json_double": (_to_double, ("VARCHAR",), "DOUBLE"),
    "trino_json_entries": (_entries, ("VARCHAR",), "MAP(VARCHAR, VARCHAR)"),
    "trino_json_exists": (
        lambda text, path: _find(text, path, lax=True) is not _MISSING, ("VARCHAR", "VARCHAR"), "BOOLEAN"
    ),
    "trino_json_extract": (_extract, ("VARCHAR", "VARCHAR"), "VARCHAR"),
    "trino_json_extract_scalar": (
        lambda text, path: _scalar(_find(text, path, lax=False)), ("VARCHAR", "VARCHAR"), "VARCHAR"
    ),
    "trino_json_fields": (_fields, ("VARCHAR", "VARCHAR"), "VARCHAR[]"),
    "trino_json_items": (_items, ("VARCHAR",), "VARCHAR[]"),
    "trino_json_parse": (_parse, ("VARCHAR",), "VARCHAR"),
    "trino_json_query": (_query, ("VARCHAR", "VARCHAR"), "VARCHAR"),
    "trino_json_size": (_size, ("VARCHAR", "VARCHAR"), "BIGINT"),
    "trino_json_text": (_text, ("VARCHAR",), "VARCHAR"),
    "trino_json_value": (lambda text, path: _scalar(_find(text, path, lax=True)), ("VARCHAR", "VARCHAR"), "VARCHAR"),
    "trino_json_varchar": (_to_varchar, ("VARCHAR",), "VARCHAR"),
    "trino_regexp_extract": (_regexp_extract, ("VARCHAR", "VARCHAR", "BIGINT"), "VARCHAR"),
}  # fmt: skip
