"""The page's document out of a lake that a live detector and a backtest worked on."""

from __future__ import annotations

import csv
import json
import math
from collections import defaultdict
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import numpy as np
import pytest

from anomalake.api import open_lake
from anomalake.aws.channels import LakeChannel
from anomalake.definitions.detector import About
from anomalake.definitions.metric_set import Measure, MetricSet
from anomalake.detection.backtest import Backtest
from anomalake.groups.grouping import group
from anomalake.lake.lake import Lake
from anomalake.page.document import PageDocument, pack
from anomalake.page.limits import Limits
from anomalake.records import backtests as backtest_records
from anomalake.records.about import write_about
from anomalake.records.backtests import backtest_key, write_backtest
from anomalake.records.errors import CorruptError
from anomalake.records.groups import group_ids, read_groups, to_json
from anomalake.records.keys import detector_folder
from anomalake.records.metric_sets import write_metric_set
from anomalake.services.dashboard import read_document
from anomalake.services.feedback import UnknownAnomalyError, give_feedback
from anomalake.storage.objects import open_store
from tests.support.anomalies import judged
from tests.support.live import ARN, COUNTRIES, HOUR, START, Bench, hour, usual
from tests.support.shown_page import counts_of, detector_of, group_intervals_of, values_of

UNUSUAL = {(hour(3), "de"): 400.0, (hour(4), "de"): 420.0, (hour(4), "fr"): 20.0, (hour(8), "uk"): 0.0}


class Ran(Bench):
    """A live detector on a lake in a folder, whose alerts go into that lake."""

    def __init__(self, folder: Path, hours: int = 10, **changes: Any) -> None:
        self.folder = folder
        super().__init__(open_store(str(folder)), **changes)
        self.lake = Lake(self.store)
        self.channel = LakeChannel(self.lake)  # type: ignore[assignment]
        self.source.unusual.update(UNUSUAL)
        for number in range(hours):
            self.run(hour(number))

    def document(self, **limits: int) -> PageDocument:
        return read_document(str(self.folder), now=self.now, limits=Limits(**limits))


@pytest.fixture(scope="module")
def ran(tmp_path_factory: pytest.TempPathFactory) -> Ran:
    return Ran(tmp_path_factory.mktemp("lake"))


@pytest.fixture
def own(tmp_path: Path) -> Ran:
    """One to spoil."""
    return Ran(tmp_path / "lake", 6)


def test_intervals_are_those_of_the_groups_records(ran: Ran) -> None:
    document = ran.document()
    groups, _ = read_groups(ran.store, "shop", group_ids(ran.store, "shop"))
    expected = {}
    for item in groups:
        for interval in item.intervals:
            expected[item.detector_arn, item.group_id, item.measure, int(interval.timestamp.timestamp())] = {
                "score": interval.score,
                "alerted": True,
                "metrics": len(interval.affected),
                "known": True,
                "affected": [
                    (metric.dimensions, metric.value, metric.expected, metric.lower, metric.upper)
                    for metric in interval.affected
                ],
                "shares": [
                    (share.dimension_name, share.dimension_value, share.value_contribution)
                    for share in interval.contributions
                ],
            }
    assert len(expected) >= 3
    assert group_intervals_of(document) == expected
    assert document.notes == ()


def test_near_misses_are_shown_where_no_detector_has_an_anomaly(ran: Ran, tmp_path: Path) -> None:
    assert len(ran.document().near_misses.time) == 0
    quiet = Ran(tmp_path / "quiet", 0)
    quiet.source.unusual = {(hour(3), "fr"): 1.15 * usual(hour(3), "fr")}
    for number in range(6):
        quiet.run(hour(number))
    document = quiet.document()
    found = document.near_misses
    view = detector_of(document, "shop")
    assert len(document.groups.id) == 0
    assert found.time[0] == hour(3).timestamp()
    assert view.dimensions[0][1][view.combinations[found.combination[0], 0]] == "fr"
    assert found.value[0] == pytest.approx(1.15 * usual(hour(3), "fr"))
    assert 50 > found.severity[0] == found.severity.max()
    assert found.lower[0] < found.expected[0] < found.value[0] < found.upper[0]


@pytest.mark.parametrize("limit", [1, 2, 3])
def test_groups_with_records_are_counted_once_beyond_the_limit(ran: Ran, limit: int) -> None:
    everything = group_intervals_of(ran.document())
    for whole_bytes in (0, 1_000_000):
        document = ran.document(group_intervals=limit, whole_bytes=whole_bytes)
        listed = group_intervals_of(document)
        assert len(listed) == limit
        assert {key: everything[key] for key in listed} == listed
        assert sum(counts_of(document).values()) == len(everything) - limit


def test_values_are_those_that_were_judged_where_no_source_is_known(ran: Ran) -> None:
    document = ran.document()
    shop = detector_of(document, "shop")
    assert (shop.frequency, shop.timezone, shop.measures, shop.aggregations) == ("PT1H", "UTC", ("views",), ("SUM",))
    values, expected = values_of(shop), values_of(shop, "expected")
    wanted = {
        ("views", (("country", country),), int(hour(number).timestamp())): UNUSUAL.get(
            (hour(number), country), usual(hour(number), country)
        )
        for number in range(10)
        for country in COUNTRIES
    }
    # The document has values in single precision.
    assert values == {key: float(np.float32(value)) for key, value in wanted.items()}
    assert set(expected) == set(wanted)
    lower = values_of(shop, "lower")
    assert all(lower[key] == pytest.approx(0.8 * expected[key], rel=1e-3) for key in expected)
    intervals = group_intervals_of(document)
    for (_, _, measure, time), interval in intervals.items():
        for dimensions, value, wanted_then, _, _ in interval["affected"]:
            assert values[measure, dimensions, time] == value
            assert expected[measure, dimensions, time] == pytest.approx(wanted_then, rel=1e-3)


def test_runs_are_told(own: Ran) -> None:
    own.source.faults[hour(7)] = ValueError("a fault")
    own.run(hour(7))
    own.now = own.due(hour(12)) - timedelta(seconds=1)
    runs = detector_of(own.document(), "shop").runs
    assert runs is not None
    assert runs.last_interval == hour(7).timestamp()
    assert (runs.last_status, runs.failed) == ("FAILED", 1)
    assert runs.succeeded + runs.failed + runs.learning + runs.skipped == runs.intervals
    # The run of hour 7 made up for hour 6.
    assert runs.intervals == 8
    assert runs.missing == 0
    # Hours 8 to 12 are over; the source's record has the last one's offset of five minutes.
    assert runs.late == 5
    write_metric_set(own.store, own.detector.metric_set)
    later = detector_of(own.document(), "shop").runs
    assert later is not None
    assert later.late == 4


def test_a_later_run_of_an_interval_is_the_one_that_counts(own: Ran) -> None:
    own.source.faults[hour(6)] = ValueError("a fault")
    own.run(hour(6))
    before = detector_of(own.document(), "shop").runs
    assert before is not None
    assert before.failed == 1
    del own.source.faults[hour(6)]
    own.now += timedelta(minutes=1)
    own.run(hour(6))
    after = detector_of(own.document(), "shop").runs
    assert after is not None
    assert (after.failed, after.intervals) == (0, before.intervals)


def test_records_that_are_corrupt_or_strange_are_told_and_left_out(own: Ran) -> None:
    folder = detector_folder("shop")
    before = own.document()
    for kind in ("/groups/", "/executions/", "/intervals/", "/versions/"):
        keys = sorted(item.key for item in own.store.list(folder) if kind in item.key)
        own.store.put(keys[-1], b"\x00 no record")
    own.store.put(f"{folder}/executions/20260303T000000Z/odd.json", b'{"timestamp": 1}')
    own.store.put(f"{folder}/executions/20269999T000000Z/odd.json", b"{}")
    own.store.put(f"{folder}/backtest/judgement.parquet", b"PAR1")
    own.store.put(f"{folder}/backtest/groups.jsonl.gz", b"\x1f\x8b")
    own.store.put(f"{folder}/undelivered/20260303T000000Z", b"")
    own.store.put("detection/detector=../x", b"")
    document = own.document()
    assert len(document.notes) >= 5
    assert all(note.count("\n") == 0 and len(note) < 500 for note in document.notes)
    assert len(document.groups.id) == len(before.groups.id)
    runs = detector_of(document, "shop").runs
    assert runs is not None
    assert runs.undelivered == 1
    assert pack(document)


def test_what_an_alert_says_stays_where_the_groups_record_is_gone(own: Ran) -> None:
    before = group_intervals_of(own.document())
    own.store.delete(entry.key for entry in list(own.store.list(f"{detector_folder('shop')}/groups")))
    after = group_intervals_of(own.document())
    assert after.keys() == before.keys()
    for key, item in after.items():
        assert not item["known"]
        assert [element[:2] for element in item["affected"]] == [member[:2] for member in before[key]["affected"]]
        assert item["shares"] == before[key]["shares"]


def test_the_same_lake_gives_the_same_bytes(own: Ran) -> None:
    first = pack(own.document())
    open_lake(str(own.folder)).compact()
    assert pack(own.document()) == first
    open_lake(str(own.folder)).rebuild()
    assert pack(own.document()) == first


def backtest_of_shop(hours: int = 6) -> Backtest:
    """A backtest whose first hours are those that ran live."""
    points = {("views", 0, 3): (400.0, 90.0), ("views", 0, 4): (420.0, 90.0), ("views", 2, 1): (1.0, 80.0)}
    countries = (("de",), ("fr",), ("uk",))
    first = START - 2 * HOUR
    metrics, judgement = judged(
        points, hours, measures=("views",), names=("country",), combinations=countries, start=first
    )
    return Backtest.of(metrics, judgement, tuple(group(metrics, judgement, ARN)))


def test_a_backtests_groups_and_judgement_are_shown_and_live_ones_go_before(own: Ran) -> None:
    live = own.document()
    found = backtest_of_shop()
    write_backtest(own.store, "shop", ARN, found)
    document = own.document()
    shop = detector_of(document, "shop")
    assert shop.backtest is not None
    assert shop.backtest.first == int((START - 2 * HOUR).timestamp())
    assert shop.backtest.last == int((START + 3 * HOUR).timestamp())
    before, after = group_intervals_of(live), group_intervals_of(document)
    assert {key: after[key] for key in before} == before
    added = {key[1] for key in after} - {key[1] for key in before}
    assert added == {item.group_id for item in found.groups} - {key[1] for key in before}
    assert added
    assert all(not after[key]["alerted"] and after[key]["known"] for key in after if key[1] in added)
    # Hours that ran live have what was expected live; the two before them what the backtest expected.
    expected = values_of(shop, "expected")
    earlier = {key: value for key, value in expected.items() if key[2] < START.timestamp()}
    assert set(earlier.values()) == {100.0}
    assert len(earlier) == 6
    assert {key: value for key, value in expected.items() if key not in earlier} == values_of(
        detector_of(live, "shop"), "expected"
    )


def test_a_live_group_goes_before_its_namesake_of_the_backtest(own: Ran) -> None:
    (live, *_), _ = read_groups(own.store, "shop", group_ids(own.store, "shop"))
    other = replace(live, intervals=tuple(replace(entry, score=1.0) for entry in live.intervals))
    found = backtest_of_shop()
    write_backtest(own.store, "shop", ARN, Backtest.of(found.metrics, found.judgement, (other,)))
    assert b'"AnomalyGroupScore":1.0' in to_json(other)
    scores = {
        key: interval["score"]
        for key, interval in group_intervals_of(own.document()).items()
        if key[1] == live.group_id
    }
    assert scores == {
        (ARN, live.group_id, live.measure, int(item.timestamp.timestamp())): item.score for item in live.intervals
    }


def test_a_backtest_again_replaces_the_one_before(own: Ran) -> None:
    write_backtest(own.store, "shop", ARN, backtest_of_shop())
    first = {name: own.store.get(backtest_key("shop", name)) for name in ("judgement.parquet", "groups.jsonl.gz")}
    write_backtest(own.store, "shop", ARN, backtest_of_shop(5))
    assert own.store.get(backtest_key("shop", "judgement.parquet")) != first["judgement.parquet"]
    write_backtest(own.store, "shop", ARN, backtest_of_shop())
    assert {name: own.store.get(backtest_key("shop", name)) for name in first} == first


# ---- values out of the source ----

ZONE = "Europe/Paris"
ARN_OF_SOURCE = ARN.replace(":shop", ":sold")


def source_lake(folder: Path, rows: list[tuple[str, str, float, float]], **changes: Any) -> str:
    """A lake that knows a source: rows of wall clock, country, units (SUM) and price (AVG)."""
    (folder / "data").mkdir()
    with (folder / "data" / "rows.csv").open("w", newline="", encoding="utf-8") as out:
        writer = csv.writer(out)
        writer.writerow(["timestamp", "country", "units", "price"])
        writer.writerows(rows)
    given: dict[str, Any] = {"frequency": "PT1H", "timezone": ZONE, **changes}
    source = MetricSet(
        ARN_OF_SOURCE, "timestamp", (Measure("units"), Measure("price", "AVG")), ("country",),
        historical_data_path_list=(str(folder / "data"),), **given,
    )  # fmt: skip
    write_metric_set(open_store(str(folder / "lake")), source)
    return str(folder / "lake")


def hourly(first: datetime, hours: int, countries: int = 3) -> list[tuple[str, str, float, float]]:
    """Rows of instants one hour apart, as the zone's wall clock has them, two rows an hour."""
    rows = []
    for number in range(hours):
        local = (first + number * HOUR).astimezone(ZoneInfo(ZONE)).replace(tzinfo=None)
        for k in range(countries):
            rows.append((f"{local:%Y-%m-%d %H:%M:%S}", f"c{k}", 10.0 * k + number, 5.0))
            rows.append((f"{local:%Y-%m-%d %H:%M:%S}", f"c{k}", 1.0, 7.0 + k))
    return rows


def aggregated(rows: list[tuple[str, str, float, float]]) -> dict[tuple[str, str, int], float]:
    """By measure, country and start: wall clocks that come twice are one interval, the first."""
    units: dict[tuple[str, int], float] = defaultdict(float)
    prices: dict[tuple[str, int], list[float]] = defaultdict(list)
    for stamp, country, unit, price in rows:
        time = int(datetime.fromisoformat(stamp).replace(tzinfo=ZoneInfo(ZONE)).timestamp())
        units[country, time] += unit
        prices[country, time].append(price)
    made = {("units", *key): value for key, value in units.items()}
    return made | {("price", *key): sum(item) / len(item) for key, item in prices.items()}


def test_values_come_from_the_source_through_a_change_of_clocks(tmp_path: Path) -> None:
    rows = hourly(datetime(2026, 3, 28, 20, tzinfo=UTC), 12)
    shop = detector_of(read_document(source_lake(tmp_path, rows)), "sold")
    assert shop.live is not None
    assert (shop.live.intervals, shop.live.others, shop.aggregations) == (1, 0, ("SUM", "AVG"))
    found = {(measure, pairs[0][1], time): value for (measure, pairs, time), value in values_of(shop).items()}
    assert found == pytest.approx(aggregated(rows))
    assert set(shop.live.times[1:] - shop.live.times[:-1]) == {3600}


def test_a_day_of_23_hours_is_one_interval(tmp_path: Path) -> None:
    days = [f"2026-03-{day:02} 00:00:00" for day in range(27, 32)]
    rows = [(day, "c0", float(number), 1.0) for number, day in enumerate(days)]
    shop = detector_of(read_document(source_lake(tmp_path, rows, frequency="P1D")), "sold")
    assert shop.live is not None
    steps = shop.live.times[1:] - shop.live.times[:-1]
    assert steps.tolist() == [86_400, 86_400, 82_800, 86_400]
    assert shop.live.values[0, 0].tolist() == [0, 1, 2, 3, 4]


@pytest.mark.parametrize("numbers", [500, 150, 60])
def test_too_many_values_are_put_together_without_losing_any(tmp_path: Path, numbers: int) -> None:
    rows = hourly(datetime(2026, 3, 26, 23, tzinfo=UTC), 24 * 5 - 1)
    document = read_document(source_lake(tmp_path, rows), limits=Limits(numbers=numbers, series=3))
    shop = detector_of(document, "sold")
    assert shop.live is not None
    assert shop.live.intervals > 1
    assert any("intervals are combined to one" in note for note in document.notes)
    wanted = aggregated(rows)
    found = values_of(shop)
    assert len(found) <= numbers
    for country in ("c0", "c1", "c2"):
        total = math.fsum(
            value for (measure, item, _), value in wanted.items() if (measure, item) == ("units", country)
        )
        shown = math.fsum(
            value for (measure, pairs, _), value in found.items() if (measure, pairs[0][1]) == ("units", country)
        )
        assert shown == pytest.approx(total)
    assert {round(value, 6) for (measure, *_), value in found.items() if measure == "price"} == {6.0, 6.5, 7.0}
    # Whole parts of the zone's days.
    clocks = [datetime.fromtimestamp(int(time), UTC).astimezone(ZoneInfo(ZONE)) for time in shop.live.times]
    if shop.live.intervals >= 24:
        assert {(clock.hour, clock.minute) for clock in clocks} == {(0, 0)}


def test_metrics_beyond_the_first_are_others(tmp_path: Path) -> None:
    rows = hourly(datetime(2026, 5, 1, tzinfo=UTC), 5, countries=6)
    document = read_document(source_lake(tmp_path, rows), limits=Limits(series=3))
    shop = detector_of(document, "sold")
    assert shop.live is not None
    assert shop.live.others == 4
    assert any("4 combinations" in note for note in document.notes)
    wanted, found = aggregated(rows), values_of(shop)
    for time in shop.live.times.tolist():
        assert found["units", (("country", "c5"),), time] == wanted["units", "c5", time]
        assert found["units", (("others", ""),), time] == sum(wanted["units", f"c{k}", time] for k in range(4))
        assert found["price", (("others", ""),), time] == sum(wanted["price", f"c{k}", time] for k in range(4)) / 4


def test_a_source_that_is_gone_is_told_and_what_was_judged_is_shown(own: Ran, tmp_path: Path) -> None:
    before = values_of(detector_of(own.document(), "shop"))
    write_metric_set(
        own.store,
        replace(own.detector.metric_set, templated_path_list=(), historical_data_path_list=(str(tmp_path / "gone"),)),
    )
    shop = detector_of(own.document(), "shop")
    assert "gone" in shop.live_problem
    assert "\n" not in shop.live_problem
    assert values_of(shop) == before


def test_no_judgement_is_shown_where_more_than_half_was_not_judged(tmp_path: Path) -> None:
    rows = hourly(datetime(2026, 5, 1, tzinfo=UTC), 8, countries=2)
    lake = source_lake(tmp_path, rows)
    start = datetime(2026, 5, 1, 4, tzinfo=UTC)
    metrics, judgement = judged(
        {}, 4, measures=("units",), names=("country",), combinations=(("c0",), ("c1",)), start=start
    )
    write_backtest(open_store(lake), "sold", ARN_OF_SOURCE, Backtest.of(metrics, judgement, ()))
    hours = [int((datetime(2026, 5, 1, tzinfo=UTC) + number * HOUR).timestamp()) for number in range(8)]
    expected = values_of(detector_of(read_document(lake), "sold"), "expected")
    assert expected == {("units", (("country", f"c{k}"),), time): 100.0 for k in range(2) for time in hours[4:]}
    shop = detector_of(read_document(lake, limits=Limits(series=1)), "sold")
    assert values_of(shop, "expected") == {("units", (("others", ""),), time): 200.0 for time in hours[4:]}
    # Distances from what was expected add up in squares.
    assert values_of(shop, "lower")["units", (("others", ""),), hours[4]] == pytest.approx(
        200 - math.hypot(10, 10), rel=1e-3
    )


# ---- what a backtest leaves ----


def test_a_backtests_judgement_is_read_as_it_was_written() -> None:
    found = backtest_of_shop()
    found.metrics.values[0, 1, 2] = np.nan
    found.judgement.lower[0, 3] = -np.inf
    body = backtest_records.judgement_to_parquet(found, ARN)
    assert body is not None
    points = backtest_records.judgement_from_parquet(body)
    rows = points.table.to_pylist()
    assert len(rows) == found.n_points == 17
    starts = found.metrics.starts.astype(np.int64).tolist()
    for row in rows:
        k, t = COUNTRIES.index(json.loads(row["combination"])[0]), starts.index(row["time"])
        assert (row["measure"], row["value"]) == ("views", found.metrics.values[0, k, t])
        lower = found.judgement.lower[k, t]
        assert row["lower"] == (None if np.isinf(lower) else lower)
        assert (row["expected"], row["upper"]) == (100.0, 110.0)
        assert row["severity"] == found.judgement.severity[k, t]
    assert points.about["detector_arn"] == ARN
    for spoilt in (b"", body[:-9], body.replace(b"views", b"VIEWS", 1)):
        with pytest.raises(CorruptError):
            backtest_records.judgement_from_parquet(spoilt)


def test_too_many_points_are_not_kept(own: Ran, monkeypatch: pytest.MonkeyPatch) -> None:
    assert write_backtest(own.store, "shop", ARN, backtest_of_shop())
    monkeypatch.setattr(backtest_records, "MOST_POINTS", 17)
    assert not write_backtest(own.store, "shop", ARN, backtest_of_shop())
    assert not own.store.exists(backtest_key("shop", "judgement.parquet"))
    assert own.store.exists(backtest_key("shop", "groups.jsonl.gz"))


def test_feedback_about_a_group_that_only_a_backtest_knows(own: Ran) -> None:
    live = set(group_ids(own.store, "shop"))
    found = backtest_of_shop()
    write_backtest(own.store, "shop", ARN, found)
    write_metric_set(own.store, own.detector.metric_set)
    only = next(item for item in found.groups if item.group_id not in live)
    said = give_feedback(
        own.store, detector=None, group_id=only.group_id, series_id=None, at=None, is_anomaly=False, now=own.now
    )
    assert [(entry.timestamp, entry.time_series_id, entry.direction) for entry in said] == [
        (interval.timestamp, metric.time_series_id, 1 if metric.value >= metric.expected else -1)
        for interval in only.intervals
        for metric in interval.affected
    ]
    with pytest.raises(UnknownAnomalyError):
        give_feedback(own.store, detector=None, group_id="no", series_id=None, at=None, is_anomaly=False, now=own.now)


def test_owner_runbook_and_note_of_the_detector_file_are_shown(own: Ran) -> None:
    write_about(own.store, "shop", ARN, About("team", "https://example.com/run", "Ask first."))
    shop = detector_of(own.document(), "shop")
    assert (shop.owner, shop.runbook, shop.note) == ("team", "https://example.com/run", "Ask first.")
    # A lake that others write to cannot make the page link to code.
    write_about(own.store, "shop", ARN, About("team", "javascript:alert(1)", ""))
    assert detector_of(own.document(), "shop").runbook == ""
