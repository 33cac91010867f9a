"""Which versions of a detector file a lake has seen: what a model depends on, and since when."""

from __future__ import annotations

import json
from datetime import datetime

from anomalake.detection.learning import version_fields, version_of
from anomalake.detection.records import detector_folder
from anomalake.lake.store import ObjectNotFound, ObjectStore
from anomalake.sources.metric_set import MetricSet


def note_version(store: ObjectStore, detector: str, metric_set: MetricSet, now: datetime) -> str | None:
    """Note a version when it is new.

    Returns
    -------
    What changed against the latest other version, to be told once; None where this one was known, or is the first.
    """
    folder = f"{detector_folder(detector)}/versions"
    key = f"{folder}/{version_of(metric_set)}.json"
    if store.exists(key):
        return None
    before = []
    for one in store.list(folder):
        try:
            before.append(json.loads(store.get(one.key)))
        except (ObjectNotFound, ValueError):
            continue
    fields = version_fields(metric_set)
    body = json.dumps({"since": now.isoformat(), "fields": fields}, indent=1, sort_keys=True).encode("ascii")
    if not store.put_new(key, body) or not before:
        return None
    latest = max(before, key=lambda one: str(one.get("since")))["fields"]
    changed = sorted(name for name in fields.keys() | latest.keys() if fields.get(name) != latest.get(name))
    return f"the detector file changed in {', '.join(changed)}: a new model is learnt, from the source's history"
