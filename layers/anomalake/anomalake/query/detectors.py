"""The detectors that a lake knows: out of the shapes of their alerts and the records of their sources."""

from __future__ import annotations

import json
from collections.abc import Iterable
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
    """A detector, as far as its relations need to know it.

    Attributes
    ----------
    arn
        Who it is.
    sql_name
        What its relations are called after.
    measures, dimensions
        All that its alerts and its source have named, sorted.
    source
        Its source data, where known.
    """

    arn: str
    sql_name: str
    measures: tuple[str, ...] = ()
    dimensions: tuple[str, ...] = ()
    source: MetricSet | None = None

    @property
    def name(self) -> str:
        """Its own name."""
        return detector_of(self.arn)


class DetectorSchemas:
    """The detectors of one lake, read as they are asked for."""

    def __init__(self, store: ObjectStore) -> None:
        self._store = store

    def any(self) -> bool:
        """Whether the lake knows a detector."""
        return next(iter(self._store.list(SHAPES)), None) is not None or bool(metric_set_keys(self._store))

    def all(self) -> list[DetectorSchema]:
        """All of them, by name; raises `StoreError`."""
        shapes: dict[str, list[str]] = {}
        for found in self._store.list(SHAPES):
            name = found.key.removeprefix(_FOLDER).partition("/")[0]
            if found.key.startswith(_FOLDER) and found.key.endswith(".json"):
                shapes.setdefault(name, []).append(found.key)
        sources = metric_set_keys(self._store)
        return [
            detector
            for name in sorted(shapes.keys() | sources.keys())
            for detector in self._named(shapes.get(name, ()), sources.get(name, ()))
        ]

    def find(self, safe: str) -> DetectorSchema | None:
        """The one whose relations are called after ``safe``; reads nothing of others.

        Raises
        ------
        QueryError
            Several detectors bear that name.
        StoreError
        """
        called = original_name(safe)
        if called is None:
            candidates = self.all()
        else:
            name = detector_of(called)
            keys = [found.key for found in self._store.list(f"{_FOLDER}{name}") if found.key.endswith(".json")]
            candidates = self._named(keys, metric_set_keys(self._store).get(name, ()))
        found = next((detector for detector in candidates if detector.sql_name == safe), None)
        if found is None and len(candidates) > 1 and called is not None and sql_name(candidates[0].name) == safe:
            choices = " and ".join(f"{one.sql_name} ({one.arn})" for one in candidates)
            raise QueryError(f"{safe}: {len(candidates)} detectors are called {candidates[0].name}; expected {choices}")
        return found

    def _named(self, shape_keys: Iterable[str], keys_of_sources: Iterable[str]) -> list[DetectorSchema]:
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
                    "`anomalake rebuild` mends it"
                ) from error
        sources = {source.detector_arn: source for source in read_metric_sets(self._store, list(keys_of_sources))}
        for arn, source in sources.items():
            measures.setdefault(arn, set()).update(one.metric_name for one in source.metric_list)
            dimensions.setdefault(arn, set()).update(source.dimension_list)
        return [
            DetectorSchema(
                arn, safe, tuple(sorted(measures[arn])), tuple(sorted(dimensions.get(arn, ()))), sources.get(arn)
            )
            for arn, safe in sorted(detector_names(measures).items(), key=lambda item: item[1])
        ]
