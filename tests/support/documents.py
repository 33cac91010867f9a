"""Documents for the page's tests: empty, ordinary, wide, large and hostile; always the same ones, quickly made."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from itertools import product
from zoneinfo import ZoneInfo

import numpy as np
import numpy.typing as npt

from anomalake.page.document import (
    LACKS,
    OTHERS,
    Affected,
    AnomalyCounts,
    CommentGiven,
    Contributions,
    Crawl,
    DetectorView,
    FeedbackGiven,
    GroupIntervals,
    Groups,
    Integers,
    Live,
    NearMisses,
    Numbers,
    PageDocument,
    Related,
    Runs,
    SnoozeGiven,
    Span,
)

#: 2025-04-10T00:00Z: the clocks of Europe and America have just been put forward.
END = 1_744_243_200
DAY = 86_400
STEPS = {"PT5M": 300, "PT10M": 600, "PT1H": 3600, "P1D": DAY}
PLATFORMS = ("pc_web", "mobile_web", "mobile_app")
MARKETPLACES = ("us", "uk", "de", "fr", "es", "it", "jp")

#: What a name or a value must not be able to do anything with.
NASTY = (
    "<script>alert(1)</script>",
    "</script><script>alert(1)</script>",
    "<img src=x onerror=alert(1)>",
    "javascript:alert(1)",
    "'+alert(1)+'",
    '"};alert(1);{"',
    "datum.x",
    "a.b[c]",
    "a\\.b\\[0\\]",
    "__proto__",
    "constructor",
    "toString",
    "%3Cb%3E",
    "%",
    "\\",
    "",
    " ",
    "\u202egnp.exe\u202c",
    "\u2067\u05d0\u05d1\u2069",
    "line one\nline two\r\n\ttab",
    "Donaudampfschifffahrtselektrizitätenhauptbetriebswerkbauunterbeamtengesellschaft",
    " ".join(f"word{i}" for i in range(40)),
    "\U0001f642\u200d\U0001f525",
    "\u0301\u0308",
    "\u2028\u2029\ufeff",
    "=1+1",
    "null",
    "NaN",
    "0",
    "007",
    "${alert(1)}",
    "{{alert(1)}}",
    "&lt;b&gt;&amp;",
    "https://example.com/?q=<b>",
)


def empty() -> PageDocument:
    """A lake with nothing in it."""
    return _document((), [], _Seeds.none())


def one() -> PageDocument:
    """A shop: hourly, 3 platforms × 7 marketplaces, 60 days, the last 20 judged, with 34 of its 40 groups."""
    r = np.random.default_rng(1)
    days, judged, groups = 60, 20, 40
    calendar = _calendar("PT1H", "Europe/Berlin", days * 24)
    shop = _detector(
        r, "shop", "PT1H", "Europe/Berlin", ("revenue", "views"), ("SUM", "SUM"), _grid(PLATFORMS, MARKETPLACES)
    )
    shop = replace(
        shop,
        live=_live(r, shop, calendar, judged * 24),
        runs=_runs(int(calendar[-1])),
        backtest=Span(int(calendar[-judged * 24]), int(calendar[-8 * 24])),
    )
    # Neighbours of one start but of two measures are related; a few older groups are known from their alerts alone.
    late = np.sort(r.integers((days - judged) * 24, days * 24 - 12, (groups - 6) // 2)).repeat(2)
    first = np.concatenate([np.sort(r.integers(0, (days - judged - 1) * 24, 6)), late])
    seeds = _Seeds(
        detector=np.zeros(groups, np.int64),
        measure=np.arange(groups) % 2,
        first=first,
        length=1 + r.integers(0, 7, groups),
        score=np.round(r.uniform(20, 100, groups), 2),
        known=(first >= (days - judged) * 24).astype(np.int64),
        paired=np.concatenate([np.zeros(6, np.int64), np.ones(groups - 6, np.int64)]),
    )
    shop = replace(shop, owner="Shop team", runbook="https://wiki.example.com/shop?page=1#alerts", note="Ask first.")
    document = _document((shop,), [calendar], seeds)
    told = document.groups.id[int(np.argmax(document.groups.score))]
    return replace(
        document,
        feedback=(
            FeedbackGiven("shop", told, "", False, 3, END - 600, "ana"),
            FeedbackGiven("shop", told, "", True, 3, END - 900, ""),
        ),
        snoozes=(SnoozeGiven("0" * 32, "shop", told, "", "", (), END + 400 * 365 * DAY, END - 300, "bo"),),
        comments=(CommentGiven("20250410T000000Z-" + "0" * 16, "shop", told, "A sale.", True, END - 60, "ana"),),
        set_aside=3,
        set_aside_reasons=("anomalyScore: 'high', expected a number",) * 3,
        crawl=Crawl("anomalake-crawler", "READY", "SUCCEEDED", END - 7200, ""),
        notes=("Live values: the newest 60 days.",),
    )


def quiet() -> PageDocument:
    """Two shops without an anomaly, and their most unusual values."""
    r = np.random.default_rng(4)
    calendar = _calendar("PT1H", "Europe/Berlin", 60 * 24)
    shops = [
        _detector(
            r, name, "PT1H", "Europe/Berlin", ("revenue", "views"), ("SUM", "SUM"), _grid(PLATFORMS, MARKETPLACES)
        )
        for name in ("north", "south")
    ]
    backtest = Span(int(calendar[-20 * 24]), int(calendar[-1]))
    shops = [replace(shop, live=_live(r, shop, calendar, 20 * 24), backtest=backtest) for shop in shops]
    document = _document(tuple(shops), [calendar, calendar], _Seeds.none())
    return replace(document, near_misses=_near_misses(10, 2))


def fifty() -> PageDocument:
    """Fifty small detectors, four frequencies, five zones: a third with alerts only, a third with live values only."""
    r = np.random.default_rng(50)
    zones = ("UTC", "Europe/Paris", "America/Los_Angeles", "Asia/Kolkata", "Australia/Lord_Howe")
    detectors: list[DetectorView] = []
    calendars: list[Integers] = []
    seeds = _Seeds.none()
    for i in range(50):
        frequency, zone = tuple(STEPS)[i % 4], zones[i % 5]
        calendar = _calendar(frequency, zone, 240)
        measures = ("sales", "latency")[: 1 + i % 2]
        dimensions = _grid(("us", "uk", "de")[: i % 4], ("a", "b"))[: i % 3]
        made = _detector(r, f"team-{i:02d}", frequency, zone, measures, ("SUM", "AVG")[: len(measures)], dimensions)
        has_live, has_alerts = i % 3 != 0, i % 3 != 1
        if has_live:
            made = replace(made, live=_live(r, made, calendar, 120), runs=_runs(int(calendar[-1]), learning=i % 6 == 1))
        elif i % 2:
            made = replace(made, live_problem="source data: no file under s3://example/team")
        else:
            made = replace(made, frequency=None, aggregations=(None,) * len(measures))
        detectors.append(made)
        calendars.append(calendar)
        if has_alerts:
            n = 1 + i % 5
            first = r.integers(120, 235, n)
            known = np.full(n, int(has_live), np.int64)
            length, score = 1 + r.integers(0, 4, n), np.round(r.uniform(5, 100, n), 2)
            measure = r.integers(0, len(measures), n)
            seeds += _Seeds(np.full(n, i, np.int64), measure, first, length, score, known, np.zeros(n, np.int64))
    return _document(tuple(detectors), calendars, seeds)


def many(intervals: int = 100_000) -> PageDocument:
    """A year of three detectors: so many intervals, 3 affected metrics and 10 contributions each, and more counted."""
    r = np.random.default_rng(3)
    detectors, calendars = [], []
    for name, zone in (("orders", "UTC"), ("clicks", "Europe/Paris"), ("errors", "America/New_York")):
        values = (tuple(f"campaign {i:02d}" for i in range(12)), MARKETPLACES)
        made = _detector(
            r, name, "PT1H", zone, ("count", "value"), ("SUM", "AVG"), _grid(*values, names=("campaign", "country"))
        )
        calendars.append(_calendar("PT1H", zone, 365 * 24))
        detectors.append(made)
    length = np.minimum(r.geometric(0.5, intervals), 24)
    length = length[: int(np.searchsorted(np.cumsum(length), intervals)) + 1]
    length[-1] -= length.sum() - intervals
    n = len(length)
    seeds = _Seeds(
        detector=r.integers(0, 3, n),
        measure=r.integers(0, 2, n),
        first=r.integers(0, 365 * 24 - 24, n),
        length=length,
        score=np.round(100 * r.beta(2, 2, n), 2),
        known=r.integers(0, 2, n),
        paired=np.zeros(n, np.int64),
    )
    document = _document(tuple(detectors), calendars, seeds, per_dimension=5)
    d, m, day, score = (
        item.ravel() for item in np.meshgrid(range(3), range(2), range(0, 365, 7), range(0, 40, 10), indexing="ij")
    )
    counted = r.integers(1, 100, len(d))
    counts = AnomalyCounts(d, m, END - 365 * DAY + day * DAY, score, counted)
    return replace(
        document, counts=counts, notes=(f"{int(counted.sum())} less severe intervals are counted, not listed.",)
    )


def hostile() -> PageDocument:
    """Names, values and ids that would be code, markup or garbage elsewhere; two detectors with values and groups."""
    r = np.random.default_rng(666)
    detectors, calendars, seeds = [], [], _Seeds.none()
    for i in range(2):
        names = tuple(NASTY[(7 * i + k) % len(NASTY)] for k in (0, 2))
        dimensions = ((NASTY[9 + i], NASTY), (NASTY[2 * i], NASTY[::-1]), (NASTY[6 + i], ("", "x")))
        combinations = np.array([(k, (k * 5 + i) % len(NASTY), k % 3 - 1) for k in range(len(NASTY))])
        calendar = _calendar("PT1H", "Asia/Kolkata", 240)
        made = _detector(r, NASTY[0] if i else NASTY[9], "PT1H", "Asia/Kolkata", names, ("SUM", "AVG"), dimensions)
        made = replace(made, arn=f"arn:{NASTY[5]}:{i}", combinations=combinations)
        live = _live(r, made, calendar, 120)
        if i:  # all but the first ones as one
            live = replace(live, series=np.append(live.series[:9], OTHERS), others=len(NASTY) - 9)
            live = replace(live, **{k: getattr(live, k)[:, :10] for k in ("values", "expected", "lower", "upper")})
        runs = replace(
            _runs(int(calendar[-1])), last_status="FAILED", last_reason=NASTY[2], warnings=((END - 3600, NASTY[1]),)
        )
        detectors.append(replace(made, live=live, live_problem=NASTY[4], runs=runs))
        calendars.append(calendar)
        n = len(NASTY)
        score = np.round(r.uniform(5, 100, n), 2)
        which = np.full(n, i, np.int64)
        known = np.arange(n) % 2
        seeds += _Seeds(which, np.arange(n) % 2, r.integers(120, 235, n), 1 + r.integers(0, 3, n), score, known, known)
    document = _document(tuple(detectors), calendars, seeds)
    ids = tuple(f"{NASTY[i % len(NASTY)]}{i}" for i in range(len(document.groups.id)))
    related = tuple(tuple(replace(item, relationship=NASTY[2]) for item in them) for them in document.groups.related)
    return replace(
        document,
        lake=NASTY[0],
        detectors=tuple(
            replace(item, owner=NASTY[2], runbook="javascript:alert(1)", note=NASTY[9]) for item in document.detectors
        ),
        feedback=tuple(FeedbackGiven(document.detectors[0].name, id_, "", True, 1, END, NASTY[2]) for id_ in ids),
        snoozes=tuple(
            SnoozeGiven(f"{i:032x}", document.detectors[1].name, "", "", text, ((text, NASTY[2]),), END, None, text)
            for i, text in enumerate(NASTY)
        ),
        comments=tuple(
            CommentGiven(text, document.detectors[1].name, ids[i], text, False, END + i, text)
            for i, text in enumerate(NASTY)
        ),
        groups=replace(document.groups, id=ids, related=related),
        set_aside=len(NASTY),
        set_aside_reasons=NASTY,
        near_misses=_near_misses(len(NASTY), 2),
        crawl=Crawl(NASTY[0], NASTY[2], NASTY[4], None, NASTY[5]),
        notes=NASTY,
    )


ALL = {"empty": empty, "one": one, "quiet": quiet, "fifty": fifty, "many": many, "hostile": hostile}


class _Seeds:
    """What becomes groups: each array of shape (group,); `first` is an index of the detector's calendar."""

    def __init__(
        self,
        detector: Integers,
        measure: Integers,
        first: Integers,
        length: Integers,
        score: Numbers,
        known: Integers,
        paired: Integers,
    ) -> None:
        self.detector, self.measure, self.first, self.length = detector, measure, first, length
        self.score, self.known, self.paired = score, known, paired

    @classmethod
    def none(cls) -> _Seeds:
        no = np.zeros(0, np.int64)
        return cls(no, no, no, no, np.zeros(0), no, no)

    def __add__(self, other: _Seeds) -> _Seeds:
        return _Seeds(*(np.concatenate([getattr(self, k), getattr(other, k)]) for k in vars(self)))

    def ordered(self, start: Integers) -> _Seeds:
        order = np.argsort(start, kind="stable")
        return _Seeds(*(getattr(self, k)[order] for k in vars(self)))


def _calendar(frequency: str, zone: str, n: int) -> Integers:
    """The `n` starts of intervals before END; days start at midnight of `zone`."""
    if frequency != "P1D":
        return np.arange(END - n * STEPS[frequency], END, STEPS[frequency])
    last = datetime.fromtimestamp(END, ZoneInfo(zone)).replace(hour=0, minute=0)
    return np.array([int((last - timedelta(days=k)).timestamp()) for k in range(n, 0, -1)])


def _grid(
    *values: Sequence[str], names: Sequence[str] = ("platform", "marketplace")
) -> tuple[tuple[str, tuple[str, ...]], ...]:
    return tuple((name, tuple(them)) for name, them in zip(names, values, strict=True) if them)


def _detector(
    r: np.random.Generator,
    name: str,
    frequency: str,
    zone: str,
    measures: tuple[str, ...],
    aggregations: tuple[str | None, ...],
    dimensions: tuple[tuple[str, tuple[str, ...]], ...],
) -> DetectorView:
    combinations = np.array(list(product(*(range(len(values)) for _, values in dimensions))), np.int64)
    if r.integers(0, 4) == 0 and len(dimensions) > 1:
        combinations = np.vstack([combinations, [[0, *[LACKS] * (len(dimensions) - 1)]]])
    return DetectorView(
        name=name,
        arn=f"arn:aws:lookoutmetrics:eu-west-1:123456789012:AnomalyDetector:{name}",
        frequency=frequency,
        timezone=zone,
        measures=measures,
        aggregations=aggregations,
        dimensions=dimensions,
        combinations=combinations,
    )


def _live(r: np.random.Generator, detector: DetectorView, times: Integers, judged: int) -> Live:
    """Days and weeks with some noise, rare gaps, and an expectation for the last `judged` intervals."""
    shape = (len(detector.measures), len(detector.combinations), len(times))
    season = (
        1 + 0.5 * np.sin(2 * np.pi * (times % DAY) / DAY) + 0.2 * np.sin(2 * np.pi * (times % (7 * DAY)) / (7 * DAY))
    )
    level = 10 ** r.uniform(1.5, 3.5, shape[:2])[:, :, None]
    expected = level * season
    values = expected * (1 + 0.06 * r.standard_normal(shape))
    values[r.random(shape) < 0.003] = np.nan
    expected[:, :, : len(times) - judged] = np.nan
    lower, upper = 0.78 * expected, 1.22 * expected
    lower[:, :: max(5, shape[1])] = np.nan  # open below
    return Live(1, times, np.arange(shape[1]), 0, values, expected, lower, upper)


def _runs(last: int, learning: bool = False) -> Runs:
    return Runs(
        last_interval=last,
        last_run=last + 4000,
        last_status="LEARNING" if learning else "SUCCEEDED",
        last_reason="",
        intervals=480,
        succeeded=0 if learning else 470,
        failed=2,
        learning=472 if learning else 2,
        skipped=6,
        missing=1,
        late=0,
        rows=123_456,
        bad_rows=7,
        undelivered=1,
        warnings=((last - 7200, "7 of 1000 rows are left out: revenue: 'n/a', expected a number"),),
    )


def _document(
    detectors: tuple[DetectorView, ...], calendars: list[Integers], seeds: _Seeds, per_dimension: int = 3
) -> PageDocument:
    """Groups, and what follows from them; live values are pushed off what was expected where something happened."""
    r = np.random.default_rng(len(seeds.score))
    seeds = seeds.ordered(_at(calendars, seeds.detector, seeds.first))
    n = len(seeds.score)
    group = np.arange(n).repeat(seeds.length)
    step = _counting(seeds.length)
    time = _at(calendars, seeds.detector[group], seeds.first[group] + step)
    # The first interval is the worst one, but in every third group, where it is the last.
    fading = np.where(group % 3 == 0, seeds.length[group] - 1 - step, step)
    score = np.round(seeds.score[group] * 0.9**fading, 2)
    order = np.argsort(time, kind="stable")
    group, step, time, score = group[order], step[order], time[order], score[order]
    at = (seeds.first[group] + step).astype(np.int64)
    combinations = np.array([len(detector.combinations) for detector in detectors], np.int64)
    metrics = np.minimum(1 + (group % 5), combinations[seeds.detector[group]]) if n else group
    affected = _affected(detectors, seeds, group, at, score, metrics)
    contributions = _contributions(r, detectors, seeds, group, affected, per_dimension)
    alerted = np.where(seeds.known[group] == 1, (score >= 30).astype(np.int64), 1) if n else group
    detectors = tuple(
        replace(item, alerts=Span(int(when.min()), int(when.max())))
        if (when := time[seeds.detector[group] == i]).size
        else item
        for i, item in enumerate(detectors)
    )
    return PageDocument(
        made_at=END + 1234,
        lake="s3://example/lake",
        detectors=detectors,
        groups=Groups(
            id=tuple(f"{i:08x}-0000-4000-8000-{i * 7919:012x}" for i in range(n)),
            detector=seeds.detector,
            measure=seeds.measure,
            start=_at(calendars, seeds.detector, seeds.first),
            end=_at(calendars, seeds.detector, seeds.first + seeds.length - 1),
            score=seeds.score,
            known=seeds.known,
            related=_related(detectors, seeds),
        ),
        group_intervals=GroupIntervals(group, time, score, alerted, metrics),
        affected=affected,
        contributions=contributions,
        counts=AnomalyCounts(*(np.zeros(0, np.int64) for _ in range(5))),
        near_misses=_near_misses(0, 0),
    )


def _near_misses(n: int, detectors: int) -> NearMisses:
    """Near misses of the detectors in turn, of two measures, hours apart; every third is open below."""
    number = np.arange(n)
    expected = 100.0 + 10 * number
    return NearMisses(
        detector=number % max(1, detectors),
        measure=number % 2,
        combination=number,
        time=END - 3_600 * (1 + 7 * number),
        value=1.19 * expected,
        expected=expected,
        lower=np.where(number % 3, 0.8 * expected, np.nan),
        upper=1.2 * expected,
        severity=49.0 - number,
    )


def _affected(
    detectors: tuple[DetectorView, ...], seeds: _Seeds, group: Integers, at: Integers, score: Numbers, metrics: Integers
) -> Affected:
    interval = np.arange(len(group)).repeat(metrics)
    which = group[interval]
    combination = np.zeros(len(interval), np.int64)
    expected = 100.0 + 10.0 * (which % 50)
    value = expected * (1 + np.where(which % 4 == 0, 1, -1) * (0.25 + score[interval] / 200))
    lower, upper = 0.8 * expected, 1.2 * expected
    order = _counting(metrics)
    for i, detector in enumerate(detectors):
        mine = seeds.detector[which] == i
        combination[mine] = (which[mine] * 3 + order[mine]) % len(detector.combinations)
        if detector.live is not None:
            kept = mine & (combination < detector.live.values.shape[1] - (OTHERS in detector.live.series))
            place = (seeds.measure[which[kept]], combination[kept], at[interval[kept]])
            live = detector.live
            judged = np.isfinite(live.expected[place])
            usual = np.where(judged, live.expected[place], expected[kept])
            up = np.where(which[kept] % 4 == 0, 1, -1)
            live.values[place] = value[kept] = usual * (1 + up * (0.25 + score[interval[kept]] / 200))
            expected[kept] = usual
            lower[kept] = np.where(judged, live.lower[place], lower[kept])
            upper[kept] = np.where(judged, live.upper[place], upper[kept])
    alone = seeds.known[which] == 0
    for item in (expected, lower, upper):
        item[alone] = np.nan
    return Affected(interval, combination, value, expected, lower, upper)


def _contributions(
    r: np.random.Generator,
    detectors: tuple[DetectorView, ...],
    seeds: _Seeds,
    group: Integers,
    affected: Affected,
    most: int,
) -> Contributions:
    """Of each dimension the first affected metric's value and those after it; whole per cent, 100 together."""
    columns: list[list[Integers]] = [[], [], [], []]
    leading = affected.combination[np.flatnonzero(np.diff(affected.group_interval, prepend=-1))]
    for i, detector in enumerate(detectors):
        mine = np.flatnonzero(seeds.detector[group] == i)
        for j, (_, values) in enumerate(detector.dimensions):
            begin = detector.combinations[leading[mine], j]
            has, k = begin != LACKS, min(most, len(values))
            weights = r.random((int(has.sum()), k)) + 1e-3
            share = np.floor(100 * weights / weights.sum(axis=1, keepdims=True)).astype(np.int64)
            share[:, 0] += 100 - share.sum(axis=1)
            columns[0].append(mine[has].repeat(k))
            columns[1].append(np.full(share.size, j, np.int64))
            columns[2].append(((begin[has][:, None] + np.arange(k)) % len(values)).ravel())
            columns[3].append(share.ravel())
    made = [np.concatenate([np.zeros(0, np.int64), *column]) for column in columns]
    order = np.argsort(made[0], kind="stable")
    return Contributions(*(item[order] for item in made))


def _related(detectors: tuple[DetectorView, ...], seeds: _Seeds) -> tuple[tuple[Related, ...], ...]:
    """Two groups of one detector that start together, of two measures, are each other's."""
    found: list[tuple[Related, ...]] = [()] * len(seeds.score)
    for i in np.flatnonzero(seeds.paired):
        for j in (i - 1, i + 1):
            if (
                not 0 <= j < len(found)
                or seeds.detector[i] != seeds.detector[j]
                or seeds.measure[i] == seeds.measure[j]
            ):
                continue
            if seeds.first[i] == seeds.first[j]:
                measure = detectors[seeds.detector[j]].measures[seeds.measure[j]]
                found[i] = (
                    Related(
                        int(j),
                        measure,
                        "EFFECT_OF_INPUT_ANOMALY_GROUP" if j > i else "CAUSE_OF_INPUT_ANOMALY_GROUP",
                        60.0,
                    ),
                )
    return tuple(found)


def _counting(lengths: Integers) -> Integers:
    """0, 1, … of each length, one after the other."""
    ends = np.cumsum(lengths)
    counted: Integers = np.arange(int(lengths.sum())) - (ends - lengths).repeat(lengths)
    return counted


def _at(calendars: list[Integers], detector: Integers, index: npt.NDArray[np.int64]) -> Integers:
    times = np.zeros(len(index), np.int64)
    for i, calendar in enumerate(calendars):
        mine = detector == i
        times[mine] = calendar[index[mine]]
    return times
