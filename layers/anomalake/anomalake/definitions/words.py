"""Values of others in messages: on one line, of a bounded length, nothing that a terminal would obey."""

from __future__ import annotations

import re

LONGEST = 80

# Private characters that stand for the bytes 80 to FF where those are no text; nobody writes them.
_FIRST_MARK = 0x10FE00
_MARKS = {0xDC00 + byte: _FIRST_MARK + byte for byte in range(0x80, 0x100)}
_MARKED = re.compile(f"[{chr(_FIRST_MARK + 0x80)}-{chr(_FIRST_MARK + 0xFF)}]")


def mark(text: str) -> str:
    """Text decoded with ``surrogateescape``, such that UTF-8 can hold it."""
    return text.translate(_MARKS)


def is_marked(text: str) -> bool:
    """Whether there were bytes in it that are no text."""
    return _MARKED.search(text) is not None


def shown(value: object) -> str:
    """A value in quotes."""
    text = value.decode("utf-8", "backslashreplace") if isinstance(value, bytes) else str(value)
    text = _MARKED.sub(lambda found: f"\\x{ord(found[0]) - _FIRST_MARK:02x}", text)
    return repr(text if len(text) <= LONGEST else f"{text[:LONGEST]}…")


def printable(text: str) -> str:
    """A message in which names of others stand, such as columns and files."""
    if text.isprintable():
        return text
    return "".join(one if one.isprintable() else one.encode("unicode_escape").decode() for one in text)
