"""Refused records: what is refused from one delivery is one set-aside object, with the reasons."""

from __future__ import annotations

import base64
import hashlib
import json
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Final

from anomalake.alerts import SET_ASIDE_RECORD, AlertDocument, Refusal
from anomalake.alerts.bounds import MAX_RECORDS
from anomalake.alerts.values import BEGINNING
from anomalake.lake import layout

#: Bytes of a record that is set aside as a whole. A replay must be able to read its object again.
MAX_RECORD: Final = 12 * 1024 * 1024
#: Bytes of the records of an object that each have a reason of their own, if there are several.
MAX_DESCRIBED: Final = 8 * 1024 * 1024
#: Bytes of the other records together.
MAX_OTHERS: Final = 3 * 1024 * 1024


@dataclass(frozen=True, slots=True)
class Refused:
    """A record that was set aside.

    Attributes
    ----------
    refusal
        The reason.
    key
        Key of the set-aside object.
    delivery
        Id of its delivery, if there is one.
    first_time
        False if the same records were set aside before.
    count
        Number of records, if they have one reason together.
    """

    refusal: Refusal
    key: str
    delivery: str | None
    first_time: bool
    count: int = 1


@dataclass(frozen=True, slots=True)
class Reason:
    """Why records of a delivery were refused, and how many; `place` is that of the first one."""

    refusal: Refusal
    count: int


@dataclass(slots=True)
class Group:
    """The refused records of one delivery.

    Attributes
    ----------
    delivery
        Id of the delivery, if there is one.
    reasons
        One for each record, and one for all records beyond the limits.
    """

    delivery: str | None
    reasons: list[Reason] = field(default_factory=list)
    _described: list[bytes] = field(default_factory=list)
    _n_bytes: int = 0
    _others: list[bytes] = field(default_factory=list)
    _n_others: int = 0
    _n_other_bytes: int = 0
    _first_other: str = ""
    _hash: Any = field(default_factory=hashlib.sha256)
    _only: str = ""

    def add(self, document: AlertDocument, refusal: Refusal) -> None:
        """Add a refused record."""
        body, is_beginning = _raw(document.body), document.is_beginning
        record = _record(refusal, body, document.body, is_beginning)
        if len(record) > MAX_RECORD:
            body, is_beginning = body[:BEGINNING], True
            record = _record(refusal, body, body, is_beginning)
        # A beginning is that of many records: the place tells them apart.
        origin = f"{refusal.place}\x00".encode("utf-8", "surrogatepass") if is_beginning else b""
        digest = hashlib.sha256(origin + body)
        self._only = digest.hexdigest()
        self._hash.update(digest.digest())
        is_first = not self.reasons
        if is_first or (len(self._described) < MAX_RECORDS and self._n_bytes + len(record) <= MAX_DESCRIBED):
            self._described.append(record)
            self._n_bytes += len(record)
            self.reasons.append(Reason(refusal, 1))
            return
        self._n_others += 1
        self._first_other = self._first_other or refusal.place
        self._n_other_bytes += len(body)
        if self._n_other_bytes <= MAX_OTHERS:
            self._others.append(body)

    @property
    def n_bytes(self) -> int:
        """Bytes of the records in memory."""
        return self._n_bytes + min(self._n_other_bytes, MAX_OTHERS)

    def finish(self, now: datetime) -> tuple[str, bytes]:
        """The key and the body of the group's object; the group takes no more records."""
        n_records = len(self._described) + self._n_others
        key = layout.set_aside_key(self._only if n_records == 1 else self._hash.hexdigest(), n_records)
        if self._n_others:
            self._describe_others()
        head = {"record": SET_ASIDE_RECORD, "received_at": now.isoformat(timespec="seconds")}
        beginning = json.dumps(head, indent=1).removesuffix("\n}").encode("ascii")
        if n_records == 1:
            return key, beginning + b"," + self._described[0].removeprefix(b"{")
        return key, beginning + b',\n "records": [\n' + b",\n".join(self._described) + b"\n]}"

    def _describe_others(self) -> None:
        found = f"{self._n_others:,} more refused records of the same delivery"
        refusal = Refusal(self._first_other, "$", found, f"at most {MAX_RECORDS:,}, of {MAX_DESCRIBED:,} bytes")
        body = b"\n".join(self._others)
        is_beginning = self._n_other_bytes > MAX_OTHERS
        record = _record(refusal, body[:BEGINNING] if is_beginning else body, b"", is_beginning)
        self._described.append(record)
        self.reasons.append(Reason(refusal, self._n_others))


class SetAside:
    """Refused records that are not stored yet, by delivery."""

    def __init__(self) -> None:
        self._groups: dict[str | None, Group] = {}

    def add(self, document: AlertDocument, refusal: Refusal) -> None:
        """Add a refused record."""
        self._groups.setdefault(document.delivery, Group(document.delivery)).add(document, refusal)

    @property
    def n_bytes(self) -> int:
        """Bytes of the records."""
        return sum(group.n_bytes for group in self._groups.values())

    def take(self, *open_deliveries: str | None) -> list[Group]:
        """Take the records of all deliveries but those that may have more."""
        taken = [delivery for delivery in self._groups if delivery not in open_deliveries]
        return [self._groups.pop(delivery) for delivery in taken]


def reasons_of(body: bytes) -> tuple[str, list[str]]:
    """Read when the records of an object were set aside, and the reasons; raises ValueError, TypeError or KeyError."""
    stored = json.loads(body)
    records = stored.get("records", [stored])
    return str(stored["received_at"]), [str(record["reason"]) for record in records]


def _raw(body: str | bytes) -> bytes:
    return body if isinstance(body, bytes) else body.encode("utf-8", "surrogatepass")


def _record(refusal: Refusal, raw: bytes, body: str | bytes, is_beginning: bool) -> bytes:
    """A record with its reason as JSON; `body`: the text, if it has to be kept as it is."""
    name = "beginning" if is_beginning else "body"
    if isinstance(body, bytes):
        try:
            body = raw.decode("utf-8")
        except UnicodeDecodeError:
            name, body = f"{name}_base64", base64.b64encode(raw).decode("ascii")
    record = {
        "reason": str(refusal),
        "place": refusal.place,
        "field": refusal.field,
        "value": refusal.value,
        "expected": refusal.expected,
        name: body,
    }
    return json.dumps(record, indent=1).encode("ascii")
