"""Names that SQL can bear: readable, and never two names made one."""

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
    """Make a name safe for SQL, so that two names never become one.

    ``[a-z0-9_]+`` without ``__`` stays as it is. Anything else is lower-cased, every other character becomes ``_``, and
    behind ``__`` comes the list of what was changed: ``<position>`` for an upper-case letter,
    ``<position>x<hex code point>`` for a replaced character. A plain name with ``__`` in it, or one that is
    ``by_day`` or ends like a ``_by_day`` relation, gets a trailing ``__``. A name too long for that carries its UTF-8
    in hex behind ``__u``, or, longer still, its SHA-256 behind ``__h``; detector names never need the last.

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
    """The name that `sql_name` made ``safe`` from; None when it made none such (or only a digest is left of it)."""
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
    """The name that each detector's relations bear.

    A detector's name is its ARN's last part. Where several ARNs share it, none has it: each is called after as much of
    its ARN (region and account, then the partition, then all of it) as tells all of them apart.

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
        calls = (detector_of, _with_account, _with_partition, str)
        call = next(call for call in calls if len({call(arn) for arn in group}) == len(group))
        names.update({arn: sql_name(call(arn)) for arn in group})
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
    """Name the columns that dimensions or measures get in a wide relation.

    A name is its column in lower case. Names with other characters than ``[a-zA-Z0-9_]``, and names whose columns would
    clash with one another or with ``reserved``, are told apart by `sql_name`. What comes out depends only on the set.

    Parameters
    ----------
    names
        Dimensions, or measures.
    reserved
        Columns that are taken.
    templates
        The columns that each name gets, ``{}`` standing for it.

    Returns
    -------
    dict
        Each name's columns, one a template; names in sorted order.
    """
    wanted = sorted(set(names))
    reserved = set(reserved)
    # How far each name is told apart: not at all, by `sql_name`, or, where that is not enough, by marks.
    levels = {name: 0 if re.fullmatch(r"[a-zA-Z0-9_]{1,180}", name) else 1 for name in wanted}
    # Terminates: each round but the last raises the level of at least one name, and no level exceeds the limit, so
    # there are at most limit * len(wanted) rounds.
    #
    # Stored lakes keep their names: wherever raising the clashing names until none clashes comes to an end, this is
    # that result. Two names that clash in one template at level 1 or above clash forever, because each round appends
    # the same marks to both; only then, or at the limit, does the search stop early. The limit is never reached
    # otherwise: a name at level 2 or above rises only for a column that is reserved, which its growing columns meet
    # once a template at most, or for another name that leaves level 0 or 1, which happens twice a name at most.
    # (Columns of different templates differ from level 2 on: no template of the relations ends with an underscore.)
    limit = 3 + 2 * len(wanted) + len(templates) * len(reserved)
    while True:
        columns = {name: _columns(name, level, templates) for name, level in levels.items()}
        owners: dict[str, set[str | None]] = {column: {None} for column in reserved}
        for name, own in columns.items():
            for column in own:
                owners.setdefault(column, set()).add(name)
        clashing = {name for own in owners.values() if len(own) > 1 for name in own if name is not None}
        if not clashing:
            return columns
        if _clash_forever(columns, levels) or max(levels[name] for name in clashing) >= limit:
            return columns | _first_free(clashing, columns, reserved, templates)
        levels.update({name: levels[name] + 1 for name in clashing})


def _clash_forever(columns: Mapping[str, tuple[str, ...]], levels: Mapping[str, int]) -> bool:
    """Whether two names have the same column for the same template, both at level 1 or above."""
    marked = [own for name, own in columns.items() if levels[name] > 0]
    return any(len(set(of_template)) < len(of_template) for of_template in zip(*marked, strict=True))


def _first_free(
    clashing: Collection[str],
    columns: Mapping[str, tuple[str, ...]],
    reserved: Collection[str],
    templates: Sequence[str],
) -> dict[str, tuple[str, ...]]:
    """Columns for the clashing names, each name at the lowest level whose columns are free; other names keep theirs.

    Terminates: the columns of one template differ from level to level, so each taken column rules out at most one level
    a template. Of ``len(templates) * len(taken) + 1`` levels at least one is therefore free.
    """
    taken = set(reserved).union(*(own for name, own in columns.items() if name not in clashing))
    made: dict[str, tuple[str, ...]] = {}
    for name in sorted(clashing):
        candidates = (_columns(name, level, templates) for level in range(1, len(templates) * len(taken) + 2))
        made[name] = next(own for own in candidates if taken.isdisjoint(own))
        taken.update(made[name])
    return made


def _columns(name: str, level: int, templates: Sequence[str]) -> tuple[str, ...]:
    column = _column(name, level)
    return tuple(template.format(column) for template in templates)


def _column(name: str, level: int) -> str:
    if level == 0:
        return name.lower()
    safe = sql_name(name)
    return safe + "__" * (level - 1)
