"""The Python API: a lake from its first alert to a rebuild, source data, and public names in documents."""

from __future__ import annotations

import json
import re
from decimal import Decimal
from pathlib import Path

import pytest

import anomalake
from tests.support import made, oracle

TEXTS = made.texts(45, clashes=2)
WORLD = oracle.relations(TEXTS)
DOCS = Path(__file__).parents[3] / "docs"


def test_a_new_lake_is_filled_queried_compacted_and_rebuilt(tmp_path: Path) -> None:
    stored = tmp_path / "alerts.jsonl"
    stored.write_text("\n".join(json.dumps(text) for text in TEXTS), encoding="utf-8")
    lake = anomalake.open_lake(tmp_path / "lake")
    assert lake.query("SELECT * FROM metric_values").empty
    summary = lake.replay(stored)
    assert (summary.loaded, summary.clashes) == (45, 2)
    assert lake.replay(stored).repeated == 45
    lake.replay(stored)
    assert oracle.answers(lake) == WORLD
    assert lake.compact().unreadable == []
    assert oracle.answers(lake) == WORLD
    assert lake.rebuild(formats="csv").loaded == 45
    assert oracle.answers(lake) == WORLD


def test_a_query_returns_a_data_frame_with_exact_values(tmp_path: Path) -> None:
    alert = made.alert(1)
    text = json.dumps(alert).replace('"metricValue": ', '"metricValue": 1000000000000000.1234, "was": ')
    (tmp_path / "a.json").write_text(text, encoding="utf-8")
    lake = anomalake.open_lake(str(tmp_path / "lake"))
    lake.replay(tmp_path / "a.json")
    frame = lake.query("SELECT metric_value, dimensions, timestamp FROM metric_values")
    assert set(frame["metric_value"]) == {Decimal("1000000000000000.1234")}
    assert isinstance(frame["dimensions"].iloc[0], dict)
    assert str(frame["timestamp"].dtype).startswith("datetime64")


REQUEST = {
    "AnomalyDetectorArn": "arn:aws:lookoutmetrics:eu-west-1:123456789012:AnomalyDetector:orders",
    "MetricSetName": "orders",
    "MetricList": [{"MetricName": "revenue", "AggregationFunction": "SUM"}],
    "DimensionList": ["platform"],
    "TimestampColumn": {"ColumnName": "timestamp", "ColumnFormat": "yyyy-MM-dd HH:mm:ss"},
    "MetricSetFrequency": "PT1H",
}


def test_source_data_are_registered_from_a_create_metric_set_request(tmp_path: Path) -> None:
    (tmp_path / "data").mkdir()
    (tmp_path / "data" / "input.csv").write_text("timestamp,platform,revenue\n2024-03-01 05:00:00,web,10\n")
    csv = {"FileCompression": "NONE", "Charset": "UTF-8", "ContainsHeader": True, "Delimiter": ",", "QuoteSymbol": '"'}
    source = {"HistoricalDataPathList": [str(tmp_path / "data")], "FileFormatDescriptor": {"CsvFormatDescriptor": csv}}
    lake = anomalake.open_lake(tmp_path / "lake")
    registered = lake.register_source({**REQUEST, "MetricSource": {"S3SourceConfig": source}})
    assert isinstance(registered, anomalake.MetricSet)
    assert lake.query_rows("SELECT platform, revenue FROM live_orders")[1] == [("web", Decimal(10))]


def test_an_invalid_create_metric_set_request_is_refused(tmp_path: Path) -> None:
    with pytest.raises(anomalake.SourceError, match="MetricList"):
        anomalake.open_lake(tmp_path / "lake").register_source({**REQUEST, "MetricList": []})


@pytest.mark.parametrize(
    "document", sorted([*DOCS.glob("*.md"), DOCS.parent / "README.md"]), ids=lambda path: path.name
)
def test_documents_use_public_names_only(document: Path) -> None:
    text = document.read_text(encoding="utf-8")
    code = "\n".join(re.findall(r"```python\n(.*?)```", text, flags=re.DOTALL))
    assert set(re.findall(r"\b(?:from|import) anomalake\.(\w+)", code)) <= {"synth"}
    assert set(re.findall(r"\banomalake\.(\w+)", code)) <= {*anomalake.__all__, "synth"}
