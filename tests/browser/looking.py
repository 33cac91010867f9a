"""What tests ask a page."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

from tests.support.patience import PATIENCE

if TYPE_CHECKING:
    from playwright.sync_api import Page

#: Signs that isolate a name's direction.
_ISOLATES = "[\\u2068\\u2069]"
#: The text that is shown of an element.
TEXT = f"(of) => (document.querySelector(of)?.textContent ?? '').replace(/{_ISOLATES}/g, '')"


def until(page: Page, condition: str, arg: object = None) -> None:
    """Wait until a condition holds (JavaScript, asked from here: the page's policy lets nobody evaluate within it)."""
    end = time.monotonic() + PATIENCE
    while not page.evaluate(condition, arg):
        assert time.monotonic() < end, f"never came to be: {condition} ({arg!r})"
        page.wait_for_timeout(20)


def says(page: Page, of: str, text: str) -> None:
    """Wait until an element has this text; where it never has, tell what it has."""
    end = time.monotonic() + PATIENCE
    while (now := page.evaluate(TEXT, of)) != text and time.monotonic() < end:
        page.wait_for_timeout(20)
    assert now == text


def texts(page: Page, of: str) -> list[str]:
    """The texts of all such elements."""
    return [str(all_text_content) for all_text_content in page.locator(of).all_text_contents()]


def draw_all(page: Page) -> None:
    """Scroll through the page until each picture was drawn; then back to its top."""
    # By handles: what a click has just put away is passed over, wherever it stood.
    for box in page.locator(".picture").element_handles():
        if box.is_visible():
            box.evaluate("(box) => box.scrollIntoView({ block: 'nearest' })")
            until(page, "(box) => !box.checkVisibility() || (!box.ariaBusy && !box.style.minHeight)", box)
    page.evaluate("scrollTo(0, 0)")


def drop(page: Page, title: str) -> Any:
    """Open one of the filter bar's lists; its panel."""
    box = page.locator("details.drop", has=page.locator("summary .what", has_text=title))
    if not box.evaluate("(box) => box.open"):
        box.locator("> summary").click()
    return box.locator(".panel")


def width_wanted(page: Page) -> tuple[int, int]:
    """How wide the page is, and how wide the window."""
    wide, window = page.evaluate("[document.documentElement.scrollWidth, innerWidth]")
    return int(wide), int(window)
