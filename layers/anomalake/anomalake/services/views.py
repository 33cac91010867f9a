"""Views that Athena queries, and registration of a lake's partitions."""

from __future__ import annotations

from collections.abc import Callable, Collection

from anomalake.aws.glue import GlueCatalog
from anomalake.lake.layout import partition_in
from anomalake.query.relations import Relations
from anomalake.query.statements import statements
from anomalake.storage.store import ObjectStore


def register_all(store: ObjectStore, catalog: GlueCatalog) -> None:
    """Register every partition of a lake, with or without a marker; raises `CatalogError`.

    Markers are not used because they may have been written for an earlier database.
    """
    catalog.register(partition for entry in store.list("tables") if (partition := partition_in(entry.key)))


def make_views(
    store: ObjectStore,
    formats: tuple[str, ...],
    run: Callable[[str], object],
    detectors: Collection[str] | None = None,
) -> int:
    """Create or replace views, and return the number of statements.

    Parameters
    ----------
    store, formats
        Store and table formats of the lake.
    run
        Runs one statement. Its exceptions end the call.
    detectors
        Names of the detectors whose views are made. None: all views of the lake.
    """
    number = 0
    for statement in statements(Relations(store), formats, detectors):
        run(statement)
        number += 1
    return number
