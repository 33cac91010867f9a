"""Snoozes in a lake: ``snoozes/<hash>.json`` below the detector's folder, one object each."""

from __future__ import annotations

import hashlib
import json

from anomalake.notify.snoozes import Snooze
from anomalake.records.executions import detector_folder
from anomalake.storage.store import ObjectNotFound, ObjectStore


def write_snooze(store: ObjectStore, detector: str, snooze: Snooze) -> str:
    """Keep a snooze; returns its key, the same for the same snooze; raises `StoreError`."""
    body = json.dumps(snooze.to_fields(), indent=1, sort_keys=True).encode("ascii")
    key = f"{detector_folder(detector)}/snoozes/{hashlib.sha256(body).hexdigest()[:32]}.json"
    store.put(key, body)
    return key


def read_snoozes(store: ObjectStore, detector: str) -> tuple[list[Snooze], list[str]]:
    """All snoozes of a detector, and what cannot be read of them, a line each; raises `StoreError`."""
    snoozes, unread = [], []
    for key in sorted(one.key for one in store.list(f"{detector_folder(detector)}/snoozes")):
        try:
            snoozes.append(Snooze.from_fields(json.loads(store.get(key))))
        except ObjectNotFound:
            continue
        except ValueError as error:
            unread.append(f"{store.uri}/{key}: {error}")
    return snoozes, unread
