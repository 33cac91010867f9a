"""A command that could not read what it shows ends with an error of one line."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from urllib.request import urlopen

import pytest

from anomalake.api import open_lake
from anomalake.definitions.detector_file import read_detector
from anomalake.definitions.metric_set import Measure, MetricSet
from anomalake.page.document import UNKNOWN, Crawl
from anomalake.records.columns import column_key
from anomalake.records.feedback import feedback_folder
from anomalake.services.dashboard import IncompletePageError, read_document, unread_in
from anomalake.services.export import IncompleteExportError
from anomalake.storage.objects import open_store
from tests.integration.query.lakes import ORDERS, alert, arn, write
from tests.support.command import Run
from tests.support.patience import PATIENCE

DETECTOR = """
AnomalyDetectorName: orders
AnomalyDetectorConfig: {AnomalyDetectorFrequency: PT1H}
MetricSet:
  MetricSource: {S3SourceConfig: {HistoricalDataPathList: [data], FileFormatDescriptor: {CsvFormatDescriptor: {}}}}
  TimestampColumn: {ColumnName: timestamp}
  MetricList: [{MetricName: revenue, AggregationFunction: SUM}]
  DimensionList: [marketplace]
"""


@pytest.fixture
def lake(tmp_path: Path) -> Path:
    """A lake with one alert and the live data of its detector; the current folder has it."""
    (tmp_path / "data").mkdir()
    (tmp_path / "data" / "input.csv").write_text("timestamp,marketplace,revenue\n2021-02-14 04:00:00,it,10\n")
    source = MetricSet(
        detector_arn=ORDERS,
        timestamp_column="timestamp",
        metric_list=(Measure("revenue"),),
        dimension_list=("marketplace",),
        historical_data_path_list=(str(tmp_path / "data"),),
    )
    write(tmp_path / "lake", [alert("e1"), alert("e2", detector_arn=arn("others"))]).register_source(source)
    return tmp_path / "lake"


def break_rows(lake: Path) -> str:
    file = next((lake / "tables").rglob("detector=orders/**/*.parquet"))
    file.write_bytes(b"PAR1 no rows")
    return "alerts: could not be read"


def break_shape(lake: Path) -> str:
    next((lake / "shapes").rglob("detector=orders/*.json")).write_text("no JSON")
    return "detectors: could not be read"


def break_columns(lake: Path) -> str:
    store = open_store(str(lake))
    store.put(column_key(ORDERS, 1), b"no JSON")
    return "detectors: could not be read"


def break_source(lake: Path) -> str:
    (lake.parent / "data" / "input.csv").write_text("timestamp,revenue\n2021-02-14 04:00:00,10\n")
    return "orders: source data: could not be read"


def break_record(lake: Path) -> str:
    file = lake / "detection" / "detector=orders" / "executions" / "20210214T040000Z" / "run.json"
    file.parent.mkdir(parents=True)
    file.write_text("no JSON")
    return "orders: records of runs left out"


Break = Callable[[Path], str]
BREAKS = pytest.mark.parametrize("break_", [break_rows, break_shape, break_columns, break_source, break_record])


@BREAKS
def test_dashboard(run: Run, lake: Path, break_: Break) -> None:
    assert run("dashboard", "--lake", "lake", "--out", "page.html").code == 0
    said = break_(lake)
    result = run("dashboard", "--lake", "lake", "--out", "page.html")
    assert result.code == 1
    assert result.err.count("\n") == 1
    assert result.err.startswith("anomalake: page.html: is incomplete: ")
    assert said in result.err
    assert result.out.startswith("page.html: ")


@BREAKS
def test_dashboard_in_python(lake: Path, break_: Break, tmp_path: Path) -> None:
    said = break_(lake)
    with pytest.raises(IncompletePageError, match=said):
        open_lake(lake).dashboard(tmp_path / "page.html")
    assert (tmp_path / "page.html").exists()


@pytest.mark.parametrize("break_", [break_rows, break_record])
def test_serve(lake: Path, break_: Break) -> None:
    said = break_(lake)
    process = subprocess.Popen(
        [sys.executable, "-m", "anomalake", "serve", "--lake", str(lake), "--port", "0"],
        env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)},
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
    )  # fmt: skip
    try:
        assert process.stdout is not None
        address = process.stdout.readline().split()[0]
        with urlopen(address, timeout=PATIENCE) as answer:
            assert answer.status == 200
        process.send_signal(signal.SIGINT)
        out, err = process.communicate(timeout=PATIENCE)
    finally:
        process.kill()
    assert (process.returncode, out, err.count("\n")) == (1, "", 1)
    assert said in err


@pytest.mark.parametrize("break_", [break_rows, break_shape, break_columns])
def test_query(run: Run, lake: Path, break_: Break) -> None:
    assert run("query", "SELECT * FROM anomalies_orders", "--lake", "lake").code == 0
    break_(lake)
    for sql in ("SELECT * FROM anomalies_orders", "SELECT * FROM metricvalue_anomalyscore_orders"):
        result = run("query", sql, "--lake", "lake")
        assert result.code != 0
        assert (result.out, result.err.count("\n")) == ("", 1)


def test_query_of_live_data(run: Run, lake: Path) -> None:
    break_source(lake)
    result = run("query", "SELECT * FROM live_orders", "--lake", "lake")
    assert (result.code != 0, result.out, result.err.count("\n")) == (True, "", 1)
    assert "no column 'marketplace'" in result.err


def test_export_writes_the_other_relations(run: Run, lake: Path, tmp_path: Path) -> None:
    assert run("export", "--lake", "lake", "--out", "complete").code == 0
    break_source(lake)
    result = run("export", "--lake", "lake", "--out", "rest")
    assert (result.code, result.err.count("\n")) == (1, 1)
    assert "2 of 16 relations could not be written to rest: live_orders: " in result.err
    complete, rest = ({file.name for file in (tmp_path / name).iterdir()} for name in ("complete", "rest"))
    assert complete - rest == {"live_orders.csv", "with_livedata_orders.csv"}
    with pytest.raises(IncompleteExportError, match="live_orders"):
        open_lake(lake).export(tmp_path / "again")


@pytest.mark.parametrize("break_", [break_shape, break_columns])
def test_quicksight(run: Run, lake: Path, tmp_path: Path, break_: Break) -> None:
    (tmp_path / "orders.yaml").write_text(DETECTOR.replace("Name: orders", f"Arn: {ORDERS}", 1))
    arguments = ("quicksight", "orders.yaml", "--out", "template.yaml", "--lake", "lake")
    assert run(*arguments).code == 0
    first = (tmp_path / "template.yaml").read_bytes()
    (tmp_path / "template.yaml").unlink()
    assert run(*arguments[:4]).code == 0
    assert (tmp_path / "template.yaml").read_bytes() == first
    (tmp_path / "template.yaml").unlink()
    break_(lake)
    result = run(*arguments)
    assert (result.code != 0, result.err.count("\n")) == (True, 1)
    assert not (tmp_path / "template.yaml").exists()


def test_backtest(run: Run, lake: Path, tmp_path: Path) -> None:
    rows = [f"2021-02-{1 + at // 24:02d} {at % 24:02d}:00:00,it,{10 + at % 24}" for at in range(24 * 20)]
    (tmp_path / "data" / "input.csv").write_text("\n".join(["timestamp,marketplace,revenue", *rows]) + "\n")
    (tmp_path / "orders.yaml").write_text(DETECTOR)
    assert read_detector(tmp_path / "orders.yaml").name == "orders"
    assert run("backtest", "orders.yaml", "--lake", "lake").code == 0
    open_store(str(lake)).put(f"{feedback_folder('orders')}/x.json", b"no JSON")
    result = run("backtest", "orders.yaml", "--lake", "lake")
    assert (result.code, result.err.count("\n")) == (1, 1)
    assert "feedback/x.json" in result.err


def test_a_crawler_that_cannot_be_read_is_a_part_of_the_page(lake: Path) -> None:
    crawl = Crawl("tables", UNKNOWN, "", None, "access denied")
    (unread,) = unread_in(read_document(str(lake), crawl=crawl))
    assert unread == "crawler tables: could not be read: access denied."
