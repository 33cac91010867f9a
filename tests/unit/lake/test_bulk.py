"""Replay and rebuild by chunks."""

from __future__ import annotations

import gzip
import json
from collections import Counter

import pytest

from anomalake.lake import bulk
from anomalake.lake.compaction import compact
from anomalake.lake.lake import Lake
from anomalake.storage.objects import memory_store
from anomalake.storage.store import ObjectStore, StoreError
from tests.support import made, oracle
from tests.support.stores import WrappedStore

TEXTS = made.texts(30, clashes=3)


def load(store: ObjectStore, *pieces: bulk.Piece, look_up: bool = True) -> bulk.Summary:
    return bulk.load(pieces, bulk.Job(lambda: Lake(store), look_up=look_up))


def lines(texts: list[str]) -> bytes:
    return "\n".join(json.dumps(text) for text in texts).encode()


def test_loaded_repeated_clashing_refused() -> None:
    store = memory_store()
    piece = bulk.Piece("a.jsonl", lines(TEXTS) + b"\n" + lines(TEXTS[:4]) + b"\njunk\n", first_line=1)
    summary = load(store, piece)
    counts = summary.loaded, summary.repeated, summary.clashes, summary.refused, summary.failed
    assert counts == (30, 4, 3, 1, 0)
    assert summary.reasons[0].startswith("a.jsonl:35: $: 'junk': expected JSON")
    assert oracle.shown_in_tables(store) == oracle.relations(TEXTS)


def test_what_the_lake_holds_is_passed_over() -> None:
    store = memory_store()
    load(store, bulk.Piece("a", lines(TEXTS[:20]), first_line=1))
    before = {found.key for found in store.list("")}
    summary = load(store, bulk.Piece("a", lines(TEXTS[:20]), first_line=1))
    assert (summary.loaded, summary.repeated) == (0, 20)
    assert {found.key for found in store.list("")} == before
    summary = load(store, bulk.Piece("a", lines(TEXTS), first_line=1))
    assert (summary.loaded, summary.repeated, summary.clashes) == (10, 20, 3)


def test_a_file_that_cannot_be_read_fails_alone() -> None:
    store = memory_store()
    job = bulk.Job(lambda: Lake(store), read=lambda piece: [store.get(piece.name)])
    summary = bulk.load([bulk.Piece("missing", None), bulk.Piece("b", lines(TEXTS), first_line=1)], job)
    assert (summary.loaded, summary.failed) == (30, 1)
    assert "missing" in summary.reasons[0]


def test_rebuild_writes_from_single_and_batched_originals() -> None:
    store = memory_store()
    for text in TEXTS[:5]:
        load(store, bulk.Piece("a.json", text.encode()))
    load(store, bulk.Piece("b", lines(TEXTS[5:]), first_line=1))
    tables = {found.key for found in store.list("tables")}
    store.delete(sorted(tables)[::3])
    store.put(sorted(tables)[1], b"damaged")
    summary = bulk.rebuild(Lake(store), lambda: Lake(store))
    assert (summary.loaded, summary.repeated, summary.refused) == (30, 0, 0)
    assert oracle.shown_in_tables(store) == oracle.relations(TEXTS)
    assert not tables & {found.key for found in store.list("tables")}


def test_rebuild_in_another_format_leaves_the_first_none() -> None:
    store = memory_store()
    load(store, bulk.Piece("b", lines(TEXTS), first_line=1))
    bulk.rebuild(Lake(store), lambda: Lake(store, formats=("csv",)))
    assert list(store.list("tables/alert_rows")) == []
    assert list(store.list("tables/alert_rows_csv"))


def test_compaction_passes_over_a_damaged_file_and_says_so() -> None:
    store = memory_store()
    for text in TEXTS:
        load(store, bulk.Piece("a.json", text.encode()), look_up=False)
    folders = Counter(found.key.rpartition("/")[0] for found in store.list("tables"))
    folder, several = folders.most_common(1)[0]
    assert several > 1
    damaged = next(iter(store.list(folder))).key
    store.put(damaged, b"PAR1 no more")
    done = compact(Lake(store))
    assert [item.split(":")[0] for item in done.unreadable] == [damaged]
    assert done.partitions > 0
    assert store.get(damaged) == b"PAR1 no more"


def test_compacted_csv_holds_each_row_once() -> None:
    store = memory_store()
    lake = Lake(store, formats=("csv",))
    for text in [*TEXTS, *TEXTS]:
        bulk.load([bulk.Piece("a.json", text.encode())], bulk.Job(lambda: lake))
    bulk.load([bulk.Piece("b", lines(TEXTS), first_line=1)], bulk.Job(lambda: lake))
    compact(lake)
    rows = [line for found in store.list("tables") for line in store.get(found.key).decode().split("\n")[1:] if line]
    assert len(rows) == len(set(rows)) == len(TEXTS)


def test_gzip_members_and_plain_files_alike() -> None:
    store = memory_store()
    body = gzip.compress(lines(TEXTS[:10])) + gzip.compress(b"\n" + lines(TEXTS[10:]))
    assert load(store, bulk.Piece("a.jsonl.gz", body)).loaded == 30


class Full(WrappedStore):
    """Takes no table file."""

    def put(self, key: str, body: bytes) -> None:
        if key.startswith("tables"):
            raise StoreError("No space left on device")
        super().put(key, body)


def test_a_store_that_takes_nothing_is_told_of_once_and_nothing_counts_as_loaded() -> None:
    store = memory_store()
    piece = bulk.Piece("a", lines(TEXTS), first_line=1)
    summary = bulk.load([piece], bulk.Job(lambda: Lake(Full(store))))
    assert (summary.loaded, summary.failed) == (0, 30)
    assert summary.reasons == ["a: 30 alerts not stored: No space left on device"]
    assert load(store, piece).loaded == 30


class FailsOnce(WrappedStore):
    """Does not take the first batch of originals."""

    failed = False

    def put(self, key: str, body: bytes) -> None:
        if key.startswith("originals") and not self.failed:
            self.failed = True
            raise StoreError("503 SlowDown")
        super().put(key, body)


def test_a_repeat_of_an_alert_that_was_not_stored_is_stored(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bulk, "BATCH_CHARACTERS", 1)
    store = memory_store()
    lake = Lake(FailsOnce(store))
    twice = [bulk.Piece("a", lines(TEXTS[:1] * 2), first_line=1)]
    summary = bulk.load(twice, bulk.Job(lambda: lake))
    assert (summary.loaded, summary.repeated, summary.failed) == (1, 0, 1)
    assert oracle.shown_in_tables(store) == oracle.relations(TEXTS[:1])
    assert [found.key.split("/")[0] for found in store.list("originals")] == ["originals"]
