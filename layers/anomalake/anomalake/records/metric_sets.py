"""Metric sets of the detectors whose source data a lake can query."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Iterable

from anomalake.definitions.arns import detector_of
from anomalake.definitions.errors import SourceError
from anomalake.definitions.metric_set import NAME, MetricSet
from anomalake.definitions.metric_set_fields import metric_set_from_fields, metric_set_to_fields
from anomalake.storage.store import ObjectNotFound, ObjectStore

FOLDER = "sources"

_KEY = re.compile(rf"{FOLDER}/(?P<detector>{NAME.pattern})-[0-9a-f]{{16}}\.json")


def metric_set_key(detector_arn: str) -> str:
    """Return the key of a detector's metric set."""
    digest = hashlib.sha256(detector_arn.encode()).hexdigest()[:16]
    return f"{FOLDER}/{detector_of(detector_arn)}-{digest}.json"


def parse_metric_set_key(key: str) -> str | None:
    """Return the name of the detector whose metric set has a key; None for any other key."""
    match = _KEY.fullmatch(key)
    return match["detector"] if match is not None else None


def to_json(metric_set: MetricSet) -> bytes:
    """Write a metric set as JSON, in CreateMetricSet's fields."""
    return json.dumps(metric_set_to_fields(metric_set), indent=1).encode("ascii")


def from_json(body: bytes, place: str = "metric set") -> MetricSet:
    """Inverse of `to_json`; raises `SourceError`, which names `place`."""
    try:
        return metric_set_from_fields(json.loads(body))
    except SourceError as error:
        raise SourceError(f"{place}: {error}") from error
    except ValueError as error:
        raise SourceError(f"{place}: is no JSON; expected CreateMetricSet's fields") from error


def write_metric_set(store: ObjectStore, metric_set: MetricSet) -> None:
    """Write a metric set in place of the detector's earlier one; raises `StoreError`."""
    store.put(metric_set_key(metric_set.detector_arn), to_json(metric_set))


def metric_set_keys(store: ObjectStore) -> dict[str, list[str]]:
    """List the keys of metric sets by detector name; raises `StoreError`."""
    keys: dict[str, list[str]] = {}
    for entry in store.list(FOLDER):
        detector = parse_metric_set_key(entry.key)
        if detector is not None:
            keys.setdefault(detector, []).append(entry.key)
    return keys


def read_metric_set(store: ObjectStore, detector_arn: str) -> MetricSet | None:
    """Read a detector's metric set; None where there is none; raises `SourceError`, `StoreError`."""
    key = metric_set_key(detector_arn)
    try:
        return from_json(store.get(key), f"{store.uri}/{key}")
    except ObjectNotFound:
        return None


def read_metric_sets(store: ObjectStore, keys: Iterable[str]) -> list[MetricSet]:
    """Read metric sets in the order of their keys; raises `SourceError`, `StoreError`."""
    return [from_json(store.get(key), f"{store.uri}/{key}") for key in sorted(keys)]
