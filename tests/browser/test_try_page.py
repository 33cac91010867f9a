"""The page that `anomalake try` makes of a CSV file of one's own, in a browser."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

import pandas as pd
import pytest

from anomalake.demo.flights import read_flights
from tests.browser.looking import texts, until
from tests.support.patience import PATIENCE

if TYPE_CHECKING:
    from playwright.sync_api import Page

Open = Callable[..., "Page"]
Keep = Callable[..., Path]


@pytest.fixture(scope="module")
def table(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Departures from New York by hour and airport, to a week after the blizzard of 8 and 9 February 2013."""
    flights = read_flights()
    flights["time"] = pd.to_datetime(flights[["year", "month", "day", "hour"]])
    flights = flights[(flights["time"] < "2013-02-16") & flights["dep_delay"].notna()]
    number = flights.groupby(["time", "origin"]).size().rename("departures").reset_index()
    file = tmp_path_factory.mktemp("own") / "departures.csv"
    number.to_csv(file, index=False)
    return file


@pytest.mark.slow
def test_a_file_becomes_a_page_with_its_blizzard(table: Path, open_page: Open, keep: Keep) -> None:
    command = [sys.executable, "-m", "anomalake", "try", table.name, "--no-open"]
    done = subprocess.run(command, cwd=table.parent, capture_output=True, text=True, timeout=PATIENCE, check=False)
    assert done.returncode == 0, done.stderr
    page = open_page(table.parent / "anomalake-try-departures" / "page.html", width=390, theme="dark")
    times = texts(page, "#groups tbody tr")
    assert any("8 Feb 2013" in time for time in times), times
    page.locator("#groups tbody tr", has_text="8 Feb 2013").first.locator("a").first.click()
    until(page, "!document.getElementById('group').hidden && document.querySelector('#group h2, #group h1')")
    assert "departures" in (page.locator("#group").text_content() or "")
    keep(page, "try-390-dark")
