"""A real browser, and pages opened in it that must neither complain nor ask anybody for anything."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any, NoReturn

import pytest

from anomalake.page.document import PageDocument
from anomalake.page.page import page
from tests.support import documents
from tests.support.patience import PATIENCE

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page

ROOT = Path(__file__).parents[2]
BROWSERS = ("chromium", "chromium-browser", "google-chrome")


def _left_out(reason: str) -> NoReturn:
    if os.environ.get("ANOMALAKE_BROWSER") == "required":
        pytest.fail(f"ANOMALAKE_BROWSER is `required`, and {reason}")
    pytest.skip(reason)


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    """Chromium; its event loop ends with the module, so that other tests may have theirs."""
    try:
        from playwright.sync_api import expect, sync_playwright
    except ImportError:
        _left_out("playwright is not installed")
    found = next((path for name in BROWSERS if (path := shutil.which(name))), None)
    if found is None:
        _left_out(f"there is no browser here: expected one of {', '.join(BROWSERS)}")
    expect.set_options(timeout=PATIENCE * 1_000)
    with sync_playwright() as playwright:
        started = playwright.chromium.launch(executable_path=found, args=["--no-sandbox"], timeout=PATIENCE * 1_000)
        yield started
        started.close()


@pytest.fixture(scope="session")
def page_files(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str | PageDocument | Path], Path]:
    """The page of a document, by its name in `tests.support.documents`, or made for the test; a page's own path."""
    folder = tmp_path_factory.mktemp("pages")
    made: dict[str, Path] = {}

    def file_of(document: str | PageDocument | Path) -> Path:
        if isinstance(document, Path):
            return document
        named = isinstance(document, str)
        name = document if isinstance(document, str) else f"own-{len(made)}"
        if name not in made:
            made[name] = folder / f"{name}.html"
            whole = getattr(documents, name)() if named else document
            made[name].write_bytes(page(whole))
        return made[name]

    return file_of


@pytest.fixture
def open_page(
    browser: Browser, page_files: Callable[[str | PageDocument | Path], Path]
) -> Iterator[Callable[..., Page]]:
    """Opens a document's page from disk; at the end nothing may have been complained of, asked for or run."""
    contexts, wrong = [], []

    def opened(
        document: str | PageDocument | Path,
        *,
        width: int = 1280,
        height: int = 900,
        theme: str = "light",
        fragment: str = "",
        **more: Any,
    ) -> Page:
        path = page_files(document)
        context = browser.new_context(
            viewport={"width": width, "height": height}, color_scheme=theme, **({"timezone_id": "Asia/Tokyo"} | more)
        )
        contexts.append(context)
        context.set_default_timeout(PATIENCE * 1_000)
        shown = context.new_page()
        watch(shown, wrong, path.as_uri())
        shown.goto(path.as_uri() + fragment)
        shown.wait_for_selector("body[data-open]")
        return shown

    yield opened
    for context in contexts:
        context.close()
    assert not wrong, wrong


def watch(shown: Page, wrong: list[str], own: str) -> None:
    """Notes what a page says, runs and asks for, other than what lies under `own`."""
    shown.on("console", lambda said: wrong.append(f"console: {said.type}: {said.text}"))
    shown.on("pageerror", lambda error: wrong.append(f"error: {error}"))

    def dialog(opened: Any) -> None:
        wrong.append(f"dialog: {opened.message}")
        opened.dismiss()

    shown.on("dialog", dialog)
    shown.on("request", lambda asked: None if _own(asked.url, own) else wrong.append(f"request: {asked.url}"))


def _own(url: str, own: str) -> bool:
    return url.startswith((own, "data:", f"blob:{own.split('//')[0]}"))


@pytest.fixture(scope="session")
def keep() -> Callable[..., Path]:
    """Keeps a picture of a page among the artefacts."""
    folder = Path(os.environ.get("ANOMALAKE_ARTIFACTS", ROOT / "artifacts")) / "browser"
    folder.mkdir(parents=True, exist_ok=True)

    def kept(shown: Page, name: str, *, whole: bool = True) -> Path:
        path = folder / f"{name}.png"
        shown.screenshot(path=path, full_page=whole, animations="disabled")
        return path

    return kept
