"""What was sent and what could not be, as objects of a lake that are written once."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from anomalake.groups.anomaly_group import Group
from anomalake.notify.channel import Message
from anomalake.notify.rules import Due, SentAlert
from anomalake.records.executions import parse_stamp, stamp
from anomalake.storage.store import ObjectNotFound, ObjectStore

INTENT, DELIVERED, UNDELIVERED, IN_DOUBT = "intent", "delivered", "undelivered", "in-doubt"

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]{0,62}")
_KEY = re.compile(r"(?P<round>\d{4})-(?P<status>intent|delivered|undelivered|in-doubt)\.json")


@dataclass(frozen=True, slots=True)
class Entry:
    """How far the delivery of one alert has got.

    Attributes
    ----------
    folder
        Where its objects lie.
    round
        The latest round of attempts; 0 before the first.
    status
        What became of it: `INTENT` while it is under way, or where the process died under way; empty before the first.
    """

    folder: str
    round: int = 0
    status: str = ""


class Ledger:
    """Deliveries of one detector's alerts.

    Each round of attempts to deliver an alert is announced with the message it sends (``0001-intent.json``) and closed
    with what became of it (``0001-delivered.json``, ``-undelivered``, ``-in-doubt``), under
    ``deliveries/<alert>/<group id>/<interval>/``.

    Parameters
    ----------
    store
        The lake.
    folder
        The detector's folder in it.
    """

    def __init__(self, store: ObjectStore, folder: str) -> None:
        self._store = store
        self._folder = f"{folder}/deliveries"

    def sent(self, alert_name: str, groups: Iterable[Group]) -> dict[str, tuple[SentAlert, ...]]:
        """What was delivered about groups under an alert, by group id and time; raises `StoreError`.

        A record that cannot be read says that something was delivered, not how bad it was: anything has grown since.
        """
        made = {}
        for group in groups:
            keys = [found.key for found in self._store.list(self._group_folder(alert_name, group))]
            delivered = sorted(key for key in keys if key.endswith(f"-{DELIVERED}.json"))
            if delivered:
                made[group.group_id] = tuple(_sent(key, self._read(key)) for key in delivered)
        return made

    def entry(self, alert_name: str, due: Due) -> Entry:
        """How far one alert's delivery has got; raises `StoreError`."""
        folder = f"{self._group_folder(alert_name, due.group)}/{stamp(due.interval.timestamp)}"
        found = [_KEY.fullmatch(one.key.rsplit("/", 1)[-1]) for one in self._store.list(folder)]
        rounds: dict[int, set[str]] = {}
        for match in found:
            if match is not None:
                rounds.setdefault(int(match["round"]), set()).add(match["status"])
        if not rounds:
            return Entry(folder)
        if any(DELIVERED in statuses for statuses in rounds.values()):
            return Entry(folder, max(rounds), DELIVERED)
        latest = rounds[max(rounds)]
        status = next((one for one in (IN_DOUBT, UNDELIVERED) if one in latest), INTENT)
        return Entry(folder, max(rounds), status)

    def announce(self, entry: Entry, message: Message, run: str, now: datetime) -> Entry | None:
        """Write down that the next round begins; None where another run has begun it. Raises `StoreError`.

        May be repeated by the same run after a `StoreError`, which leaves open whether it was written.
        """
        begun = Entry(entry.folder, entry.round + 1, INTENT)
        intent = {"run": run, "at": _text(now), "subject": message.subject, "text": message.text}
        if self._store.put_new(_key(begun, INTENT), _dump(intent)) or self._intent(begun).get("run") == run:
            return begun
        return None

    def message(self, entry: Entry) -> Message | None:
        """The message that a round has announced, None where it cannot be read any more; raises `StoreError`."""
        intent = self._intent(entry)
        text, subject = intent.get("text"), intent.get("subject")
        if not isinstance(text, str) or not (subject is None or isinstance(subject, str)):
            return None
        return Message(text, subject)

    def close(self, entry: Entry, status: str, record: dict[str, Any]) -> None:
        """Write down what became of a round; may be repeated; raises `StoreError`."""
        self._store.put(_key(entry, status), _dump(record))

    def _group_folder(self, alert_name: str, group: Group) -> str:
        return f"{self._folder}/{_safe(alert_name)}/{_safe(group.group_id)}"

    def _intent(self, entry: Entry) -> dict[str, Any]:
        return self._read(_key(entry, INTENT))

    def _read(self, key: str) -> dict[str, Any]:
        try:
            record = json.loads(self._store.get(key))
        except (ValueError, ObjectNotFound):
            return {}
        return record if isinstance(record, dict) else {}


def outcome(due: Due, channel: str, attempts: int, now: datetime, reason: str = "") -> dict[str, Any]:
    """The record of what became of a round."""
    told = SentAlert.of(due.interval)
    return {
        "group_id": due.group.group_id,
        "timestamp": _text(told.timestamp),
        "score": told.score,
        "impact": told.impact,
        "affected": told.affected,
        "channel": channel,
        "attempts": attempts,
        "at": _text(now),
        "reason": reason,
    }


def _sent(key: str, record: dict[str, Any]) -> SentAlert:
    timestamp = parse_stamp(key.split("/")[-2])
    try:
        return SentAlert(timestamp, float(record["score"]), float(record["impact"]), int(record["affected"]))
    except (KeyError, TypeError, ValueError):
        return SentAlert(timestamp, 0.0, 0.0, 0)


def _key(entry: Entry, status: str) -> str:
    return f"{entry.folder}/{entry.round:04d}-{status}.json"


def _safe(name: str) -> str:
    """A name as one segment of a key; what is not a plain name is told by its hash."""
    return (
        name if _NAME.fullmatch(name) else f"sha256-{hashlib.sha256(name.encode('utf-8', 'surrogatepass')).hexdigest()}"
    )


def _text(instant: datetime) -> str:
    return instant.astimezone(UTC).isoformat()


def _dump(record: dict[str, Any]) -> bytes:
    return json.dumps(record, ensure_ascii=True, indent=1).encode("ascii")
