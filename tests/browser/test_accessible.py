"""axe finds nothing serious on the page."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tests.browser.looking import draw_all, drop

if TYPE_CHECKING:
    from playwright.sync_api import Page

Open = Callable[..., "Page"]


def serious(page: Page) -> list[str]:
    """What axe finds that hinders people."""
    from axe_playwright_python.sync_playwright import Axe

    found = Axe().run(page).response["violations"]
    return [
        f"{item['id']}: {item['help']}: {[node['html'][:200] for node in item['nodes'][:3]]}"
        for item in found
        if item["impact"] in ("serious", "critical")
    ]


@pytest.mark.parametrize(
    ("name", "width", "theme"),
    [
        ("one", 1280, "light"), ("one", 390, "dark"), ("fifty", 1280, "dark"), ("fifty", 390, "light"),
    ],
)  # fmt: skip
def test_the_page(open_page: Open, name: str, width: int, theme: str) -> None:
    page = open_page(name, width=width, theme=theme)
    draw_all(page)
    if width == 390:
        page.locator("#fold").click()
    drop(page, "Measure")
    assert serious(page) == []


@pytest.mark.parametrize(("width", "theme"), [(1280, "dark"), (390, "light"), (1280, "light"), (390, "dark")])
def test_a_group(open_page: Open, keep: Callable[..., Path], width: int, theme: str) -> None:
    page = open_page("one", width=width, theme=theme)
    page.locator("#groups tbody a").first.click()
    page.locator("#group").wait_for()
    page.locator("#group-metrics tbody button").first.click()
    draw_all(page)
    assert page.locator("#metric-picture canvas").count() == 1
    assert serious(page) == []
    keep(page, f"group-{width}-{theme}")


@pytest.mark.parametrize(("width", "theme"), [(1280, "light"), (390, "dark")])
@pytest.mark.parametrize("name", ["empty", "quiet", "hostile"])
def test_odd_pages(open_page: Open, name: str, width: int, theme: str) -> None:
    page = open_page(name, width=width, theme=theme)
    draw_all(page)
    assert serious(page) == []
