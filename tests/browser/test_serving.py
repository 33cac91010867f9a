"""The page as `anomalake serve` has it: what a reader says is sent, and what is new is shown."""

from __future__ import annotations

import gzip
import json
import time
from collections.abc import Iterator
from dataclasses import fields, replace
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

from anomalake.page.document import Affected, Contributions, PageDocument, pack
from anomalake.page.page import page
from tests.browser.conftest import watch
from tests.browser.looking import drop, says, until
from tests.support import documents
from tests.support.patience import PATIENCE

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page, Route

HOME = "http://page.test/"
TOKEN = "a-token<\"'>"  # pragma: allowlist secret


class Server:
    """Answers a page's requests without a network."""

    def __init__(self, document: PageDocument) -> None:
        self.document = document
        self.asked: list[tuple[str, str, Any, dict[str, str]]] = []
        self.refusal: str | None = None

    def answer(self, route: Route) -> None:
        request = route.request
        address = request.url.removeprefix(HOME)
        if address == "":
            body = page(self.document, token=TOKEN)
            route.fulfill(body=body, content_type="text/html; charset=utf-8")
            return
        sent = json.loads(request.post_data) if request.post_data else None
        self.asked.append((request.method, address, sent, request.headers))
        if address == "document":
            packed = gzip.compress(pack(self.document))
            tag = f'"{self.document.made_at}"'
            if request.headers.get("if-none-match") == tag:
                route.fulfill(status=304)
            else:
                route.fulfill(body=packed, headers={"ETag": tag, "Content-Type": "application/octet-stream"})
        elif self.refusal:
            route.fulfill(status=400, json={"error": self.refusal})
        else:
            route.fulfill(json={"said": ["kept it", "and that"]})

    def posted(self, address: str) -> list[tuple[Any, dict[str, str]]]:
        return [(sent, headers) for method, at, sent, headers in self.asked if (method, at) == ("POST", address)]

    def tags(self) -> list[str | None]:
        """Of what the page has, each time it asked for something newer."""
        return [headers.get("if-none-match") for _, at, _, headers in self.asked if at == "document"]

    def wait_for_tags(self, shown: Page, count: int) -> list[str | None]:
        """Wait until the page has asked this often for something newer; the request comes after the clock has run."""
        end = time.monotonic() + PATIENCE
        while len(tags := self.tags()) < count and time.monotonic() < end:
            shown.wait_for_timeout(20)
        return tags


@pytest.fixture
def served(browser: Browser) -> Iterator[tuple[Page, Server]]:
    server, wrong = Server(documents.one()), []
    context = browser.new_context(viewport={"width": 1280, "height": 900})
    context.set_default_timeout(PATIENCE * 1_000)
    context.route("**/*", server.answer)
    shown = context.new_page()
    shown.clock.install()
    watch(shown, wrong, HOME)
    shown.goto(HOME)
    shown.wait_for_selector("body[data-open]")
    yield shown, server
    context.close()
    # A browser says on the console that a request was refused; that is no complaint of ours.
    assert not [item for item in wrong if "status of 400" not in item], wrong


def without_first(document: PageDocument) -> PageDocument:
    """A document without its first group."""
    groups, intervals = document.groups, document.group_intervals
    kept = np.flatnonzero(intervals.group)
    place = np.full(len(intervals.group), -1)
    place[kept] = np.arange(len(kept))

    def rows(of: Affected | Contributions) -> Any:
        there = place[of.group_interval] >= 0
        columns = {field_.name: getattr(of, field_.name)[there] for field_ in fields(of)}
        return replace(of, **(columns | {"group_interval": place[of.group_interval[there]]}))

    related = tuple(
        tuple(replace(entry, group=entry.group - 1) for entry in related_measure if entry.group)
        for related_measure in groups.related
    )
    columns = {field_.name: getattr(groups, field_.name)[1:] for field_ in fields(groups)}
    columns["related"] = related[1:]
    chosen = {item.name: getattr(intervals, item.name)[kept] for item in fields(intervals)}
    chosen["group"] = chosen["group"] - 1
    return replace(
        document,
        made_at=document.made_at + 60,
        groups=replace(groups, **columns),
        group_intervals=replace(intervals, **chosen),
        affected=rows(document.affected),
        contributions=rows(document.contributions),
    )


def opened(document: PageDocument) -> int:
    """The group that `open_first` opens: the newest one."""
    severe = document.group_intervals.score >= 30
    return max(set(document.group_intervals.group[severe].tolist()), key=lambda g: int(document.groups.start[g]))


def open_first(shown: Page) -> int:
    shown.locator("#groups tbody a").first.click()
    shown.locator(".reply").first.wait_for()
    return int(shown.evaluate("() => document.querySelectorAll('.command').length"))


def test_feedback_bears_the_pages_token(served: tuple[Page, Server]) -> None:
    shown, server = served
    assert open_first(shown) == 0
    shown.get_by_role("button", name="It was no anomaly").click()
    says(shown, ".reply ~ .caption", "kept it. and that")
    document = server.document
    worst = opened(document)
    [(sent, headers)] = server.posted("feedback")
    assert sent == {"detector": "shop", "group": document.groups.id[worst], "is_anomaly": False}
    assert headers["x-anomalake-token"] == TOKEN


CHOOSE_AND_SNOOZE = """() => {
    const which = document.querySelector(".reply select");
    which.value = "2";
    which.dispatchEvent(new Event("change", {bubbles: true}));
    [...document.querySelectorAll(".reply button")].find((button) => button.textContent === "Snooze").click();
}"""


def test_a_snooze_names_what_and_until_when(served: tuple[Page, Server]) -> None:
    shown, server = served
    open_first(shown)
    group = server.document.groups.id[opened(server.document)]
    shown.get_by_role("button", name="Snooze").click()
    until(shown, "() => document.querySelector('.reply ~ .caption').textContent.startsWith('kept')")
    until(shown, "() => !document.querySelector('.reply button:disabled')")
    # In one step, because the page shows the new document, and all choices anew, a moment after the first snooze.
    shown.evaluate(CHOOSE_AND_SNOOZE)
    until(shown, "() => !document.querySelector('.reply button:disabled')")
    (first, _), (second, _) = server.posted("snooze")
    assert first.keys() == {"detector", "until", "group"}
    assert first["group"] == group
    assert first["until"].endswith("Z")
    assert second.keys() == {"detector", "until", "measure", "dimensions"}
    [(name, value)] = second["dimensions"]
    assert value in dict(server.document.detectors[0].dimensions)[name]


def test_a_refusal_is_told(served: tuple[Page, Server]) -> None:
    shown, server = served
    server.refusal = "anomaly group 'x': <b>no</b> detector has it"
    open_first(shown)
    shown.get_by_role("button", name="It was an anomaly").click()
    says(shown, ".reply ~ .caption", f"Not stored: {server.refusal}")


def test_what_is_new_is_shown_within_a_minute(served: tuple[Page, Server]) -> None:
    shown, server = served
    shown.get_by_label("Least severity as a number").fill("90")
    shown.clock.run_for(1000)
    was = shown.locator("#summary").text_content()
    intervals = server.document.group_intervals
    scores = intervals.score.copy()
    scores[:] = 95
    server.document = replace(
        server.document, made_at=server.document.made_at + 60, group_intervals=replace(intervals, score=scores)
    )
    shown.clock.run_for(61_000)
    until(shown, "(was) => document.querySelector('#summary').textContent !== was", was)
    # Filters stay.
    assert shown.get_by_label("Least severity as a number").input_value() == "90"
    shown.clock.run_for(61_000)
    assert server.wait_for_tags(shown, 2) == [None, f'"{server.document.made_at}"']


def test_what_is_looked_at_stays_when_there_is_something_new(served: tuple[Page, Server]) -> None:
    shown, server = served
    live = [f"#live-{item}" for item in ("measure", "split")]
    was = [shown.locator(entry).input_value() for entry in live]
    shown.locator("#live-measure").select_option(index=1)
    shown.locator("#live-split").select_option(index=0)
    chosen = [shown.locator(element).input_value() for element in live]
    assert chosen[0] != was[0]
    assert chosen[1] != was[1]
    group_intervals_of = np.bincount(server.document.group_intervals.group)
    group = int(np.flatnonzero(group_intervals_of[1:] > 1)[0]) + 1
    address = f"{server.document.detectors[0].arn}/anomalies/anomaly/{server.document.groups.id[group]}"
    shown.evaluate("(address) => { location.hash = address; }", address)
    intervals = shown.locator("#group-interval option")
    intervals.first.wait_for(state="attached")
    assert intervals.count() == group_intervals_of[group]
    other = intervals.evaluate_all("(all) => all.findIndex((option) => !option.selected)")
    shown.locator("#group-interval").select_option(index=other)
    title, interval = shown.title(), intervals.nth(other).text_content()
    # An older group goes: all the others have new numbers.
    old = server.document
    server.document = without_first(old)
    shown.locator("#group-interval").focus()
    asked = len(server.tags())
    shown.clock.run_for(61_000)
    until(
        shown,
        "(count) => document.querySelector('#summary').textContent.startsWith(count)",
        f"{len(set(old.group_intervals.group[old.group_intervals.score >= 30].tolist()) - {0})} ",
    )
    assert len(server.wait_for_tags(shown, asked + 1)) == asked + 1
    assert shown.title() == title
    assert shown.locator("#group-interval option:checked").text_content() == interval
    assert shown.evaluate("document.activeElement.id") == "group-interval"
    shown.keyboard.press("Escape")
    assert [shown.locator(member).input_value() for member in live] == chosen


def test_a_list_that_is_open_is_not_closed_by_what_is_new(served: tuple[Page, Server]) -> None:
    shown, server = served
    drop(shown, "Measure")
    shown.clock.run_for(61_000)
    assert not server.tags()
    shown.keyboard.press("Escape")
    shown.clock.run_for(61_000)
    assert server.wait_for_tags(shown, 1) == [None]
