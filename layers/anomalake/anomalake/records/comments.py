"""Comments of people on anomaly groups, and acknowledgements."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from datetime import datetime
from typing import Any, Final

from anomalake.records.errors import RecordError, RecordInputError
from anomalake.records.keys import StampedKey, detector_folder, key_pattern, match_key, stamp
from anomalake.storage.store import ObjectStore

#: Most characters of a comment.
LONGEST: Final = 2_000

_GROUP: Final = r"[A-Za-z0-9_-]{1,128}"
_KEY = key_pattern(rf"comments/(?P<group>{_GROUP})/(?P<id>{{stamp}}-[0-9a-f]{{16}})\.json")


@dataclass(frozen=True, slots=True)
class Comment:
    """A person's comment on a group.

    Attributes
    ----------
    detector_arn, group_id
        The group.
    text
        Up to `LONGEST` characters; may be empty where the group is acknowledged.
    acknowledged
        Whether the person takes care of the group.
    given_at, given_by
        Time, and name of the person; empty for unknown.
    """

    detector_arn: str
    group_id: str
    text: str
    acknowledged: bool
    given_at: datetime
    given_by: str = ""

    def __post_init__(self) -> None:
        if not re.fullmatch(_GROUP, self.group_id):
            raise RecordInputError(f"comment: group {self.group_id!r}: expected an id")
        if len(self.text) > LONGEST:
            raise RecordInputError(f"comment: {len(self.text):,} characters: expected at most {LONGEST:,}")
        if not self.text.strip() and not self.acknowledged:
            raise RecordInputError("comment: is empty; expected a text, or that the group is acknowledged")

    def to_fields(self) -> dict[str, Any]:
        """Return the fields in JSON's types."""
        return {**asdict(self), "given_at": self.given_at.isoformat()}

    @classmethod
    def from_fields(cls, given: Mapping[str, Any]) -> Comment:
        """Inverse of `to_fields`; raises `RecordError`."""
        try:
            texts = {name: given[name] for name in ("detector_arn", "group_id", "text", "given_by")}
            if not all(isinstance(text, str) for text in texts.values()) or not isinstance(given["acknowledged"], bool):
                raise TypeError("a field has another type")
            return cls(**texts, acknowledged=given["acknowledged"], given_at=datetime.fromisoformat(given["given_at"]))
        except (TypeError, ValueError, KeyError) as error:
            raise RecordError(f"comment: {error}; expected the fields of a comment") from error


def comment_id(comment: Comment) -> str:
    """Return the id of a comment among those on its group."""
    return f"{stamp(comment.given_at)}-{hashlib.sha256(to_json(comment)).hexdigest()[:16]}"


def comment_key(detector: str, group_id: str, id_: str) -> str:
    """Return the key of the comment with an id."""
    return f"{detector_folder(detector)}/comments/{group_id}/{id_}.json"


def parse_comment_key(key: str) -> StampedKey | None:
    """Return the match of a comment's key, with its time; None for any other key."""
    return match_key(_KEY, key)


def to_json(comment: Comment) -> bytes:
    """Write a comment as JSON."""
    return json.dumps(comment.to_fields(), indent=1, sort_keys=True).encode("ascii")


def from_json(body: bytes, place: str = "comment") -> Comment:
    """Inverse of `to_json`; raises `RecordError`, which names `place`."""
    try:
        return Comment.from_fields(json.loads(body))
    except (ValueError, AttributeError, TypeError) as error:
        raise RecordError(f"{place}: {error}") from error


def write_comment(store: ObjectStore, detector: str, comment: Comment) -> str:
    """Write a comment and return its key; raises `StoreError`."""
    key = comment_key(detector, comment.group_id, comment_id(comment))
    store.put(key, to_json(comment))
    return key
