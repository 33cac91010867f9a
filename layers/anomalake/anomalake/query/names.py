"""Names for SQL: readable, and different for different names."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Collection, Iterable, Mapping, Sequence

from anomalake.definitions.arns import detector_of

_PLAIN = re.compile(r"[a-z0-9_]+")
_BY_DAY = "by_day"
# Glue allows 255 characters for the name of a table; the longest prefix and suffix of a relation take 35 of them.
_LONGEST = 220


def sql_name(name: str) -> str:
    """Encode a name for SQL; different names have different results.

    A name that matches ``[a-z0-9_]+`` and has no ``__`` is not changed. In other names upper-case letters become
    lower-case, and characters outside ``[a-z0-9_]`` become ``_``; the changes are appended after ``__``:
    ``<position>`` for a letter, ``<position>x<hex code point>`` for another character. A name that matches
    ``[a-z0-9_]+`` and has ``__``, or is ``by_day`` or ends with ``_by_day``, gets a trailing ``__``. If the result is
    too long, the name is appended as UTF-8 in hex after ``__u``; if that is too long too, its SHA-256 is appended after
    ``__h``. Names of detectors are never so long.

    Examples
    --------
    >>> sql_name("testBugBash"), sql_name("my-detector")
    ('testbugbash__4_7', 'my_detector__2x2d')
    """
    if _PLAIN.fullmatch(name):
        return f"{name}__" if "__" in name or name == _BY_DAY or name.endswith(f"_{_BY_DAY}") else name
    lower, changes = [], []
    for position, character in enumerate(name):
        if "A" <= character <= "Z":
            lower.append(character.lower())
            changes.append(str(position))
        elif _PLAIN.fullmatch(character):
            lower.append(character)
        else:
            lower.append("_")
            changes.append(f"{position}x{ord(character):x}")
    safe = "".join(lower)
    readable = f"{safe}__{'_'.join(changes)}"
    if len(readable) <= _LONGEST:
        return readable
    text = name.encode("utf-8", "surrogatepass")
    if 2 * len(text) + 23 <= _LONGEST:
        return f"{safe[:20]}__u{text.hex()}"
    return f"{safe[:20]}__h{hashlib.sha256(text).hexdigest()}"


def original_name(safe: str) -> str | None:
    """Inverse of `sql_name`; None if no name has this result, or if the result has only a digest of the name."""
    head, mark, tail = safe.rpartition("__")
    if not mark:
        name = safe
    elif tail.startswith("u"):
        try:
            name = bytes.fromhex(tail[1:]).decode("utf-8", "surrogatepass")
        except ValueError:
            return None
    else:
        characters = list(head)
        for change in tail.split("_") if tail else ():
            position, replaced, code = change.partition("x")
            try:
                at = int(position)
                characters[at] = chr(int(code, 16)) if replaced else characters[at].upper()
            except (ValueError, IndexError, OverflowError):
                return None
        name = "".join(characters)
    return name if sql_name(name) == safe else None


def detector_names(arns: Iterable[str]) -> dict[str, str]:
    """Return the name of each detector in the names of its relations.

    The name is that of the detector, the last part of its ARN. If several ARNs have the same last part, the region and
    account are added to all of them; if that does not distinguish them, the partition too; otherwise the ARN is used.

    Returns
    -------
    dict
        ARN to SQL name.
    """
    groups: dict[str, list[str]] = {}
    for arn in sorted(set(arns)):
        groups.setdefault(detector_of(arn), []).append(arn)
    names: dict[str, str] = {}
    for group in groups.values():
        forms = (detector_of, _with_account, _with_partition, str)
        name_of = next(form for form in forms if len({form(arn) for arn in group}) == len(group))
        names.update({arn: sql_name(name_of(arn)) for arn in group})
    return names


def _with_account(arn: str) -> str:
    parts = arn.split(":")
    return f"{detector_of(arn)}@{parts[3]}@{parts[4]}" if len(parts) > 5 else arn


def _with_partition(arn: str) -> str:
    parts = arn.split(":")
    return f"{detector_of(arn)}@{parts[1]}@{parts[3]}@{parts[4]}" if len(parts) > 5 else arn


def column_names(
    names: Iterable[str], reserved: Collection[str] = (), templates: Sequence[str] = ("{}",)
) -> dict[str, tuple[str, ...]]:
    """Return the columns of dimensions or measures in the relations of a detector.

    The column is the name in lower case. Names with characters outside ``[a-zA-Z0-9_]``, and names whose columns would
    clash with each other or with ``reserved``, are encoded by `sql_name`. The result depends only on the set of names.

    Parameters
    ----------
    names
        Dimensions or measures.
    reserved
        Names of other columns.
    templates
        Templates of the columns of each name; ``{}`` is replaced by the name.

    Returns
    -------
    dict
        The columns of each name, one for each template; names in sorted order.
    """
    distinct = sorted(set(names))
    reserved = set(reserved)
    # Encoding of each name. 0: lower case; 1: `sql_name`; from 2 on: `sql_name` and (level - 1) times __.
    levels = {name: 0 if re.fullmatch(r"[a-zA-Z0-9_]{1,180}", name) else 1 for name in distinct}
    # Terminates: each round but the last raises the level of at least one name, and no level exceeds the limit, so
    # there are at most limit * len(distinct) rounds.
    #
    # The columns of stored lakes must not change: they are the result of raising the levels of clashing names until
    # no names clash, wherever that ends. It does not end if two names clash in one template at level 1 or above,
    # because each round appends __ to both; the search stops early only then, or at the limit. The limit is not
    # reached in other cases: a name at level 2 or above is raised only for a reserved column, which happens at most
    # once for each template because its columns get longer, or for another name that leaves level 0 or 1, which
    # happens at most twice for each name. (Columns of different templates differ from level 2 on, because no template
    # of the relations ends with an underscore.)
    limit = 3 + 2 * len(distinct) + len(templates) * len(reserved)
    while True:
        columns = {name: _columns(name, level, templates) for name, level in levels.items()}
        owners: dict[str, set[str | None]] = {column: {None} for column in reserved}
        for name, name_columns in columns.items():
            for column in name_columns:
                owners.setdefault(column, set()).add(name)
        clashing = {name for names_ in owners.values() if len(names_) > 1 for name in names_ if name is not None}
        if not clashing:
            return columns
        if _clash_forever(columns, levels) or max(levels[name] for name in clashing) >= limit:
            return columns | _first_free(clashing, columns, reserved, templates)
        levels.update({name: levels[name] + 1 for name in clashing})


def _clash_forever(columns: Mapping[str, tuple[str, ...]], levels: Mapping[str, int]) -> bool:
    """Whether two names have the same column for the same template, both at level 1 or above."""
    encoded = [name_columns for name, name_columns in columns.items() if levels[name] > 0]
    return any(len(set(of_template)) < len(of_template) for of_template in zip(*encoded, strict=True))


def _first_free(
    clashing: Collection[str],
    columns: Mapping[str, tuple[str, ...]],
    reserved: Collection[str],
    templates: Sequence[str],
) -> dict[str, tuple[str, ...]]:
    """Return columns of the clashing names, each at the lowest level whose columns are free.

    Terminates: the columns of a template differ between levels, so each taken column rules out at most one level for
    each template. At least one of ``len(templates) * len(taken) + 1`` levels is therefore free.
    """
    taken = set(reserved).union(*(column for name, column in columns.items() if name not in clashing))
    free: dict[str, tuple[str, ...]] = {}
    for name in sorted(clashing):
        candidates = (_columns(name, level, templates) for level in range(1, len(templates) * len(taken) + 2))
        free[name] = next(candidate for candidate in candidates if taken.isdisjoint(candidate))
        taken.update(free[name])
    return free


def _columns(name: str, level: int, templates: Sequence[str]) -> tuple[str, ...]:
    column = _column(name, level)
    return tuple(template.format(column) for template in templates)


def _column(name: str, level: int) -> str:
    if level == 0:
        return name.lower()
    safe = sql_name(name)
    return safe + "__" * (level - 1)
