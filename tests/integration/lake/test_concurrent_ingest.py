"""Exactly once: 1,500 alerts, repeated and shuffled, ingested by 16 processes at once, killed and retried."""

from __future__ import annotations

import threading
from pathlib import Path

import pytest

import anomalake
from anomalake.services import maintenance
from tests.support import made, oracle
from tests.support.invocations import deliver, shuffled_deliveries

COUNT = 1_500
TEXTS = made.texts(COUNT, clashes=20)
WORLD = oracle.relations(TEXTS)


@pytest.fixture(scope="module")
def lake(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("lake")
    killed = deliver(folder, shuffled_deliveries(TEXTS, seed=1), concurrent=16, batch=40, kill_share=0.3, seed=2)
    assert killed > 15
    return folder


@pytest.mark.slow
def test_the_relations_are_those_of_the_originals(lake: Path) -> None:
    assert oracle.answers(anomalake.open_lake(str(lake))) == WORLD


@pytest.mark.slow
def test_after_compaction(lake: Path) -> None:
    done = maintenance.compact(str(lake))
    assert done.merged > done.partitions > 0
    assert done.unreadable == []
    assert oracle.answers(anomalake.open_lake(str(lake))) == WORLD


@pytest.mark.slow
def test_after_rebuild_with_the_tables_deleted(lake: Path) -> None:
    for file in sorted((lake / "tables").rglob("*.parquet"))[::2]:
        file.unlink()
    summary = maintenance.rebuild(str(lake))
    assert (summary.loaded, summary.refused, summary.failed) == (COUNT, 0, 0)
    assert oracle.answers(anomalake.open_lake(str(lake))) == WORLD


@pytest.mark.slow
def test_compaction_rebuild_and_queries_during_ingest(lake: Path) -> None:
    more = made.texts(500, first=COUNT)
    world = oracle.relations([*TEXTS, *more])
    errors: list[BaseException] = []
    stop = threading.Event()

    def again(what: object) -> None:
        try:
            while not stop.is_set():
                what()  # type: ignore[operator]
        except BaseException as error:
            errors.append(error)

    def ask() -> None:
        _, rows = anomalake.open_lake(str(lake)).query_rows("SELECT count(*), count(DISTINCT alert_id) FROM alerts")
        assert rows[0][0] == rows[0][1]
        assert len(WORLD["alerts"]) <= rows[0][0] <= len(world["alerts"])

    work = [lambda: maintenance.compact(str(lake)), lambda: maintenance.rebuild(str(lake)), ask]
    threads = [threading.Thread(target=again, args=(item,)) for item in work]
    for thread in threads:
        thread.start()
    try:
        deliver(lake, shuffled_deliveries(more, seed=3), concurrent=16, batch=50, kill_share=0.3, seed=4)
    finally:
        stop.set()
        for thread in threads:
            thread.join()
    assert errors == []
    assert oracle.answers(anomalake.open_lake(str(lake))) == world
