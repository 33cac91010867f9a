"""Reading of feedback, snoozes and comments of users on a detector's groups."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from typing import Final

from anomalake.page.contents import UserRecords
from anomalake.page.document import CommentGiven, FeedbackGiven, SnoozeGiven
from anomalake.page.notes import read_each
from anomalake.records import comments as comment_records
from anomalake.records import feedback as feedback_records
from anomalake.records import snoozes as snooze_records
from anomalake.records.comments import Comment, comment_id
from anomalake.records.feedback import Feedback
from anomalake.records.listing import DetectorRecords
from anomalake.records.snoozes import Snooze, snooze_id
from anomalake.storage.store import ObjectStore

# Most records of a kind that are read of a detector: the newest ones, where their keys tell.
_MOST: Final = 1_000


def read_user_records(store: ObjectStore, records: DetectorRecords, notes: list[str]) -> UserRecords:
    """Read the records of users on a detector's groups; what cannot be read is left out, with a note."""
    name = records.name
    feedback = read_each(
        store, [key for _, key in records.feedback[-_MOST:]], feedback_records.from_json, notes, f"{name}: feedback"
    )
    snoozes = read_each(store, records.snoozes[:_MOST], snooze_records.from_json, notes, f"{name}: snoozes")
    comments = read_each(
        store, [key for _, key in records.comments[-_MOST:]], comment_records.from_json, notes, f"{name}: comments"
    )
    return UserRecords(
        _feedback_given(name, feedback),
        sorted((_snooze_given(name, snooze) for snooze in snoozes), key=lambda given: (-given.until, given.id)),
        sorted((_comment_given(name, comment) for comment in comments), key=lambda given: (-given.at, given.id)),
    )


def _feedback_given(detector: str, feedback: Iterable[Feedback]) -> list[FeedbackGiven]:
    """Return feedback, that of one person at one time on a group together."""
    points = Counter(
        (
            int(record.given_at.timestamp()),
            record.anomaly_group_id or "",
            record.measure,
            record.is_anomaly,
            record.given_by,
        )
        for record in feedback
    )
    given = [
        FeedbackGiven(detector, group, measure, is_anomaly, number, at, by)
        for (at, group, measure, is_anomaly, by), number in points.items()
    ]
    return sorted(given, key=lambda item: (-item.at, item.group, item.measure, item.is_anomaly, item.by))


def _snooze_given(detector: str, snooze: Snooze) -> SnoozeGiven:
    return SnoozeGiven(
        snooze_id(snooze), detector, snooze.group_id or "", snooze.time_series_id or "", snooze.measure or "",
        snooze.dimensions, int(snooze.until.timestamp()),
        int(snooze.given_at.timestamp()) if snooze.given_at is not None else None, snooze.given_by,
    )  # fmt: skip


def _comment_given(detector: str, comment: Comment) -> CommentGiven:
    at = int(comment.given_at.timestamp())
    return CommentGiven(
        comment_id(comment), detector, comment.group_id, comment.text, comment.acknowledged, at, comment.given_by
    )
