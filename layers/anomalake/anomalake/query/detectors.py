"""Detectors of a lake, with the measures and dimensions of their alerts and their source data."""

from __future__ import annotations

import json
from collections.abc import Collection, Iterable
from dataclasses import dataclass

from anomalake.definitions.arns import detector_of
from anomalake.definitions.metric_set import MetricSet
from anomalake.lake.layout import SHAPES
from anomalake.query.errors import QueryError
from anomalake.query.names import detector_names, original_name, sql_name
from anomalake.records.metric_sets import metric_set_keys, read_metric_sets
from anomalake.storage.store import ObjectStore

_FOLDER = f"{SHAPES}/detector="


@dataclass(frozen=True, slots=True)
class DetectorSchema:
    """Measures and dimensions of a detector, from which the columns of its relations follow.

    Attributes
    ----------
    arn
        ARN of the detector.
    sql_name
        Name of the detector in the names of its relations.
    measures, dimensions
        Names in its alerts and its metric set, sorted.
    source
        Its metric set; None if no source data is registered.
    """

    arn: str
    sql_name: str
    measures: tuple[str, ...] = ()
    dimensions: tuple[str, ...] = ()
    source: MetricSet | None = None

    @property
    def name(self) -> str:
        """Name of the detector, as in its ARN."""
        return detector_of(self.arn)


class DetectorSchemas:
    """The detectors of a lake. Each call reads the lake."""

    def __init__(self, store: ObjectStore) -> None:
        self._store = store

    def any(self) -> bool:
        """Whether the lake has a detector; raises `StoreError`."""
        return next(iter(self._store.list(SHAPES)), None) is not None or bool(metric_set_keys(self._store))

    def all(self, only: Collection[str] | None = None) -> list[DetectorSchema]:
        """Return all detectors, sorted by name, or only those of some names; raises `QueryError`, `StoreError`."""
        shapes: dict[str, list[str]] = {}
        for entry in self._store.list(SHAPES):
            name = entry.key.removeprefix(_FOLDER).partition("/")[0]
            if entry.key.startswith(_FOLDER) and entry.key.endswith(".json"):
                shapes.setdefault(name, []).append(entry.key)
        sources = metric_set_keys(self._store)
        return [
            detector
            for name in sorted(shapes.keys() | sources.keys())
            if only is None or name in only
            for detector in self._with_name(shapes.get(name, ()), sources.get(name, ()))
        ]

    def find(self, name: str) -> DetectorSchema | None:
        """Return the detector with a name in SQL; None if there is none. Only detectors of that name are read.

        Raises
        ------
        QueryError
            Several detectors have that name.
        StoreError
        """
        original = original_name(name)
        if original is None:
            candidates = self.all()
        else:
            own_name = detector_of(original)
            keys = [entry.key for entry in self._store.list(f"{_FOLDER}{own_name}") if entry.key.endswith(".json")]
            candidates = self._with_name(keys, metric_set_keys(self._store).get(own_name, ()))
        detector = next((detector for detector in candidates if detector.sql_name == name), None)
        if detector is None and len(candidates) > 1 and original is not None:
            own_name = candidates[0].name
            if sql_name(own_name) == name:
                choices = " and ".join(f"{candidate.sql_name} ({candidate.arn})" for candidate in candidates)
                raise QueryError(f"{name}: {len(candidates)} detectors have the name {own_name}; expected {choices}")
        return detector

    def _with_name(self, shape_keys: Iterable[str], source_keys: Iterable[str]) -> list[DetectorSchema]:
        """Return the detectors whose shapes and metric sets have these keys, which are of one detector name."""
        measures: dict[str, set[str]] = {}
        dimensions: dict[str, set[str]] = {}
        for key in shape_keys:
            try:
                shape = json.loads(self._store.get(key))
                arn = shape["detector_arn"]
                measures.setdefault(arn, set()).add(shape["metric_name"])
                dimensions.setdefault(arn, set()).update(shape["dimensions"])
            except (ValueError, TypeError, KeyError) as error:
                raise QueryError(
                    f"{self._store.uri}/{key}: expected detector_arn, metric_name and dimensions; "
                    "`anomalake rebuild` writes it again"
                ) from error
        sources = {source.detector_arn: source for source in read_metric_sets(self._store, list(source_keys))}
        for arn, source in sources.items():
            measures.setdefault(arn, set()).update(metric.metric_name for metric in source.metric_list)
            dimensions.setdefault(arn, set()).update(source.dimension_list)
        return [
            DetectorSchema(
                arn, safe, tuple(sorted(measures[arn])), tuple(sorted(dimensions.get(arn, ()))), sources.get(arn)
            )
            for arn, safe in sorted(detector_names(measures).items(), key=lambda item: item[1])
        ]
