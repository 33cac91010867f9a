"""JSON read strictly: exact numbers, no duplicate keys, no NaN; and its canonical form."""

from __future__ import annotations

import json
from decimal import Context, Decimal
from typing import Any, NoReturn

from anomalake.errors import AnomalakeError

MAX_NUMBER_LENGTH = 400
MAX_DEPTH = 100

_EXACT = Context(prec=MAX_NUMBER_LENGTH + 10, Emax=999_999_999, Emin=-999_999_999)


class StrictJsonError(AnomalakeError, ValueError):
    """Text that is not JSON, or JSON that is ambiguous.

    Attributes
    ----------
    value
        The invalid part, shortened.
    expected
        Value that was expected.
    """

    def __init__(self, value: str, expected: str) -> None:
        self.value = value
        self.expected = expected
        super().__init__(f"{value}: expected {expected}")


def _pairs(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    members = dict(pairs)
    if len(members) != len(pairs):
        seen: set[str] = set()
        for key, _ in pairs:
            if key in seen:
                raise StrictJsonError(shorten(key), "each key once in an object")
            seen.add(key)
    return members


def _constant(text: str) -> NoReturn:
    raise StrictJsonError(text, "a finite number")


def _decimal(text: str) -> int | Decimal:
    if len(text) <= 40 and "e" not in text and "E" not in text:
        # The common case, without arithmetic: 650.50 is 650.5, and 650.00 is 650.
        bare = text.rstrip("0") if "." in text else text
        return int(bare.rstrip(".")) if bare.endswith(".") or "." not in bare else Decimal(bare)
    if len(text) > MAX_NUMBER_LENGTH:
        raise StrictJsonError(shorten(text), f"a number of at most {MAX_NUMBER_LENGTH} characters")
    try:
        exact = Decimal(text).normalize(_EXACT)
        if not exact.is_finite():
            raise ArithmeticError
    except ArithmeticError as error:
        raise StrictJsonError(shorten(text), "a number that can be represented") from error
    # 650, 650.0 and 6.5e2 are the same number.
    exponent = exact.as_tuple().exponent
    assert isinstance(exponent, int)
    return int(exact) if exponent >= 0 and exact.adjusted() < 40 else exact


def _integer(text: str) -> int | Decimal:
    return int(text) if len(text) <= 40 else _decimal(text)


_DECODER = json.JSONDecoder(
    object_pairs_hook=_pairs, parse_float=_decimal, parse_int=_integer, parse_constant=_constant
)


def parse(text: str) -> Any:
    """Read JSON; integers as int, other numbers as the exact Decimal.

    Raises
    ------
    StrictJsonError
        The text is not JSON, is nested too deeply, repeats a key, or contains NaN or an infinity.
    """
    try:
        value = _DECODER.decode(text)
    except json.JSONDecodeError as error:
        raise _not_json(error) from error
    except RecursionError as error:
        raise StrictJsonError(shorten(text), _SHALLOW) from error
    # The decoder's own limit depends on Python's version. Most texts have too few brackets to need the check.
    if text.count("{") + text.count("[") > MAX_DEPTH and _deeper_than(value, MAX_DEPTH):
        raise StrictJsonError(shorten(text), _SHALLOW)
    return value


def parse_first(text: str, start: int) -> tuple[Any, int]:
    """Read the JSON value that starts at a position; return it and the position of its end.

    Raises
    ------
    StrictJsonError
        As `parse`.
    """
    try:
        value, end = _DECODER.raw_decode(text, start)
    except json.JSONDecodeError as error:
        raise _not_json(error) from error
    except RecursionError as error:
        raise StrictJsonError(shorten(text[start : start + 200]), _SHALLOW) from error
    if text.count("{", start, end) + text.count("[", start, end) > MAX_DEPTH and _deeper_than(value, MAX_DEPTH):
        raise StrictJsonError(shorten(text[start:end]), _SHALLOW)
    return value, end


_LENIENT = json.JSONDecoder(strict=False, parse_float=str, parse_int=str, parse_constant=str)


def end_of_first(text: str, start: int) -> int | None:
    """The end of the JSON value at a position, though it repeats a key or has NaN, say; None if it is not JSON."""
    try:
        return _LENIENT.raw_decode(text, start)[1]
    except (ValueError, RecursionError):
        return None


def _not_json(error: json.JSONDecodeError) -> StrictJsonError:
    at = shorten(error.doc[max(error.pos - 20, 0) : error.pos + 20]) if error.doc else "''"
    return StrictJsonError(at, f"JSON ({error.msg} at line {error.lineno} column {error.colno})")


_SHALLOW = f"JSON of at most {MAX_DEPTH} levels"


def _deeper_than(value: Any, depth: int) -> bool:
    level = [value]
    for _ in range(depth + 1):
        level = [
            inner
            for outer in level
            if isinstance(outer, (dict, list))
            for inner in (outer.values() if isinstance(outer, dict) else outer)
        ]
        if not level:
            return False
    return True


def _canonical_number(value: object) -> dict[str, str]:
    assert isinstance(value, Decimal)
    return {"\u0000number": str(value)}


_CANONICAL = json.JSONEncoder(
    ensure_ascii=False, sort_keys=True, separators=(",", ":"), check_circular=False, default=_canonical_number
)


def canonical(value: Any) -> bytes:
    """Canonical text of a JSON value: equal for equal values, independent of key order and white space.

    Raises
    ------
    StrictJsonError
        A string contains a lone surrogate, which UTF-8 cannot encode.
    """
    try:
        return _CANONICAL.encode(value).encode("utf-8")
    except UnicodeEncodeError as error:
        raise StrictJsonError(ascii(error.object[error.start]), "text without lone surrogates") from error
    except RecursionError as error:
        raise StrictJsonError("{…}", _SHALLOW) from error


def exact_text(value: Any) -> str:
    """JSON text of a parsed value, with exact numbers."""
    if isinstance(value, Decimal):
        return str(value)
    if isinstance(value, dict):
        return "{" + ", ".join(f"{json.dumps(k, ensure_ascii=False)}: {exact_text(v)}" for k, v in value.items()) + "}"
    if isinstance(value, list):
        return "[" + ", ".join(map(exact_text, value)) + "]"
    return json.dumps(value, ensure_ascii=False)


def shorten(text: str, most: int = 120) -> str:
    """A value for a message: quoted, on one line, of bounded length."""
    return repr(text) if len(text) <= most else repr(text[:most]) + f"… ({len(text):,} characters)"
