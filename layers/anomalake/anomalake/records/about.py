"""Owner, runbook and note of a detector, as its detector file has them."""

from __future__ import annotations

import hashlib
import json

from anomalake.definitions.detector import About
from anomalake.records.errors import RecordError
from anomalake.records.keys import detector_folder, key_pattern
from anomalake.storage.store import ObjectNotFound, ObjectStore

_KEY = key_pattern(r"about-[0-9a-f]{16}\.json")
_FIELDS = ("owner", "runbook", "note")


def about_key(detector: str, detector_arn: str) -> str:
    """Return the key of a detector's owner, runbook and note."""
    return f"{detector_folder(detector)}/about-{hashlib.sha256(detector_arn.encode()).hexdigest()[:16]}.json"


def is_about_key(key: str) -> bool:
    """Whether a key is that of a detector's owner, runbook and note."""
    return _KEY.fullmatch(key) is not None


def to_json(detector_arn: str, about: About) -> bytes:
    """Write a detector's owner, runbook and note as JSON."""
    fields = {"detector_arn": detector_arn} | {name: getattr(about, name) for name in _FIELDS}
    return json.dumps(fields, indent=1, sort_keys=True).encode("ascii")


def from_json(body: bytes, place: str = "about") -> tuple[str, About]:
    """Return the detector's ARN, and its owner, runbook and note; raises `RecordError`, which names `place`."""
    try:
        fields = json.loads(body)
        texts = [fields[name] for name in ("detector_arn", *_FIELDS)]
        if not all(isinstance(text, str) for text in texts):
            raise TypeError("a field is no text")
        return texts[0], About(*texts[1:])
    except (ValueError, TypeError, KeyError) as error:
        raise RecordError(f"{place}: {error}; expected the fields owner, runbook and note") from error


def write_about(store: ObjectStore, detector: str, detector_arn: str, about: About) -> None:
    """Write a detector's owner, runbook and note, unless the lake has them; raises `StoreError`."""
    key, body = about_key(detector, detector_arn), to_json(detector_arn, about)
    try:
        if store.get(key) == body:
            return
    except ObjectNotFound:
        if about == About():
            return
    store.put(key, body)
