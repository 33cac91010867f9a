"""Detectors of a lake, with the measures and dimensions of their alerts and their source data."""

from __future__ import annotations

import json
from collections.abc import Collection, Iterable
from dataclasses import replace

from anomalake.definitions.arns import detector_of
from anomalake.lake.layout import SHAPES
from anomalake.query.columns import DetectorSchema as DetectorSchema
from anomalake.query.columns import recorded_columns
from anomalake.query.errors import QueryError
from anomalake.query.names import detector_names, original_name, sql_name
from anomalake.records import columns as column_records
from anomalake.records.errors import RecordError
from anomalake.records.metric_sets import metric_set_keys, read_metric_sets
from anomalake.storage.store import ObjectStore

_FOLDER = f"{SHAPES}/detector="


class DetectorSchemas:
    """The detectors of a lake. Each call reads the lake, and records the columns of names that have none yet."""

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
        recorded: dict[str, list[str]] = {}
        for entry in self._store.list(column_records.FOLDER):
            recorded.setdefault(column_records.detector_in(entry.key), []).append(entry.key)
        return [
            detector
            for name in sorted(shapes.keys() | sources.keys())
            if only is None or name in only
            for detector in self._with_name(shapes.get(name, ()), sources.get(name, ()), recorded.get(name, ()))
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
            candidates = self._named(detector_of(original))
        detector = next((detector for detector in candidates if detector.sql_name == name), None)
        if detector is None and len(candidates) > 1 and original is not None:
            own_name = candidates[0].name
            if sql_name(own_name) == name:
                choices = " and ".join(f"{candidate.sql_name} ({candidate.arn})" for candidate in candidates)
                raise QueryError(f"{name}: {len(candidates)} detectors have the name {own_name}; expected {choices}")
        return detector

    def of_arn(self, arn: str) -> DetectorSchema | None:
        """Return the detector with an ARN; None if the lake has none; raises `QueryError`, `StoreError`."""
        return next((detector for detector in self._named(detector_of(arn)) if detector.arn == arn), None)

    def _named(self, name: str) -> list[DetectorSchema]:
        """Return the detectors of one name."""
        shapes = [entry.key for entry in self._store.list(f"{_FOLDER}{name}") if entry.key.endswith(".json")]
        recorded = [entry.key for entry in self._store.list(column_records.column_folder(name))]
        return self._with_name(shapes, metric_set_keys(self._store).get(name, ()), recorded)

    def _with_name(
        self, shape_keys: Iterable[str], source_keys: Iterable[str], column_keys: Collection[str]
    ) -> list[DetectorSchema]:
        """Return the detectors whose shapes, metric sets and columns have these keys, all of one detector name."""
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
        detectors = (
            DetectorSchema(
                arn, safe, tuple(sorted(measures[arn])), tuple(sorted(dimensions.get(arn, ()))), sources.get(arn)
            )
            for arn, safe in sorted(detector_names(measures).items(), key=lambda item: item[1])
        )
        return [self._with_columns(detector, column_keys) for detector in detectors]

    def _with_columns(self, detector: DetectorSchema, keys: Iterable[str]) -> DetectorSchema:
        """Return a detector with the records of its columns, and record the columns of new names."""
        last = column_records.last_number(keys, detector.arn)
        try:
            return replace(detector, recorded=recorded_columns(self._store, detector, last))
        except RecordError as error:
            raise QueryError(f"{error}; without that object, names are given columns again") from error
