"""Groups with roll-ups: nothing is counted twice, and contributions name what is below."""

from __future__ import annotations

import json
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from anomalake.alerts import AlertDocument, read_alert
from anomalake.definitions.detector import DimensionFilter
from anomalake.groups.affected_metric import AffectedMetric, without_overlap
from anomalake.groups.anomaly_group import without
from anomalake.groups.grouping import Group, group
from anomalake.groups.score import group_score
from anomalake.model.judgement import ANOMALOUS, Judgement
from anomalake.model.metrics import Combination, Metrics
from anomalake.notify.alert_json import alert_body
from anomalake.notify.rules import has_grown, passes
from anomalake.notify.texts import long_text, short_text
from anomalake.records.deliveries import SentAlert
from anomalake.records.groups import from_json, to_json
from anomalake.sources.roll_ups import with_roll_ups
from tests.support.anomalies import ARN, EXPECTED, cut, detector, interval, judged, metric, rule

SHOPS = tuple((region, shop) for region in ("north", "south") for shop in ("a", "b", "c"))
#: Value and severity by combination; a missing value of a dimension is a roll-up.
Deviations = dict[Combination, tuple[float, float]]


def roll_up(value: float, expected: float = EXPECTED, severity: float = 60.0, **dimensions: str) -> AffectedMetric:
    parts = tuple((name, of, abs(value - expected)) for name, of in dimensions.items())
    return replace(metric(value, expected, severity, **dimensions), roll_up=True, below=parts)


def judged_shops(values: dict[Combination, float], severities: dict[Combination, float], n: int = 1) -> Judged:
    """Intervals in which each shop has 100 but for some values, which may be NaN; with all roll-ups."""
    plain, _ = judged({}, n, measures=("revenue",), names=("region", "shop"), combinations=SHOPS)
    observed = plain.values.copy()
    for combination, value in values.items():
        observed[0, SHOPS.index(combination), :] = value  # type: ignore[arg-type]
    metrics, _ = with_roll_ups(replace(plain, values=observed), [True])
    expected = with_roll_ups(plain, [True])[0].flat
    severity = np.zeros(expected.shape)
    for combination, severe in severities.items():
        severity[metrics.combinations.index(combination)] = severe
    return metrics, Judgement(0, expected, expected - 10, expected + 10, severity, severity >= ANOMALOUS)


Judged = tuple[Metrics, Judgement]


def only(groups: tuple[Group, ...]) -> Group:
    (found,) = groups
    return found


def shares(found: Group) -> dict[str, dict[str, int]]:
    by_name: dict[str, dict[str, int]] = {}
    for share in found.intervals[0].contributions:
        by_name.setdefault(share.dimension_name, {})[share.dimension_value] = share.value_contribution
    return by_name


def test_an_outage_that_only_the_total_shows_is_an_anomaly_of_the_total() -> None:
    values: dict[Combination, float] = dict.fromkeys(SHOPS, 50.0)
    found = only(group(*judged_shops(values, {(None, None): 80.0}), ARN))
    (one,) = found.intervals
    (total,) = one.affected
    assert (total.dimensions, total.value, total.expected, total.roll_up) == ((), 300, 600, True)
    assert (one.impact, one.observed, one.expected_total, one.also_affected) == (300, 6, 600, ())
    assert one.score == group_score(80, 1, 6, 300, 600)
    assert shares(found) == {"region": {"north": 50, "south": 50}, "shop": {"a": 34, "b": 33, "c": 33}}


def test_contributions_of_the_total_name_where_it_comes_from() -> None:
    """Shop c of the north has nothing, and a of the south somewhat more: that is no part of the outage."""
    values: dict[Combination, float] = {("north", "c"): 0.0, ("north", "b"): 50.0, ("south", "a"): 120.0}
    found = only(group(*judged_shops(values, {(None, None): 55.0}), ARN))
    assert shares(found) == {"region": {"north": 100}, "shop": {"c": 67, "b": 33}}


def test_contributions_of_a_dimension_value_are_those_of_its_combinations() -> None:
    values: dict[Combination, float] = {("north", "c"): 0.0, ("north", "b"): 50.0, ("south", "a"): 0.0}
    found = only(group(*judged_shops(values, {("north", None): 55.0}), ARN))
    assert [one.dimensions for one in found.intervals[0].affected] == [(("region", "north"),)]
    assert shares(found) == {"region": {"north": 100}, "shop": {"c": 67, "b": 33}}


def test_what_is_missing_has_a_part_in_the_deviation_of_the_total() -> None:
    values: dict[Combination, float] = {("south", shop): np.nan for shop in "abc"}
    metrics, judgement = judged_shops(values, {(None, None): 70.0})
    found = only(group(metrics, judgement, ARN))
    assert found.intervals[0].affected[0].value == 300
    assert shares(found) == {"region": {"south": 100}, "shop": {"a": 34, "b": 33, "c": 33}}


def test_what_ended_long_ago_has_none() -> None:
    """The south has closed: its own models still expect something, those of the total and of the shops do not."""
    values: dict[Combination, float] = {("south", shop): np.nan for shop in "abc"} | {("north", "a"): 50.0}
    metrics, judgement = judged_shops(values, {(None, None): 70.0})
    judgement.expected[metrics.combinations.index((None, None))] = 300
    for shop in "abc":
        judgement.expected[metrics.combinations.index((None, shop))] = 100
    found = only(group(metrics, judgement, ARN))
    assert shares(found) == {"region": {"north": 100}, "shop": {"a": 100}}


def test_an_anomaly_of_a_combination_and_of_its_roll_ups_counts_once() -> None:
    severities: dict[Combination, float] = {("north", "a"): 60.0, ("north", None): 70.0, (None, None): 55.0}
    (one,) = only(group(*judged_shops({("north", "a"): 0.0}, severities), ARN)).intervals
    assert [item.dimensions for item in one.affected] == [(("region", "north"), ("shop", "a"))]
    assert {item.dimensions for item in one.also_affected} == {(("region", "north"),), ()}
    assert one.impact == 100
    # The worst metric is that of any level.
    assert one.score == group_score(70, 1, 6, 100, 600)


def test_the_most_detailed_level_that_explains_the_deviation_is_shown() -> None:
    leaf, other = metric(0, 100, region="north", shop="a"), metric(40, 100, region="north", shop="b")
    north, south, total = roll_up(0, 300, region="north"), roll_up(290, 300, region="south"), roll_up(290, 600)

    def shown(*affected: AffectedMetric) -> list[dict[str, str]]:
        ordered = sorted(affected, key=lambda item: -item.deviation)
        return [dict(item.dimensions) for item in without_overlap(ordered)[0]]

    assert shown(leaf) == [{"region": "north", "shop": "a"}]
    assert shown(leaf, total, other) == [{}]
    assert shown(leaf, north, total) == [{"region": "north"}]
    # What is apart from it is shown too.
    assert shown(north, south, total) == [{"region": "north"}, {"region": "south"}]
    far = metric(0, 20, region="south", shop="b")
    assert shown(north, far, leaf) == [{"region": "north"}, {"region": "south", "shop": "b"}]
    assert shown(metric(0, 300, region="north", shop="a"), south) == [
        {"region": "north", "shop": "a"},
        {"region": "south"},
    ]
    by_shop = roll_up(10, 20, shop="a")
    assert shown(north, by_shop) == [{"region": "north"}]


def overlap(first: AffectedMetric, second: AffectedMetric) -> bool:
    a, b = dict(first.dimensions), dict(second.dimensions)
    return all(a[name] == b[name] for name in a.keys() & b.keys())


ANY_METRIC = st.builds(
    lambda region, shop, value: (
        metric(value, region=region, shop=shop)
        if region and shop
        else roll_up(value, **{name: of for name, of in (("region", region), ("shop", shop)) if of})
    ),
    st.sampled_from(["", "north", "south", "east"]),
    st.sampled_from(["", "a", "b", "c"]),
    st.floats(0, 1_000),
)


@given(st.lists(ANY_METRIC, min_size=1, max_size=16, unique_by=lambda item: item.dimensions))
def test_shown_metrics_never_overlap(affected: list[AffectedMetric]) -> None:
    made = interval(affected)
    assert sorted(made.all_affected, key=lambda item: item.dimensions) == sorted(
        affected, key=lambda item: item.dimensions
    )
    assert made.affected
    for number, one in enumerate(made.affected):
        assert not any(overlap(one, other) for other in made.affected[:number])
    assert made.impact == pytest.approx(sum(item.deviation for item in made.affected))
    # The shown ones account for most of the deviation at every level.
    for level in ((), ("region",), ("shop",), ("region", "shop")):
        names = [item for item in affected if tuple(dict(item.dimensions)) == level]
        assert made.impact >= 0.8 * sum(item.deviation for item in names) - 1e-6
    # Intervals do not depend on the order.
    assert interval(affected[::-1]) == made


def test_a_group_goes_on_through_any_of_its_metrics() -> None:
    """First a shop is anomalous and the total with it, then the total alone, then another shop."""
    metrics, judgement = judged_shops({}, {}, n=4)
    at = metrics.combinations.index
    severity = judgement.severity.copy()
    severity[[at(("north", "a")), at((None, None))], 0] = 60
    severity[at((None, None)), 1] = 60
    severity[[at(("south", "b")), at((None, None))], 3] = 60
    judgement = replace(judgement, severity=severity, is_anomaly=severity >= ANOMALOUS)
    found = only(group(metrics, judgement, ARN))
    assert len(found.intervals) == 3
    # One interval after another gives the same.
    groups: tuple[Group, ...] = ()
    for t in range(4):
        changed = group(*cut(metrics, judgement, t, t + 1), ARN, groups)
        groups = changed or groups
    assert groups == (found,)


def test_related_measures_count_a_common_anomaly_once() -> None:
    metrics, judgement = judged_shops({("north", "a"): 0.0}, {("north", "a"): 60.0, (None, None): 60.0})
    both = replace(metrics, measures=("revenue", "views"), values=np.repeat(metrics.values, 2, axis=0))
    columns = {
        name: np.repeat(getattr(judgement, name), 2, axis=0).reshape(2, len(judgement.severity), -1)
        for name in ("expected", "lower", "upper", "severity", "is_anomaly")
    }
    doubled = {name: np.concatenate([column[0], column[1]]) for name, column in columns.items()}
    rows = {name: np.concatenate([getattr(judgement, name)] * 2) for name in doubled}
    found = group(both, Judgement(0, **rows), ARN)
    assert [one.measure for one in found] == ["revenue", "views"]
    assert [other.contribution_percentage for one in found for other in one.related] == [100, 100]


def test_a_snoozed_combination_leaves_its_roll_ups() -> None:
    severities: dict[Combination, float] = {("north", "a"): 60.0, (None, None): 55.0}
    (one,) = only(group(*judged_shops({("north", "a"): 0.0}, severities), ARN)).intervals
    rest = without(one, {one.affected[0].time_series_id})
    assert rest is not None
    assert [item.dimensions for item in rest.affected] == [()]
    assert rest.also_affected == ()
    assert without(rest, {rest.affected[0].time_series_id}) is None


def test_records_and_alerts_of_roll_ups_can_be_read() -> None:
    values: dict[Combination, float] = dict.fromkeys(SHOPS, 50.0)
    severities: dict[Combination, float] = {(None, None): 80.0, ("north", "a"): 55.0}
    found = only(group(*judged_shops(values, severities), ARN))
    assert found.intervals[0].also_affected
    assert from_json(to_json(found)) == found
    body = alert_body(found, found.intervals[0], rule(), detector())
    assert body["impactedMetric"]["relevantTimeSeries"] == [
        {"timeSeriesId": found.intervals[0].affected[0].time_series_id, "dimensions": [], "metricValue": 300}
    ]
    read = read_alert(AlertDocument(json.dumps(body), "alert"))
    assert read.time_series[0].dimensions == ()
    assert {(share.dimension_name, share.dimension_value) for share in read.contributions} == {
        ("region", "north"), ("region", "south"), ("shop", "a"), ("shop", "b"), ("shop", "c"),
    }  # fmt: skip
    text = long_text(found, found.intervals[0], rule(), detector())
    assert "Affected metrics (1 of 6):" in text
    assert "  the measure as a whole: 300, expected 600 (-50 %)" in text
    assert "In all: 300, expected 600" in text
    assert "region: north 50 %, south 50 %" in text
    assert short_text(found, found.intervals[0], detector()).endswith("1 of 6 metrics. 300, expected 600 (-50 %)")


def test_a_filter_is_passed_by_what_is_shown_and_by_its_parts() -> None:
    values: dict[Combination, float] = dict.fromkeys(SHOPS, 50.0)
    severities: dict[Combination, float] = {(None, None): 80.0, ("north", "a"): 55.0}
    (one,) = only(group(*judged_shops(values, severities), ARN)).intervals
    assert [item.dimensions for item in one.affected] == [()]
    for region, passed in (("north", True), ("south", False)):
        wanted = rule(dimension_filters=(DimensionFilter("region", (region,)),))
        assert passes(one, wanted) == passed
    (north,) = only(group(*judged_shops(values, {("north", None): 80.0}), ARN)).intervals
    assert passes(north, rule(dimension_filters=(DimensionFilter("region", ("north",)),)))


def test_another_level_of_the_same_anomaly_has_not_grown() -> None:
    """First the shops of the north account for the deviation, then the total does."""
    values: dict[Combination, float] = {("north", shop): 0.0 for shop in "abc"}
    north: dict[Combination, float] = {("north", shop): 60.0 for shop in "abc"}
    (first,) = only(group(*judged_shops(values, {**north, (None, None): 60.0}), ARN)).intervals
    values[("south", "a")] = 0.0
    (second,) = only(group(*judged_shops(values, {**north, (None, None): 62.0}), ARN)).intervals
    assert [len(one.affected) for one in (first, second)] == [3, 1]
    for before, after in ((first, second), (second, first)):
        assert not has_grown(after, [SentAlert.of(before)])


def test_texts_say_that_a_dimension_value_is_a_total() -> None:
    severities: dict[Combination, float] = {("north", None): 80.0}
    found = only(group(*judged_shops({("north", "a"): 0.0}, severities), ARN))
    assert "  region=north (total): 200, expected 300" in long_text(found, found.intervals[0], rule(), detector())


def test_records_without_roll_ups_are_as_before() -> None:
    made = interval([metric(region="north", shop="a")])
    record = json.loads(to_json(Group("1", ARN, "revenue", (made,))))["Intervals"][0]
    assert set(record) == {
        "Timestamp", "Score", "Impact", "Observed", "ExpectedTotal", "Affected", "Contributions", "Overlaps",
    }  # fmt: skip
    assert set(record["Affected"][0]) == {
        "TimeSeriesId", "Dimensions", "Value", "Expected", "Lower", "Upper", "Severity",
    }  # fmt: skip
