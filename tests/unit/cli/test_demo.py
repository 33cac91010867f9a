"""The demo does the main job from nothing on real data, finds the blizzard, and may be run again."""

from __future__ import annotations

import re
from datetime import date
from pathlib import Path
from typing import Any

import pytest

from anomalake.api import open_lake
from anomalake.cli.demo_run import QUESTIONS
from anomalake.demo import storm
from anomalake.groups.grouping import Group
from anomalake.records.groups import group_ids, read_groups
from anomalake.storage.objects import open_store
from tests.support.demo import demo_of_this_run, said

#: Hours in which next to nothing flew: see `test_flights`.
CLOSED = [f"08 Feb {hour}:00" for hour in range(16, 22)] + [f"09 Feb {hour:02}:00" for hour in range(6, 11)]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return demo_of_this_run(tmp_path_factory)[0]


@pytest.fixture(scope="module")
def first(tmp_path_factory: pytest.TempPathFactory) -> str:
    return demo_of_this_run(tmp_path_factory)[2]


@pytest.fixture(scope="module")
def groups(first: str, folder: Path) -> list[Group]:
    store = open_store(str(folder / "lake"), create=False)
    found, _ = read_groups(store, "flights", group_ids(store, "flights"))
    assert first
    return sorted(found, key=lambda item: -item.score)


def printed_hours(text: str) -> dict[str, list[str]]:
    lines = re.findall(r"^ (0[89] Feb \d\d:00) +(\d.*)$", text.partition("\n4. ")[2].partition("\n5. ")[0], re.M)
    return {hour: rest.split() for hour, rest in lines}


def test_anomalies_are_found_in_every_hour_of_the_blizzard_at_all_airports(groups: list[Group]) -> None:
    hit: dict[str, dict[str, set[str]]] = {}
    for group in groups:
        for interval in group.intervals:
            at = hit.setdefault(f"{interval.timestamp.astimezone(storm.ZONE):%d %b %H:%M}", {})
            for metric in interval.affected:
                dimensions = dict(metric.dimensions)
                at.setdefault("origin", set()).add(dimensions["origin"])
                at.setdefault("carrier", set()).add(dimensions["carrier"])
    for hour in CLOSED:
        # La Guardia has few flights from eight in the evening on: none is hardly unusual there.
        airports = {"JFK", "EWR"} if hour in ("08 Feb 20:00", "08 Feb 21:00") else {"JFK", "LGA", "EWR"}
        assert hit[hour]["origin"] >= airports, hour
        assert len(hit[hour]["carrier"]) >= 2, hour
    assert len(set().union(*(hit[hour]["carrier"] for hour in CLOSED))) >= 6


def test_the_blizzard_is_the_worst_group(groups: list[Group]) -> None:
    assert groups[0].start.astimezone(storm.ZONE).date() in (date(2013, 2, 8), date(2013, 2, 9))
    assert max(len(interval.affected) for interval in groups[0].intervals) >= 8


def test_the_hours_of_the_blizzard_are_printed_with_expected_values(first: str) -> None:
    hours = printed_hours(first)
    assert set(CLOSED) <= set(hours)
    cancelled, _, flown, expected_flown, carriers, airports, score, _ = hours["08 Feb 17:00"]
    assert (cancelled, flown, airports) == ("68", "0", "3")
    assert 40 < float(expected_flown) < 80
    assert int(carriers) >= 4
    assert 90 < float(score) < 100
    assert "08 Feb 03:00" not in hours


@pytest.mark.parametrize("dimension", ["carrier", "origin"])
def test_contributions_are_printed_for_each_dimension(first: str, dimension: str) -> None:
    [line] = re.findall(rf"cancelled by {dimension}: (.*)", first)
    shares = {name: int(share) for name, share in re.findall(r"(\w+) (\d+) %", line)}
    assert 95 <= sum(shares.values()) <= 100
    assert list(shares.values()) == sorted(shares.values(), reverse=True)
    assert {"JFK", "LGA", "EWR"} <= set(shares) if dimension == "origin" else {"B6", "UA", "DL"} <= set(shares)


def test_hours_without_data_are_counted(first: str) -> None:
    # 7 to 9 February from 05:00 to 23:00, 10 February until 09:00; five hours of three nights.
    assert "62 hours judged, 15 had no data" in first


def test_paths_of_the_results_are_printed(first: str, folder: Path) -> None:
    assert str(folder / "flights" / "backtest" / "input.csv") in first
    assert f"--lake {folder / 'lake'}" in first
    assert f"anomalake detect {folder / 'flights.yaml'}" in first


def test_the_page_is_written_and_its_address_is_printed(first: str, folder: Path, groups: list[Group]) -> None:
    page = folder / "page.html"
    size = re.search(r"6\. The page, one file that needs no network \((\d\.\d) MB\): 1 detector, (\d+) groups", first)
    assert size is not None
    assert float(size[1]) == pytest.approx(page.stat().st_size / 1e6, abs=0.06)
    assert int(size[2]) >= len(groups)
    assert f"Open it in a browser: {page.as_uri()}\n" in first
    assert f"{page.as_uri()}#{groups[0].detector_arn}/anomalies/anomaly/{groups[0].group_id}\n" in first
    assert f"  anomalake serve --lake {folder / 'lake'}\n" in first
    assert page.read_bytes().startswith(b"<!doctype html>")


def contents(lake: Path) -> dict[str, bytes]:
    """What a lake holds but for the records of runs, of which each run leaves its own, and for indexes of files."""
    paths = (path for path in lake.rglob("*") if path.is_file())
    runs = {"executions", "last-runs", "group-index", "index"}
    return {path.relative_to(lake).as_posix(): path.read_bytes() for path in paths if not runs.intersection(path.parts)}


def answers(folder: Path) -> list[tuple[list[str], list[tuple[Any, ...]]]]:
    lake = open_lake(folder / "lake")
    return [lake.query_rows(sql) for _, sql in QUESTIONS]


@pytest.mark.slow
def test_a_second_run_changes_nothing(first: str, folder: Path) -> None:
    before, answered = contents(folder / "lake"), answers(folder)
    assert all(rows for _, rows in answered)
    again = said(folder)
    [new] = re.findall(r"(\d+) new, 0 repeated", first)
    assert f"0 new, {new} repeated" in again
    assert printed_hours(again) == printed_hours(first)
    assert answers(folder) == answered
    assert contents(folder / "lake") == before


@pytest.mark.usefixtures("first")
def test_contributions_add_up_and_alerts_are_counted_once(folder: Path) -> None:
    lake = open_lake(folder / "lake")
    sums = lake.query_rows(
        "SELECT DISTINCT sum(value_contribution) FROM dimension_contributions "
        'GROUP BY alert_event_id, metric_name, "timestamp", dimension_name'
    )[1]
    assert sums == [(100,)]
    assert lake.query_rows("SELECT count(*) FROM clashes")[1] == [(0,)]
    rows = lake.query_rows("SELECT count(*), count(DISTINCT (local_timestamp, carrier, origin)) FROM live_flights")[1]
    assert rows[0][0] == rows[0][1] > 20_000
