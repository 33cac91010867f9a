"""Views that Athena queries, and registration of a lake's partitions."""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Mapping
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from dataclasses import dataclass, field
from graphlib import TopologicalSorter

from anomalake.aws.glue import GlueCatalog
from anomalake.errors import AnomalakeError, one_line
from anomalake.lake.layout import partition_in
from anomalake.lake.ports import TABLE, DdlDatabase
from anomalake.query.relations import SOURCE, Relations
from anomalake.query.statements import (
    CatalogRelation,
    UndefinedRelations,
    catalog_relations,
    drop_table,
    source_part_prefix,
)
from anomalake.records.catalog import digest_key, read_digests
from anomalake.storage.store import ObjectStore

#: Statements that run at the same time. Athena runs 20 statements of DDL at once in an account, unless its quota is
#: raised, and the function catalog runs twice at most.
PARALLEL = 10
#: How often definitions are read again after views were made, because another process may have made them as well.
MOST_PASSES = 3


class ViewError(AnomalakeError):
    """Relations that could not be made; all others are made."""


class OutOfTime(AnomalakeError):
    """Relations that are left, because there was no time to make them; the next call goes on with them."""


@dataclass(slots=True)
class ViewReport:
    """Result of `make_views`.

    Attributes
    ----------
    made
        Number of statements that were run.
    failed
        Reasons by name of the detector; None: relations of every lake.
    left
        Number of relations that there was no time for.
    """

    made: int = 0
    failed: dict[str | None, str] = field(default_factory=dict)
    left: int = 0

    def check(self, detectors: bool = True) -> None:
        """Raise `ViewError` if relations failed, `OutOfTime` if some are left.

        Parameters
        ----------
        detectors
            Whether failed relations of a detector count; those of every lake do.
        """
        failed = {name: reason for name, reason in self.failed.items() if detectors or name is None}
        if failed:
            whose = ", ".join(sorted("every lake" if name is None else name for name in failed))
            raise ViewError(f"relations of {whose} not made: {next(iter(failed.values()))}")
        if self.left:
            raise OutOfTime(f"{self.left} relations are left; {self.made} were made")


def register_all(store: ObjectStore, catalog: GlueCatalog) -> None:
    """Register every partition of a lake, with or without a marker; raises `CatalogError`.

    Markers are not used because they may have been written for an earlier database.
    """
    catalog.register(partition for entry in store.list("tables") if (partition := partition_in(entry.key)))


def make_views(
    store: ObjectStore,
    formats: tuple[str, ...],
    database: DdlDatabase,
    detectors: Collection[str] | None = None,
    has_time: Callable[[], bool] = lambda: True,
) -> ViewReport:
    """Make the views and source tables of a lake whose definitions have changed.

    A relation is made after those that it reads, several at the same time. The digest of a definition is recorded when
    its statement has run, so the next call goes on where this one ended.

    Parameters
    ----------
    store, formats
        Store and table formats of the lake.
    database
        Where they are made.
    detectors
        Names of the detectors whose relations are made. None: all relations of the lake.
    has_time
        Whether another statement may be begun.

    Raises
    ------
    QueryError, StoreError, CatalogError
    """
    report = ViewReport()
    for _ in range(MOST_PASSES):
        before = report.made
        _pass(store, formats, database, detectors, has_time, report)
        if report.made == before or report.left or report.failed:
            break
    return report


def _pass(
    store: ObjectStore,
    formats: tuple[str, ...],
    database: DdlDatabase,
    detectors: Collection[str] | None,
    has_time: Callable[[], bool],
    report: ViewReport,
) -> None:
    digests = read_digests(store, database.name)
    existing = database.relations()
    defined: dict[str, CatalogRelation] = {}
    for item in catalog_relations(Relations(store), formats, detectors):
        if isinstance(item, UndefinedRelations):
            report.failed[item.detector] = one_line(item.error)
        else:
            defined[item.name] = item

    def is_made(relation: CatalogRelation) -> bool:
        return digests.get(relation.name) == {relation.digest} and (relation.name in existing) == relation.creates

    def make(relation: CatalogRelation) -> None:
        store.delete([digest_key(database.name, relation.name, old) for old in digests.get(relation.name, ())])
        if relation.name.startswith(SOURCE) and existing.get(relation.name) == TABLE and not relation.is_table:
            # Earlier versions had one table of this name in place of a view on several.
            database.run(drop_table(relation.name))
        database.run(relation.statement)
        store.put(digest_key(database.name, relation.name, relation.digest), b"")
        for part in _replaced_parts(relation, existing):
            database.run(drop_table(part))
            store.delete([digest_key(database.name, part, old) for old in digests.get(part, ())])

    finished = 0
    sorter = TopologicalSorter({name: relation.reads & defined.keys() for name, relation in defined.items()})
    sorter.prepare()
    running: dict[Future[None], CatalogRelation] = {}
    out_of_time = False
    with ThreadPoolExecutor(PARALLEL) as pool:
        while sorter.is_active():
            ready = sorter.get_ready()
            for name in ready:
                if is_made(defined[name]):
                    finished += 1
                    sorter.done(name)
                elif has_time():
                    running[pool.submit(make, defined[name])] = defined[name]
                else:
                    out_of_time = True
            if not running and not ready:
                # The others read relations that failed or are left.
                break
            for future in wait(running, return_when=FIRST_COMPLETED).done:
                relation = running.pop(future)
                try:
                    future.result()
                except AnomalakeError as error:
                    report.failed.setdefault(relation.detector, f"{relation.name}: {one_line(error)}")
                    continue
                report.made += 1
                finished += 1
                sorter.done(relation.name)
    report.left = len(defined) - finished if out_of_time else 0


def _replaced_parts(relation: CatalogRelation, existing: Mapping[str, str]) -> list[str]:
    """Tables of a view on source rows that it reads no more."""
    part = re.compile(re.escape(source_part_prefix(relation.name)) + r"\d+(_[0-9a-f]+)?")
    return [name for name in existing if part.fullmatch(name) and name not in relation.reads]
