"""Foreign values in messages: on one line, of bounded length, without control characters."""

from __future__ import annotations

import re
from collections.abc import Iterable

LONGEST = 80
_LONGEST_LIST = 300

# Private characters for the bytes 80 to FF that are not valid text; data do not contain them.
_FIRST_MARK = 0x10FE00
_MARKS = {0xDC00 + byte: _FIRST_MARK + byte for byte in range(0x80, 0x100)}
_MARKED = re.compile(f"[{chr(_FIRST_MARK + 0x80)}-{chr(_FIRST_MARK + 0xFF)}]")


def mark(text: str) -> str:
    """Replace the surrogates of ``surrogateescape`` by private characters, which UTF-8 can encode."""
    return text.translate(_MARKS)


def is_marked(text: str) -> bool:
    """Whether a marked text contains bytes that were not valid text."""
    return _MARKED.search(text) is not None


def without_marks(text: str) -> str:
    """A marked text with replacement characters for bytes that were not valid text."""
    return _MARKED.sub("\ufffd", text)


def shown(value: object) -> str:
    """A value for a message, in quotes."""
    text = value.decode("utf-8", "backslashreplace") if isinstance(value, bytes) else str(value)
    text = _MARKED.sub(lambda found: f"\\x{ord(found[0]) - _FIRST_MARK:02x}", text)
    return repr(text if len(text) <= LONGEST else f"{text[:LONGEST]}…")


def listed(names: Iterable[str]) -> str:
    """Names for a message, in quotes, so that a blank in a name can be seen; of bounded length."""
    text = ", ".join(map(shown, names)) or "none"
    return text if len(text) <= _LONGEST_LIST else f"{text[:_LONGEST_LIST]}…"


def printable(text: str) -> str:
    """A message with foreign names, such as columns and files: control characters are escaped."""
    if text.isprintable():
        return text
    return "".join(letter if letter.isprintable() else letter.encode("unicode_escape").decode() for letter in text)
