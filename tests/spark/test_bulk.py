"""`replay` and `rebuild` on Spark give the rows of one process."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

import anomalake
from anomalake.lake import bulk
from anomalake.services import maintenance
from anomalake.services.engines import Engine, EngineError
from tests.spark.tasks import FailsOnce, Wrapped
from tests.support.made import alert

QUERIES = (
    "SELECT * FROM alerts ORDER BY alert_event_id, timestamp",
    "SELECT * FROM metric_values ORDER BY alert_event_id, timestamp, time_series_id",
    "SELECT * FROM clashes",
)


def rows(lake: Path) -> list[Any]:
    handle = anomalake.open_lake(lake)
    return [handle.query_rows(sql) for sql in QUERIES]


@pytest.fixture
def archive(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    folder = tmp_path / "archive"
    folder.mkdir()
    for number in range(2):
        lines = [json.dumps(alert(seed)) for seed in range(80 * number, 80 * number + 90)]
        (folder / f"{number}.jsonl").write_text("\n".join([*lines, "no alert"]) + "\n")
    monkeypatch.setattr(bulk, "LEAST_CHUNK_BYTES", 1)
    return folder


def test_rows_are_those_of_one_process_after_failed_tasks(archive: Path, engine: Engine, tmp_path: Path) -> None:
    expected = maintenance.replay(str(tmp_path / "one"), [str(archive)])
    marks = tmp_path / "marks"
    marks.mkdir()
    unlucky = Engine(Wrapped(engine.runner, FailsOnce(str(marks))))
    summary = maintenance.replay(str(tmp_path / "spark"), [str(archive)], engine=unlucky)
    assert len(list(marks.iterdir())) == 2
    counts = [(one.loaded, one.repeated, one.clashes, one.refused, one.failed) for one in (summary, expected)]
    assert counts[0] == counts[1]
    assert (summary.loaded, summary.refused) == (170, 2)
    before = rows(tmp_path / "one")
    assert rows(tmp_path / "spark") == before
    for mark in marks.iterdir():
        mark.unlink()
    rebuilt = maintenance.rebuild(
        str(tmp_path / "spark"), engine=Engine(Wrapped(engine.runner, FailsOnce(str(marks), after=True)))
    )
    assert (rebuilt.loaded, rebuilt.failed) == (170, 0)
    assert rows(tmp_path / "spark") == before


def test_what_a_cluster_cannot_reach_is_refused(archive: Path, engine: Engine, tmp_path: Path) -> None:
    cluster = Engine(engine.runner, is_local=False)
    with pytest.raises(EngineError, match=r"lake .*: machines of a cluster cannot reach a folder"):
        maintenance.replay(str(tmp_path / "lake"), [str(archive)], engine=cluster)
    with pytest.raises(EngineError, match=r"source .*: machines of a cluster cannot reach a folder"):
        maintenance.replay("s3://lake", [str(archive)], engine=cluster)
    with pytest.raises(EngineError, match="tasks cannot read standard input"):
        maintenance.replay("s3://lake", ["-"], engine=cluster)
