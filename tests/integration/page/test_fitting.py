"""A lake is read once for the page; a document that is too large is cut without reading the lake again."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import pyarrow as pa
import pytest

from anomalake.alerts import Alert
from anomalake.page.composing import document_of
from anomalake.page.contents import LakeContents
from anomalake.page.document import PageDocument, pack
from anomalake.page.limits import DEFAULT, Limits, halve
from anomalake.page.page import gzipped
from anomalake.page.reading import read_lake
from anomalake.services.dashboard import fit_document
from anomalake.services.lakes import LakeConnection
from anomalake.storage.store import ObjectStore, StoredObject
from tests.integration.page.test_reading_alerts import ALERTS
from tests.integration.page.test_reading_live import Ran
from tests.integration.query.lakes import alert, write
from tests.support.stores import WrappedStore

NOW = datetime(2026, 3, 4, tzinfo=UTC)
#: Alerts with several affected metrics and contributions, of different severity.
MANY: Sequence[Alert] = (
    *ALERTS,
    *(
        alert(
            f"many{number}",
            f"2021-02-{20 + number % 8}T{number % 24:02d}:00",
            score=number % 97,
            series=tuple(({"marketplace": f"m{number}-{k}"}, str(k)) for k in range(1 + number % 4)),
            shares=tuple(("marketplace", f"m{number}-{k}", 10) for k in range(number % 7)),
        )
        for number in range(60)
    ),
)


class CountingStore(WrappedStore):
    """Counts the reads of each key and the listings of each folder."""

    def __init__(self, store: ObjectStore) -> None:
        super().__init__(store)
        self.reads: Counter[str] = Counter()

    def get(self, key: str) -> bytes:
        self.reads[f"get {key}"] += 1
        return super().get(key)

    def exists(self, key: str) -> bool:
        self.reads[f"exists {key}"] += 1
        return super().exists(key)

    def list(self, folder: str) -> Iterator[StoredObject]:
        self.reads[f"list {folder}"] += 1
        return super().list(folder)


class Lake:
    """A lake whose reads and queries are counted."""

    def __init__(self, folder: Path) -> None:
        connection = LakeConnection(str(folder))
        self._engine = connection.engine
        self._uri = connection.uri
        self.store = CountingStore(connection.store)
        self.queries: Counter[str] = Counter()

    @contextmanager
    def prepared(self, queries: Iterable[str]) -> Iterator[Callable[[str], pa.Table]]:
        with self._engine.prepared(queries) as answer:

            def ask(sql: str) -> pa.Table:
                self.queries[sql] += 1
                return answer(sql)

            yield ask

    def contents(self, limits: Limits) -> LakeContents:
        return read_lake(self.prepared, self.store, lake=self._uri, now=NOW, limits=limits)


@pytest.fixture(scope="module", params=[0, DEFAULT.whole_bytes], ids=["most severe", "all alerts"])
def limits(request: pytest.FixtureRequest) -> Limits:
    return replace(DEFAULT, whole_bytes=request.param)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A lake with the records of a live detector, and alerts of this and of other detectors."""
    folder = tmp_path_factory.mktemp("lake")
    Ran(folder)
    write(folder, MANY)
    return folder


def size(document: PageDocument) -> int:
    return len(gzipped(document, served=False))


def test_a_lake_that_does_not_fit_is_read_once(folder: Path, limits: Limits) -> None:
    lake = Lake(folder)
    contents = lake.contents(limits)
    assert set(lake.store.reads.values()) == {1}
    assert set(lake.queries.values()) == {1}
    reads, queries = lake.store.reads.copy(), lake.queries.copy()
    assert {"list tables", "list detection", "list set-aside"} <= set(reads)
    document, fitting = fit_document(contents, limits, most_bytes=1)
    assert fitting.group_intervals == max(1, DEFAULT.group_intervals // 4096)
    assert len(document.group_intervals.time) == fitting.group_intervals
    assert (lake.store.reads, lake.queries) == (reads, queries)


@pytest.mark.parametrize(
    "changes",
    [
        {"group_intervals": 1},
        {"group_intervals": 3, "affected": 4, "contributions": 2},
        {"group_intervals": 20, "affected": 9, "contributions": 30},
        {"group_intervals": 40, "affected": 90, "contributions": 5, "series": 2},
        {"group_intervals": 70, "numbers": 40},
        {"group_intervals": 1_000, "affected": 25, "contributions": 25, "numbers": 300, "series": 4},
    ],
    ids=str,
)
@pytest.mark.parametrize("first", [DEFAULT.group_intervals, 60], ids=lambda first: f"from {first}")
def test_cut_contents_give_the_document_of_a_lake_that_was_read_within_the_limits(
    folder: Path, limits: Limits, changes: dict[str, int], first: int
) -> None:
    cut = replace(limits, **changes)
    contents = Lake(folder).contents(replace(limits, group_intervals=max(first, cut.group_intervals)))
    expected = document_of(Lake(folder).contents(cut), cut)
    assert pack(document_of(contents, cut)) == pack(expected)


def test_a_document_that_is_small_enough_is_not_cut(folder: Path) -> None:
    contents = Lake(folder).contents(DEFAULT)
    document, fitting = fit_document(contents)
    assert fitting == DEFAULT
    assert pack(document) == pack(document_of(contents))
    assert not document.notes


def test_a_document_that_is_too_large_is_halved_until_it_fits_and_a_note_says_so(folder: Path, limits: Limits) -> None:
    contents = Lake(folder).contents(limits)
    expected = limits
    while expected.group_intervals > 50:
        expected = halve(expected)
    most = size(fit_document(contents, expected)[0])
    document, fitting = fit_document(contents, limits, most_bytes=most)
    assert fitting == expected
    assert document.notes[-1] == (
        f"Shows at most {expected.group_intervals} anomalies (groups in single intervals) and "
        f"{expected.numbers:,} numbers over time, so that the page opens fast."
    )
    assert fit_document(contents, expected, most)[1] == expected
    assert (fitting.groups, fitting.intervals, fitting.runs) == (limits.groups, limits.intervals, limits.runs)
