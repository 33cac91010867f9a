"""Lakes and source data in folders with any name."""

from __future__ import annotations

import json
import tempfile
from pathlib import Path

import pytest

from anomalake import open_lake
from anomalake.definitions.metric_set import Measure, MetricSet
from anomalake.query.errors import QueryError
from anomalake.services import maintenance
from tests.integration.query.lakes import ORDERS
from tests.support import made

TEXTS = made.texts(6)
ALERTS = [json.loads(text) for text in TEXTS]
EXPECTED = sorted({(alert["anomalyDetectorArn"].rpartition(":")[2], alert["alertEventId"]) for alert in ALERTS})
NAMES = (
    "a*b", "a?b", "a[b", "a[xyz]b", "a[!x]b", "a{b,c}", "a'b", 'a"b', "a%20b", "a%b", "a#b", "a b", "$x", "a\\b",
    "a\\*b", "\\*", "**", "é🙂", "a;b", "~nobody-has-this-name", "-x", "new\nline", "detector=x", "day=*", "x=1",
)  # fmt: skip
ROWS = "timestamp,platform,revenue\n2021-02-14 05:00:00,web,3\n"


@pytest.fixture(scope="module")
def lakes(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a lake and its source data under every name, so that a name read as a pattern has other matches."""
    folder = tmp_path_factory.mktemp("lakes")
    (folder / "alerts.json").write_text(f"[{', '.join(TEXTS)}]", encoding="utf-8")
    for name in (*NAMES, "axb", "x", "ab"):
        place = folder / name
        for format_ in ("parquet", "csv"):
            maintenance.replay(str(place / format_), [str(folder / "alerts.json")], formats=format_)
        # The names of files are hostile too; the ending of the name says that they are compressed or not.
        for number in range(2):
            (place / "data").mkdir(exist_ok=True)
            (place / "data" / f"{number}[{number}]*.csv").write_text(ROWS, encoding="utf-8")
    return folder


@pytest.mark.parametrize("format_", ["parquet", "csv"])
@pytest.mark.parametrize("name", NAMES)
def test_a_lake_is_queried(lakes: Path, name: str, format_: str) -> None:
    rows = open_lake(lakes / name / format_).query_rows(
        "SELECT DISTINCT detector, alert_event_id FROM alerts ORDER BY 1, 2"
    )[1]
    assert rows == EXPECTED


@pytest.mark.parametrize("name", NAMES)
def test_source_data_are_queried(lakes: Path, name: str) -> None:
    source = MetricSet(
        detector_arn=ORDERS,
        timestamp_column="timestamp",
        metric_list=(Measure("revenue"),),
        dimension_list=("platform",),
        historical_data_path_list=("../data",),
    )
    lake = open_lake(lakes / name / "parquet")
    lake.register_source(source)
    assert lake.query_rows("SELECT platform, revenue FROM live_orders")[1] == [("web", 3), ("web", 3)]


def test_an_error_has_the_true_name_of_the_file(tmp_path: Path) -> None:
    (tmp_path / "alerts.json").write_text(TEXTS[0], encoding="utf-8")
    maintenance.replay(str(tmp_path / "a*b"), [str(tmp_path / "alerts.json")])
    [file] = (tmp_path / "a*b" / "tables").rglob("*.parquet")
    file.write_bytes(b"no Parquet")
    with pytest.raises(QueryError) as raised:
        open_lake(tmp_path / "a*b").query_rows("SELECT count(*) FROM alerts WHERE anomaly_score > 1")
    assert str(file) in str(raised.value)


def test_no_links_remain(lakes: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    lake = open_lake(lakes / "a*b" / "csv")
    assert lake.query_rows("SELECT count(*) FROM alerts")[1] == [(len(TEXTS),)]
    assert list(tmp_path.iterdir()) == []


def test_a_folder_for_temporary_files_that_is_a_pattern_is_refused(
    lakes: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "[x]").mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / "[x]"))
    assert open_lake(lakes / "x=1" / "csv").query_rows("SELECT count(*) FROM alerts")[1] == [(len(TEXTS),)]
    with pytest.raises(QueryError, match="TMPDIR"):
        open_lake(lakes / "a*b" / "csv").query_rows("SELECT count(*) FROM alerts")


def test_a_file_uri_is_percent_encoded(lakes: Path) -> None:
    for name in ("a%b", "a#b", "a b", "a?b"):
        uri = (lakes / name / "parquet").as_uri()
        assert open_lake(uri).query_rows("SELECT count(*) FROM alerts")[1] == [(len(TEXTS),)]
        assert maintenance.replay(uri, [(lakes / "alerts.json").as_uri()]).repeated == len(TEXTS)
