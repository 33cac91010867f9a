"""A detector, measure, dimension or source is new, or the stack is: makes the views that Athena shows."""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Iterator
from typing import Any

from anomalake.alerts import ObjectPointer, read_event
from anomalake.aws import custom_resource
from anomalake.aws.environment import CatalogEnvironment
from anomalake.aws.glue import GlueCatalog
from anomalake.aws.observability import count, logger, observed
from anomalake.lake.layout import partition_in
from anomalake.query.relations import Relation, Relations
from anomalake.query.statements import statements
from anomalake.services.lakes import open_writer
from anomalake.storage.store import ObjectStore

Run = Callable[[str], object]

_DETECTOR = re.compile(r"(?:^|/)(?:shapes/detector=([^/]+)/|sources/(.+)-[0-9a-f]{16}\.json$)")


@observed
def handler(event: Any, context: object) -> dict[str, Any]:
    """Entry point of the function."""
    if custom_resource.is_request(event):
        custom_resource.answer(event, "views", _make)
        return {}
    _make(detectors_in(event))
    return {"batchItemFailures": []}


def _make(detectors: set[str] | None = None) -> None:
    told = CatalogEnvironment.read(os.environ)
    # Checks, or at first notes, the lake's formats: a query must know which table to read.
    store = open_writer(told.lake, ",".join(told.formats)).store
    if detectors is None:
        register_all(store, GlueCatalog(store, told.database))
    make_views(store, told.formats, _athena(told.database, told.workgroup), detectors)


def register_all(store: ObjectStore, catalog: GlueCatalog) -> None:
    """Register every partition, whatever an earlier database knew; raises `CatalogError`."""
    catalog.register(partition for found in store.list("tables") if (partition := partition_in(found.key)))


def make_views(store: ObjectStore, formats: tuple[str, ...], run: Run, detectors: set[str] | None = None) -> None:
    """Make the views of some detectors, or all there are; raises what fails."""
    relations = Relations(store) if detectors is None else _Some(store, detectors)
    number = 0
    for statement in statements(relations, formats):
        run(statement)
        number += 1
    count("StatementsRun", number)
    logger.info("views made", statements=number, detectors=sorted(detectors) if detectors is not None else "all")


def detectors_in(event: Any) -> set[str]:
    """Names of the detectors whose shapes or sources an event tells of."""
    keys = (found.key for found in read_event(event) if isinstance(found, ObjectPointer))
    return {found[1] or found[2] for key in keys if (found := _DETECTOR.search(key))}


class _Some(Relations):
    """The relations of some detectors only."""

    def __init__(self, store: ObjectStore, detectors: set[str]) -> None:
        super().__init__(store)
        self._only = detectors

    def all(self) -> Iterator[Relation]:
        return (one for one in super().all() if one.detector is not None and one.detector.name in self._only)


def _athena(database: str, workgroup: str) -> Run:
    import awswrangler as wr

    def run(statement: str) -> None:
        wr.athena.start_query_execution(statement, database=database, workgroup=workgroup, wait=True)

    return run
