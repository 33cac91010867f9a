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


def summary(groups: int, intervals: int, of: str, filtered: bool = True) -> str:
    def count(number: int, singular: str, many: str) -> str:
        return f"{number:,} {singular if number == 1 else many}"

    which = ", filtered" if filtered else ""
    return f"{count(groups, 'group', 'groups')}, {count(intervals, 'anomaly', 'anomalies')} of {of}{which}"


def left(document: PageDocument, passes: np.ndarray) -> tuple[int, int]:
    """Of these intervals: how many groups, how many intervals."""
    return len(np.unique(document.group_intervals.group[passes])), int(passes.sum())


def clock(seconds: int, zone: ZoneInfo = BERLIN) -> str:
    return datetime.fromtimestamp(int(seconds), tz=zone).strftime("%Y-%m-%d %H:%M")


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
    says(page, "#summary", summary(len(document.groups.id), len(document.group_intervals.time), "shop", filtered=False))
    assert texts(page, "#figures .value") == [
        "1",
        "40",
        f"{len(document.group_intervals.time)}",
        f"{np.floor(document.groups.score.max() * 10) / 10:g}",
    ]
    assert page.locator("#groups tbody tr").count() == 12
    draw_all(page)
    for picture in ("timeline", "contributions", "live", "expected"):
        assert page.locator(f"#{picture} canvas").count() == 1, picture
        assert page.locator(f"#{picture}").get_attribute("aria-label")
        assert page.locator(f"#{picture}-caption").text_content()
    assert page.locator("#lanes").is_hidden()
    assert width_wanted(page)[0] <= width
    ground = page.evaluate("getComputedStyle(document.body).backgroundColor")
    assert (sum(int(item) for item in ground[4:-1].split(",")) < 200) == (theme == "dark")
    keep(page, f"shop-{width}-{theme}")


def test_the_worst_group_comes_first_and_columns_sort(open_page: Open) -> None:
    document = documents.one()
    page = open_page("one")
    first = page.locator("#groups tbody tr").first
    worst = worst_of(document)
    assert first.locator("th").text_content() == clock(document.groups.start[worst])
    assert page.locator("#groups [aria-sort]").get_attribute("aria-sort") == "descending"
    page.locator("#groups thead button", has_text="Began").click()
    assert first.locator("th").text_content() == clock(document.groups.start.max())
    page.locator("#groups thead button", has_text="Began").click()
    assert page.locator("#groups [aria-sort]").get_attribute("aria-sort") == "ascending"
    assert first.locator("th").text_content() == clock(document.groups.start.min())
    assert page.evaluate("document.activeElement.textContent") == "Began"
    page.locator("#groups .pager button", has_text="Next").click()
    says(page, "#groups .pager [role=status]", "13–24 of 40")


def test_the_table_has_a_row_a_contribution(open_page: Open) -> None:
    document = documents.one()
    page = open_page("one")
    count = len(document.contributions.group_interval)
    says(page, "#table .pager [role=status]", f"1–50 of {count:,}")
    last = document.contributions.group_interval.max()
    first = int(np.flatnonzero(document.contributions.group_interval == last)[0])
    detector = document.detectors[0]
    dimension, values = detector.dimensions[document.contributions.dimension[first]]
    cells = page.locator("#table tbody tr").first.locator("th, td").all_text_contents()
    assert cells[:3] == [
        clock(document.group_intervals.time[last]),
        dimension,
        values[document.contributions.value[first]],
    ]
    assert cells[6] == f"{document.contributions.share[first]} %"
    page.locator("#table thead button", has_text="Contribution").click()
    assert texts(page, "#table tbody tr:first-child .share") == [f"{document.contributions.share.max()} %"]
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
    says(page, "#summary", summary(0, 0, "shop", filtered=False))
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
    for of in ("#groups .swatch", "#table .bar", "body"):
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


# ---- filters ----


def test_filters_act_on_everything(open_page: Open) -> None:
    document = documents.one()
    intervals, groups = document.group_intervals, document.groups
    page = open_page("one")
    measure = groups.measure[intervals.group]
    drop(page, "Measure").get_by_label("views").check()
    passes = measure == 1
    says(page, "#summary", summary(*left(document, passes), "shop"))
    assert set(texts(page, "#table tbody td:nth-child(4)")) == {"views"}
    assert set(texts(page, "#groups tbody td:nth-child(4)")) == {"views"}
    page.get_by_label("Least severity as a number").fill("60")
    passes = passes & (intervals.score >= 60)
    says(page, "#summary", summary(*left(document, passes), "shop"))
    rows = int(np.isin(document.contributions.group_interval, np.flatnonzero(passes)).sum())
    says(page, "#table .pager [role=status]", f"1–50 of {rows:,}")
    shown_text = page.locator("#timeline-caption").text_content()
    page.locator("#reset").click()
    says(page, "#summary", summary(len(groups.id), len(intervals.time), "shop", filtered=False))
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
    says(page, "#summary", summary(*left(document, passes), "shop"))
    # Of a filtered dimension the table has only what was chosen.
    until(page, "() => document.querySelectorAll('#table tbody tr').length > 0")
    rows = zip(texts(page, "#table tbody td:nth-child(2)"), texts(page, "#table tbody td:nth-child(3)"), strict=True)
    assert all(value in chosen[name] for name, value in rows)


def test_a_metric_that_lacks_the_dimension_is_out(open_page: Open) -> None:
    whole = documents.one()
    detector = whole.detectors[0]
    combinations = detector.combinations.copy()
    combinations[:, 1] = LACKS
    page = open_page(replace(whole, detectors=(replace(detector, combinations=combinations, live=None),)))
    sub = drop(page, "Dimensions").locator("details.sub").nth(1)
    sub.locator("> summary").click()
    sub.get_by_role("checkbox").first.check()
    says(page, "#summary", summary(0, 0, "shop"))
    assert page.locator("#groups").text_content() == "No anomaly groups in what is chosen."


def test_time_is_chosen_by_clock_by_span_and_by_dragging(open_page: Open) -> None:
    document = documents.one()
    times = document.group_intervals.time
    page = open_page("one")
    panel = drop(page, "Time")
    panel.get_by_role("button", name="Last 7 days").click()
    last = max(int(document.detectors[0].live.times[-1]), int(document.groups.end.max()))  # type: ignore[union-attr]
    says(page, "#summary", summary(*left(document, times >= last - 7 * 86400), "shop"))
    # The clock is the detector's, a week after the clocks went forward.
    panel.get_by_label("From").fill("2025-03-31T01:00")
    panel.get_by_label("To").fill("2025-04-02T22:00")
    start = datetime(2025, 3, 31, 1, tzinfo=BERLIN).timestamp()
    end = datetime(2025, 4, 2, 22, tzinfo=BERLIN).timestamp()
    says(page, "#summary", summary(*left(document, (times >= start) & (times <= end)), "shop"))
    page.keyboard.press("Escape")
    page.locator("#all-time").click()
    says(page, "#summary", summary(40, len(times), "shop", filtered=False))
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
    passes = document.group_intervals.score >= float(counts)
    says(page, "#summary", summary(*left(document, passes), "shop", filtered=counts != "0"))


def test_the_clock_is_the_viewers_or_the_detectors(open_page: Open) -> None:
    document = documents.one()
    start = document.groups.start[worst_of(document)]
    page = open_page("one", timezone_id="America/New_York")
    first = "#groups tbody tr:first-child th"
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
    panel.get_by_label("From").fill(clock(last, ZoneInfo(zone)).replace(" ", "T"))
    says(page, "#summary", summary(*left(document, mine & (document.group_intervals.time >= last)), "team-12"))
    page.locator("#clock").select_option("viewer")
    panel = drop(page, "Time")
    assert panel.get_by_label("From").input_value() == clock(last, ZoneInfo("Asia/Tokyo")).replace(" ", "T")


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
    says(page, "#summary", summary(*left(document, passes), "team-17"))
    assert page.locator("#lanes-card").is_hidden()
    assert page.locator("#health tbody tr").count() == 1


def test_what_was_chosen_outlives_a_reload(open_page: Open) -> None:
    document = documents.one()
    page = open_page("one")
    page.get_by_label("Least severity as a number").fill("80")
    page.locator("#theme").select_option("dark")
    wanted = summary(*left(document, document.group_intervals.score >= 80), "shop")
    says(page, "#summary", wanted)
    page.reload()
    page.wait_for_selector("body[data-open]")
    says(page, "#summary", wanted)
    assert page.evaluate("document.documentElement.dataset.theme") == "dark"


# ---- one group ----


def test_a_group_is_opened_and_closed(open_page: Open, keep: Keep) -> None:
    document = documents.one()
    worst = worst_of(document)
    page = open_page("one")
    link = page.locator("#groups tbody a").first
    link.focus()
    page.keyboard.press("Enter")
    page.locator("#group").wait_for(state="visible")
    assert page.locator("#overview").is_hidden()
    assert page.evaluate("document.activeElement.id") == "group-title"
    assert clock(document.groups.start[worst]) in page.title()
    sentence = page.evaluate(TEXT, ".sentence")
    detector = document.detectors[0]
    assert sentence.startswith(f"{detector.measures[document.groups.measure[worst]]} of shop was ")
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
    assert clock(start, zone) in page.locator("#group-title").inner_text()
    assert clock(start, zone) in page.title()
    assert "Australia/Lord_Howe" in (page.locator("#clock option").first.text_content() or "")
    draw_all(page)
    # The interval that was chosen stays when the clock changes.
    times = document.group_intervals.time[document.group_intervals.group == group]
    worst = int(np.argmax(document.group_intervals.score[document.group_intervals.group == group]))
    assert clock(times[worst], zone) in (page.locator("#group-picture-caption").text_content() or "")
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
    assert "1 were observed on average" in page.evaluate(TEXT, ".sentence")
    assert ": 1, expected" in page.evaluate(TEXT, "#group-picture-caption")


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
    for interval in intervals[:2]:
        page.locator("#group-interval").select_option(str(interval))
        rows = np.flatnonzero(document.affected.group_interval == interval)
        assert page.locator("#group-metrics tbody tr").count() == len(rows)
        value, expected = document.affected.value[rows[0]], document.affected.expected[rows[0]]
        deviation = 100 * (value - expected) / abs(expected)
        shown = page.locator("#group-metrics tbody tr").first.locator("td").last.text_content() or ""
        assert float(shown.replace("−", "-").replace(",", "").rstrip(" %")) == pytest.approx(deviation, abs=0.51)
        shares = np.flatnonzero(document.contributions.group_interval == interval)
        assert page.locator("#group-shares li").count() == len(shares)
    other = document.groups.related[group][0].group
    page.locator(".related a").first.click()
    until(page, "(text) => document.title.includes(text)", clock(document.groups.start[other]))


def test_an_unserved_page_shows_commands(open_page: Open) -> None:
    document = documents.one()
    page = open_page("one", fragment=fragment(document, 0))
    lines = texts(page, ".command code")
    assert lines[0] == (
        f"anomalake feedback --lake={document.lake} --detector=shop --group={document.groups.id[0]} --no-anomaly"
    )
    assert page.locator(".reply").count() == 0


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
    shown = set(texts(page, "#table tbody td:nth-child(2)"))
    assert shown <= {item.name for item in document.detectors}
    assert page.locator("#overview script, #overview img, #group script").count() == 0
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
    with page.expect_download() as saved:
        page.locator("#csv").click()
    rows = list(csv.DictReader(io.StringIO(Path(saved.value.path()).read_bytes().decode("utf-8"), newline="")))
    without = set(document.affected.group_interval) - set(document.contributions.group_interval)
    assert len(rows) == len(document.contributions.group_interval) + int(
        np.isin(document.affected.group_interval, list(without)).sum()
    )
    values = {row["value"] for row in rows}
    assert "'=1+1" in values
    texts_ = [cell for row in rows for key, cell in row.items() if key not in ("observed", "expected")]
    assert not [cell for cell in texts_ if cell.startswith(("=", "+", "-", "@", "\t", "\r"))]
    times = {row["timestamp"] for row in rows}
    assert times == {
        datetime.fromtimestamp(int(item), tz=UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
        for item in document.group_intervals.time
    }


# ---- very much ----


def test_a_hundred_thousand_anomalies(open_page: Open, keep: Keep) -> None:
    document = documents.many()
    intervals = document.group_intervals
    page = open_page("many")
    total = len(intervals.time) + int(document.counts.group_intervals.sum())
    says(page, "#summary", summary(len(document.groups.id), total, "3 detectors", filtered=False))
    draw_all(page)
    keep(page, "many")
    says(page, "#table .pager [role=status]", f"1–50 of {len(document.contributions.group_interval):,}")
    page.get_by_label("Least severity as a number").fill("97")
    groups, few = left(document, intervals.score >= 97)
    says(page, "#summary", summary(groups, few, "3 detectors"))
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
