"""Reading of a lake's contents for the page, each record and each query once."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager
from datetime import datetime
from typing import Final

import pyarrow as pa

from anomalake.page import alert_rows, health, live_values
from anomalake.page.alert_rows import Ask
from anomalake.page.contents import AlertContents, Elsewhere, GroupIntervalKey, LakeContents
from anomalake.page.detector_records import read_detectors
from anomalake.page.document import UNKNOWN, Crawl
from anomalake.page.limits import DEFAULT, Limits
from anomalake.page.notes import LAKE_ERRORS, UnreadNote, attempt, error_line
from anomalake.query.detectors import DetectorSchema, DetectorSchemas
from anomalake.query.errors import SourceElsewhereError
from anomalake.records.listing import DetectorRecords, list_records
from anomalake.storage.store import ObjectStore

#: Queries that wait for an answer at a time.
ASKED_AT_ONCE: Final = 4
# Folder of a lake's tables.
_TABLES: Final = "tables"
# Bytes of a table file that describe its columns: most of a small file.
_FRAME: Final = 3_000
# Most ids in a query.
_IDS: Final = 2_000


def read_lake(
    prepared: Callable[[Iterable[str]], AbstractContextManager[Ask]],
    store: ObjectStore,
    *,
    lake: str,
    now: datetime,
    limits: Limits = DEFAULT,
    crawl: Crawl | None = None,
) -> LakeContents:
    """Read all that the page needs of a lake.

    What cannot be read, and records that are invalid, are left out; the notes say so.

    Parameters
    ----------
    prepared
        Yields what answers queries in Athena's dialect on the lake's relations, from several threads. It is given the
        queries that will surely be asked.
    store
        Store of the lake.
    lake
        URI, as the user gave it.
    limits
        Most detail of a document that is made from the contents.
    crawl
        State of the Glue crawler; None where there is none.
    """
    notes: list[str] = []
    if crawl is not None and crawl.state == UNKNOWN:
        notes.append(UnreadNote(f"crawler {crawl.name}: could not be read: {crawl.message}."))
    records = attempt(notes, dict[str, DetectorRecords](), lambda: list_records(store), "records of detectors")
    detectors = read_detectors(store, records, limits, notes)
    schemas = attempt(notes, list[DetectorSchema](), DetectorSchemas(store).all, "detectors")
    recorded = alert_rows.record_keys(group for detector in detectors.values() for group in detector.groups)
    is_small = attempt(notes, None, lambda: _is_small(store, limits), "alerts")
    of_sources = {schema.arn: live_values.sql_of(schema) for schema in schemas if schema.source is not None}
    of_alerts = () if is_small is None else (alert_rows.sql_of("page_anomalies" if is_small else "page_detectors"),)
    alerts = None
    with prepared([*of_alerts, *of_sources.values()]) as ask:
        if is_small is not None:
            alerts = attempt(notes, None, lambda: _read_alerts(ask, is_small, recorded, limits), "alerts")
        source_data = _read_source_data(ask, of_sources)
    nothing: tuple[int, tuple[str, ...]] = (0, ())
    n_set_aside, reasons = attempt(notes, nothing, lambda: health.read_set_aside(store, notes), "set-aside records")
    return LakeContents(lake, now, schemas, detectors, alerts, source_data, n_set_aside, reasons, crawl, tuple(notes))


def _is_small(store: ObjectStore, limits: Limits) -> bool:
    """Whether all rows of alerts are read."""
    return sum(max(0, entry.size - _FRAME) for entry in store.list(_TABLES)) <= limits.whole_bytes


def _read_alerts(ask: Ask, is_small: bool, recorded: frozenset[GroupIntervalKey], limits: Limits) -> AlertContents:
    if is_small:
        # In one piece, because that needs less memory than the parts of the answer.
        return AlertContents(ask(alert_rows.sql_of("page_anomalies")).combine_chunks(), complete=True)
    summaries = alert_rows.summaries_of_answer(ask(alert_rows.sql_of("page_detectors")))
    rows = ask(alert_rows.most_severe_sql(limits))
    listed = alert_rows.keys_of(alert_rows.first_rows(rows))
    if len(listed) < limits.group_intervals:
        return AlertContents(rows, complete=False, summaries=summaries)
    # A group interval that has a record is shown with its alert, even if the alert is beyond the limit.
    ids = sorted({group_id for _, group_id, _, _ in recorded.difference(listed)})
    batches = [ids[first : first + _IDS] for first in range(0, len(ids), _IDS)]
    beyond = [ask(alert_rows.less_severe_sql(batch, limits)) for batch in batches]
    counts = alert_rows.counts_of_answer(ask(alert_rows.sql_of("page_counts")))
    return AlertContents(rows, complete=False, beyond=beyond, counts=counts, summaries=summaries)


def _read_source_data(ask: Ask, queries: Mapping[str, str]) -> dict[str, pa.Table | str]:
    """Return the source data of each detector, by ARN, or the reason why there are none."""

    def read(sql: str) -> pa.Table | str:
        try:
            return live_values.compact(ask(sql))
        except SourceElsewhereError as error:
            return Elsewhere(error_line(error))
        except LAKE_ERRORS as error:
            return error_line(error)

    with ThreadPoolExecutor(ASKED_AT_ONCE) as pool:
        return dict(zip(queries, pool.map(read, queries.values()), strict=True))
