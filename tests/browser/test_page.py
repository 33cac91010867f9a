"""The page in Chromium, opened from disk: what it shows, filters, and how one gets about in it."""

from __future__ import annotations

import csv
import io
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import quote
from zoneinfo import ZoneInfo

import numpy as np
import pytest

from anomalake.page.document import LACKS, OTHERS, Groups, PageDocument
from tests.browser.looking import TEXT, draw_all, drop, says, texts, until, width_wanted
from tests.support import documents

if TYPE_CHECKING:
    from playwright.sync_api import Page

Open = Callable[..., "Page"]
Keep = Callable[..., Path]
BERLIN = ZoneInfo("Europe/Berlin")


def alert_severity(document: PageDocument) -> int:
    """The severity that the page starts with: that of the least severe alert, at most 70."""
    alerted = document.group_intervals.score[document.group_intervals.alerted == 1]
    return int(min([70, *np.floor(alerted)]))


def summary(document: PageDocument, of: str, passes: np.ndarray | None = None, least: float | None = None) -> str:
    """What the page says of its groups: which pass the filters, and how many of these are less severe."""
    intervals = document.group_intervals
    passes = np.ones(len(intervals.score), bool) if passes is None else passes
    start = alert_severity(document)
    least = start if least is None else least
    shown, all_ = (len(np.unique(intervals.group[mask])) for mask in (passes & (intervals.score >= least), passes))
    filtered = ", filtered" if least != start or not passes.all() else ""
    less = f"; {all_ - shown:,} less severe" if all_ > shown else ""
    scope = f"of severity {least:g} or more{less}" if least else "of any severity"
    return f"{shown:,} {'group' if shown == 1 else 'groups'} of {of}, {scope}{filtered}"


def shown_groups(document: PageDocument) -> list[int]:
    """The groups that the page starts with, the newest first."""
    severe = document.group_intervals.score >= alert_severity(document)
    return sorted(set(document.group_intervals.group[severe].tolist()), key=lambda g: -int(document.groups.start[g]))


def clock(seconds: int, zone: ZoneInfo = BERLIN) -> str:
    time = datetime.fromtimestamp(int(seconds), tz=zone)
    return f"{time.day} {time:%b %Y, %H:%M}"


def fragment(document: PageDocument, group: int) -> str:
    return f"#{document.detectors[document.groups.detector[group]].arn}/anomalies/anomaly/{document.groups.id[group]}"


def worst_of(document: PageDocument) -> int:
    return int(np.argmax(document.groups.score))


# ---- what is shown ----


@pytest.mark.parametrize("theme", ["light", "dark"])
@pytest.mark.parametrize("width", [1280, 390])
def test_the_page_is_whole(open_page: Open, keep: Keep, width: int, theme: str) -> None:
    document = documents.one()
    page = open_page("one", width=width, theme=theme)
    says(page, "#summary", summary(document, "shop"))
    shown = shown_groups(document)
    assert texts(page, "#figures .value") == [
        f"{len(shown)}",
        f"{np.floor(document.groups.score[shown[0]] * 10) / 10:.1f}",
        f"{np.floor(document.groups.score.max() * 10) / 10:.1f}",
        "20 days",
    ]
    # The figures, the charts and the list are about the same groups.
    assert texts(page, "#groups .pager [role=status]")[0].endswith(f"({len(shown)} groups)")
    draw_all(page)
    for picture in ("timeline", "contributions", "live", "expected"):
        assert page.locator(f"#{picture} canvas").count() == 1, picture
        assert page.locator(f"#{picture}").get_attribute("aria-label")
        assert page.locator(f"#{picture}-caption").text_content()
    assert (page.locator("#timeline-caption").text_content() or "").startswith(f"{len(shown)} anomaly groups,")
    assert "not judged" in texts(page, "#timeline .legend li")
    assert page.locator("#lanes").is_hidden()
    assert width_wanted(page)[0] <= width
    tops = [
        page.locator(f"#{card}").evaluate("(card) => card.getBoundingClientRect().top")
        for card in ("groups-card", "attention-card", "timeline-card", "live-card", "table-card")
    ]
    if width == 390:
        # What matters comes first, and lists need no scrolling sideways.
        assert tops == sorted(tops)
        for table in ("groups", "table"):
            region = page.locator(f"#{table} .scroll")
            assert region.evaluate("(region) => region.scrollWidth <= region.clientWidth"), table
    else:
        assert tops[2] < tops[0]
    ground = page.evaluate("getComputedStyle(document.body).backgroundColor")
    assert (sum(int(item) for item in ground[4:-1].split(",")) < 200) == (theme == "dark")
    keep(page, f"shop-{width}-{theme}")


@pytest.mark.parametrize(("width", "theme"), [(1280, "light"), (390, "dark")])
def test_a_page_without_an_anomaly_shows_the_most_unusual_values(
    open_page: Open, keep: Keep, width: int, theme: str
) -> None:
    document = documents.quiet()
    page = open_page("quiet", width=width, theme=theme)
    says(page, "#near-title", "Most unusual values")
    says(page, "#summary", summary(document, "2 detectors"))
    assert page.locator("#timeline-card, #groups-card, #table-card").filter(visible=True).count() == 0
    found = document.near_misses
    severities = texts(page, "#near tbody tr td:first-child")
    assert severities == [f"{severity:.1f}" for severity in found.severity]
    cells = page.locator("#near tbody tr").first.locator("th, td").all_text_contents()
    assert cells == ["49.0", clock(found.time[0]), "north", "revenue", "pc_web · us", "119", "100", "up to 120"]
    assert page.locator("#near .severity").count() == 0
    draw_all(page)
    assert width_wanted(page)[0] <= width
    keep(page, f"quiet-{width}-{theme}")


def test_filters_apply_to_the_most_unusual_values(open_page: Open) -> None:
    page = open_page("quiet")
    drop(page, "Measure").locator("label", has_text="views").click()
    until(page, "document.querySelectorAll('#near tbody tr').length === 5")
    assert set(texts(page, "#near tbody td:nth-child(4)")) == {"views"}
    drop(page, "Detector").locator("label", has_text="north").click()
    until(page, "document.getElementById('near-card').hidden")


def test_a_page_with_anomalies_has_no_near_misses(open_page: Open) -> None:
    assert open_page("one").locator("#near-card").is_hidden()


def test_the_newest_group_comes_first_and_columns_sort(open_page: Open) -> None:
    document = documents.one()
    page = open_page("one")
    first = page.locator("#groups tbody tr").first
    shown = shown_groups(document)
    newest, worst = shown[0], worst_of(document)
    assert first.locator("th a").text_content() == clock(document.groups.start[newest])
    assert page.locator("#groups [aria-sort]").get_attribute("aria-sort") == "descending"
    page.locator("#groups thead button", has_text="Severity").click()
    assert first.locator("th a").text_content() == clock(document.groups.start[worst])
    page.locator("#groups thead button", has_text="Began").click()
    page.locator("#groups thead button", has_text="Began").click()
    assert page.locator("#groups [aria-sort]").get_attribute("aria-sort") == "ascending"
    assert first.locator("th a").text_content() == clock(document.groups.start[shown].min())
    assert page.evaluate("document.activeElement.textContent") == "Began"
    page.locator("#groups .pager button", has_text="Next").click()
    assert texts(page, "#groups .pager [role=status]")[0].startswith("13–24 of ")
    page.get_by_label("Least severity as a number").fill("80")
    says(page, "#summary", summary(document, "shop", least=80))
    page.locator("#groups .less button").click()
    says(page, "#summary", summary(document, "shop", least=0))
    assert page.get_by_label("Least severity as a number").input_value() == "0"


def test_repeats_are_folded_and_ongoing_groups_come_first(open_page: Open) -> None:
    whole = documents.one()
    [detector] = whole.detectors
    assert detector.runs
    groups = whole.groups
    shown = shown_groups(whole)
    alike = [g for g in shown if groups.measure[g] == groups.measure[shown[5]]][2:5]
    of = whole.group_intervals.group[whole.affected.group_interval]
    combination = whole.affected.combination.copy()
    combination[np.isin(of, alike)] = 20
    end = groups.end.copy()
    end[alike[1]] = detector.runs.last_interval
    document = replace(
        whole, groups=replace(groups, end=end), affected=replace(whole.affected, combination=combination)
    )
    page = open_page(document)
    first = page.locator("#groups tbody tr").first
    assert "ongoing" in (first.text_content() or "")
    assert "ongoing" in texts(page, "#figures .title")[1]
    page.locator("#groups thead button", has_text="Began").click()
    page.locator("#groups thead button", has_text="Began").click()
    button = page.get_by_role("button", name="3 times since")
    assert button.get_attribute("aria-expanded") == "false"
    rows = page.locator("#groups tbody tr").count()
    button.click()
    assert page.locator("#groups tr.below").count() == 2
    assert page.locator("#groups tbody tr").count() == rows + 2
    assert button.get_attribute("aria-expanded") == "true"
    assert "3 times since" in page.evaluate("document.activeElement.textContent")
    assert {clock(groups.start[g]) for g in alike} <= set(texts(page, "#groups th a"))
    # A row has the severity of the group that it links to: of the worst where the list is sorted by severity.
    page.locator("#groups thead button", has_text="Severity").click()
    scores = [float(text) for text in texts(page, "#groups tbody tr:not(.below) .severity")]
    assert scores == sorted(scores, reverse=True)
    worst = max(alike, key=lambda g: groups.score[g])
    row = page.locator("#groups tbody tr", has=button)
    assert row.locator("th a").text_content() == clock(groups.start[worst])
    assert row.locator(".severity").text_content() == f"{np.floor(groups.score[worst] * 10) / 10:.1f}"


def test_the_table_has_a_row_an_anomalous_value(open_page: Open) -> None:
    document = documents.one()
    page = open_page("one")
    intervals, affected = document.group_intervals, document.affected
    severe = np.flatnonzero(intervals.score >= alert_severity(document))
    rows = np.flatnonzero(np.isin(affected.group_interval, severe))
    says(page, "#table .pager [role=status]", f"1–20 of {len(rows):,}")
    last = affected.group_interval[rows].max()
    first = int(rows[affected.group_interval[rows] == last][0])
    [detector] = document.detectors
    codes = detector.combinations[affected.combination[first]]
    values = [of[code] for (_, of), code in zip(detector.dimensions, codes, strict=True)]
    cells = page.locator("#table tbody tr").first.locator("th, td").all_inner_texts()
    measure = detector.measures[document.groups.measure[intervals.group[last]]]
    score = np.floor(intervals.score[last] * 10) / 10
    assert cells[:4] == [clock(intervals.time[last]), f"{score:.1f}", measure, " · ".join(values)]
    assert page.locator("#table caption").text_content()


def test_an_empty_lake_says_how_to_begin(open_page: Open, keep: Keep) -> None:
    page = open_page("empty")
    assert "anomalake demo" in (page.locator("#beginning").text_content() or "")
    for nothing in ("#filters", "#timeline-card", "#table-card", "#live-card", "#figures"):
        assert page.locator(nothing).is_hidden()
    keep(page, "empty")


def test_live_values_alone(open_page: Open) -> None:
    whole = documents.one()
    document = replace(
        documents.empty(),
        detectors=tuple(replace(detector, alerts=None, backtest=None) for detector in whole.detectors),
    )
    page = open_page(document)
    says(page, "#summary", "0 groups of shop, of severity 70 or more")
    assert page.locator("#timeline-card").is_hidden()
    draw_all(page)
    assert page.locator("#live canvas").count() == 1


def test_values_over_time_have_no_digits_that_the_document_lacks(open_page: Open) -> None:
    document = documents.one()
    live = document.detectors[0].live
    assert live is not None
    values = np.full_like(live.values, np.nan)
    values[:, 0] = 123_456_789  # as a float32: 123456792
    nothing = np.full_like(values, np.nan)
    live = replace(live, values=values, expected=nothing, lower=nothing, upper=nothing)
    page = open_page(
        replace(document, detectors=(replace(document.detectors[0], live=live, aggregations=(None, None)),))
    )
    page.locator("#live").scroll_into_view_if_needed()
    caption = "from 123,456,800 to 123,456,800;"
    until(page, f"() => document.querySelector('#live-caption').textContent.includes('{caption}')")


def test_colours_are_printed(open_page: Open) -> None:
    page = open_page("one", theme="dark")
    page.emulate_media(media="print")
    for of in ("#groups .swatch", "#table .swatch", "body"):
        assert page.evaluate("(of) => getComputedStyle(document.querySelector(of)).printColorAdjust", of) == "exact"


def test_alerts_alone(open_page: Open) -> None:
    whole = documents.one()
    alerts = replace(whole.detectors[0], live=None, runs=None, backtest=None, frequency=None)
    known = replace(whole.groups, known=np.zeros(len(whole.groups.id), np.int64))
    nothing = np.full(len(whole.affected.value), np.nan)
    affected = replace(whole.affected, expected=nothing, lower=nothing, upper=nothing)
    document = replace(whole, detectors=(alerts,), groups=known, affected=affected)
    page = open_page(document)
    assert page.locator("#live-pictures").is_hidden()
    assert "no live values" in (page.locator("#live-problem").text_content() or "")
    page.locator("#groups tbody a").first.click()
    assert "only its alerts" in (page.locator(".sentence").text_content() or "")
    draw_all(page)


def test_data_health_tells_what_went_wrong(open_page: Open) -> None:
    page = open_page("one")
    shown_text = page.locator("#health").text_content() or ""
    for words in ("succeeded", "3 records", "anomalake-crawler", "123,456"):
        assert words in shown_text, words
    attention = page.locator("#attention").text_content() or ""
    for words in ("1 interval missing", "2 intervals failed", "7 bad rows", "3 records set aside"):
        assert words in attention, words
    page.locator("#attention a").click()
    assert page.evaluate("document.activeElement.id") == "health-title"


def test_what_never_ran_and_what_ran_long_ago_is_told(open_page: Open) -> None:
    """No run is not the same as no problem, and a hundred thousand late intervals are a detector that was stopped."""
    whole = documents.one()
    [shop] = whole.detectors
    assert shop.runs
    never = replace(whole, detectors=(replace(shop, runs=None),), set_aside=0, crawl=None)
    page = open_page(never)
    assert "shop: only a backtest, never ran live" in page.evaluate(TEXT, "#attention")
    assert "all data arrived" not in page.evaluate(TEXT, "#attention")
    page = open_page(replace(whole, detectors=(replace(shop, runs=replace(shop.runs, late=120_853)),)))
    last = clock(shop.runs.last_interval).split(",")[0]
    assert f"none since {last}" in page.evaluate(TEXT, "#health")
    assert "120,853" not in page.evaluate(TEXT, "#health")


# ---- filters ----


def test_filters_act_on_everything(open_page: Open) -> None:
    document = documents.one()
    intervals, groups = document.group_intervals, document.groups
    page = open_page("one")
    measure = groups.measure[intervals.group]
    drop(page, "Measure").get_by_label("views").check()
    passes = measure == 1
    says(page, "#summary", summary(document, "shop", passes))
    assert set(texts(page, "#table tbody td:nth-child(3)")) == {"views"}
    assert set(texts(page, "#groups tbody td:nth-child(4) .name:first-child")) >= {"views"}
    page.get_by_label("Least severity as a number").fill("60")
    says(page, "#summary", summary(document, "shop", passes, 60))
    severe = np.flatnonzero(passes & (intervals.score >= 60))
    rows = int(np.isin(document.affected.group_interval, severe).sum())
    says(page, "#table .pager [role=status]", f"1–20 of {rows:,}")
    shown_text = page.locator("#timeline-caption").text_content()
    page.locator("#reset").click()
    says(page, "#summary", summary(document, "shop"))
    until(page, "(was) => document.querySelector('#timeline-caption').textContent !== was", shown_text)
    assert page.locator("#reset").is_disabled()


def test_dimension_values_are_or_within_and_and_between(open_page: Open) -> None:
    document = documents.one()
    detector = document.detectors[0]
    (platform, platforms), (marketplace, marketplaces) = detector.dimensions
    page = open_page("one")
    panel = drop(page, "Dimensions")
    chosen = {platform: platforms[:2], marketplace: marketplaces[2:3]}
    wanted = np.ones(len(detector.combinations), bool)
    for d, (name, values) in enumerate(chosen.items()):
        sub = panel.locator("details.sub", has_text=name)
        sub.locator("> summary").click()
        for value in values:
            sub.get_by_label(value, exact=True).check()
        wanted &= np.isin(detector.combinations[:, d], [detector.dimensions[d][1].index(item) for item in values])
    affected = document.affected
    assert not (affected.combination == OTHERS).any()
    passes = np.zeros(len(document.group_intervals.time), bool)
    passes[affected.group_interval[wanted[affected.combination]]] = True
    says(page, "#summary", summary(document, "shop", passes))
    # The table has only what was chosen.
    until(page, "() => document.querySelectorAll('#table tbody tr').length > 0")
    pairs = {tuple(text.split(" · ")) for text in texts(page, "#table tbody td:nth-child(4) > span > .name")}
    assert pairs <= {(a, b) for a in chosen[platform] for b in chosen[marketplace]}


def test_a_metric_that_lacks_the_dimension_is_out(open_page: Open) -> None:
    whole = documents.one()
    detector = whole.detectors[0]
    combinations = detector.combinations.copy()
    combinations[:, 1] = LACKS
    page = open_page(replace(whole, detectors=(replace(detector, combinations=combinations, live=None),)))
    sub = drop(page, "Dimensions").locator("details.sub").nth(1)
    sub.locator("> summary").click()
    sub.get_by_role("checkbox").first.check()
    says(page, "#summary", f"0 groups of shop, of severity {alert_severity(whole)} or more, filtered")
    assert page.locator("#groups").text_content() == "No anomaly groups in what is chosen."


def test_time_is_chosen_by_clock_by_span_and_by_dragging(open_page: Open) -> None:
    document = documents.one()
    times = document.group_intervals.time
    page = open_page("one")
    panel = drop(page, "Time")
    panel.get_by_role("button", name="Last 7 days").click()
    last = max(int(document.detectors[0].live.times[-1]), int(document.groups.end.max()))  # type: ignore[union-attr]
    says(page, "#summary", summary(document, "shop", times >= last - 7 * 86400))
    # The clock is the detector's, a week after the clocks went forward.
    panel.get_by_label("From").fill("2025-03-31T01:00")
    panel.get_by_label("To").fill("2025-04-02T22:00")
    start = datetime(2025, 3, 31, 1, tzinfo=BERLIN).timestamp()
    end = datetime(2025, 4, 2, 22, tzinfo=BERLIN).timestamp()
    says(page, "#summary", summary(document, "shop", (times >= start) & (times <= end)))
    page.keyboard.press("Escape")
    page.locator("#all-time").click()
    says(page, "#summary", summary(document, "shop"))
    draw_all(page)
    box = page.locator("#timeline canvas").bounding_box()
    assert box is not None
    page.mouse.move(box["x"] + box["width"] * 0.5, box["y"] + box["height"] * 0.5)
    page.mouse.down()
    page.mouse.move(box["x"] + box["width"] * 0.6, box["y"] + box["height"] * 0.5, steps=5)
    page.mouse.move(box["x"] + box["width"] * 0.8, box["y"] + box["height"] * 0.5, steps=5)
    page.mouse.up()
    page.locator("#all-time").wait_for(state="visible")
    until(page, "() => document.querySelector('#summary').textContent.endsWith('filtered')")
    assert "–" in page.locator("details.drop", has_text="Time").locator(".chosen").first.text_content()  # type: ignore[operator]


@pytest.mark.parametrize(("typed", "counts"), [("150", "100"), ("-3", "0"), ("84.5", "84.5")])
def test_a_severity_that_was_typed_is_the_one_that_counts(open_page: Open, typed: str, counts: str) -> None:
    document = documents.one()
    page = open_page("one")
    exact = page.get_by_label("Least severity as a number")
    exact.fill(typed)
    exact.blur()
    assert exact.input_value() == counts
    says(page, "#summary", summary(document, "shop", least=float(counts)))


def test_the_clock_is_the_viewers_or_the_detectors(open_page: Open) -> None:
    document = documents.one()
    start = document.groups.start[shown_groups(document)[0]]
    page = open_page("one", timezone_id="America/New_York")
    first = "#groups tbody tr:first-child th a"
    says(page, first, clock(start))
    page.locator("#clock").select_option("viewer")
    says(page, first, clock(start, ZoneInfo("America/New_York")))
    assert "America/New_York" in (page.locator("#clock option:checked").text_content() or "")


def test_the_clock_follows_the_detectors_that_are_chosen(open_page: Open) -> None:
    document = documents.fifty()
    which = [detector.name for detector in document.detectors].index("team-12")
    zone = document.detectors[which].timezone
    assert zone == "America/Los_Angeles"
    page = open_page("fifty")
    option = page.locator("#clock option").first
    assert option.text_content() == "UTC: the detectors' zones differ"
    drop(page, "Detector").get_by_text("team-12").click()
    until(page, "() => document.querySelector('#clock option').textContent.includes('America/Los_Angeles')")
    panel = drop(page, "Time")
    assert "Times in America/Los_Angeles." in panel.text_content()
    mine = document.groups.detector[document.group_intervals.group] == which
    last = int(document.group_intervals.time[mine].max())
    panel.get_by_label("From").fill(datetime.fromtimestamp(last, ZoneInfo(zone)).strftime("%Y-%m-%dT%H:%M"))
    says(page, "#summary", summary(document, "team-12", mine & (document.group_intervals.time >= last)))
    page.locator("#clock").select_option("viewer")
    panel = drop(page, "Time")
    assert panel.get_by_label("From").input_value() == datetime.fromtimestamp(last, ZoneInfo("Asia/Tokyo")).strftime(
        "%Y-%m-%dT%H:%M"
    )


def test_contributions_are_of_a_dimension_that_has_some(open_page: Open) -> None:
    document = documents.fifty()
    which = document.groups.detector[document.group_intervals.group[document.contributions.group_interval]]
    names = [
        document.detectors[d].dimensions[c][0]
        for d, c in zip(which.tolist(), document.contributions.dimension.tolist(), strict=True)
    ]
    # A detector with a dimension of its own.
    own = int(which[0])
    (_, values), *others = document.detectors[own].dimensions
    detectors = list(document.detectors)
    detectors[own] = replace(detectors[own], dimensions=(("own", values), *others))
    page = open_page(replace(document, detectors=tuple(detectors)))
    control = page.locator("#contribution-dimension")
    assert set(texts(page, "#contribution-dimension option")) == {*names, "own"}
    control.select_option(next(name for name in names if name != "own"))
    panel = drop(page, "Dimensions")
    panel.locator("details.sub", has_text="own").locator("> summary").click()
    panel.locator("details.sub", has_text="own").get_by_role("checkbox").first.check()
    until(page, "() => document.querySelector('#contribution-dimension').value === 'own'")


def test_detectors_of_one_name_are_told_apart(open_page: Open) -> None:
    document = documents.fifty()
    both = [replace(item, name="twin", arn=f"arn:aws:lookoutmetrics:eu-west-1:{n}:AnomalyDetector:twin")
            for n, item in enumerate(document.detectors[:2])]  # fmt: skip
    page = open_page(replace(document, detectors=(*both, *document.detectors[2:])))
    assert {"twin (eu-west-1, 0)", "twin (eu-west-1, 1)", "team-02"} <= set(texts(page, "#health tbody th"))
    panel = drop(page, "Detector")
    panel.get_by_role("searchbox").fill("twin")
    assert panel.locator(".option").all_text_contents() == ["twin (eu-west-1, 0)", "twin (eu-west-1, 1)"]


def test_fifty_detectors_are_searched(open_page: Open, keep: Keep) -> None:
    document = documents.fifty()
    page = open_page("fifty")
    draw_all(page)
    keep(page, "fifty")
    panel = drop(page, "Detector")
    panel.get_by_role("searchbox").fill("team-17")
    assert panel.get_by_role("checkbox").count() == 1
    panel.get_by_role("checkbox").check()
    which = [detector.name for detector in document.detectors].index("team-17")
    passes = document.groups.detector[document.group_intervals.group] == which
    says(page, "#summary", summary(document, "team-17", passes))
    assert page.locator("#lanes-card").is_hidden()
    assert page.locator("#health tbody tr").count() == 1


def test_what_was_chosen_outlives_a_reload(open_page: Open) -> None:
    document = documents.one()
    page = open_page("one")
    page.get_by_label("Least severity as a number").fill("80")
    page.locator("#theme").select_option("dark")
    wanted = summary(document, "shop", least=80)
    says(page, "#summary", wanted)
    page.reload()
    page.wait_for_selector("body[data-open]")
    says(page, "#summary", wanted)
    assert page.evaluate("document.documentElement.dataset.theme") == "dark"


# ---- one group ----


def test_a_group_is_opened_and_closed(open_page: Open, keep: Keep) -> None:
    document = documents.one()
    newest = shown_groups(document)[0]
    page = open_page("one")
    link = page.locator("#groups tbody a").first
    link.focus()
    page.keyboard.press("Enter")
    page.locator("#group").wait_for(state="visible")
    assert page.locator("#overview").is_hidden()
    assert page.evaluate("document.activeElement.id") == "group-title"
    assert clock(document.groups.start[newest]) in page.title()
    sentence = page.evaluate(TEXT, ".sentence")
    detector = document.detectors[0]
    assert sentence.startswith(f"{detector.measures[document.groups.measure[newest]]} of shop was ")
    draw_all(page)
    assert page.locator("#group-picture canvas").count() == 1
    keep(page, "group-1280-light")
    page.keyboard.press("Escape")
    page.locator("#overview").wait_for(state="visible")
    assert page.evaluate("document.activeElement.textContent") == link.text_content()
    page.locator("#groups tbody tr").nth(3).locator("td").nth(2).click()
    page.locator("#group").wait_for(state="visible")
    page.go_back()
    page.locator("#overview").wait_for(state="visible")
    page.go_forward()
    page.locator("#group").wait_for(state="visible")
    page.locator(".back").click()
    page.locator("#overview").wait_for(state="visible")


@pytest.mark.parametrize("encoded", [False, True])
def test_an_alerts_link_opens_its_group(open_page: Open, encoded: bool) -> None:
    document = documents.one()
    group = 7
    link = fragment(document, group)
    page = open_page("one", fragment="#" + quote(link[1:], safe="") if encoded else link)
    assert page.locator("#group").is_visible()
    assert clock(document.groups.start[group]) in (page.locator("#group-title").text_content() or "")
    page.keyboard.press("Escape")
    page.locator("#overview").wait_for(state="visible")


def test_a_group_tells_its_times_by_its_own_detectors_clock(open_page: Open) -> None:
    document = documents.fifty()
    zones = np.array([detector.timezone for detector in document.detectors])[document.groups.detector]
    intervals = np.bincount(document.group_intervals.group, minlength=len(zones))
    group = int(np.flatnonzero((zones == "Australia/Lord_Howe") & (intervals > 1))[0])
    zone, tokyo = ZoneInfo("Australia/Lord_Howe"), ZoneInfo("Asia/Tokyo")
    page = open_page("fifty", fragment=fragment(document, group))
    start = document.groups.start[group]

    def day(seconds: int) -> str:
        return clock(seconds, zone).removesuffix(", 00:00")

    assert day(start) in page.locator("#group-title").inner_text()
    assert day(start) in page.title()
    assert "Australia/Lord_Howe" in (page.locator("#clock option").first.text_content() or "")
    draw_all(page)
    # The interval that was chosen stays when the clock changes.
    times = document.group_intervals.time[document.group_intervals.group == group]
    worst = int(np.argmax(document.group_intervals.score[document.group_intervals.group == group]))
    assert day(times[worst]) in (page.locator("#group-picture-caption").text_content() or "")
    other = (worst + 1) % len(times)
    page.locator("#group-interval").select_option(index=other)
    page.locator("#clock").select_option("viewer")
    assert clock(start, tokyo) in page.title()
    assert clock(times[other], tokyo) in (page.locator("#group-interval option:checked").text_content() or "")
    page.keyboard.press("Escape")
    page.locator("#overview").wait_for(state="visible")
    assert page.locator("#clock option").first.text_content() == "UTC: the detectors' zones differ"


def test_a_group_is_found_by_its_id_where_its_link_names_another_detector(open_page: Open) -> None:
    document = documents.one()
    link = f"#arn:aws:lookoutmetrics:us-west-2:1:AnomalyDetector:other/anomalies/anomaly/{document.groups.id[7]}"
    page = open_page("one", fragment=link)
    assert clock(document.groups.start[7]) in (page.locator("#group-title").text_content() or "")


def test_groups_of_one_id_and_two_measures_are_both_opened(open_page: Open) -> None:
    document = documents.one()
    worst = worst_of(document)
    same = int(np.flatnonzero(document.groups.measure != document.groups.measure[worst])[0])
    ids = list(document.groups.id)
    ids[same] = ids[worst]
    document = replace(document, groups=replace(document.groups, id=tuple(ids)))
    page = open_page(document, fragment=fragment(document, worst))

    def title(of: int) -> str:
        group = document.groups
        return f"{document.detectors[0].measures[group.measure[of]]} {clock(group.start[of])}"

    def shown() -> str:
        return str(page.evaluate(TEXT, "#group-title"))

    assert shown().startswith(title(worst))
    page.keyboard.press("Escape")
    page.get_by_role("button", name="Began").first.click()
    links = page.locator("#groups tbody tr", has_text=clock(document.groups.start[same]))
    for _ in range(10):
        if links.count():
            break
        page.locator("#groups").get_by_role("button", name="Next").click()
    address = [item.get_attribute("href") for item in links.locator("a").all()]
    assert fragment(document, worst).rsplit("/", 1)[1] in str(address)
    page.goto(page.url.split("#")[0] + next(entry for entry in address if entry and entry.count("/") == 4))
    until(page, "() => !document.querySelector('#group').hidden")
    assert shown().startswith(title(same))


def test_what_is_not_known_to_add_up_is_averaged_in_words_and_picture(open_page: Open) -> None:
    document = documents.one()
    detector = replace(document.detectors[0], aggregations=(None, None), live=None)
    many = np.bincount(document.affected.group_interval, minlength=len(document.group_intervals.time))
    single = np.bincount(document.group_intervals.group) == 1
    interval = int(np.flatnonzero((many > 1) & single[document.group_intervals.group])[0])
    values = document.affected.value.copy()
    values[document.affected.group_interval == interval] = 0.5
    values[np.flatnonzero(document.affected.group_interval == interval)[0]] = many[interval] / 2 + 0.5
    document = replace(document, detectors=(detector,), affected=replace(document.affected, value=values))
    page = open_page(document, fragment=fragment(document, int(document.group_intervals.group[interval])))
    draw_all(page)
    metrics = f"the {many[interval]} metrics affected at that time were 1 on average instead of"
    assert metrics in page.evaluate(TEXT, ".sentence")
    assert ": 1 instead of about" in page.evaluate(TEXT, "#group-picture-caption")


def test_a_link_to_an_unknown_group_says_so(open_page: Open) -> None:
    page = open_page("one", fragment="#arn:aws:x/anomalies/anomaly/none")
    assert "not on this page" in (page.locator("#state").text_content() or "")
    assert page.locator("#overview").is_visible()


def test_a_groups_intervals_metrics_and_relatives(open_page: Open) -> None:
    document = documents.one()
    index = document.group_intervals.group
    group = next(g for g in range(40) if (index == g).sum() > 2 and document.groups.related[g])
    page = open_page("one", fragment=fragment(document, group))
    intervals = np.flatnonzero(index == group)
    assert page.locator("#group-interval option").count() == len(intervals)
    worst = intervals[np.argmax(document.group_intervals.score[intervals])]
    assert page.locator("#group-interval").input_value() == str(worst)
    [detector] = document.detectors
    live, measure = detector.live, document.groups.measure[group]
    assert live is not None
    mine = np.isin(document.affected.group_interval, intervals)
    metrics = np.unique(document.affected.combination[mine])
    for interval in intervals[:2]:
        page.locator("#group-interval").select_option(str(interval))
        rows = np.flatnonzero(document.affected.group_interval == interval)
        assert page.locator("#group-metrics tbody tr").count() == len(metrics)
        assert page.locator("#group-metrics tbody tr:not(.pale)").count() == len(rows)
        at = int(np.flatnonzero(live.times == document.group_intervals.time[interval])[0])
        total = np.nansum(live.values[measure][metrics, at])
        foot = texts(page, "#group-metrics tfoot td")
        assert float(foot[1].replace(",", "")) == pytest.approx(total, rel=1e-3)
        shares = np.flatnonzero(document.contributions.group_interval == interval)
        assert page.locator("#group-shares li").count() == len(shares)
        if interval == worst:
            # The sentence, the chart and the table are about the same metrics.
            assert f"the {len(metrics)} metrics of this group together were {foot[1]} " in page.evaluate(
                TEXT, ".sentence"
            )
    # Each metric has a small chart, the worst first; a click on it or in the table shows it by itself.
    assert page.locator(".multiple").count() == min(9, len(metrics)) > 1
    draw_all(page)
    assert page.locator(".multiple canvas").count() == page.locator(".multiple").count()
    assert " instead of " in texts(page, ".multiple figcaption")[0]
    page.locator(".multiple button").first.click()
    name = page.locator(".multiple button").first.text_content() or ""
    says(page, "#metric-title", f"{detector.measures[measure]} of {name}")
    assert page.evaluate("document.activeElement.id") == "metric-title"
    draw_all(page)
    around = page.locator("#metric-picture-caption").text_content()
    page.locator("#metric-time").select_option("all")
    until(page, "(was) => document.querySelector('#metric-picture-caption').textContent !== was", around)
    page.locator("#metric-card").get_by_role("button", name="Close").click()
    assert page.locator("#metric-card").is_hidden()
    page.locator("#group-metrics tbody tr").last.locator("td").nth(1).click()
    page.locator("#metric-card").wait_for(state="visible")
    last = page.locator("#group-metrics tbody tr").last
    name = " · ".join(last.locator("th, td").all_text_contents()[:2])
    says(page, "#metric-title", f"{detector.measures[measure]} of {name}")
    # Its neighbours are the groups of the measure before and after it.
    start, alike = document.groups.start, np.flatnonzero(document.groups.measure == measure)
    severe = alike[document.groups.score[alike] >= alert_severity(document)]
    links = texts(page, ".neighbours a")
    before, after = severe[start[severe] < start[group]], severe[start[severe] > start[group]]
    wanted = [*before[-1:], *after[:1]]
    assert [text.split(" ", 1)[1] for text in links] == [clock(start[g]) for g in wanted]
    other = document.groups.related[group][0].group
    page.locator(".related a").first.click()
    until(page, "(text) => document.title.includes(text)", clock(document.groups.start[other]))


def test_an_unserved_page_tells_what_it_cannot_do_and_what_was_said(open_page: Open) -> None:
    document = documents.one()
    group = worst_of(document)
    page = open_page("one", fragment=fragment(document, group), width=390)
    lines = texts(page, ".command code")
    assert lines[0] == (
        f"anomalake feedback --lake={document.lake} --detector=shop --group={document.groups.id[group]} --no-anomaly"
    )
    assert lines[-1] == f"anomalake serve --lake={document.lake}"
    # Nothing of a command is cut off.
    assert page.locator(".command code").evaluate_all(
        "(all) => all.every((code) => code.scrollWidth <= code.clientWidth)"
    )
    assert "This page is a file" in (page.locator("#group .hint").last.text_content() or "")
    assert page.locator(".reply").count() == 0
    said = [page.evaluate(TEXT, f"#said li:nth-child({n})") for n in (1, 2, 3, 4)]
    assert said[0] == "Acknowledged by ana, " + clock(document.comments[0].at) + "A sale."
    assert said[1].startswith("Snoozed until ")
    assert said[2] == f"No anomaly by ana, {clock(document.feedback[0].at)} (3 values)"
    assert said[3].endswith("replaced by later feedback")
    assert page.get_by_role("button", name="Undo", exact=True).count() == 0
    assert [text.split(" by")[0] for text in texts(page, ".badges .badge")] == ["acknowledged", "snoozed", "no anomaly"]
    # Whom to ask, and what to do.
    facts = page.evaluate(TEXT, "#group .facts")
    assert "OwnerShop team" in facts
    assert "NoteAsk first." in facts
    link = page.locator("#group .facts a")
    assert link.get_attribute("href") == document.detectors[0].runbook
    assert link.get_attribute("rel") == "noopener noreferrer"
    page.locator(".back").click()
    assert page.locator("#said-list li").count() == 3
    assert page.locator("#health a").get_attribute("href") == document.detectors[0].runbook


# ---- keyboard, sizes ----


def test_the_keyboard_reaches_everything(open_page: Open) -> None:
    page = open_page("one")
    page.keyboard.press("Tab")
    assert page.evaluate("document.activeElement.id") == "skip"
    page.keyboard.press("Enter")
    assert page.evaluate("document.activeElement.id") == "main"
    page.locator("details.drop summary").first.focus()
    page.keyboard.press("Enter")
    panel = page.locator("details.drop").first.locator(".panel")
    panel.wait_for(state="visible")
    page.keyboard.press("Tab")
    page.keyboard.press("Space")
    until(page, "() => document.querySelector('#summary').textContent.endsWith('filtered')")
    page.keyboard.press("Escape")
    panel.wait_for(state="hidden")
    assert page.evaluate("document.activeElement.matches('details.drop summary')")


def test_a_phone_folds_its_filters(open_page: Open, keep: Keep) -> None:
    page = open_page("one", width=390)
    fold = page.locator("#fold")
    assert fold.get_attribute("aria-expanded") == "false"
    assert page.locator("#filter-fields").is_hidden()
    fold.click()
    assert fold.get_attribute("aria-expanded") == "true"
    drop(page, "Measure").get_by_role("checkbox").first.check()
    until(page, "() => document.querySelector('#fold').textContent === 'Filters (1)'")
    assert width_wanted(page)[0] <= 390
    keep(page, "filters-390", whole=False)


@pytest.mark.parametrize("name", ["empty", "one", "fifty", "hostile"])
@pytest.mark.parametrize("width", [1280, 390])
def test_nothing_scrolls_sideways(open_page: Open, name: str, width: int) -> None:
    page = open_page(name, width=width)
    draw_all(page)
    assert width_wanted(page)[0] <= width
    if name != "empty":
        page.locator("#groups tbody a").first.click()
        page.locator("#group").wait_for()
        draw_all(page)
        assert width_wanted(page)[0] <= width


# ---- strangers' names ----


def test_hostile_names_are_shown_and_do_nothing(open_page: Open, keep: Keep) -> None:
    document = documents.hostile()
    page = open_page("hostile")
    draw_all(page)
    keep(page, "hostile")
    assert page.locator("#about bdi").text_content() == document.lake
    shown = set(texts(page, "#table tbody td:nth-child(3)"))
    assert shown <= {item.name for item in document.detectors}
    assert page.locator("#overview script, #overview img, #group script").count() == 0
    # A runbook that is no web address is text.
    assert page.locator("a[href^=javascript]").count() == 0
    assert page.locator("#said-list li").count() > len(documents.NASTY)
    for group in range(0, len(document.groups.id), 5):
        page.evaluate("(g) => { location.hash = g; }", quote(fragment(document, group)[1:], safe=""))
        until(
            page,
            "(text) => document.title.includes(text)",
            clock(document.groups.start[group], ZoneInfo("Asia/Kolkata")),
        )
        detector = document.detectors[document.groups.detector[group]]
        names = [page.evaluate(TEXT, f"#group .facts div:nth-child({n}) dd") for n in (4, 5)]
        assert names[0] == detector.name
        assert names[1] == (detector.measures[document.groups.measure[group]] or "(empty)")
    panel_page = open_page("hostile")
    drop(panel_page, "Dimensions")
    for sub in panel_page.locator("details.sub").all():
        if not sub.evaluate("(details) => details.open"):
            sub.locator("> summary").click()
    options = texts(panel_page, "details.sub .option bdi")
    assert {"__proto__", "constructor", "<img src=x onerror=alert(1)>"} <= set(options)


def test_a_group_shows_its_root_causes_as_text(open_page: Open) -> None:
    whole = documents.one()
    words = ("carrier UA at EWR: 62 % fewer than expected; explains 71 %", "carrier <img src=x onerror=alert(1)>: …")
    causes = tuple(words if g == 0 else () for g in range(len(whole.groups.id)))
    page = open_page(replace(whole, groups=replace(whole.groups, causes=causes)), fragment=fragment(whole, 0))
    assert page.locator("#group .causes li").all_inner_texts() == list(words)
    page = open_page(whole, fragment=fragment(whole, 0))
    assert page.locator("#group .causes").count() == 0


@pytest.mark.parametrize("word", ["constructor", "__proto__", "toString"])
def test_words_that_objects_have_are_words(open_page: Open, word: str) -> None:
    whole = documents.one()
    [detector] = whole.detectors
    assert detector.runs
    odd = replace(detector, name=word, frequency=word, timezone=word, runs=replace(detector.runs, last_status=word))
    related = tuple(tuple(replace(item, relationship=word) for item in them) for them in whole.groups.related)
    group = next(g for g, them in enumerate(related) if them)
    page = open_page(
        replace(whole, detectors=(odd,), groups=replace(whole.groups, related=related)), fragment=fragment(whole, group)
    )
    assert page.evaluate(TEXT, "#group .facts div:nth-child(4) dd") == word
    assert "Related: " in page.evaluate(TEXT, ".related")
    assert word.lower() in page.evaluate(TEXT, "#health")
    assert "UTC" in page.evaluate(TEXT, "#clock")
    draw_all(page)


def test_hostile_values_are_harmless_in_the_csv(open_page: Open) -> None:
    document = documents.hostile()
    page = open_page("hostile")
    page.get_by_label("Least severity as a number").fill("0")
    until(page, "() => document.querySelector('#summary').textContent.includes('any severity')")
    with page.expect_download() as saved:
        page.locator("#csv").click()
    rows = list(csv.DictReader(io.StringIO(Path(saved.value.path()).read_bytes().decode("utf-8"), newline="")))
    assert len(rows) == len(document.affected.group_interval)
    numbers = ("observed", "expected", "lower", "upper", "score")
    texts_ = [cell for row in rows for key, cell in row.items() if key not in numbers]
    assert "'=1+1" in texts_
    assert not [cell for cell in texts_ if cell.startswith(("=", "+", "-", "@", "\t", "\r"))]
    times = {row["timestamp"] for row in rows}
    assert times == {
        datetime.fromtimestamp(int(item), tz=UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
        for item in document.group_intervals.time
    }


# ---- very much ----


def test_a_hundred_thousand_anomalies(open_page: Open, keep: Keep) -> None:
    document = documents.many()
    page = open_page("many")
    says(page, "#summary", summary(document, "3 detectors"))
    draw_all(page)
    keep(page, "many")
    says(page, "#table .pager [role=status]", f"1–20 of {len(document.affected.group_interval):,}")
    page.get_by_label("Least severity as a number").fill("97")
    says(page, "#summary", summary(document, "3 detectors", least=97))
    page.locator("#groups tbody a").first.click()
    page.locator("#group-title").wait_for(state="visible")
    draw_all(page)


def test_groups_without_listed_intervals_can_be_opened(open_page: Open) -> None:
    whole = documents.one()
    groups = whole.groups
    more = Groups(
        id=(*groups.id, "counted"),
        related=(*groups.related, ()),
        **{
            name: np.append(getattr(groups, name), getattr(groups, name)[-1])
            for name in ("detector", "measure", "start", "end", "score", "known")
        },
    )
    document = replace(whole, groups=more)
    page = open_page(document, fragment=fragment(document, len(groups.id)))
    assert "only counted" in (page.locator("#group").text_content() or "")
    draw_all(page)
