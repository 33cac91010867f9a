"""Replay and rebuild by chunks."""

from __future__ import annotations

import contextlib
import gzip
import json
from collections import Counter
from dataclasses import replace
from decimal import Context, Decimal

import pytest

from anomalake.alerts import AlertDocument
from anomalake.lake import bulk, csv_rows, layout, rows
from anomalake.lake.compaction import compact
from anomalake.lake.lake import Lake
from anomalake.lake.ports import Partition
from anomalake.storage.objects import memory_store
from anomalake.storage.store import ObjectStore, StoreError
from tests.support import made, oracle
from tests.support.stores import Killed, KillingStore, WrappedStore

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


BOTH = ("parquet", "csv")


def rows_in(store: ObjectStore) -> dict[str, set[str]]:
    """Identity and digest of the rows in the table of each format."""
    found: dict[str, set[str]] = {}
    for format_, (folder, _) in layout.TABLES.items():
        bodies = [store.get(item.key) for item in store.list(folder)]
        tables = [
            rows.from_parquet(body, ["alert_id", "digest"]) if format_ == "parquet" else csv_rows.identities(body)
            for body in bodies
        ]
        found[format_] = {name for table in tables for name in rows.names_of(table)}
    return found


@pytest.mark.parametrize("formats", [BOTH, BOTH[::-1]], ids=",".join)
def test_a_kill_between_two_formats_is_mended_by_a_replay(formats: tuple[str, ...]) -> None:
    whole, store = memory_store(), memory_store()
    piece = bulk.Piece("a", lines(TEXTS), first_line=1)
    bulk.load([piece], bulk.Job(lambda: Lake(whole, formats=formats)))
    expected = rows_in(whole)
    assert expected["csv"] == expected["parquet"]
    assert len(expected["csv"]) == 30

    class Dying(WrappedStore):
        def put(self, key: str, body: bytes) -> None:
            if key.startswith(f"{layout.TABLES[formats[1]][0]}/"):
                raise Killed
            super().put(key, body)

    with pytest.raises(Killed):
        bulk.load([piece], bulk.Job(lambda: Lake(Dying(store), formats=formats)))
    assert len(rows_in(store)[formats[0]]) > len(rows_in(store)[formats[1]])
    originals = {item.key for item in store.list("originals")}
    summary = bulk.load([piece], bulk.Job(lambda: Lake(store, formats=formats), look_up=True))
    assert (summary.loaded + summary.repeated, summary.failed) == (30, 0)
    assert summary.repeated > 0
    assert rows_in(store) == expected
    assert len({item.key for item in store.list("originals")} - originals) <= 1
    compact(Lake(store, formats=formats))
    assert rows_in(store) == expected
    again = bulk.load([piece], bulk.Job(lambda: Lake(store, formats=formats), look_up=True))
    assert (again.loaded, again.repeated) == (0, 30)


@pytest.mark.parametrize("kill_at", range(0, 30, 3))
@pytest.mark.parametrize("after", [False, True])
def test_a_kill_at_any_write_is_mended_in_both_formats_by_a_replay_or_a_rebuild(kill_at: int, after: bool) -> None:
    piece = bulk.Piece("a", lines(TEXTS), first_line=1)
    for mend in ("replay", "rebuild"):
        store = memory_store()
        dying = KillingStore(store, kill_at, after)
        with contextlib.suppress(Killed):
            bulk.load([piece], bulk.Job(lambda dying=dying: Lake(dying, formats=BOTH)))  # type: ignore[misc]
        if mend == "rebuild":
            bulk.rebuild(Lake(store, formats=BOTH), lambda store=store: Lake(store, formats=BOTH))  # type: ignore[misc]
        else:
            bulk.load([piece], bulk.Job(lambda store=store: Lake(store, formats=BOTH), look_up=True))  # type: ignore[misc]
        found = rows_in(store)
        assert found["csv"] == found["parquet"]
        if mend == "replay":
            assert len(found["csv"]) == 30
            assert oracle.shown_in_tables(store) == oracle.relations(TEXTS)


def test_a_damaged_table_file_does_not_end_a_replay() -> None:
    store = memory_store()
    piece = bulk.Piece("b", lines(TEXTS), first_line=1)
    load(store, piece)
    damaged = next(iter(store.list("tables"))).key
    store.put(damaged, b"damaged")
    summary = load(store, piece)
    assert (summary.loaded + summary.repeated, summary.failed) == (30, 0)
    assert summary.loaded > 0
    assert oracle.shown_in_tables(store) == oracle.relations(TEXTS)


TOO_LARGE = "999999999999999999.9999999999999999999999"
BAD = json.dumps(made.alert(77)).replace('"metricValue": ', f'"metricValue": {TOO_LARGE}, "was": ', 1)


def as_before(value: int | Decimal) -> Decimal:
    """A metric value as an earlier reader accepted it: checked before it was rounded."""
    return Decimal(value).quantize(Decimal("1e-20"), context=Context(prec=40))


def test_an_alert_that_no_row_can_hold_is_refused_alone_by_replay_and_ingest(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("anomalake.alerts.reading.storable_metric_value", as_before)
    piece = bulk.Piece("a.jsonl", lines([*TEXTS[:7], BAD, *TEXTS[7:], BAD]), first_line=1)
    store = memory_store()
    summary = load(store, piece)
    assert (summary.loaded, summary.refused, summary.failed) == (30, 2, 0)
    assert summary.reasons[0].startswith("a.jsonl:8: $: a value that its column cannot hold (")
    assert "\n" not in summary.reasons[0]
    assert oracle.shown_in_tables(store) == oracle.relations(TEXTS)
    [key] = [item.key for item in store.list("set-aside")]
    assert key.endswith("-2.json")
    assert all(TOO_LARGE.encode() not in gzip.decompress(store.get(item.key)) for item in store.list("originals"))

    store = memory_store()
    documents = [AlertDocument(text, f"m{i}", f"m{i}") for i, text in enumerate([*TEXTS, BAD])]
    receipt = Lake(store).ingest(documents)
    assert (receipt.stored, receipt.failed, [item.delivery for item in receipt.refused]) == (30, (), ["m30"])
    assert oracle.shown_in_tables(store) == oracle.relations(TEXTS)


@pytest.mark.parametrize("reader", ["as before", "of today"])
@pytest.mark.parametrize("batched", [False, True])
def test_an_original_that_cannot_be_stored_does_not_end_a_rebuild(
    reader: str, batched: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A lake of an earlier version has such an original."""
    store = memory_store()
    if batched:
        body = "\n".join([*(json.dumps(text) for text in TEXTS), BAD]).encode()
        store.put("originals/bulk/0.jsonl.gz", gzip.compress(body))
        place = "originals/bulk/0.jsonl.gz:31: "
    else:
        load(store, bulk.Piece("b", lines(TEXTS), first_line=1))
        store.put("originals/detector=x/day=2021-03-27/0/1.json", BAD.encode())
        place = "originals/detector=x/day=2021-03-27/0/1.json: "
    if reader == "as before":
        monkeypatch.setattr("anomalake.alerts.reading.storable_metric_value", as_before)
    summary = bulk.rebuild(Lake(store), lambda: Lake(store))
    assert (summary.loaded, summary.refused, summary.failed) == (30, 1, 0)
    assert summary.reasons[0].startswith(place)
    assert oracle.shown_in_tables(store) == oracle.relations(TEXTS)


def test_a_row_that_is_too_large_for_a_query_is_refused() -> None:
    alert = made.alert(1)
    share = {"dimensionValue": "", "valueContribution": 1}
    name = "🙂" * 256
    alert["impactedMetric"]["dimensionContribution"] = [
        {"dimensionName": name, "dimensionValueContributions": [share] * 8_000}
    ]
    text = json.dumps(alert)
    assert len(text) < 500_000
    store = memory_store()
    receipt = Lake(store).ingest([AlertDocument(text, "big"), AlertDocument(TEXTS[0], "good")])
    assert receipt.stored == 1
    [refused] = receipt.refused
    assert refused.refusal.expected == "at most 32,000,000"
    assert refused.refusal.value.endswith(" bytes as CSV")
    alert["impactedMetric"]["dimensionContribution"][0]["dimensionValueContributions"] = [share] * 100_001
    [refused] = Lake(store).ingest([AlertDocument(json.dumps(alert), "big")]).refused
    assert refused.refusal.expected == "a list of at most 100,000"


def test_rows_are_written_before_they_take_too_much_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bulk, "ROW_BYTES", 1)
    monkeypatch.setattr(bulk, "BATCH_CHARACTERS", 1)
    store = memory_store()
    summary = load(store, bulk.Piece("a", lines(TEXTS * 2), first_line=1))
    assert (summary.loaded, summary.repeated) == (30, 30)
    assert len(list(store.list("tables"))) == 30
    assert oracle.shown_in_tables(store) == oracle.relations(TEXTS)


def test_the_report_of_a_chunk_is_written_and_read() -> None:
    partitions = frozenset({Partition("shop", "2026-01-05")})
    report = bulk.ChunkReport(
        bytes(range(64)), b"\0\2", 1, 2, ("line 3: 'ä': expected JSON",), partitions, frozenset({"s"}), 9
    )
    body = report.to_bytes()
    assert bulk.ChunkReport.from_bytes(body) == report
    assert len(replace(report, identities=bytes(32_000), known=bytes(1_000)).to_bytes()) < len(body) + 33_000
