"""Export of relations to files."""

from __future__ import annotations

import csv
import json
from datetime import datetime
from decimal import Decimal
from io import StringIO
from pathlib import Path

import pyarrow.parquet as pq
import pytest

import anomalake
from anomalake.local import duckdb_engine
from anomalake.query.errors import QueryError
from tests.integration.query.lakes import HOSTILE, alert, arn, write

ALERTS = [
    alert(
        "e1",
        series=[({"marketplace": value}, "1000000000000000.1234") for value in HOSTILE],
        shares=[("marketplace", "=1+1", 100)],
    ),
    alert("e2", detector_arn=arn("my-detector"), series=[({}, "0.5")], shares=[]),
]


def test_every_relation_is_exported_to_a_file(tmp_path: Path) -> None:
    lake = write(tmp_path / "lake", ALERTS)
    for format_ in ("csv", "parquet"):
        out = tmp_path / format_
        files = lake.export(out, format_)
        assert [file.name for file in files] == [f"{name}.{format_}" for name in lake.relations()]
        assert sorted(file.name for file in out.iterdir()) == sorted(file.name for file in files)
    text = (tmp_path / "csv" / "anomalies_orders.csv").read_bytes().decode()
    assert text.count("\r\n") == len(HOSTILE) + 1
    header, *records = csv.reader(StringIO(text, newline=""))
    assert header[:5] == ["timestamp", "marketplace", "value", "score", "measure"]
    assert header[5:] == ["group_id", "group_start", "group_end", "timezone", "local_timestamp"]
    assert {row[1] for row in records} == set(HOSTILE)
    assert {row[2] for row in records} == {"1000000000000000.1234"}
    shares = (tmp_path / "csv" / "dimension_contributions.csv").read_text()
    assert "'=1+1" in shares


def test_parquet_has_exact_types(tmp_path: Path) -> None:
    write(tmp_path / "lake", ALERTS).export(tmp_path / "out", "parquet")
    table = pq.read_table(tmp_path / "out" / "metric_values.parquet")
    assert str(table.schema.field("metric_value").type) == "decimal128(38, 20)"
    assert str(table.schema.field("timestamp").type) == "timestamp[us]"
    assert str(table.schema.field("dimensions").type).startswith("map<string, string")
    assert Decimal("1000000000000000.1234") in table["metric_value"].to_pylist()


def test_an_empty_lake_exports_headers(tmp_path: Path) -> None:
    (tmp_path / "lake").mkdir()
    files = anomalake.open_lake(tmp_path / "lake").export(tmp_path / "out")
    assert (tmp_path / "out" / "metric_values.csv").read_text().startswith("detector,detector_arn,")
    assert all(file.read_bytes().count(b"\r\n") == 1 for file in files)


def test_query_results_are_written_in_each_format(tmp_path: Path) -> None:
    lake = write(tmp_path, ALERTS)
    sql = "SELECT timestamp, metric_value, dimensions FROM metric_values WHERE detector = 'my-detector'"
    outs = {}
    for format_ in ("json", "csv", "table"):
        outs[format_] = StringIO(newline="")
        lake.write(sql, format_, outs[format_])
    assert json.loads(outs["json"].getvalue()) == [
        {"timestamp": "2021-02-14T04:00:00", "metric_value": 0.5, "dimensions": {}}
    ]
    assert outs["csv"].getvalue() == "timestamp,metric_value,dimensions\r\n2021-02-14 04:00:00,0.5,{}\r\n"
    assert "2021-02-14 04:00:00" in outs["table"].getvalue()
    with pytest.raises(QueryError, match="format 'xml'"):
        lake.write(sql, "xml", StringIO())
    with pytest.raises(QueryError, match="format 'xml'"):
        lake.export(tmp_path, "xml")


def test_export_to_an_existing_file_is_refused(tmp_path: Path) -> None:
    lake = write(tmp_path / "lake", ALERTS)
    (tmp_path / "out").write_text("mine")
    with pytest.raises(QueryError, match="out': is a file; expected a folder"):
        lake.export(tmp_path / "out")
    assert (tmp_path / "out").read_text() == "mine"


def test_a_query_returns_a_data_frame(tmp_path: Path) -> None:
    write(tmp_path, ALERTS)
    frame = anomalake.open_lake(str(tmp_path)).query("SELECT * FROM anomalies_my_detector__2x2d")
    assert frame.to_dict("records") == [
        {
            "timestamp": datetime(2021, 2, 14, 4),
            "value": Decimal("0.5").quantize(Decimal(1).scaleb(-20)),
            "score": 80.5,
            "measure": "revenue",
            "group_id": "e2",
            "group_start": datetime(2021, 2, 14, 4),
            "group_end": datetime(2021, 2, 14, 4),
            "timezone": "UTC",
            "local_timestamp": datetime(2021, 2, 14, 4),
        }
    ]


def test_a_large_relation_is_exported_in_slices(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    alerts = [alert(f"e{day}", f"2021-02-{day:02}T04:00") for day in range(1, 11)]
    lake = write(tmp_path / "lake", [*alerts, alert("e1", "2021-02-01T04:00", body="again")])
    expected = {file.name: sorted(file.read_text().splitlines()) for file in lake.export(tmp_path / "whole")}
    monkeypatch.setattr(duckdb_engine, "_SLICE_BYTES", 12_000)
    with lake._connection.engine.slices("metric_values") as queries:
        assert 2 < len(queries) < 10
    sliced = {file.name: sorted(file.read_text().splitlines()) for file in lake.export(tmp_path / "sliced")}
    assert sliced == expected
    assert len(expected["metric_values.csv"]) == 11
    assert [len(pq.read_table(file)) for file in lake.export(tmp_path / "typed", "parquet")] == [
        len(expected[f"{name}.csv"]) - 1 for name in lake.relations()
    ]
