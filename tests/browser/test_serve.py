"""The served page in Chromium: what is clicked there is in the lake, and what is new in the lake is shown there."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page, Request, expect

from anomalake.groups.grouping import Group
from anomalake.page.page import page
from anomalake.records.feedback import read_feedback
from anomalake.records.groups import group_ids, read_groups
from anomalake.records.metric_sets import write_metric_set
from anomalake.records.snoozes import read_snoozes
from anomalake.server.application import application
from anomalake.server.documents import MAX_AGE, Site
from anomalake.server.listening import listen, server
from anomalake.services.dashboard import read_document
from anomalake.storage.objects import open_store
from anomalake.storage.store import ObjectStore
from tests.browser.test_accessible import serious
from tests.support.live import Bench, hour
from tests.support.patience import PATIENCE


@dataclass
class Served:
    """A server over a live detector's lake, with a clock that is put on by hand."""

    bench: Bench
    store: ObjectStore
    address: str
    said: list[str]
    time: float = 0.0

    @property
    def group(self) -> Group:
        """The oldest group."""
        found, _ = read_groups(self.store, "shop", group_ids(self.store, "shop"))
        return min(found, key=lambda item: item.start)

    @property
    def link(self) -> str:
        """To the group, as its alert has it."""
        return f"{self.address}#{self.group.detector_arn}/anomalies/anomaly/{self.group.group_id}"


@pytest.fixture
def served(tmp_path: Path) -> Iterator[Served]:
    lake = tmp_path / "lake"
    bench = Bench(open_store(str(lake)))
    bench.source.unusual = {(hour(0), "de"): 30.0, (hour(0), "fr"): 30.0}
    bench.run(hour(0))
    write_metric_set(bench.store, bench.detector.metric_set)
    listening = listen(0)
    port = listening.getsockname()[1]
    instance = Served(bench, bench.store, f"http://127.0.0.1:{port}/", [])
    site = Site(
        make=lambda: read_document(str(lake), now=bench.now),
        show=lambda packed, token: page(packed, token=token),
        store=bench.store,
        report=instance.said.append,
        clock=lambda: instance.time,
        user="ana",
    )
    running = server(application(site, port))
    thread = threading.Thread(target=running.run, kwargs={"sockets": [listening]})
    thread.start()
    yield instance
    running.should_exit = True
    thread.join()


@pytest.fixture
def tab(browser: Browser, served: Served) -> Iterator[Page]:
    """A tab without errors and without requests to other hosts."""
    context = browser.new_context()
    context.set_default_timeout(PATIENCE * 1_000)
    page = context.new_page()
    wrong: list[str] = []
    page.on("pageerror", lambda error: wrong.append(str(error)))
    page.on("console", lambda line: wrong.append(line.text) if line.type in ("error", "warning") else None)
    page.on("request", lambda request: wrong.append(request.url) if not own(request, served) else None)
    page.clock.install()
    yield page
    context.close()
    assert wrong == []
    assert served.said == []


def own(request: Request, served: Served) -> bool:
    return request.url.startswith((served.address, "data:", "blob:"))


def test_what_is_said_is_seen_with_who_and_when_and_taken_back(tab: Page, served: Served) -> None:
    tab.goto(served.address)
    tab.locator("#groups tbody a").first.click()
    tab.get_by_role("button", name="It was no anomaly").click()
    said = tab.locator("#said")
    expect(said).to_contain_text("No anomaly by ana, ")
    expect(tab.locator(".reply ~ .caption")).to_contain_text("views country de: no anomaly")
    kept, unread = read_feedback(served.store, "shop")
    assert not unread
    assert {(item.dimensions, item.is_anomaly, item.anomaly_group_id) for item in kept} == {
        ((("country", country),), False, served.group.group_id) for country in ("de", "fr")
    }
    tab.get_by_role("button", name="Snooze").click()
    expect(said).to_contain_text("Snoozed until")
    [snoozed], unread = read_snoozes(served.store, "shop")
    assert not unread
    assert snoozed.group_id == served.group.group_id
    assert snoozed.until > datetime.now(UTC)
    tab.locator("#comment").fill("A sale.\n<b>Ask</b> the shop")
    tab.get_by_role("button", name="Acknowledge").click()
    expect(said).to_contain_text("Acknowledged by ana")
    expect(said.locator(".comment")).to_have_text("A sale.\n<b>Ask</b> the shop")
    expect(tab.locator(".badges")).to_contain_text("acknowledged by")
    assert serious(tab) == []
    # The list of groups has badges, and the overview a list of all that was said.
    tab.locator(".back").click()
    expect(tab.locator("#groups tbody tr").first.locator(".badge:not(.now)")).to_have_count(3)
    everything = tab.locator("#said-list li")
    expect(everything).to_have_count(3)
    for left, words in ((2, "Acknowledged"), (1, "Snoozed"), (0, "No anomaly")):
        everything.filter(has_text=words).get_by_role("button", name="Undo").click()
        expect(everything).to_have_count(left)
    assert tab.locator("#said-card").is_hidden()
    assert (read_feedback(served.store, "shop"), read_snoozes(served.store, "shop")) == (([], []), ([], []))
    expect(tab.locator("#groups tbody tr").first.locator(".badge:not(.now)")).to_have_count(0)


def test_what_is_new_in_the_lake_shows_within_minutes_and_without_loading_again(tab: Page, served: Served) -> None:
    tab.goto(served.address)
    groups = tab.locator("#groups tbody tr")
    expect(groups).to_have_count(1)
    tab.clock.fast_forward(60_000)
    served.bench.source.unusual[hour(5), "uk"] = 30.0
    for number in range(1, 6):
        served.bench.run(hour(number))
    served.time += MAX_AGE
    tab.clock.fast_forward(60_000)
    expect(groups).to_have_count(2)


#: What another site's script would try: the answer's status, or that the browser did not let it have one.
ASK = """async ([address, body]) => {
  const headers = { "Content-Type": "application/json", "X-Anomalake-Token": "" };
  try {
    return (await fetch(address, body ? { method: "POST", headers, body } : {})).status;
  } catch {
    return "refused";
  }
}"""


def test_a_page_of_another_site_can_do_nothing(browser: Browser, served: Served) -> None:
    tab = browser.new_page()
    try:
        tab.route("http://evil.example.com/", lambda route: route.fulfill(content_type="text/html", body="<p>evil</p>"))
        tab.goto("http://evil.example.com/")
        silence = '{"detector": "shop", "until": "2100-01-01T00:00Z", "measure": "views"}'
        for path, body in (("", None), ("document", None), ("snooze", silence)):
            assert tab.evaluate(ASK, [served.address + path, body]) == "refused"
        tab.evaluate("address => { document.body.innerHTML = `<iframe src='${address}'></iframe>`; }", served.address)
        framed = tab.frames[-1]
        framed.wait_for_load_state()
        assert framed.locator("#timeline").count() == 0
    finally:
        tab.close()
    assert read_snoozes(served.store, "shop") == ([], [])
