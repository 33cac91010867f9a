"""Functions of texts, regular expressions and bytes."""

from __future__ import annotations

import re

from anomalake.query.trino.casts import WHITE, cast, decimal_text
from anomalake.query.trino.operators import concatenate
from anomalake.query.trino.python_functions import python_pattern
from anomalake.query.trino.signatures import SCALARS, Lambda, declare_all, function
from anomalake.query.trino.types import VARCHAR, decimal, invalid, unsupported
from anomalake.query.trino.values import Value, let, over, quoted

#: White space that Trino's trim() removes.
WHITE_SPACE = WHITE + "".join(
    f" || chr({code})"
    for code in (0x1680, *range(0x2000, 0x2007), 0x2008, 0x2009, 0x200A, 0x2028, 0x2029, 0x205F, 0x3000)
)

declare_all(
    SCALARS,
    rf"""
    lower(S) -> S = lower({{0}})
    upper(S) -> S = replace(upper(replace({{0}}, 'ß', chr(57344))), chr(57344), 'ß')
    length(varchar) -> bigint = length({{0}})
    length(varbinary) -> bigint = octet_length({{0}})
    reverse(S) -> S = array_to_string(list_reverse(regexp_extract_all({{0}}, '(?s).')), '')
    starts_with(varchar, varchar) -> boolean = starts_with({{0}}, {{1}})
    strpos(varchar, varchar) -> bigint = strpos({{0}}, {{1}})
    trim(S) -> S = trim({{0}}, {WHITE_SPACE})
    ltrim(S) -> S = ltrim({{0}}, {WHITE_SPACE})
    rtrim(S) -> S = rtrim({{0}}, {WHITE_SPACE})
    trim(S, varchar) -> S = trim({{0}}, {{1}})
    ltrim(S, varchar) -> S = ltrim({{0}}, {{1}})
    rtrim(S, varchar) -> S = rtrim({{0}}, {{1}})
    concat_ws(varchar, varchar...) -> varchar = concat_ws({{...}})
    chr(bigint) -> varchar = chr(CAST({{0}} AS INTEGER))
    translate(varchar, varchar, varchar) -> varchar = translate({{0}}, {{1}}, {{2}})
    levenshtein_distance(varchar, varchar) -> bigint = levenshtein({{0}}, {{1}})
    url_decode(varchar) -> varchar = url_decode(replace({{0}}, '+', ' '))
    to_utf8(varchar) -> varbinary = encode({{0}})
    from_utf8(varbinary) -> varchar = decode({{0}})
    to_hex(varbinary) -> varchar = hex({{0}})
    to_base64(varbinary) -> varchar = to_base64({{0}})
    from_base64(varchar) -> varbinary = from_base64({{0}})
    md5(varbinary) -> varbinary = unhex(md5({{0}}))
    sha256(varbinary) -> varbinary = unhex(sha256({{0}}))
    """,
)


def literal_text(value: Value, what: str) -> str:
    """Return the text of a literal; raises `QueryError` for other expressions."""
    if not isinstance(value.literal, str):
        raise unsupported(f"{what} that is not a literal")
    return value.literal


def literal_whole(value: Value, what: str) -> int:
    """Return a literal whole number; raises `QueryError` for other expressions."""
    if not isinstance(value.literal, int):
        raise unsupported(f"{what} that is not a literal")
    return value.literal


def _not_empty(value: Value, what: str) -> str:
    if not literal_text(value, what):
        raise unsupported(f"an empty {what}")
    return value.sql


@function(SCALARS, "concat_ws(varchar, array(varchar)) -> varchar")
def _concat_ws(delimiter: Value, texts: Value) -> str:
    literal_text(delimiter, "delimiter")  # DuckDB wants a constant.
    return f"array_to_string({texts.sql}, {delimiter.sql})"


@function(SCALARS, "concat(any...) -> any")
def _concat(*values: Value) -> Value:
    return concatenate(list(values))


@function(
    SCALARS,
    "substr/substring(S, bigint) -> S",
    "substr/substring(S, bigint, bigint) -> S",
)
def _substr(text: Value, start: Value, length: Value | None = None) -> str:
    limit = "" if length is None else f", greatest(0, {length.sql})"
    at = start.literal
    if isinstance(at, int) and at > 0:
        return f"substr({text.sql}, {at}{limit})"
    if at == 0:
        return f"substr({text.sql}, 1, 0)"

    def cut(s: str) -> str:
        first = f"CASE WHEN {start.sql} < 0 THEN length({s}) + {start.sql} + 1 ELSE {start.sql} END"
        null = "" if length is None else f" OR {length.sql} IS NULL"
        return (
            f"CASE WHEN {start.sql} IS NULL{null} THEN NULL WHEN {first} < 1 THEN substr({s}, 1, 0) "
            f"ELSE substr({s}, {first}{limit}) END"
        )

    return let(text.sql, cut)


@function(SCALARS, "strpos(varchar, varchar, bigint) -> bigint")
def _strpos(text: Value, part: Value, instance: Value) -> str:
    number = literal_whole(instance, "instance of strpos")
    if not 1 <= number <= 4:
        raise unsupported("strpos of another instance than 1 to 4")
    _not_empty(part, "text to look for")

    def find(s: str) -> str:
        at = f"strpos({s}, {part.sql})"
        for _ in range(number - 1):
            rest = f"strpos(substr({s}, {at} + 1), {part.sql})"
            at = f"CASE WHEN {at} = 0 OR {rest} = 0 THEN 0 ELSE {at} + {rest} END"
        return at

    return let(text.sql, find)


@function(SCALARS, "split(S, varchar) -> array(S)", "split(S, varchar, bigint) -> array(S)")
def _split(text: Value, delimiter: Value, limit: Value | None = None) -> str:
    mark = _not_empty(delimiter, "delimiter")
    parts = f"string_split({text.sql}, {mark})"
    if limit is None:
        return parts
    number = literal_whole(limit, "limit of split")
    if number < 1:
        raise invalid("INVALID_FUNCTION_ARGUMENT: The limit must be greater than zero")
    if number == 1:
        return f"CASE WHEN {text.sql} IS NOT NULL THEN [{text.sql}] END"
    rest = let(parts, lambda p: f"list_append({p}[1:{number - 1}], array_to_string({p}[{number}:], {mark}))")
    return f"CASE WHEN len({parts}) <= {number} THEN {parts} ELSE {rest} END"


@function(SCALARS, "split_part(S, varchar, bigint) -> S")
def _split_part(text: Value, delimiter: Value, index: Value) -> str:
    number = literal_whole(index, "index of split_part")
    if number < 1:
        raise invalid("INVALID_FUNCTION_ARGUMENT: Index must be greater than zero")
    return f"string_split({text.sql}, {_not_empty(delimiter, 'delimiter')})[{number}]"


@function(SCALARS, "split_to_map(varchar, varchar, varchar) -> map(varchar, varchar)")
def _split_to_map(text: Value, entries: Value, pairs: Value) -> str:
    mark = _not_empty(pairs, "delimiter")
    parts = f"string_split({text.sql}, {_not_empty(entries, 'delimiter')})"

    def entry(part: Value) -> str:
        return f"struct_pack(k := string_split({part.sql}, {mark})[1], v := string_split({part.sql}, {mark})[2])"

    return f"map_from_entries({over(parts, VARCHAR, entry)})"


def _pad(name: str) -> None:
    @function(SCALARS, f"{name}(varchar, bigint, varchar) -> varchar")
    def pad(text: Value, size: Value, with_: Value) -> str:
        return f"{name}({text.sql}, CAST({size.sql} AS INTEGER), {_not_empty(with_, 'padding')})"


_pad("lpad")
_pad("rpad")


@function(SCALARS, "replace(S, varchar) -> S", "replace(S, varchar, varchar) -> varchar")
def _replace(text: Value, old: Value, new: Value | None = None) -> str:
    return f"replace({text.sql}, {_not_empty(old, 'text to replace')}, {new.sql if new else quoted('')})"


class _Pattern:
    """A regular expression as RE2 reads it; refused where RE2 and Trino's engine may differ."""

    def __init__(self, value: Value, *, in_all: bool = False) -> None:
        java = literal_text(value, "regular expression")
        try:
            compiled = re.compile(python_pattern(java), re.ASCII)
        except (re.error, OverflowError, RecursionError) as error:
            raise unsupported(f"regular expression {java!r} ({error})") from error
        nested = _NESTED_CLASS.search(_ESCAPED.sub("", java))
        if _OTHER_SYNTAX.search(java.replace("\\\\", "")) or "&&" in java or nested:
            raise unsupported(f"regular expression {java!r}, which has lookaround, references, \\b, \\p or the like,")
        if in_all and compiled.match("") and not (java.startswith("^") and "|" not in java):
            raise unsupported(f"regular expression {java!r}, which matches an empty text,")
        self.groups = compiled.groups
        # A group that is missing from a match is NULL in Trino and empty in RE2.
        self.may_miss_groups = bool(re.search(r"[|?*]|\{0", java))
        self.sql = quoted(_with_vertical_tab(java))

    def check_group(self, value: Value | None) -> int:
        group = 0 if value is None else literal_whole(value, "group of a regular expression")
        if not 0 <= group <= self.groups:
            raise invalid(f"INVALID_FUNCTION_ARGUMENT: Pattern has {self.groups} groups. Cannot access group {group}")
        return group


_OTHER_SYNTAX = re.compile(r"\(\?[=!<>P#(]|\\[1-9pPbBGZQRXhHvVNuUxc0]|[*+?}]\+")
_NESTED_CLASS = re.compile(r"\[[^\]]*\[")
_ESCAPED = re.compile(r"\\.", re.DOTALL)


def _with_vertical_tab(pattern: str) -> str:
    """Add the vertical tab to ``\\s``, which RE2 leaves out."""
    out, inside, position = [], False, 0
    while position < len(pattern):
        two = pattern[position : position + 2]
        if two[0] == "\\":
            out.append(two if two != r"\s" else r"\s\x0B" if inside else r"[\s\x0B]")
            position += 2
            continue
        inside = (inside or two[0] == "[") and two[0] != "]"
        out.append(two[0])
        position += 1
    return "".join(out)


@function(SCALARS, "regexp_like(varchar, varchar) -> boolean")
def _regexp_like(text: Value, pattern: Value) -> str:
    return f"regexp_matches({text.sql}, {_Pattern(pattern).sql})"


@function(SCALARS, "regexp_extract(S, varchar) -> S", "regexp_extract(S, varchar, bigint) -> S")
def _regexp_extract(text: Value, pattern: Value, group: Value | None = None) -> str:
    compiled = _Pattern(pattern)
    number = compiled.check_group(group)
    if number and compiled.may_miss_groups:
        return f"trino_regexp_extract({text.sql}, {pattern.sql}, {number})"
    return let(
        text.sql,
        lambda s: (
            f"CASE WHEN regexp_matches({s}, {compiled.sql}) THEN regexp_extract({s}, {compiled.sql}, {number}) END"
        ),
    )


@function(SCALARS, "regexp_extract_all(S, varchar) -> array(S)", "regexp_extract_all(S, varchar, bigint) -> array(S)")
def _regexp_extract_all(text: Value, pattern: Value, group: Value | None = None) -> str:
    compiled = _Pattern(pattern, in_all=True)
    number = compiled.check_group(group)
    if number and compiled.may_miss_groups:
        raise unsupported("regexp_extract_all of a group that may be missing from a match")
    return f"regexp_extract_all({text.sql}, {compiled.sql}, {number})"


@function(SCALARS, "regexp_count(varchar, varchar) -> bigint")
def _regexp_count(text: Value, pattern: Value) -> str:
    return f"CAST(len(regexp_extract_all({text.sql}, {_Pattern(pattern, in_all=True).sql})) AS BIGINT)"


@function(SCALARS, "regexp_position(varchar, varchar) -> integer")
def _regexp_position(text: Value, pattern: Value) -> str:
    regex = _Pattern(pattern, in_all=True).sql
    before = f"string_split_regex({text.sql}, {regex})[1]"
    return f"CASE WHEN NOT regexp_matches({text.sql}, {regex}) THEN -1 ELSE CAST(length({before}) + 1 AS INTEGER) END"


@function(SCALARS, "regexp_split(S, varchar) -> array(S)")
def _regexp_split(text: Value, pattern: Value) -> str:
    return f"string_split_regex({text.sql}, {_Pattern(pattern, in_all=True).sql})"


@function(SCALARS, "regexp_replace(S, varchar) -> S", "regexp_replace(S, varchar, varchar) -> varchar")
def _regexp_replace(text: Value, pattern: Value, new: Value | None = None) -> str:
    compiled = _Pattern(pattern, in_all=True)
    java = "" if new is None else literal_text(new, "replacement")
    parts = []
    for part in re.finditer(r"\\(.)|\$(\d)|[\\$]|[^\\$]+", java, re.DOTALL):
        if part[0] in ("\\", "$") or (part[2] and int(part[2]) > compiled.groups):
            raise invalid(f"INVALID_FUNCTION_ARGUMENT: Illegal replacement sequence: {java}")
        parts.append(f"\\{part[2]}" if part[2] else (part[1] or part[0]).replace("\\", "\\\\"))
    return f"regexp_replace({text.sql}, {compiled.sql}, {quoted(''.join(parts))}, 'g')"


@function(SCALARS, "regexp_replace(varchar, varchar, (array(varchar)) -> varchar) -> varchar")
def _regexp_replace_by(text: Value, pattern: Value, body: Lambda) -> str:
    raise unsupported("regexp_replace with a lambda")


_FORMAT = re.compile(r"%([-0,]*)(\d+)?(?:\.(\d+))?([a-zA-Z%])|[^%]+")


@function(SCALARS, "format(varchar, any...) -> varchar")
def _format(pattern: Value, *arguments: Value) -> str:
    """Return Java's String.format."""
    java = literal_text(pattern, "format")
    left, parts, position = list(arguments), [], 0
    for match in _FORMAT.finditer(java):
        if match.start() != position:
            break
        position = match.end()
        if match[4] is None:
            parts.append(quoted(match[0]))
        elif match[4] == "%":
            parts.append("'%'")
        elif not left:
            raise invalid(f"INVALID_FUNCTION_ARGUMENT: Invalid format string: {java} (MissingFormatArgument)")
        else:
            parts.append(f"({_formatted(left.pop(0), match[1], match[2], match[3], match[4])})")
    if position != len(java):
        raise unsupported(f"format {java!r}")
    return f"({' || '.join(parts) or quoted('')})"


def _formatted(value: Value, flags: str, width: str | None, digits: str | None, kind: str) -> str:
    grouped = "," in flags
    if kind == "s" and not digits:
        if value.type.name == "double":
            text = f"trino_java_double({value.sql})"
        elif value.type.is_whole or value.type.name in ("varchar", "decimal", "boolean", "date", "unknown"):
            text = cast(value, VARCHAR).sql
        else:
            raise unsupported(f"format %s of {value.type}")
    elif kind == "d" and value.type.is_whole:
        text = f"format('{{:,}}', {value.sql})" if grouped else f"CAST({value.sql} AS VARCHAR)"
    elif kind == "x" and value.type.is_whole:
        text = f"printf('%x', {value.sql})"
    elif kind == "f" and value.type.name in ("double", "decimal"):
        number = decimal(38, int(digits or 6))
        exact = f"CAST(CAST({value.sql} AS VARCHAR) AS DECIMAL(38,{number.scale}))"
        text = decimal_text(Value(exact, number))
        if grouped:
            whole = f"format('{{:,}}', CAST(trunc({exact}) AS HUGEINT))"
            sign = f"CASE WHEN {value.sql} < 0 AND {value.sql} > -1 THEN '-' ELSE '' END"
            fraction = f" || '.' || split_part({text}, '.', 2)" if number.scale else ""
            text = f"{sign} || {whole}{fraction}"
    elif value.type.name in ("double", "decimal", "varchar", "boolean") and kind in "dx":
        raise invalid(f"INVALID_FUNCTION_ARGUMENT: Invalid format string (IllegalFormatConversion: {kind})")
    else:
        raise unsupported(f"format %{kind} of {value.type}")
    text = f"coalesce({text}, {quoted('null'[: int(digits)] if digits else 'null')})"
    if not width:
        return text
    if "-" in flags:
        return let(text, lambda s: f"CASE WHEN length({s}) < {width} THEN rpad({s}, {width}, ' ') ELSE {s} END")
    if "0" not in flags:
        return let(text, lambda s: f"CASE WHEN length({s}) < {width} THEN lpad({s}, {width}, ' ') ELSE {s} END")
    return let(
        text,
        lambda s: (
            f"CASE WHEN {value.sql} IS NULL THEN lpad({s}, {width}, ' ') WHEN length({s}) >= {width} THEN {s} "
            f"WHEN {s} LIKE '-%' THEN '-' || lpad(substr({s}, 2), {int(width) - 1}, '0') "
            f"ELSE lpad({s}, {width}, '0') END"
        ),
    )
