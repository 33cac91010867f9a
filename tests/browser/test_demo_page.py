"""The demo's page in a browser: real flights, the blizzard by its alert's link, and the README's picture."""

from __future__ import annotations

import contextlib
import io
import os
import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from PIL import Image
from rich.console import Console

from anomalake.api import open_lake
from anomalake.cli.demo_run import run_demo
from tests.browser.conftest import ROOT, watch
from tests.support.demo import demo_of_this_run
from tests.support.patience import PATIENCE

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page

pytestmark = pytest.mark.slow

WIDTH, HEIGHT = 1280, 1410
#: Of the README's picture, in bytes.
MOST = 200_000


@pytest.fixture(scope="module")
def folder(browser: Browser, tmp_path_factory: pytest.TempPathFactory) -> Path:
    # After the browser, so that without one nothing is made.
    if "ANOMALAKE_PICTURE" not in os.environ:
        return demo_of_this_run(tmp_path_factory)[1]
    # The README's picture is of the whole year. Its page says where its lake is, as it was asked for.
    with contextlib.chdir(tmp_path_factory.mktemp("picture")):
        run_demo(Path("demo"), Console(file=io.StringIO()))
        return Path("demo").resolve()


@pytest.fixture
def shown(browser: Browser, folder: Path) -> Iterator[Page]:
    """The page, which may neither complain nor ask for anything."""
    wrong: list[str] = []
    place = (folder / "page.html").as_uri()
    context = browser.new_context(viewport={"width": WIDTH, "height": HEIGHT}, color_scheme="light")
    context.set_default_timeout(PATIENCE * 1_000)
    opened = context.new_page()
    watch(opened, wrong, place)
    opened.goto(place)
    opened.wait_for_selector("body[data-open]")
    yield opened
    context.close()
    assert not wrong, wrong


def test_an_alerts_link_opens_the_blizzard(shown: Page, folder: Path) -> None:
    _, rows = open_lake(folder / "lake").query_rows(
        "SELECT console_url FROM alerts WHERE metric_name = 'cancelled' AND date(local_timestamp) = DATE '2013-02-08' "
        "ORDER BY anomaly_score DESC LIMIT 1"
    )
    [(url,)] = rows
    shown.goto((folder / "page.html").as_uri() + url)
    shown.get_by_role("heading", name=re.compile("cancelled")).wait_for()
    shown_text = shown.locator("main:visible").inner_text()
    assert re.search(
        r"cancelled of flights was higher than expected, from Fri 8 Feb 2013, 1\d:00 to \d\d:00", shown_text
    )
    assert "EWR" in shown_text
    assert "extremely unexpected" in shown_text


def test_the_readmes_picture(shown: Page, keep: Callable[..., Path]) -> None:
    """The committed picture is one that this test made: ``make picture`` takes it over."""
    shown.wait_for_selector("canvas >> nth=3")
    shown.wait_for_load_state("networkidle")
    kept = keep(shown, "readme", whole=False)
    with Image.open(kept) as whole:
        small = whole.convert("RGB").quantize(256, Image.Quantize.MEDIANCUT, dither=Image.Dither.NONE)
    small.save(kept, optimize=True)
    assert small.size == (WIDTH, HEIGHT)
    assert len(small.getcolors() or []) > 40
    assert kept.stat().st_size < MOST
    with Image.open(ROOT / "docs" / "page.png") as committed:
        assert committed.size == (WIDTH, HEIGHT)
    assert (ROOT / "docs" / "page.png").stat().st_size < MOST
