"""Every alert that is accepted can be stored: in the table of each format, after a rebuild, and as CSV and Parquet."""

from __future__ import annotations

import copy
import csv
import json
import urllib.parse
from decimal import Context, Decimal
from typing import Any

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from anomalake.alerts import AlertDocument, Refusal, read_alert
from anomalake.alerts.bounds import MAX_ID, MAX_NAME, MAX_TEXT, MAX_VALUE
from anomalake.lake import bulk, layout, rows
from anomalake.lake.lake import Lake
from anomalake.storage.objects import memory_store
from anomalake.storage.store import ObjectStore
from tests.support import made

FORMATS = ("parquet", "csv")
#: Metric values, and what is stored of them; None: refused.
EDGES: dict[str, str | None] = {
    "999999999999999999.9999999999999999999999": None,
    "-999999999999999999.9999999999999999999999": None,
    "999999999999999999.99999999999999999999": "999999999999999999.99999999999999999999",
    "999999999999999999": "999999999999999999",
    "1000000000000000000": None,
    "1e18": None,
    "1E17": "100000000000000000",
    "9.99999999999999999999999999999999999999999e17": None,
    "0.000000000000000000005": "0",
    "0.000000000000000000015": "0.00000000000000000002",
    "-0.0": "0",
    "-1e-400": "0",
    "1e-999999999": "0",
    "1e999999999": None,
    "123456789012345678.12345678901234567890123456789": "123456789012345678.1234567890123456789",
}
#: Arithmetic that rounds nothing.
EXACT = Context(prec=1_000, Emax=999_999_999, Emin=-999_999_999)

numbers = st.one_of(
    st.sampled_from(sorted(EDGES)),
    st.integers(-(10**19), 10**19).map(str),
    st.decimals(allow_nan=False, allow_infinity=False).map(str),
    st.builds(
        lambda whole, digits, exponent: f"{whole}.{digits}e{exponent}",
        st.integers(-(10**18), 10**18),
        st.text("0123456789", min_size=1, max_size=40),
        st.integers(-40, 20),
    ),
)
characters = st.characters() | st.sampled_from("\x00\x1f\x7f\x85\u2028\ufeff\ufffe\ud800%,\"'\\=+-@\n\r\t🙂")


def texts(most: int) -> st.SearchStrategy[str]:
    long = st.builds(lambda letter, more: letter * (most + more), characters, st.sampled_from([-1, 0, 1]))
    return st.text(characters, max_size=12) | long


stamps = st.builds(
    lambda day, clock, second, offset, zone: f"{day}T{clock}{second}{offset}{zone}",
    st.sampled_from(["1970-01-01", "2199-12-31", "2021-03-28", "2021-10-31", "2000-02-29", "1969-12-31", "2200-01-01"]),
    st.sampled_from(["00:00", "23:59", "02:30"]),
    st.sampled_from(["", ":00", ":59.999999999", ":30,5"]),
    st.sampled_from(["Z", "+18:00", "-18:00", "+00:00:01", ""]),
    st.sampled_from(["", "[UTC]", "[Europe/Paris]", "[Pacific/Apia]", "[GMT-18:00]"]),
)


@st.composite
def alerts(draw: st.DrawFn) -> str:
    """The text of an alert with values at the edges of what can be stored."""
    alert: dict[str, Any] = copy.deepcopy(made.alert(draw(st.integers(0, 20))))
    metric = alert["impactedMetric"]
    for name, strategy in {
        "alertEventId": texts(MAX_ID),
        "alertName": st.none() | texts(MAX_TEXT),
        "alertDescription": texts(MAX_TEXT),
        "consoleUrl": texts(MAX_TEXT),
        "anomalyGroupId": texts(MAX_TEXT),
        "timestamp": stamps,
        "anomalyScore": st.sampled_from(["0", "100", "1e-400", "99.99999999999999999999", "5e-324", "-0"]),
    }.items():
        if draw(st.booleans()):
            alert[name] = draw(strategy)
    if draw(st.booleans()):
        metric["metricName"] = draw(texts(MAX_NAME))
    for series in metric["relevantTimeSeries"]:
        series["metricValue"] = draw(numbers)
        for pair in series["dimensions"]:
            pair["dimensionValue"] = draw(texts(MAX_VALUE))
    for dimension in metric["dimensionContribution"]:
        for share in dimension["dimensionValueContributions"]:
            share["valueContribution"] = draw(st.sampled_from([0, -(2**63), 2**63 - 1, 2**63, -(2**63) - 1]))
    return written(alert, draw(st.booleans()), draw(st.sampled_from([None, 1])))


def written(alert: dict[str, Any], ascii: bool, indent: int | None) -> str:
    """The alert as JSON, with the texts of its numbers as numbers."""
    marked = copy.deepcopy(alert)
    numbers: list[str] = []

    def mark(value: Any, key: str) -> None:
        if isinstance(value.get(key), str):
            numbers.append(value[key])
            value[key] = f"number {len(numbers) - 1}"

    mark(marked, "anomalyScore")
    for series in marked["impactedMetric"]["relevantTimeSeries"]:
        mark(series, "metricValue")
    text = json.dumps(marked, ensure_ascii=ascii, indent=indent)
    for i, number in enumerate(numbers):
        text = text.replace(f'"number {i}"', number, 1)
    return text


def stored(store: ObjectStore) -> tuple[list[dict[str, Any]], list[list[str]]]:
    """The rows of a lake in Parquet, and the decoded cells of those in CSV."""
    in_parquet = [
        row
        for found in store.list(layout.TABLES["parquet"][0])
        for row in rows.from_parquet(store.get(found.key)).to_pylist()
    ]
    lines = [line for item in store.list(layout.TABLES["csv"][0]) for line in cells(store.get(item.key))]
    return sorted(in_parquet, key=lambda row: row["digest"]), sorted(lines, key=lambda line: line[1])


def cells(body: bytes) -> list[list[str]]:
    header, *lines = body.decode("utf-8").split("\n")
    assert header == ",".join(rows.SCHEMA.names)
    assert lines.pop() == ""
    read = list(csv.reader(lines, quoting=csv.QUOTE_NONE)) if lines else []
    return [[urllib.parse.unquote(cell) for cell in line] for line in read]


NEIGHBOUR = json.dumps(made.alert(100))


@settings(max_examples=50, suppress_health_check=[HealthCheck.too_slow])
@given(st.lists(alerts(), min_size=1, max_size=3))
def test_an_accepted_alert_survives_ingest_replay_and_rebuild_in_every_format(texts: list[str]) -> None:
    accepted = {}
    for text in [*texts, NEIGHBOUR]:
        try:
            alert = read_alert(AlertDocument(text, "here"))
        except Refusal:
            continue
        accepted[alert.digest] = alert
    by_ingest, by_replay = memory_store(), memory_store()
    receipt = Lake(by_ingest, formats=FORMATS).ingest(AlertDocument(text, "here") for text in [*texts, NEIGHBOUR])
    assert receipt.failed == ()
    assert receipt.stored == len(accepted)
    lines = "\n".join(json.dumps(text) for text in [*texts, NEIGHBOUR]).encode()
    summary = bulk.load(
        [bulk.Piece("a.jsonl", lines, first_line=1)], bulk.Job(lambda: Lake(by_replay, formats=FORMATS))
    )
    assert (summary.loaded, summary.failed) == (len(accepted), 0)
    first = stored(by_ingest)
    assert stored(by_replay) == first
    assert [row["digest"] for row in first[0]] == sorted(accepted)
    for row, line in zip(*first, strict=True):
        alert = accepted[row["digest"]]
        assert (row["alert_id"], row["timestamp"]) == (alert.alert_id, alert.timestamp.utc)
        assert line[:2] == [alert.alert_id, alert.digest]
        values = [series.metric_value for series in alert.time_series]
        assert [item["metric_value"] for item in row["time_series"]] == values
        in_csv = json.loads(line[rows.SCHEMA.get_field_index("time_series")])
        assert [Decimal(item["metric_value"]) for item in in_csv] == values
        assert [list(item["dimensions"].items()) for item in in_csv] == [list(s.dimensions) for s in alert.time_series]
    for store in (by_ingest, by_replay):
        summary = bulk.rebuild(Lake(store, formats=FORMATS), lambda store=store: Lake(store, formats=FORMATS))
        assert (summary.loaded, summary.refused, summary.failed) == (len(accepted), 0, 0)
        assert stored(store) == first


@pytest.mark.parametrize("number", EDGES)
def test_a_metric_value_at_an_edge_is_stored_or_refused(number: str) -> None:
    alert = made.alert(1)
    alert["impactedMetric"]["relevantTimeSeries"] = [{"metricValue": number}]
    store = memory_store()
    receipt = Lake(store, formats=FORMATS).ingest([AlertDocument(written(alert, True, None), "here")])
    assert receipt.failed == ()
    expected = EDGES[number]
    if expected is None:
        [refused] = receipt.refused
        assert refused.refusal.field == "impactedMetric.relevantTimeSeries[0].metricValue"
    else:
        [row] = stored(store)[0]
        assert row["time_series"][0]["metric_value"] == Decimal(expected)


@settings(max_examples=75)
@given(numbers)
@example("-1e-999999999")
def test_a_metric_value_is_rounded_once(number: str) -> None:
    alert = made.alert(1)
    alert["impactedMetric"]["relevantTimeSeries"] = [{"metricValue": number}]
    try:
        read = read_alert(AlertDocument(written(alert, True, None), "here"))
    except Refusal as refusal:
        assert refusal.field in ("$", "impactedMetric.relevantTimeSeries[0].metricValue")
        return
    value = read.time_series[0].metric_value
    assert value is not None
    assert abs(int(value)) < 10**18
    assert EXACT.abs(EXACT.subtract(value, Decimal(number))) <= Decimal("0.5e-20")
