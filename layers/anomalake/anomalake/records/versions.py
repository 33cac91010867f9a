"""Versions of a detector file that a lake has been used with: the fields that a model depends on."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

from anomalake.definitions.metric_set import MetricSet
from anomalake.definitions.metric_set_fields import metric_set_to_fields
from anomalake.records.errors import RecordError
from anomalake.records.keys import detector_folder, key_pattern
from anomalake.storage.store import ObjectNotFound, ObjectStore

_KEY = key_pattern(r"versions/(?P<version>[0-9a-f]+)\.json")


@dataclass(frozen=True, slots=True)
class DetectorVersion:
    """A version of a detector file.

    Attributes
    ----------
    version
        16 hex digits (`version_of`).
    since
        Time of the first run with it, ISO 8601.
    fields
        The fields that a model depends on, as in CreateMetricSet.
    """

    version: str
    since: str
    fields: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class VersionKey:
    """Parts of a version's key."""

    detector: str
    version: str


def versions_folder(detector: str) -> str:
    """Return the folder of a detector's versions."""
    return f"{detector_folder(detector)}/versions"


def version_key(detector: str, version: str) -> str:
    """Return the key of a version."""
    return f"{versions_folder(detector)}/{version}.json"


def parse_version_key(key: str) -> VersionKey | None:
    """Inverse of `version_key`; None for any other key."""
    match = _KEY.fullmatch(key)
    return VersionKey(match["detector"], match["version"]) if match is not None else None


def version_fields(metric_set: MetricSet) -> dict[str, Any]:
    """Return the fields that a model depends on; a change of any of them starts a new model."""
    measures = tuple(replace(measure, direction="both", minimum_duration=1) for measure in metric_set.metric_list)
    fields = metric_set_to_fields(
        replace(
            metric_set,
            name="",
            description="",
            offset=0,
            minimum_good_share=0.9,
            alias_list=(),
            metric_list=measures,
        )
    )
    return {name: fields[name] for name in sorted(fields)}


def version_of(metric_set: MetricSet) -> str:
    """Return the version of a metric set: 16 hex digits of a hash of `version_fields`."""
    return hashlib.sha256(json.dumps(version_fields(metric_set), sort_keys=True).encode()).hexdigest()[:16]


def to_json(version: DetectorVersion) -> bytes:
    """Write a version as JSON, without its name, which is in the key."""
    record = {"since": version.since, "fields": dict(version.fields)}
    return json.dumps(record, indent=1, sort_keys=True).encode("ascii")


def from_json(body: bytes, place: str) -> DetectorVersion:
    """Inverse of `to_json`; `place` ends with the key. Raises `RecordError`."""
    try:
        record = json.loads(body)
        version = place.rsplit("/", 1)[-1].removesuffix(".json")
        return DetectorVersion(version, str(record["since"]), dict(record["fields"]))
    except (ValueError, TypeError, KeyError) as error:
        raise RecordError(f"{place}: {error!r}; expected since and fields") from error


def write_version(store: ObjectStore, detector: str, metric_set: MetricSet, now: datetime) -> str | None:
    """Write the version of a metric set, unless it is there.

    Returns
    -------
    A warning that names the fields that changed against the latest other version; None where there was this version, or
    no other one. Raises `StoreError`.
    """
    key = version_key(detector, version_of(metric_set))
    if store.exists(key):
        return None
    earlier = read_versions(store, detector)
    fields = version_fields(metric_set)
    if not store.put_new(key, to_json(DetectorVersion(version_of(metric_set), now.isoformat(), fields))) or not earlier:
        return None
    latest = earlier[0].fields
    changed = sorted(name for name in fields.keys() | latest.keys() if fields.get(name) != latest.get(name))
    return f"the detector file changed in {', '.join(changed)}: a new model is fitted to the source's history"


def read_versions(store: ObjectStore, detector: str) -> list[DetectorVersion]:
    """Read the versions of a detector, newest first; raises `StoreError`.

    Invalid records are left out: no result depends on them.
    """
    versions = []
    for entry in store.list(versions_folder(detector)):
        try:
            versions.append(from_json(store.get(entry.key), entry.key))
        except (ObjectNotFound, RecordError):
            continue
    return sorted(versions, key=lambda version: (version.since, version.version), reverse=True)
