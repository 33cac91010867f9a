"""The JSON values in a text: one, several with or without line breaks between them, or the items of a list."""

from __future__ import annotations

import codecs
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from typing import Any

from anomalake.alerts.bounds import MAX_RECORD_BYTES
from anomalake.alerts.documents import AlertDocument, Refusal
from anomalake.alerts.strict_json import StrictJsonError, end_of_first, parse_first, shorten
from anomalake.errors import AnomalakeError

#: Characters or bytes of a record that is too large, or of a file that cannot be read, which are set aside.
BEGINNING = 4096
#: Values that are not JSON after which the rest of a text is one refused record.
MOST_INVALID = 1_000

_NO_SPACE = re.compile(r"[^ \t\r\n]")
# The next value begins in a line of its own. Lines within an indented value begin with a blank.
_NEXT_VALUE = re.compile(r"\n(?=[{\[])")


class UnreadableError(AnomalakeError):
    """The rest of a file cannot be read: what is wrong with it, and what was expected."""

    def __init__(self, found: str, expected: str) -> None:
        self.found = found
        self.expected = expected
        super().__init__(f"{found}: expected {expected}")


def too_many(most: int) -> UnreadableError:
    """The error of a file with too many records."""
    return UnreadableError(f"more than {most:,} records", f"at most {most:,}")


class Text:
    """A text that is read block by block, as far as it is needed.

    Parameters
    ----------
    beginning
        The first part.
    blocks
        The rest, in UTF-8.

    Attributes
    ----------
    text, at
        The part in memory, and the position in it.
    failure
        Why the text ends early.
    """

    def __init__(self, beginning: str | bytes, blocks: Iterable[bytes] = ()) -> None:
        self._decoder = codecs.getincrementaldecoder("utf-8")("surrogateescape")
        self._is_bytes = isinstance(beginning, bytes)
        self._blocks = iter(blocks)
        self._is_complete = False
        self.text = self._decoder.decode(beginning) if isinstance(beginning, bytes) else beginning
        self.at = 0
        self.failure: UnreadableError | None = None

    def read_more(self, size: int) -> bool:
        """Read at least `size` further characters, and release what lies before the position; False at the end."""
        parts: list[str] = []
        length = 0
        while length < size and not self._is_complete:
            try:
                block = next(self._blocks, None)
            except UnreadableError as error:
                self.failure, block = error, None
            self._is_complete = block is None
            parts.append(self._decoder.decode(block or b"", self._is_complete))
            length += len(parts[-1])
        if length:
            self.text, self.at = "".join([self.text[self.at :], *parts]), 0
        return length > 0

    def next_character(self) -> str:
        """Skip white space, and return the character that follows without taking it; empty at the end."""
        while (found := _NO_SPACE.search(self.text, self.at)) is None:
            self.at = len(self.text)
            if not self.read_more(1):
                return ""
        self.at = found.start()
        return found[0]

    @property
    def size(self) -> int:
        """Number of characters in memory after the position."""
        return len(self.text) - self.at

    def take(self, end: int) -> str | bytes:
        """Take what lies before a position; bytes if it is not UTF-8."""
        part = self.text[self.at : end]
        self.at = end
        if self._is_bytes and not part.isascii():
            try:
                part.encode("utf-8")
            except UnicodeEncodeError:
                return part.encode("utf-8", "surrogateescape")
        return part

    def skip_to_next_value(self) -> None:
        """Skip to the next line that begins with an object or a list, or to the end."""
        while (found := _NEXT_VALUE.search(self.text, self.at)) is None:
            # The last character may be the line break.
            self.at = max(self.at, len(self.text) - 1)
            if not self.read_more(1):
                self.at = len(self.text)
                return
        self.at = found.end()

    def skip_all(self) -> None:
        """Skip to the end."""
        self.at = len(self.text)
        while self.read_more(1):
            self.at = len(self.text)


@dataclass(frozen=True, slots=True)
class Value:
    """A JSON value with its unchanged text; `is_item`: an item of a list."""

    value: Any
    text: str
    place: str
    is_item: bool = False


def read_values(
    text: Text, place: str, delivery: str | None, most: int = MAX_RECORD_BYTES
) -> Iterator[Value | AlertDocument]:
    """Read the values of a text one by one; objects and lists may follow each other without a line break.

    What is not JSON is returned as a document that is refused, and reading goes on in the next line that begins with
    an object or a list. After an error between the items of a list, the rest of the text is one such document.

    Parameters
    ----------
    most
        Characters of a value; a larger one is refused with its beginning.
    """
    n_values = n_invalid = 0
    while character := text.next_character():
        n_values += 1
        where = place if n_values == 1 else f"{place} value {n_values}"
        if character == "[":
            yield from _items(text, where, delivery, most)
            continue
        found = _first(text, most) if character == "{" else None
        if found is None:
            n_invalid += 1
            found = _rest(text, delivery, most) if n_invalid >= MOST_INVALID else _invalid(text, delivery, most)
        if n_values == 1 and (text.next_character() or text.failure):
            where = f"{place} value 1"
        yield _placed(found, where, delivery)
    if text.failure is not None:
        yield unreadable("", place, delivery, text.failure)


def _items(text: Text, place: str, delivery: str | None, most: int) -> Iterator[Value | AlertDocument]:
    """Read the items of a list; the position is at its bracket."""
    text.at += 1
    number = 0
    last: str | bytes = "["
    if text.next_character() == "]":
        text.at += 1
        return
    while text.next_character() and (found := _first(text, most)) is not None:
        where = f"{place}[{number}]"
        if isinstance(found, Value):
            last = found.text
            yield Value(found.value, found.text, where, is_item=True)
        else:
            last = found.body
            yield _placed(found, where, delivery)
        number += 1
        separator = text.next_character()
        if separator not in (",", "]"):
            break
        text.at += 1
        if separator == "]":
            return
    expected = "items separated by commas, and ] after the last"
    rest = _rest(text, delivery, most, expected)
    if not rest.body:
        # The list is cut off. Its last item is all that tells it from others.
        rest = replace(rest, body=last)
    yield _placed(rest, f"{place}[{number}]", delivery)


def _first(text: Text, most: int) -> Value | AlertDocument | None:
    """Take the value at the position; None if it is not JSON or too large."""
    while True:
        try:
            value, end = parse_first(text.text, text.at)
        except StrictJsonError:
            # Twice as much each time: a large value is read few times.
            if text.size < most and text.read_more(min(max(text.size, 1), most - text.size)):
                continue
            ambiguous = end_of_first(text.text, text.at)
            return None if ambiguous is None else AlertDocument(text.take(ambiguous), "")
        if end == len(text.text) and not isinstance(value, (dict, list, str)) and text.read_more(1):
            # The rest of a number may be in the next block.
            continue
        body = text.take(end)
        return Value(value, body, "") if isinstance(body, str) else AlertDocument(body, "")


def _invalid(text: Text, delivery: str | None, most: int) -> AlertDocument:
    """Take what is not JSON, up to the next value in a line of its own."""
    if text.size < most:
        text.read_more(most - text.size)
    found = _NEXT_VALUE.search(text.text, text.at + 1)
    if found is not None:
        return AlertDocument(text.take(found.start()), "", delivery)
    if text.size < most:
        return _last(text, delivery)
    beginning = text.take(text.at + BEGINNING)
    text.skip_to_next_value()
    return _too_large(beginning, delivery, most)


def _rest(text: Text, delivery: str | None, most: int, expected: str | None = None) -> AlertDocument:
    """Take the rest of a text, which is not JSON."""
    if text.size < most:
        text.read_more(most - text.size)
    if text.size < most:
        return _last(text, delivery, expected)
    beginning = text.take(text.at + BEGINNING)
    text.skip_all()
    return _too_large(beginning, delivery, most)


def _last(text: Text, delivery: str | None, expected: str | None = None) -> AlertDocument:
    """Take the end of a text, which is not JSON; it may end early."""
    body = text.take(len(text.text))
    if text.failure is not None:
        document = unreadable(body, "", delivery, text.failure)
        text.failure = None
        return document
    if expected is None:
        return AlertDocument(body, "", delivery)
    shown = shorten(body if isinstance(body, str) else repr(body))
    refusal = Refusal("", "$", shown if body else "the end of the text", expected)
    return AlertDocument(body, "", delivery, refusal=refusal)


def _too_large(beginning: str | bytes, delivery: str | None, most: int) -> AlertDocument:
    failure = UnreadableError(f"a value of more than {most:,} characters", f"at most {most:,}")
    return unreadable(beginning, "", delivery, failure)


def unreadable(beginning: str | bytes, place: str, delivery: str | None, failure: UnreadableError) -> AlertDocument:
    """The document of a file, or of the rest of one, that cannot be read."""
    refusal = Refusal(place, "$", failure.found, failure.expected)
    return AlertDocument(beginning[:BEGINNING], place, delivery, refusal=refusal, is_beginning=True)


def _placed(found: Value | AlertDocument, place: str, delivery: str | None) -> Value | AlertDocument:
    if isinstance(found, Value):
        return Value(found.value, found.text, place)
    refusal = found.refusal
    if refusal is not None:
        refusal = Refusal(place, refusal.field, refusal.value, refusal.expected)
    return replace(found, place=place, delivery=delivery, refusal=refusal)
