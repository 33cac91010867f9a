"""Deliveries of alerts: a ledger of objects that are written once, and the intervals to deliver again."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Iterable
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from typing import Any

from anomalake.definitions.metric_set import NAME
from anomalake.groups.anomaly_group import Group, GroupInterval
from anomalake.records.errors import RecordError
from anomalake.records.keys import detector_folder, key_pattern, match_key, parse_stamp, stamp, starts_in
from anomalake.storage.store import ObjectNotFound, ObjectStore

#: Status of a round of attempts to deliver an alert.
INTENT, DELIVERED, UNDELIVERED, IN_DOUBT = "intent", "delivered", "undelivered", "in-doubt"

_ROUND = re.compile(r"(?P<number>\d{4})-(?P<status>intent|delivered|undelivered|in-doubt)\.json")
_UNDELIVERED_KEY = key_pattern(r"undelivered/{stamp}")


@dataclass(frozen=True, slots=True)
class SentAlert:
    """Severity of a group in an alert that was delivered."""

    timestamp: datetime
    score: float
    impact: float
    affected: int

    @classmethod
    def of(cls, interval: GroupInterval) -> SentAlert:
        """Return the severity that an alert about an interval has."""
        return cls(interval.timestamp, interval.score, interval.impact, interval.breadth)


@dataclass(frozen=True, slots=True)
class DeliveryRound:
    """The latest round of attempts to deliver one alert.

    Attributes
    ----------
    folder
        Folder of the alert's delivery records.
    number
        Number of the round; 0 before the first.
    status
        `INTENT` while the round runs, or where its process died; else its result. Empty before the first round.
    """

    folder: str
    number: int = 0
    status: str = ""


@dataclass(frozen=True, slots=True)
class Announcement:
    """Record of the begin of a round, with the message that it sends.

    Attributes
    ----------
    run
        Id of the run.
    at
        Time of the record, ISO 8601.
    """

    run: str
    at: str
    subject: str | None
    text: str


@dataclass(frozen=True, slots=True)
class Outcome:
    """Record of the end of a round.

    Attributes
    ----------
    group_id, timestamp
        The group, and the start of its interval.
    score, impact, affected
        Severity of the group in the interval, as the alert has it.
    channel
        Kind and address of the channel.
    attempts
        Number of attempts in the round.
    at
        Time of the record.
    reason
        Why the alert was not delivered; else empty.
    """

    group_id: str
    timestamp: datetime
    score: float
    impact: float
    affected: int
    channel: str
    attempts: int
    at: datetime
    reason: str = ""


def delivery_folder(detector: str, alert_name: str, group_id: str, start: datetime | None = None) -> str:
    """Return the folder of an alert's deliveries about a group, or about one interval of it."""
    folder = f"{detector_folder(detector)}/deliveries/{_segment(alert_name)}/{_segment(group_id)}"
    return f"{folder}/{stamp(start)}" if start is not None else folder


def delivery_key(delivery_round: DeliveryRound, status: str) -> str:
    """Return the key of a round's record with one status."""
    return f"{delivery_round.folder}/{delivery_round.number:04d}-{status}.json"


def announcement_to_json(announcement: Announcement) -> bytes:
    """Write an announcement as JSON."""
    return _to_json(asdict(announcement))


def announcement_from_json(body: bytes, place: str = "announcement") -> Announcement:
    """Inverse of `announcement_to_json`; raises `RecordError`, which names `place`."""
    record = _from_json(body, place)
    subject, text = record.get("subject"), record.get("text")
    if not isinstance(text, str) or not (subject is None or isinstance(subject, str)):
        raise RecordError(f"{place}: expected a text, and a subject that is text or null")
    return Announcement(str(record.get("run")), str(record.get("at")), subject, text)


def outcome_to_json(outcome: Outcome) -> bytes:
    """Write an outcome as JSON."""
    return _to_json(
        {**asdict(outcome), "timestamp": _format_instant(outcome.timestamp), "at": _format_instant(outcome.at)}
    )


def outcome_from_json(body: bytes, place: str = "outcome") -> Outcome:
    """Inverse of `outcome_to_json`; raises `RecordError`, which names `place`."""
    record = _from_json(body, place)
    try:
        return Outcome(
            group_id=str(record["group_id"]),
            timestamp=datetime.fromisoformat(record["timestamp"]),
            score=float(record["score"]),
            impact=float(record["impact"]),
            affected=int(record["affected"]),
            channel=str(record["channel"]),
            attempts=int(record["attempts"]),
            at=datetime.fromisoformat(record["at"]),
            reason=str(record.get("reason", "")),
        )
    except (KeyError, TypeError, ValueError) as error:
        raise RecordError(f"{place}: {error!r}; expected the outcome of a delivery") from error


class Ledger:
    """Deliveries of one detector's alerts.

    Each round of attempts to deliver an alert has a record of its begin, ``0001-intent.json``, and one of its end,
    ``0001-delivered.json``, ``-undelivered`` or ``-in-doubt``.

    Parameters
    ----------
    store
        The lake.
    detector
        Name of the detector.
    """

    def __init__(self, store: ObjectStore, detector: str) -> None:
        self._store = store
        self._detector = detector

    def sent(self, alert_name: str, groups: Iterable[Group]) -> dict[str, tuple[SentAlert, ...]]:
        """Read which alerts about groups were delivered, by group id and in order of time; raises `StoreError`.

        An alert whose record is invalid counts as delivered, with a severity of zero: every later one is higher.
        """
        sent = {}
        for group in groups:
            folder = delivery_folder(self._detector, alert_name, group.group_id)
            keys = sorted(entry.key for entry in self._store.list(folder) if entry.key.endswith(f"-{DELIVERED}.json"))
            # Of an interval whose alert was corrected, the latest round.
            latest = {key.rsplit("/", 1)[0]: key for key in keys}
            if latest:
                sent[group.group_id] = tuple(self._sent_alert(key) for key in latest.values())
        return sent

    def latest_round(
        self, alert_name: str, group_id: str, start: datetime, *, corrected: bool = False
    ) -> DeliveryRound:
        """Read the latest round of an alert's delivery; raises `StoreError`.

        Parameters
        ----------
        corrected
            Whether a later round may have another text: an earlier round that was delivered then means nothing.
        """
        folder = delivery_folder(self._detector, alert_name, group_id, start)
        rounds: dict[int, set[str]] = {}
        for entry in self._store.list(folder):
            match = _ROUND.fullmatch(entry.key.rsplit("/", 1)[-1])
            if match is not None:
                rounds.setdefault(int(match["number"]), set()).add(match["status"])
        if not rounds:
            return DeliveryRound(folder)
        latest = rounds[max(rounds)]
        if DELIVERED in latest or (not corrected and any(DELIVERED in statuses for statuses in rounds.values())):
            return DeliveryRound(folder, max(rounds), DELIVERED)
        status = next((status for status in (IN_DOUBT, UNDELIVERED) if status in latest), INTENT)
        return DeliveryRound(folder, max(rounds), status)

    def write_announcement(self, latest: DeliveryRound, announcement: Announcement) -> DeliveryRound | None:
        """Begin the next round; None where another run has begun it. Raises `StoreError`.

        The same run may call it again after a `StoreError`, which leaves open whether the record was written.
        """
        begun = DeliveryRound(latest.folder, latest.number + 1, INTENT)
        if self._store.put_new(delivery_key(begun, INTENT), announcement_to_json(announcement)):
            return begun
        stored = self.read_announcement(begun)
        return begun if stored is not None and stored.run == announcement.run else None

    def read_announcement(self, delivery_round: DeliveryRound) -> Announcement | None:
        """Read the announcement of a round; None where it is missing or invalid; raises `StoreError`."""
        key = delivery_key(delivery_round, INTENT)
        try:
            return announcement_from_json(self._store.get(key), f"{self._store.uri}/{key}")
        except (ObjectNotFound, RecordError):
            return None

    def announced_texts(self, alert_name: str, group_id: str, start: datetime) -> list[str]:
        """Read the texts of all rounds of an alert's delivery; invalid records are left out; raises `StoreError`."""
        folder = delivery_folder(self._detector, alert_name, group_id, start)
        texts = []
        for entry in self._store.list(folder):
            match = _ROUND.fullmatch(entry.key.rsplit("/", 1)[-1])
            if match is not None and match["status"] == INTENT:
                announcement = self.read_announcement(DeliveryRound(folder, int(match["number"]), INTENT))
                texts += [announcement.text] if announcement is not None else []
        return texts

    def write_outcome(self, delivery_round: DeliveryRound, status: str, outcome: Outcome) -> None:
        """End a round; may be repeated; raises `StoreError`."""
        self._store.put(delivery_key(delivery_round, status), outcome_to_json(outcome))

    def _sent_alert(self, key: str) -> SentAlert:
        timestamp = parse_stamp(key.split("/")[-2])
        try:
            outcome = outcome_from_json(self._store.get(key), f"{self._store.uri}/{key}")
        except (ObjectNotFound, RecordError):
            return SentAlert(timestamp, 0.0, 0.0, 0)
        return SentAlert(timestamp, outcome.score, outcome.impact, outcome.affected)


class UndeliveredIntervals:
    """Intervals of one detector with alerts that could not be delivered; later runs deliver them again.

    Parameters
    ----------
    store
        The lake.
    detector
        Name of the detector.
    """

    def __init__(self, store: ObjectStore, detector: str) -> None:
        self._store = store
        self._detector = detector

    def add(self, start: datetime) -> None:
        """Add an interval."""
        self._store.put(undelivered_key(self._detector, start), b"")

    def remove(self, start: datetime) -> None:
        """Remove an interval."""
        self._store.delete([undelivered_key(self._detector, start)])

    def starts(self) -> list[datetime]:
        """List the intervals, oldest first."""
        return starts_in(self._store, undelivered_folder(self._detector))


def undelivered_folder(detector: str) -> str:
    """Return the folder of a detector's undelivered intervals."""
    return f"{detector_folder(detector)}/undelivered"


def undelivered_key(detector: str, start: datetime) -> str:
    """Return the key of an undelivered interval."""
    return f"{undelivered_folder(detector)}/{stamp(start)}"


def parse_undelivered_key(key: str) -> tuple[str, datetime] | None:
    """Return the detector and the start of an undelivered interval; None for any other key."""
    stamped = match_key(_UNDELIVERED_KEY, key)
    return (stamped.match["detector"], stamped.start) if stamped is not None else None


def _segment(name: str) -> str:
    """Return a name as one segment of a key; a name that is not safe in keys is replaced by its hash."""
    if NAME.fullmatch(name):
        return name
    return f"sha256-{hashlib.sha256(name.encode('utf-8', 'surrogatepass')).hexdigest()}"


def _format_instant(instant: datetime) -> str:
    return instant.astimezone(UTC).isoformat()


def _to_json(record: dict[str, Any]) -> bytes:
    return json.dumps(record, ensure_ascii=True, indent=1).encode("ascii")


def _from_json(body: bytes, place: str) -> dict[str, Any]:
    try:
        record = json.loads(body)
    except ValueError as error:
        raise RecordError(f"{place}: is no JSON; expected an object") from error
    if not isinstance(record, dict):
        raise RecordError(f"{place}: is {type(record).__name__}; expected an object")
    return record
