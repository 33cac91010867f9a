"""The Python API, as a notebook uses it."""

from __future__ import annotations

import json
from decimal import Decimal
from pathlib import Path

import anomalake
from tests.support import made, oracle

TEXTS = made.texts(45, clashes=2)
WORLD = oracle.relations(TEXTS)


def test_a_lake_from_nothing_to_answers(tmp_path: Path) -> None:
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


def test_answers_are_data_frames_with_exact_values(tmp_path: Path) -> None:
    alert = made.alert(1)
    text = json.dumps(alert).replace('"metricValue": ', '"metricValue": 1000000000000000.1234, "was": ')
    (tmp_path / "a.json").write_text(text, encoding="utf-8")
    lake = anomalake.open_lake(str(tmp_path / "lake"))
    lake.replay(tmp_path / "a.json")
    frame = lake.query("SELECT metric_value, dimensions, timestamp FROM metric_values")
    assert set(frame["metric_value"]) == {Decimal("1000000000000000.1234")}
    assert isinstance(frame["dimensions"].iloc[0], dict)
    assert str(frame["timestamp"].dtype).startswith("datetime64")
