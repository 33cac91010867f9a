"""The page's charts in Chromium: what they draw is computed once more here, from the document."""

from __future__ import annotations

import base64
import hashlib
import json
import re
from dataclasses import replace
from datetime import UTC, datetime
from functools import cache
from importlib.resources import files
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING, Any
from zoneinfo import ZoneInfo

import numpy as np
import pytest

from anomalake.page import vega
from anomalake.page.document import LACKS, OTHERS, PageDocument, pack
from anomalake.page.page import SCRIPTS
from tests.support import documents
from tests.support.patience import PATIENCE

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page

ASSETS = files("anomalake.page").joinpath("assets")
NONE: dict[str, Any] = {}

#: Draws on demand, and writes down what the charts call back.
DRIVER = """
const bytes = Uint8Array.from(atob(document.getElementById("document").textContent), (c) => c.charCodeAt(0));
const doc = unpack(bytes.buffer);
const place = document.getElementById("place");
window.calls = [];
window.draw = (kind, chosen, more) => {
  document.documentElement.dataset.theme = more.dark ? "dark" : "light";
  const filters = { ...noFilters(), ...chosen, dimensions: new Map() };
  for (const [dimension, values] of chosen.dimensions ?? []) filters.dimensions.set(dimension, new Set(values));
  for (const name of ["detectors", "measures"]) if (filters[name]) filters[name] = new Set(filters[name]);
  const selection = select(doc, filters);
  const options = { zone: zoneOf(doc, "detector", selection.detectors), dark: false, width: 1000, ...more };
  for (const name of ["onTime", "onGroup", "onDetector"]) {
    options[name] = (...args) => window.calls.push([name, ...args]);
  }
  const draws = { drawTimeline, drawLanes, drawLive, drawExpected, drawContributions, drawGroup, drawMetric };
  return draws[kind](place, doc, selection, options);
};
window.rows = (set) => drawn.get(place).view.data(set);
window.words = (values, value, expected, lower, upper) => {
  const numbers = writer(...digitsOf(values));
  const point = { expected, lower: lower ?? NaN, upper: upper ?? NaN };
  const difference = differenceWords(numbers, value, expected).join(" ");
  return [numbers.text(value), usualWords(numbers, point), rangeWords(numbers, point), difference];
};
window.axisLabels = () => {
  const found = [];
  const walk = (item) => {
    if (item.role === "axis-label") {
      const shown = item.items.filter(({ opacity }) => opacity > 0);
      found.push(shown.map(({ text, bounds }) => [String(text), bounds.x1, bounds.x2]));
    }
    for (const child of item.items ?? []) walk(child);
  };
  walk(drawn.get(place).view.scenegraph().root);
  return found;
};
window.scale = (channel) => drawn.get(place).view.scale(channel);
window.at = (row, fields) => {
  const { view } = drawn.get(place);
  const { left, top } = place.querySelector("canvas").getBoundingClientRect();
  const [x, y] = view.origin();
  const padding = view.padding();
  const [fx, fy] = fields;
  const band = view.scale("y").bandwidth?.() ?? 0;
  const [sx, sy] = [view.scale("x")(row[fx]), view.scale("y")(row[fy]) + band / 2];
  // Beside a circle's very middle, where Chromium's test of what is within a path wavers.
  return [left + x + padding.left + sx + 1, top + y + padding.top + sy + 1];
};
window.ready = true;
"""


def harness(document: PageDocument) -> str:
    """A page with one place for a chart, under the page's own policy."""
    charts = ASSETS.joinpath("charts").iterdir()
    specifications = {chart.name.removesuffix(".vl.json"): json.loads(chart.read_text("utf-8")) for chart in charts}
    scripts = [item for item in SCRIPTS if item in ("text.js", "model.js", "numbers.js") or item.startswith("charts")]
    parts = [f'"use strict";\nconst SPECS = {json.dumps(specifications)};']
    parts += [ASSETS.joinpath(script).read_text("utf-8") for script in scripts]
    application = vega.inline("\n".join([*parts, DRIVER]))
    hashes = [
        base64.b64encode(hashlib.sha256(entry.encode()).digest()).decode() for entry in (vega.bundle(), application)
    ]
    policy = "default-src 'none'; style-src 'unsafe-inline'; img-src data: blob:; script-src " + " ".join(
        f"'sha256-{element}'" for element in hashes
    )
    packed = base64.b64encode(pack(document)).decode()
    return (
        f'<!doctype html><html lang="en"><meta charset="utf-8"><title>Charts</title>'
        f'<meta http-equiv="Content-Security-Policy" content="{policy}">'
        f"<style>{ASSETS.joinpath('page.css').read_text('utf-8')}</style>"
        f'<body><div id="place"></div><script type="text/plain" id="document">{packed}</script>'
        f'<script type="module">{vega.bundle()}</script><script type="module">{application}</script>'
    )


@cache
def made(kind: str) -> PageDocument:
    return documents.many(20_000) if kind == "many" else documents.ALL[kind]()


class Charts:
    """One document's charts in a tab."""

    def __init__(self, browser: Browser, path: Path, document: PageDocument) -> None:
        self.document = document
        self.said: list[str] = []
        # Not the zone of any detector: a chart must not use the browser's own.
        context = browser.new_context(viewport={"width": 1216, "height": 1400}, timezone_id="Pacific/Auckland")
        self.page: Page = context.new_page()
        self.page.set_default_timeout(PATIENCE * 1_000)
        self.page.on("console", lambda message: self.said.append(message.text))
        self.page.on("pageerror", lambda problem: self.said.append(str(problem)))
        self.page.on("dialog", lambda dialog: (self.said.append(f"dialog {dialog.message}"), dialog.dismiss()))
        path.write_text(harness(document), "utf-8")
        self.page.goto(path.as_uri())
        self.page.wait_for_function("window.ready")

    def draw(self, kind: str, chosen: dict[str, Any] = NONE, **more: Any) -> str:
        caption: str = self.page.evaluate("([kind, chosen, more]) => draw(kind, chosen, more)", [kind, chosen, more])
        assert self.said == []
        return caption

    def rows(self, name: str) -> list[dict[str, Any]]:
        """A data set of the chart as Vega has it; a time is milliseconds."""
        caption: str = self.page.evaluate("(name) => JSON.stringify(rows(name).map((row) => ({...row})))", name)
        return list(json.loads(caption))

    def place(self, row: dict[str, Any], x: str = "t", y: str = "v") -> tuple[float, float]:
        return tuple(self.page.evaluate("([row, fields]) => at(row, fields)", [row, [x, y]]))

    def hover(self, row: dict[str, Any], x: str = "t", y: str = "v") -> str:
        self.page.mouse.move(1, 1300)
        self.page.mouse.move(*self.place(row, x, y))
        tip = self.page.locator(".chart-tip")
        tip.wait_for()
        return tip.inner_text()

    def calls(self) -> list[list[Any]]:
        return list(self.page.evaluate("calls.splice(0)"))


class Tabs(dict[str, Charts]):
    """Tabs by document, opened when they are asked for."""

    def __init__(self, browser: Browser, folder: Path) -> None:
        super().__init__()
        self.browser, self.folder = browser, folder

    def __missing__(self, kind: str) -> Charts:
        self[kind] = Charts(self.browser, self.folder / f"{kind}.html", made(kind))
        return self[kind]


@pytest.fixture(scope="module")
def tabs(browser: Browser, tmp_path_factory: pytest.TempPathFactory) -> Tabs:
    return Tabs(browser, tmp_path_factory.mktemp("charts"))


def wall(seconds: int, zone: str) -> int:
    """The wall clock's time as if it were UTC, milliseconds."""
    clock = datetime.fromtimestamp(int(seconds), ZoneInfo(zone)).replace(tzinfo=UTC)
    return int(clock.timestamp()) * 1000


def as_sent(values: np.ndarray) -> np.ndarray:
    """Live values as they travel: in single precision."""
    return values.astype(np.float32).astype(np.float64)


def severity_class(score: float) -> int:
    return 0 if score >= 85 else 1 if score >= 70 else 2 if score >= 50 else 3


CASES = {
    "empty": [("drawTimeline", {}), ("drawLanes", {}), ("drawLive", {"detector": 0, "measure": 0, "split": None}),
              ("drawExpected", {"detector": 0, "measure": 0}), ("drawContributions", {"dimension": "x"})],
    "one": [("drawTimeline", {}), ("drawLanes", {}), ("drawLive", {"detector": 0, "measure": 0, "split": None}),
            ("drawLive", {"detector": 0, "measure": 1, "split": 1}), ("drawExpected", {"detector": 0, "measure": 0}),
            ("drawContributions", {"detector": 0, "dimension": "platform"}), ("drawGroup", {"group": 0}),
            ("drawGroup", {"group": 30})],
    "fifty": [("drawTimeline", {}), ("drawLanes", {}), ("drawContributions", {"dimension": "platform"}),
              *(("drawLive", {"detector": i, "measure": 0, "split": None}) for i in (0, 1, 2, 3)),
              *(("drawGroup", {"group": i}) for i in range(0, 98, 9))],
    "many": [("drawTimeline", {}), ("drawLanes", {}), ("drawContributions", {"dimension": "campaign"}),
             ("drawExpected", {"detector": 0, "measure": 0}), ("drawGroup", {"group": 17})],
    "hostile": [("drawTimeline", {}), ("drawLanes", {}), ("drawContributions", {"dimension": "__proto__"}),
                *(("drawLive", {"detector": i, "measure": j, "split": k})
                  for i in (0, 1) for j in (0, 1) for k in (None, 0, 1, 2)),
                *(("drawGroup", {"group": i}) for i in range(0, 60, 7))],
}  # fmt: skip


@pytest.mark.parametrize(("width", "dark"), [(1200, False), (300, True)])
@pytest.mark.parametrize("kind", CASES)
def test_every_chart_draws_itself_and_says_what_it_shows(tabs: Tabs, kind: str, width: int, dark: bool) -> None:
    charts = tabs[kind]
    place = charts.page.locator("#place")
    for draw, more in CASES[kind]:
        caption = charts.draw(draw, **more, width=width, dark=dark)
        assert caption.endswith(".") or caption.startswith("No live values are known: ")
        assert place.get_attribute("role") == "img"
        # The label is the sentence, without what cannot be seen.
        assert (place.get_attribute("aria-label") or "")[:12] == re.sub("[\u2068\u2069]", "", caption)[:12]
        if kind == "empty":
            assert place.inner_html() == ""
            continue
        sizes = charts.page.evaluate(
            "[...document.querySelectorAll('#place canvas')].map((canvas) => canvas.clientWidth)"
        )
        assert all(abs(size - width) <= 1 for size in sizes)
        assert len(sizes) == (
            0 if caption.startswith(("No ", "The expected values are unknown", "The values of")) else 1
        )


def test_timeline_has_a_mark_a_group_at_its_worst_interval(tabs: Tabs) -> None:
    charts, document = tabs["one"], made("one")
    caption = charts.draw("drawTimeline")
    rows = {row["k"]: row for row in charts.rows("groups")}
    intervals = document.group_intervals
    assert sorted(rows) == list(range(len(document.groups.id)))
    for g, row in rows.items():
        mine = np.flatnonzero(intervals.group == g)
        worst = mine[np.argmax(intervals.score[mine])]
        assert row["t"] == wall(intervals.time[worst], "Europe/Berlin")
        assert row["v"] == intervals.score[worst]
        assert row["s"] == severity_class(intervals.score[worst])
    assert caption.startswith("40 anomaly groups, 9 Feb 2025 – 10 Apr 2025; the worst: 99.0 at ")


def test_timeline_follows_the_filters(tabs: Tabs) -> None:
    charts, document = tabs["one"], made("one")
    charts.draw("drawTimeline", {"measures": ["views"], "least": 60})
    intervals, groups = document.group_intervals, document.groups
    passing = (groups.measure[intervals.group] == 1) & (intervals.score >= 60)
    assert sorted(row["k"] for row in charts.rows("groups")) == sorted(set(intervals.group[passing].tolist()))
    assert charts.draw("drawTimeline", {"least": 99.9}) == "No anomalies in the selection."
    assert charts.page.locator("#place canvas").count() == 0


def test_timeline_counts_what_is_too_much_to_mark(tabs: Tabs) -> None:
    charts, document = tabs["many"], made("many")
    caption = charts.draw("drawTimeline")
    rows = charts.rows("cells")
    counted = int(document.counts.group_intervals.sum())
    assert sum(row["n"] for row in rows) == 20_000 + counted
    assert len(rows) <= 1300
    assert f"{20_000 + counted:,} anomalous intervals, {counted:,} of them known only as counts" in caption
    assert "counts by week and severity" in caption
    by_class = np.histogram(document.group_intervals.score, bins=np.arange(0, 110, 10))[0]
    for lower in range(0, 100, 10):
        also = int(document.counts.group_intervals[document.counts.score == lower].sum())
        assert sum(row["n"] for row in rows if row["lo"] == lower) == by_class[lower // 10] + also
    # Weeks begin with Mondays.
    assert {datetime.fromtimestamp(row["t"] / 1000, UTC).weekday() for row in rows} == {0}
    assert max(row["n"] for row in rows if row["c"] == 0) < min(row["n"] for row in rows if row["c"] == 1)


def test_lanes_show_the_worst_of_each_detector(tabs: Tabs) -> None:
    charts, document = tabs["fifty"], made("fifty")
    caption = charts.draw("drawLanes")
    owner = document.groups.detector[document.group_intervals.group]
    worst = {d: document.group_intervals.score[owner == d].max() for d in set(owner.tolist())}
    order = sorted(worst, key=lambda d: (-worst[d], d))
    cells = charts.rows("cells")
    label = {d: f"\u2068{document.detectors[d].name}\u2069" for d in order}
    assert {row["r"] for row in charts.rows("rows")} == set(label.values())
    assert charts.page.evaluate("scale('y').domain()") == list(label.values())
    for cell in cells:  # no worse interval of that detector lies in the cell
        d = int(owner[cell["k"]])
        mine = document.group_intervals.time[owner == d] * 1000
        within = (mine >= cell["t"]) & (mine < cell["u"])
        assert cell["r"] == label[d]
        assert document.group_intervals.score[owner == d][within].max() == document.group_intervals.score[cell["k"]]
        assert cell["s"] == severity_class(document.group_intervals.score[cell["k"]])
    bins = {(int(owner[m]), int(document.group_intervals.time[m] - 345600) // (7 * 86400)) for m in range(len(owner))}
    assert len(cells) == len(bins)
    assert caption.startswith(f"{len(order)} detectors of 50 had anomalies")
    assert f"{worst[order[0]]:.4g}"[:2] in caption


def test_total_adds_up_what_passes(tabs: Tabs) -> None:
    charts, document = tabs["one"], made("one")
    caption = charts.draw("drawLive", detector=0, measure=0, split=None)
    live = document.detectors[0].live
    assert live is not None
    lines = charts.rows("lines")
    assert len(lines) == 240  # 1,440 hours, six each
    total = as_sent(live.values[0]).reshape(-1, 240, 6)
    np.testing.assert_allclose([row["v"] for row in lines], np.nansum(total, axis=(0, 2)), rtol=1e-9)
    assert [row["t"] for row in lines] == [wall(time, "Europe/Berlin") for time in live.times[::6]]
    assert "240 points, the sum over 6 hours each" in caption

    charts.draw("drawLive", {"dimensions": [["marketplace", ["us", "de"]]]}, detector=0, measure=0, split=None)
    passing = np.isin(document.detectors[0].combinations[:, 1], [0, 2])
    np.testing.assert_allclose(
        [row["v"] for row in charts.rows("lines")], np.nansum(total[passing], axis=(0, 2)), rtol=1e-9
    )


def test_expected_range_of_several_adds_up_in_squares(tabs: Tabs) -> None:
    charts, document = tabs["one"], made("one")
    charts.draw("drawExpected", detector=0, measure=1, width=1200)
    live = document.detectors[0].live
    assert live is not None
    n = 480  # hours that were judged
    values, expected, lower, upper = (
        as_sent(getattr(live, k)[1, :, -n:]) for k in ("values", "expected", "lower", "upper")
    )
    seen = np.isfinite(values)
    above = np.where(seen, upper - expected, 0)
    below = np.where(seen, np.where(np.isnan(lower), upper - expected, expected - lower), 0)
    points = [item.reshape(-1, 240, 2) for item in (np.where(seen, expected, 0), below**2, above**2)]
    e, down, up = (point.sum(axis=(0, 2)) for point in points)
    rows = charts.rows("expected")
    np.testing.assert_allclose([row["e"] for row in rows], e, rtol=1e-9)
    np.testing.assert_allclose([row["lo"] for row in rows], e - np.sqrt(down), rtol=1e-9)
    np.testing.assert_allclose([row["hi"] for row in rows], e + np.sqrt(up), rtol=1e-9)
    assert len(charts.rows("lines")) == 240


def test_split_has_the_largest_lines_and_the_others(tabs: Tabs) -> None:
    charts, document = tabs["hostile"], made("hostile")
    caption = charts.draw("drawLive", detector=0, measure=0, split=0)
    live = document.detectors[0].live
    assert live is not None
    values = np.nan_to_num(
        as_sent(live.values[0])
    )  # a line a series here: each has its own value of the first dimension
    order = np.argsort(-values.sum(axis=1), kind="stable")
    rows = charts.rows("lines")
    for c in range(8):
        np.testing.assert_allclose([row["v"] or 0 for row in rows if row["c"] == c], values[order[c]], rtol=1e-9)
    np.testing.assert_allclose([row["v"] for row in rows if row["c"] == 8], values[order[8:]].sum(axis=0), rtol=1e-9)
    legend = charts.page.locator(".legend li").all_inner_texts()
    assert legend[8] == f"{len(values) - 8} others"
    assert len(rows) == 9 * 240
    assert "by \u2068__proto__\u2069" in caption


def test_split_counts_the_others_of_the_document_among_its_own(tabs: Tabs) -> None:
    charts, document = tabs["hostile"], made("hostile")
    live = document.detectors[1].live
    assert live is not None
    assert live.series[-1] == OTHERS
    charts.draw("drawLive", detector=1, measure=0, split=None)
    values = as_sent(live.values[0])
    np.testing.assert_allclose([row["v"] for row in charts.rows("lines")], np.nansum(values, axis=0), rtol=1e-9)
    charts.draw("drawLive", detector=1, measure=0, split=0)
    sums: dict[int, float] = {}
    for row in charts.rows("lines"):
        sums[row["t"]] = sums.get(row["t"], 0) + (row["v"] or 0)
    np.testing.assert_allclose(list(sums.values()), np.nansum(values, axis=0), rtol=1e-9)
    # Whether others pass a filter is unknown: they are left out.
    charts.draw("drawLive", {"dimensions": [[documents.NASTY[7], ["x"]]]}, detector=1, measure=0, split=None)
    passing = document.detectors[1].combinations[live.series[:-1], 2] == 1
    np.testing.assert_allclose(
        [row["v"] for row in charts.rows("lines")], np.nansum(values[:-1][passing], axis=0), rtol=1e-9
    )


def test_measure_that_is_averaged_is_averaged(tabs: Tabs) -> None:
    charts, document = tabs["hostile"], made("hostile")
    caption = charts.draw("drawLive", detector=0, measure=1, split=None, width=400)
    live = document.detectors[0].live
    assert live is not None
    rows = charts.rows("lines")
    values = as_sent(live.values[1]).reshape(-1, 120, 2)
    np.testing.assert_allclose([row["v"] for row in rows], np.nanmean(values, axis=(0, 2)), rtol=1e-9)
    assert "the mean of 2 hours each" in caption


def test_newest_point_is_whole_and_a_rest_of_the_oldest_is_left_out(tabs: Tabs) -> None:
    charts, document = tabs["one"], made("one")
    live = document.detectors[0].live
    assert live is not None
    charts.draw("drawLive", {"from": int(live.times[1]), "to": int(live.times[-2])}, detector=0, measure=0, split=None)
    rows = charts.rows("lines")
    kept = as_sent(live.values[0])[:, 5:-1]  # 1,438 hours: 239 times six and four
    assert len(rows) == 239
    np.testing.assert_allclose([row["v"] for row in rows], np.nansum(kept.reshape(-1, 239, 6), axis=(0, 2)), rtol=1e-9)
    assert rows[0]["t"] == wall(live.times[5], "Europe/Berlin")


def test_marks_lie_on_the_lines_where_the_intervals_are(tabs: Tabs) -> None:
    charts, document = tabs["one"], made("one")
    charts.draw("drawLive", detector=0, measure=0, split=None)
    intervals, groups, live = document.group_intervals, document.groups, document.detectors[0].live
    assert live is not None
    worst: dict[int, int] = {}
    for m in np.flatnonzero(groups.measure[intervals.group] == 0):
        point = int(np.searchsorted(live.times, intervals.time[m])) // 6
        if point not in worst or intervals.score[m] > intervals.score[worst[point]]:
            worst[point] = int(m)
    lines = charts.rows("lines")
    marks = {row["m"]: row for row in charts.rows("marks")}
    assert sorted(marks) == sorted(worst.values())
    for point, m in worst.items():
        assert (marks[m]["t"], marks[m]["v"]) == (lines[point]["t"], lines[point]["v"])
        assert marks[m]["s"] == severity_class(intervals.score[m])


def test_marks_of_a_split_lie_on_the_affected_lines(tabs: Tabs) -> None:
    charts, document = tabs["one"], made("one")
    start = int(document.group_intervals.time[-1]) - 86_400
    charts.draw("drawLive", {"from": start}, detector=0, measure=1, split=0)
    intervals, affected = document.group_intervals, document.affected
    of = intervals.group[affected.group_interval]
    mine = (document.groups.measure[of] == 1) & (intervals.time[affected.group_interval] >= start)
    platform = document.detectors[0].combinations[affected.combination[mine], 0]
    expected = {(int(t), int(p)) for t, p in zip(intervals.time[affected.group_interval[mine]], platform, strict=True)}
    legend = charts.page.locator(".legend li").all_inner_texts()
    marks = charts.rows("marks")
    found = {(row["t"], documents.PLATFORMS.index(legend[row["c"]])) for row in marks}
    assert found == {(wall(t, "Europe/Berlin"), p) for t, p in expected}
    assert len(marks) == len(found) > 3


def test_contributions_are_shares_of_each_measure(tabs: Tabs) -> None:
    charts, document = tabs["many"], made("many")
    caption = charts.draw("drawContributions", {"detectors": [0, 2]}, detector=None, dimension="campaign")
    groups, intervals, all_ = document.groups, document.group_intervals, document.contributions
    of = intervals.group[all_.group_interval]
    chosen = (all_.dimension == 0) & np.isin(groups.detector[of], [0, 2])
    shares = np.zeros((2, 12))
    np.add.at(shares, (groups.measure[of][chosen], all_.value[chosen]), all_.share[chosen])
    largest = np.argsort(-shares.sum(axis=0))
    shares /= shares.sum(axis=1, keepdims=True)
    parts = charts.rows("parts")
    for m, measure in enumerate(("count", "value")):
        bar = sorted((row for row in parts if row["r"] == f"\u2068{measure}\u2069"), key=lambda row: row["c"])
        expected = [*shares[m][largest[:8]], shares[m][largest[8:]].sum()]
        np.testing.assert_allclose([row["p"] for row in bar], expected, atol=1e-12)
        np.testing.assert_allclose([row["hi"] for row in bar], np.cumsum(expected), atol=1e-12)
    assert charts.page.locator(".legend li").all_inner_texts() == [
        *(f"campaign {i:02d}" for i in largest[:8]),
        "4 others",
    ]
    assert f"the largest: \u2068campaign {largest[0]:02d}\u2069" in caption
    assert charts.draw("drawContributions", dimension="nothing") == "No contributions in the selection."


def test_group_shows_its_metrics_together(tabs: Tabs) -> None:
    charts, document = tabs["one"], made("one")
    g = int(np.argmax(document.groups.score))
    charts.draw("drawGroup", group=g)
    intervals, live = document.group_intervals, document.detectors[0].live
    assert live is not None
    mine = np.flatnonzero(intervals.group == g)
    combinations = sorted(set(document.affected.combination[np.isin(document.affected.group_interval, mine)].tolist()))
    first, last = document.groups.start[g] - 2 * 86_400, document.groups.end[g] + 86_400
    times = (live.times >= first) & (live.times <= last)
    values = as_sent(live.values[document.groups.measure[g]][combinations][:, times])
    rows = charts.rows("lines")
    np.testing.assert_allclose([row["v"] for row in rows], np.nansum(values, axis=0), rtol=1e-9)
    assert [row["t"] for row in rows] == [wall(time, "Europe/Berlin") for time in live.times[times]]
    marks = charts.rows("marks")
    assert sorted(row["m"] for row in marks if not row["o"]) == mine.tolist()
    # Its neighbours are marked too.
    alike = (document.groups.measure == document.groups.measure[g])[intervals.group]
    within = alike & (intervals.time >= live.times[times][0]) & (intervals.time <= live.times[times][-1])
    others = {int(time) for time in intervals.time[within & (intervals.group != g)]} - set(
        intervals.time[mine].tolist()
    )
    assert {row["t"] for row in marks if row["o"]} == {wall(time, "Europe/Berlin") for time in others}
    assert others


def test_metric_has_its_own_values_range_and_anomalies(tabs: Tabs) -> None:
    charts, document = tabs["one"], made("one")
    g = int(np.argmax(document.groups.score))
    intervals, groups, affected, live = (
        document.group_intervals, document.groups, document.affected, document.detectors[0].live,
    )  # fmt: skip
    assert live is not None
    combination = int(affected.combination[intervals.group[affected.group_interval] == g][0])
    measure = groups.measure[g]
    caption = charts.draw("drawMetric", group=g, combination=combination, all=True, small=False)
    assert "85\u201370" not in caption
    by = -(-1440 // 600)
    rows = charts.rows("lines")
    values = as_sent(live.values[measure][combination]).reshape(-1, by)
    np.testing.assert_allclose([row["v"] for row in rows], np.nansum(values, axis=1), rtol=1e-9)
    # Marked are the intervals in which it is affected, of whichever group.
    mine = np.unique(affected.group_interval[affected.combination == combination])
    mine = mine[groups.measure[intervals.group[mine]] == measure]
    points = {int(np.searchsorted(live.times, time)) // by for time in intervals.time[mine]}
    assert len(charts.rows("marks")) == len(points)
    # What was not judged is shaded: forty of the sixty days.
    [shade] = [row for row in charts.rows("shades") if row["c"] == 0]
    assert [shade["t"], shade["u"]] == [wall(live.times[0], "Europe/Berlin"), wall(live.times[-480], "Europe/Berlin")]
    charts.draw("drawMetric", group=g, combination=combination, all=False, small=True, width=280)
    assert len(charts.rows("expected")) == len(charts.rows("lines")) < 100
    assert charts.draw("drawMetric", group=g, combination=10_000).endswith("not on this page.")


def test_times_without_data_are_shaded_but_not_regular_ones(browser: Browser, tmp_path: Path) -> None:
    document = made("one")
    live = document.detectors[0].live
    assert live is not None
    arrays = {name: getattr(live, name).copy() for name in ("values", "expected", "lower", "upper")}
    night = np.array([datetime.fromtimestamp(int(time), ZoneInfo("Europe/Berlin")).hour < 5 for time in live.times])
    outage = (live.times >= live.times[-200]) & (live.times < live.times[-170])
    for array in arrays.values():
        array[:, :, night | outage] = np.nan
    closed = replace(document.detectors[0], live=replace(live, **arrays))
    charts = Charts(browser, tmp_path / "gaps.html", replace(document, detectors=(closed,)))
    start = int(live.times[-300])
    charts.draw("drawLive", {"from": start}, detector=0, measure=0, split=None, width=1200)
    shades = [row for row in charts.rows("shades") if row["c"] == 1]
    assert shades
    first, last = (wall(live.times[k], "Europe/Berlin") for k in (-200, -170))
    assert all(first <= row["t"] < row["u"] <= last for row in shades)
    assert sum(row["u"] - row["t"] for row in shades) == int((outage & ~night).sum()) * 3_600_000
    charts.page.context.close()


def test_group_leaves_out_metrics_that_are_only_added_up(browser: Browser, tmp_path: Path) -> None:
    document = made("one")
    known = document.groups.known[document.group_intervals.group] == 1
    interval = int(np.flatnonzero((document.group_intervals.metrics > 1) & known)[0])
    g = int(document.group_intervals.group[interval])
    combination = document.affected.combination.copy()
    last = np.flatnonzero(np.diff(document.affected.group_interval, append=-1))  # of each interval the last metric
    combination[last] = OTHERS
    changed = replace(document, affected=replace(document.affected, combination=combination))
    charts = Charts(browser, tmp_path / "others.html", changed)
    caption = charts.draw("drawGroup", group=g)
    assert caption.endswith(" Without the metrics that the page has only combined.")
    live = document.detectors[0].live
    assert live is not None
    left = set(combination[document.group_intervals.group[document.affected.group_interval] == g].tolist()) - {OTHERS}
    rows = charts.rows("lines")
    first = int(np.searchsorted(live.times, document.groups.start[g] - 2 * 86_400))
    values = as_sent(live.values[document.groups.measure[g]][sorted(left), first])
    assert rows[0]["v"] == pytest.approx(np.nansum(values))
    charts.page.context.close()


def test_a_total_has_a_chart_of_its_own_and_is_in_no_sum(browser: Browser, tmp_path: Path, tabs: Tabs) -> None:
    document = made("one")
    (shop,) = document.detectors
    live, g = shop.live, int(np.argmax(document.groups.known))
    assert live is not None
    total = len(shop.combinations)
    columns = {name: getattr(live, name) for name in ("values", "expected", "lower", "upper")}
    with_total = replace(
        live,
        series=np.append(live.series, total),
        roll_ups=1,
        **{
            name: np.concatenate([column, np.nansum(column, axis=1)[:, None]], axis=1)
            for name, column in columns.items()
        },
    )
    of_group = document.group_intervals.group[document.affected.group_interval] == g
    combination = np.where(of_group, total, document.affected.combination)
    lacks = np.full((1, shop.combinations.shape[1]), LACKS)
    changed = replace(
        document,
        detectors=(replace(shop, combinations=np.concatenate([shop.combinations, lacks]), live=with_total),),
        affected=replace(document.affected, combination=combination),
    )
    charts, plain = Charts(browser, tmp_path / "total.html", changed), tabs["one"]
    for split in (None, 1):
        for drawn in (charts, plain):
            drawn.draw("drawLive", detector=0, measure=0, split=split)
        assert [row["v"] for row in charts.rows("lines")] == [row["v"] for row in plain.rows("lines")]
    assert g not in {changed.group_intervals.group[row["m"]] for row in charts.rows("marks")}
    charts.draw("drawGroup", group=g)
    times = (live.times >= document.groups.start[g] - 2 * 86_400) & (live.times <= document.groups.end[g] + 86_400)
    wanted = as_sent(with_total.values[document.groups.measure[g], -1, times])
    np.testing.assert_allclose([row["v"] for row in charts.rows("lines")], wanted, rtol=1e-9)
    charts.page.context.close()


def test_group_without_live_values_shows_what_its_intervals_tell(tabs: Tabs) -> None:
    charts, document = tabs["many"], made("many")
    affected, intervals = document.affected, document.group_intervals
    known = np.flatnonzero((document.groups.known == 1) & (document.groups.measure == 0))
    g = int(known[np.argmax(document.groups.end[known] - document.groups.start[known])])
    charts.draw("drawGroup", group=g)
    rows = charts.rows("groupIntervals")
    mine = np.flatnonzero(intervals.group == g)
    assert [row["k"] for row in rows] == mine.tolist()
    for row in rows:
        of = affected.group_interval == row["k"]
        assert row["n"] == of.sum()
        expected = affected.expected[of].sum()
        assert row["v"] == pytest.approx(affected.value[of].sum())
        assert row["e"] == pytest.approx(expected)
        assert row["lo"] == pytest.approx(expected - np.sqrt(((affected.expected - affected.lower)[of] ** 2).sum()))
        assert row["hi"] == pytest.approx(expected + np.sqrt(((affected.upper - affected.expected)[of] ** 2).sum()))


def test_click_on_a_mark_opens_its_group(tabs: Tabs) -> None:
    charts = tabs["one"]
    charts.draw("drawTimeline")
    row = max(charts.rows("groups"), key=lambda item: item["v"])
    charts.page.mouse.click(*charts.place(row))
    assert charts.calls() == [["onGroup", row["k"]]]
    charts.draw("drawLive", detector=0, measure=0, split=None)
    mark = charts.rows("marks")[-1]
    charts.page.mouse.click(*charts.place(mark))
    assert charts.calls() == [["onGroup", int(made("one").group_intervals.group[mark["m"]])]]


def test_drag_across_tells_the_time_in_epoch_seconds_once(tabs: Tabs) -> None:
    charts = tabs["one"]
    charts.draw("drawTimeline")
    rows = sorted(charts.rows("groups"), key=lambda item: item["t"])
    (x1, y1), (x2, y2) = charts.place(rows[3]), charts.place(rows[-3])
    mouse = charts.page.mouse
    mouse.move(x2, y2)
    mouse.down()
    mouse.move((x1 + x2) / 2, y1, steps=3)
    mouse.move(x1, y1, steps=3)
    assert charts.calls() == []
    mouse.up()
    charts.page.wait_for_function("calls.length > 0")
    [[name, first, last]] = charts.calls()  # and not a click on the mark beneath
    assert name == "onTime"
    pixel = 62 * 86_400 / 900
    assert wall(first, "Europe/Berlin") / 1000 == pytest.approx(rows[3]["t"] / 1000, abs=2 * pixel)
    assert wall(last, "Europe/Berlin") / 1000 == pytest.approx(rows[-3]["t"] / 1000, abs=2 * pixel)


def test_click_on_a_lane_chooses_its_detector(tabs: Tabs) -> None:
    charts, document = tabs["fifty"], made("fifty")
    charts.draw("drawLanes")
    label = charts.page.evaluate("scale('y').domain()")[4]
    row = next(item for item in charts.rows("rows") if item["r"] == label)
    x, y = charts.place(row, "t", "r")
    charts.page.mouse.click(x + 30, y)
    [[name, d]] = charts.calls()
    assert (name, f"\u2068{document.detectors[d].name}\u2069") == ("onDetector", label)


def test_names_that_would_be_code_are_text(tabs: Tabs) -> None:
    charts, document = tabs["hostile"], made("hostile")
    before = charts.page.evaluate("document.querySelectorAll('script, img, a, iframe').length")
    charts.draw("drawTimeline")
    row = max(charts.rows("groups"), key=lambda item: item["v"])
    assert document.detectors[1].name in charts.hover(row)
    charts.draw("drawLive", detector=1, measure=0, split=0)
    legend = charts.page.locator(".legend li").all_inner_texts()
    assert "<img src=x onerror=alert(1)>" in legend
    tips = " ".join(charts.hover(mark) for mark in charts.rows("marks")[-6:])
    assert "severity" in tips
    charts.draw("drawLanes")
    assert charts.page.evaluate("scale('y').domain()") == [f"\u2068{documents.NASTY[0]}\u2069", "\u2068__proto__\u2069"]
    charts.draw("drawContributions", dimension="__proto__")
    part = max(charts.rows("parts"), key=lambda entry: entry["p"])
    tip = charts.hover(part | {"lo": (part["lo"] + part["hi"]) / 2}, "lo", "r")
    assert "share" in tip
    assert charts.page.evaluate("document.querySelectorAll('script, img, a, iframe').length") == before
    assert charts.said == []


def test_tooltip_of_a_time_has_every_line(tabs: Tabs) -> None:
    charts, document = tabs["one"], made("one")
    live = document.detectors[0].live
    assert live is not None
    charts.draw("drawLive", detector=0, measure=1, split=0, width=400)
    rows = charts.rows("lines")
    tip = charts.hover(rows[50] | {"v": charts.page.evaluate("scale('y').invert(2)")}).split("\n")
    interval = datetime.fromtimestamp(rows[50]["t"] / 1000, UTC)
    assert tip[:2] == ["time", f"{interval:%a} {interval.day} {interval:%b %Y, %H:%M}"]
    assert sorted(tip[2::2]) == sorted(documents.PLATFORMS)
    values = [row["v"] for row in rows if row["t"] == rows[50]["t"]]
    assert [float(item.replace(",", "")) for item in tip[3::2]] == pytest.approx(values, rel=1e-3)

    charts.draw("drawExpected", detector=0, measure=1)
    row = charts.rows("expected")[5]
    tip = charts.hover(row | {"v": charts.page.evaluate("scale('y').invert(scale('y').range()[0] - 5)")})
    assert [line for line in ("views", "expected", "range") if line in tip.split("\n")] == [
        "views",
        "expected",
        "range",
    ]


COUNTS, MEANS, PRICES = [3, 9, 12, 250], [6.083333, 4.71, 12.5, 33.3333], [12.8, 9.4, 30.1]


@pytest.mark.parametrize(
    ("values", "point", "words"),
    [
        # A value outside of the range is never among the words for what was expected.
        (COUNTS, (9, 0.0406, 0, 0.7352), ["9", "none", "0", "+9 "]),
        (COUNTS, (9, 0.1613, 0, 1.14), ["9", "none or one", "0 to 1", "+9 "]),
        (COUNTS, (4, 0.4933, 0, 2.233), ["4", "at most 2", "0 to 2", "+4 "]),
        (COUNTS, (9, 1.601, 0, 6.553), ["9", "about 2", "0 to 6", "+7 "]),
        (COUNTS, (1, 2.6, 2.2, 3.9), ["1", "about 3", "3", "\u22122 \u221262 %"]),
        (COUNTS, (1_300, 240, 180.2, 300.4), ["1,300", "about 240", "181 to 300", "+1,060 5.4 times"]),
        (COUNTS, (0, 4.2, None, None), ["0", "about 4", "\u2013", "\u22124 \u2212100 %"]),
        (MEANS, (492.5, 13.13, 1.2, 40.04), ["492.5", "about 13.1", "1.2 to 40", "+479.4 38 times"]),
        (MEANS, (98, -3.709, None, 30), ["98.0", "about \u22123.7", "up to 30", "+101.7 "]),
        (PRICES, (31.4, 12.84, 10, None), ["31.4", "about 12.8", "10 or more", "+18.6 +145 %"]),
    ],
)
def test_numbers_are_said_as_people_say_them(
    tabs: Tabs, values: list[float], point: tuple[float | None, ...], words: list[str]
) -> None:
    assert tabs["one"].page.evaluate("([values, point]) => words(values, ...point)", [values, point]) == words


def test_labels_of_axes_neither_overlap_nor_share_a_unit(browser: Browser, tmp_path: Path) -> None:
    document = made("one")
    live = document.detectors[0].live
    assert live is not None
    first = int(datetime(2011, 1, 1, tzinfo=UTC).timestamp())
    days = first + 86_400 * np.arange(731)
    arrays = {k: getattr(live, k)[:, :, :731] for k in ("values", "expected", "lower", "upper")}
    daily = replace(
        document.detectors[0], frequency="P1D", timezone="UTC", live=replace(live, times=days, **arrays)
    )  # fmt: skip
    charts = Charts(browser, tmp_path / "days.html", replace(document, detectors=(daily,)))
    numbers = 0
    for width in (1200, 1000, 640, 300):
        charts.draw("drawLive", detector=0, measure=0, split=None, width=width)
        for axis in charts.page.evaluate("axisLabels()"):
            texts = [text for text, _, _ in axis]
            assert len(texts) > 1 or width == 300
            if any(text.endswith("k") for text in texts):
                numbers += 1
                assert not [text for text in texts if text.startswith("0.") or text == "0k"]
            elif "2011" in " ".join(texts):
                assert all(left - right >= 4 for (_, _, right), (_, left, _) in pairwise(axis)), axis
    assert numbers
    charts.page.context.close()


def test_tooltip_goes_with_its_chart(tabs: Tabs) -> None:
    charts = tabs["one"]
    charts.draw("drawTimeline")
    assert "severity" in charts.hover(charts.rows("groups")[0])
    charts.draw("drawContributions", dimension="platform")
    assert charts.page.locator(".chart-tip").count() == 0


def test_the_last_of_two_drawings_at_once_stays(tabs: Tabs) -> None:
    charts = tabs["one"]
    charts.page.evaluate("Promise.all([draw('drawLive', {}, {detector: 0, measure: 0}), draw('drawTimeline', {}, {})])")
    assert charts.page.locator("#place canvas").count() == 1
    assert len(charts.rows("groups")) == 40
    assert (charts.page.locator("#place").get_attribute("aria-label") or "").startswith("40 anomaly groups")


def test_a_year_of_two_thousand_metrics_stays_small(browser: Browser, tmp_path: Path) -> None:
    """However many values there are, a chart gets a few thousand marks."""
    document = made("one")
    live = document.detectors[0].live
    assert live is not None
    hours = np.arange(8760) * 3600 + documents.END - 8760 * 3600
    repeated = {k: np.tile(getattr(live, k), (1, 1, 7))[:, :, :8760] for k in ("values", "expected", "lower", "upper")}
    long = replace(document.detectors[0], live=replace(live, times=hours, **repeated))
    charts = Charts(browser, tmp_path / "long.html", replace(document, detectors=(long,)))
    caption = charts.draw("drawLive", detector=0, measure=0, split=1)
    rows = charts.rows("lines")
    assert len(rows) + len(charts.rows("times")) + len(charts.rows("marks")) < 4000
    assert "a week each" in caption or "days each" in caption
    charts.page.context.close()
