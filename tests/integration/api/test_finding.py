"""The Python API: backtest, detection and feedback, with paths, handles and times."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from datetime import UTC, date, datetime
from pathlib import Path

import pandas as pd
import pyarrow as pa
import pytest

import anomalake
from anomalake.notify.page_url import PageUrlError
from anomalake.services.feedback import UnknownAnomalyError
from anomalake.services.lakes import LakeConnection
from anomalake.services.times import UsageError
from anomalake.synth import ShopSettings, shop, write_shop
from tests.support.connection import opened


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Ten weeks of the hard synthetic shop; the last day is live data."""
    folder = tmp_path_factory.mktemp("shop")
    write_shop(shop(ShopSettings(seed=5, hard=True, intervals=10 * 7 * 24, start=date(2024, 1, 1))), folder, live=24)
    return folder


def test_a_backtest_accepts_paths_and_a_handle(folder: Path, tmp_path: Path) -> None:
    scores = tmp_path / "scores.parquet"
    without = anomalake.backtest(str(folder / "detector.yaml"), scores=str(scores), labels=str(folder / "labels.csv"))
    assert without.sent is None
    assert without.evaluated is not None
    assert without.scored == len(pd.read_parquet(scores)) > 0
    lake = anomalake.open_lake(tmp_path / "lake")
    found = anomalake.backtest(folder / "detector.yaml", lake=lake, data=folder)
    assert found.sent is not None
    assert found.sent.summary.loaded == len(lake.query("SELECT * FROM alerts")) > 0
    again = anomalake.backtest(folder / "detector.yaml", lake=str(tmp_path / "lake"))
    assert again.sent is not None
    assert again.sent.summary.loaded == 0


def test_detection_feedback_and_page_of_a_lake(folder: Path, tmp_path: Path) -> None:
    detector, lake = folder / "detector.yaml", anomalake.open_lake(tmp_path / "lake")
    runs = anomalake.detect(detector, lake=lake, first="2024-03-10T00:00", last=datetime(2024, 3, 10, 2))
    assert [run.timestamp for run in runs] == [datetime(2024, 3, 10, hour, tzinfo=UTC) for hour in range(3)]
    assert sum(run.delivered for run in runs) == len(lake.query("SELECT * FROM alerts")) > 0
    (again,) = anomalake.detect(str(detector), lake=lake.uri, at=datetime(2024, 3, 10, 1, 30, tzinfo=UTC))
    assert (again.timestamp, again.delivered) == (runs[1].timestamp, 0)
    assert not lake.query("SELECT * FROM live_hard_shop__4x2d").empty

    metric = lake.query("SELECT * FROM metric_values").iloc[0]
    (feedback,) = lake.feedback(series=metric.time_series_id, at=metric.timestamp, is_anomaly=False)
    assert (feedback.timestamp.replace(tzinfo=None), feedback.measure, feedback.is_anomaly) == (
        metric.timestamp,
        metric.metric_name,
        False,
    )
    assert lake.feedback(group=metric.anomaly_group_id, is_anomaly=True)
    with pytest.raises(UnknownAnomalyError, match="no-such"):
        lake.feedback(group="no-such", is_anomaly=True)

    page = lake.dashboard(tmp_path / "pages" / "page.html")
    assert page == tmp_path / "pages" / "page.html"
    assert page.read_text(encoding="utf-8").lower().startswith("<!doctype html>")


def test_a_backtest_tells_its_progress(folder: Path, tmp_path: Path) -> None:
    told: dict[str, list[tuple[int, int]]] = {}
    anomalake.backtest(
        folder / "detector.yaml",
        lake=tmp_path / "lake",
        progress=lambda step, done, total: told.setdefault(step, []).append((done, total)),
    )
    assert list(told) == ["read", "train", "test", "alerts"]
    for steps in told.values():
        assert [done for done, _ in steps] == sorted(done for done, _ in steps)
        assert steps[-1][0] == steps[-1][1] > 0
    size = sum(file.stat().st_size for file in [folder / "backtest" / "input.csv", *(folder / "live").rglob("*.csv")])
    assert told["read"][-1] == (size, size)


def test_an_export_tells_its_progress(tmp_path: Path) -> None:
    told: list[tuple[int, int]] = []
    files = anomalake.open_lake(tmp_path / "lake").export(
        tmp_path / "out", progress=lambda done, total: told.append((done, total))
    )
    assert told == [(done, len(files)) for done in range(len(files))]


def test_times_that_contradict_each_other_are_refused(folder: Path, tmp_path: Path) -> None:
    detector = folder / "detector.yaml"
    with pytest.raises(UsageError, match="at is given beside first"):
        anomalake.detect(detector, lake=tmp_path, at="2024-03-10", first="2024-03-10")
    with pytest.raises(UsageError, match="last is given without first"):
        anomalake.detect(detector, lake=tmp_path, last="2024-03-10")
    with pytest.raises(UsageError, match="'noon'"):
        anomalake.detect(detector, lake=tmp_path, at="noon")
    assert list(tmp_path.iterdir()) == []


def test_alerts_link_to_the_given_page(folder: Path, tmp_path: Path) -> None:
    detector, address = folder / "detector.yaml", "https://kpi.example.com/page.html"
    tested, live = (anomalake.open_lake(tmp_path / name) for name in ("tested", "live"))
    anomalake.backtest(detector, lake=tested, page=address)
    anomalake.detect(detector, lake=live, first="2024-03-10T00:00", last="2024-03-10T02:00", page=address)
    for lake in (tested, live):
        _, found = lake.query_rows("SELECT DISTINCT console_url, detector_arn, anomaly_group_id FROM alerts")
        assert found
        for link, arn, group in found:
            assert link == f"{address}#{arn}/anomalies/anomaly/{group}"


def test_an_invalid_page_address_is_refused_first(folder: Path, tmp_path: Path) -> None:
    lake = tmp_path / "lake"
    for call in (anomalake.backtest, anomalake.detect):
        with pytest.raises(PageUrlError, match=r"page: 'page\.html': expected a URL"):
            call(folder / "detector.yaml", lake=lake, page="page.html")
    assert not lake.exists()


def test_the_package_exports_its_public_names() -> None:
    assert set(anomalake.__all__) <= set(dir(anomalake))
    assert all(getattr(anomalake, name) is not None for name in anomalake.__all__)
    assert anomalake.LakeHandle is type(anomalake.open_lake("."))
    with pytest.raises(AttributeError, match="no attribute 'close'"):
        _ = anomalake.close


def test_the_page_queries_the_lake_of_the_handle(tmp_path: Path) -> None:
    """The handle's database and workgroup are used, not those of the environment."""
    connection, queries = LakeConnection(tmp_path), []

    class RecordingEngine:
        @contextmanager
        def prepared(self, texts: Iterable[str]) -> Iterator[Callable[[str], pa.Table]]:
            queries.extend(texts)
            with connection.engine.prepared(queries) as query:
                yield query

    assert opened(connection.store, RecordingEngine()).dashboard(tmp_path / "page.html").exists()
    assert queries


def test_a_handle_opens_its_store_and_its_engine_once(tmp_path: Path) -> None:
    connection = LakeConnection(tmp_path)
    assert connection.engine is connection.engine
    assert connection.store is connection.store


def test_a_handle_reads_a_lake_that_is_created_later(tmp_path: Path) -> None:
    lake = anomalake.open_lake(tmp_path / "lake")
    assert lake.query_rows("SELECT count(*) FROM alerts")[1] == [(0,)]
    lake.replay(tmp_path_of_an_alert(tmp_path))
    assert lake.query_rows("SELECT count(*) FROM alerts")[1] == [(1,)]


def tmp_path_of_an_alert(folder: Path) -> Path:
    file = folder / "alert.json"
    file.write_bytes((Path(__file__).parents[3] / "events" / "valid" / "guide-2021.json").read_bytes())
    return file
