"""The demo does the main job from nothing, says what it found, and may be run again."""

from __future__ import annotations

import io
import re
from pathlib import Path

import pytest
from rich.console import Console

from anomalake.api import open_lake
from anomalake.demo.run import QUESTIONS, run_demo


def said(folder: Path) -> str:
    text = io.StringIO()
    run_demo(folder, Console(file=text, width=80))
    return text.getvalue()


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("demo")


@pytest.fixture(scope="module")
def first(folder: Path) -> str:
    return said(folder)


def test_it_loads_what_it_made(first: str) -> None:
    told = re.search(r"1,013 records.*?(\d+) loaded, (\d+) repeated, (\d+) refused", first, re.DOTALL)
    assert told is not None
    assert (int(told[1]) + int(told[2]), int(told[3])) == (1013, 0)


def test_the_blizzard_of_february_comes_first(first: str) -> None:
    days = re.findall(r"^ (2013-\d\d-\d\d) ", first, re.MULTILINE)
    assert days[:2] == ["2013-02-08", "2013-02-09"]


def test_it_says_where_things_lie(first: str, folder: Path) -> None:
    assert str(folder / "flights" / "backtest" / "input.csv") in first
    assert f"--lake {folder / 'lake'}" in first


@pytest.mark.usefixtures("first")
def test_a_second_run_repeats_everything_and_answers_the_same(folder: Path) -> None:
    lake = open_lake(folder / "lake")
    before = [lake.query_rows(sql) for _, sql in QUESTIONS]
    assert all(rows for _, rows in before)
    assert "0 loaded, 1,013 repeated, 0 refused" in said(folder)
    assert [open_lake(folder / "lake").query_rows(sql) for _, sql in QUESTIONS] == before


@pytest.mark.usefixtures("first")
def test_contributions_of_the_worst_hour_add_up_for_each_dimension(folder: Path) -> None:
    _, rows = open_lake(folder / "lake").query_rows(QUESTIONS[2][1])
    totals: dict[str, int] = {}
    for dimension, _, share in rows:
        totals[dimension] = totals.get(dimension, 0) + share
    assert totals == {"carrier": 100, "origin": 100}
