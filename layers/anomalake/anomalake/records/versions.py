"""Which versions of a detector file a lake has seen: what a model depends on, and since when."""

from __future__ import annotations

import hashlib
import json
from dataclasses import replace
from datetime import datetime
from typing import Any

from anomalake.definitions.metric_set import MetricSet
from anomalake.definitions.metric_set_fields import metric_set_to_fields
from anomalake.records.executions import detector_folder
from anomalake.storage.store import ObjectNotFound, ObjectStore


def version_fields(metric_set: MetricSet) -> dict[str, Any]:
    """What a model depends on in a detector file: with another of these, it learns anew."""
    fields = metric_set_to_fields(replace(metric_set, name="", description="", offset=0, minimum_good_share=0.9))
    return {name: fields[name] for name in sorted(fields)}


def version_of(metric_set: MetricSet) -> str:
    """Names that: 16 hex digits."""
    return hashlib.sha256(json.dumps(version_fields(metric_set), sort_keys=True).encode()).hexdigest()[:16]


def note_version(store: ObjectStore, detector: str, metric_set: MetricSet, now: datetime) -> str | None:
    """Note a version when it is new.

    Returns
    -------
    What changed against the latest other version, to be told once; None where this one was known, or is the first.
    """
    key = f"{_folder(detector)}/{version_of(metric_set)}.json"
    if store.exists(key):
        return None
    before = _noted(store, detector)
    fields = version_fields(metric_set)
    body = json.dumps({"since": now.isoformat(), "fields": fields}, indent=1, sort_keys=True).encode("ascii")
    if not store.put_new(key, body) or not before:
        return None
    latest = next(iter(before.values()))
    changed = sorted(name for name in fields.keys() | latest.keys() if fields.get(name) != latest.get(name))
    return f"the detector file changed in {', '.join(changed)}: a new model is learnt, from the source's history"


def versions(store: ObjectStore, detector: str) -> list[str]:
    """The versions that were seen, the newest first; raises `StoreError`."""
    return list(_noted(store, detector))


def _noted(store: ObjectStore, detector: str) -> dict[str, dict[str, Any]]:
    """The fields of each version, the newest first; what cannot be read is passed over, for nothing depends on it."""
    noted = []
    for one in store.list(_folder(detector)):
        try:
            told = json.loads(store.get(one.key))
            noted.append((str(told["since"]), one.key.rsplit("/", 1)[1].removesuffix(".json"), dict(told["fields"])))
        except (ObjectNotFound, ValueError, TypeError, KeyError):
            continue
    return {version: fields for _, version, fields in sorted(noted, key=lambda one: one[:2], reverse=True)}


def _folder(detector: str) -> str:
    return f"{detector_folder(detector)}/versions"
