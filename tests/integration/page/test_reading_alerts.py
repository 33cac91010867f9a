"""The page's document out of alerts: compared with what the alerts say, in plain Python."""

from __future__ import annotations

import io
import json
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from anomalake.alerts import Alert
from anomalake.api import open_lake
from anomalake.aws.athena_engine import AthenaEngine
from anomalake.page import alert_rows
from anomalake.page.document import PageDocument, Span, pack
from anomalake.page.limits import Limits
from anomalake.services.dashboard import read_document
from anomalake.storage.objects import open_store
from tests.integration.query.lakes import HOSTILE, alert, arn, shown, write
from tests.support import made
from tests.support.shown_page import Key, counts_of, detector_of, group_intervals_of

NOW = datetime(2026, 1, 1, tzinfo=UTC)


def in_group(group: str | None, alert: Alert) -> Alert:
    return replace(alert, anomaly_group_id=group)


ALERTS: Sequence[Alert] = (
    alert("e1"),
    in_group("g1", alert("e2", "2021-02-14T05:00", score=60)),
    in_group("g1", alert("e2", "2021-02-14T06:00", score=70.25, shares=())),
    # Another measure of the same group, and the same group id in a detector of the same name.
    in_group("g1", alert("e3", "2021-02-14T05:00", metric="views")),
    in_group("g1", alert("e4", "2021-02-14T05:00", detector_arn=arn("orders", "eu-west-1"), score=99.99)),
    # No dimensions, no value; a dimension that comes later; names from strangers.
    alert("e5", detector_arn=arn("plain"), series=(({}, None),), shares=(), score=0),
    alert("e6", "2021-02-15T00:00", series=(({"marketplace": "it", "channel": "w"}, "-1.5"), ({"channel": "x"}, "2"))),
    alert("e7", "2021-02-16T23:00", zone="Europe/Paris", detector_arn=arn("paris")),
    *(
        alert(f"h{number}", "2021-02-17T00:00", detector_arn=arn("hostile"), metric=f"m{text}",
              series=(({f"d{text}": text}, "1"),), shares=((f"d{text}", text, 100),))
        for number, text in enumerate(HOSTILE)
    ),
    # One identity with two bodies.
    alert("e8", "2021-02-18T00:00", score=51),
    alert("e8", "2021-02-18T00:00", score=52),
)  # fmt: skip


#: A table is read whole, or only its most severe intervals.
WHOLE_OR_NOT = pytest.mark.parametrize("whole_bytes", [0, 1_000_000], ids=["asked", "whole"])


def key_of(alert: Alert) -> Key:
    group = alert.anomaly_group_id if alert.anomaly_group_id is not None else alert.alert_event_id
    return alert.detector_arn, group, alert.metric_name, int(alert.timestamp.utc.replace(tzinfo=UTC).timestamp())


def said(alerts: Iterable[Alert]) -> dict[Key, dict[str, Any]]:
    """What the document must say: of several alerts about one interval, what the one with most metrics says."""
    best: dict[Key, Alert] = {}
    for item in shown(alerts):
        before = best.get(key_of(item))
        rank = (-len(item.time_series), -item.anomaly_score, item.alert_id)
        if before is None or rank < (-len(before.time_series), -before.anomaly_score, before.alert_id):
            best[key_of(item)] = item
    return {
        key: {
            "score": entry.anomaly_score,
            "alerted": True,
            "metrics": len(entry.time_series),
            "known": False,
            "affected": [
                (
                    tuple(sorted(series.dimensions)),
                    None if series.metric_value is None else float(series.metric_value),
                    *(None, None, None),
                )
                for series in entry.time_series
            ],
            "shares": [(of.dimension_name, of.dimension_value, of.value_contribution) for of in entry.contributions],
        }
        for key, entry in best.items()
    }  # fmt: skip


def read(lake: Path, **limits: int) -> PageDocument:
    return read_document(str(lake), now=NOW, limits=Limits(**limits))


@WHOLE_OR_NOT
@pytest.mark.parametrize("formats", [("parquet",), ("csv",)])
def test_intervals_are_what_the_alerts_say(tmp_path: Path, formats: tuple[str, ...], whole_bytes: int) -> None:
    write(tmp_path, ALERTS, formats)
    document = read(tmp_path, whole_bytes=whole_bytes)
    assert group_intervals_of(document) == said(ALERTS)
    assert counts_of(document) == {}
    assert document.notes == ()
    assert Counter(item.name for item in document.detectors) == {"hostile": 1, "orders": 2, "paris": 1, "plain": 1}
    assert detector_of(document, "paris").timezone == "Europe/Paris"
    orders = next(detector for detector in document.detectors if detector.arn == arn("orders"))
    assert orders.clashes == 1
    assert orders.alerts is not None
    assert datetime.fromtimestamp(orders.alerts.first, UTC) == datetime(2021, 2, 14, 4, tzinfo=UTC)
    assert datetime.fromtimestamp(orders.alerts.last, UTC) == datetime(2021, 2, 18, tzinfo=UTC)
    assert sum(entry.clashes for entry in document.detectors) == 1
    assert pack(document)


@WHOLE_OR_NOT
def test_several_alerts_about_one_interval_are_one(tmp_path: Path, whole_bytes: int) -> None:
    two = (({"marketplace": "it"}, "1"), ({"marketplace": "us"}, "2"))
    alerts = [
        in_group("g", alert("rule-a", series=two[:1], score=70)),
        in_group("g", alert("rule-b", series=two, score=70)),
        in_group("g", alert("rule-c", series=two[:1], score=70)),
    ]
    write(tmp_path, alerts)
    (interval,) = group_intervals_of(read(tmp_path, whole_bytes=whole_bytes)).values()
    assert [item[0] for item in interval["affected"]] == [(("marketplace", "it"),), (("marketplace", "us"),)]
    assert len(interval["shares"]) == 2


@WHOLE_OR_NOT
@pytest.mark.parametrize("limit", [1, 3, 7, 20])
def test_beyond_the_limit_intervals_are_counted(tmp_path: Path, limit: int, whole_bytes: int) -> None:
    write(tmp_path, ALERTS)
    expected = said(ALERTS)
    document = read(tmp_path, group_intervals=limit, whole_bytes=whole_bytes)
    listed, counted = group_intervals_of(document), counts_of(document)
    assert len(listed) == limit
    assert {key: expected[key] for key in listed} == listed
    left = [key for key in expected if key not in listed]
    assert max(expected[key]["score"] for key in left) <= min(item["score"] for item in listed.values())
    wanted: Counter[tuple[str, str, int, int]] = Counter()
    for key in left:
        wanted[key[0], key[2], key[3] // 86_400 * 86_400, min(90, int(expected[key]["score"] // 10 * 10))] += 1
    assert counted == wanted
    assert any("are listed" in note and f"{len(left):,} more" in note for note in document.notes)


@WHOLE_OR_NOT
def test_beyond_the_limits_of_metrics_the_severe_ones_are_kept(tmp_path: Path, whole_bytes: int) -> None:
    series = tuple(({"marketplace": f"m{k}"}, str(k)) for k in range(5))
    shares = tuple(("marketplace", f"m{k}", 20) for k in range(5))
    alerts = [alert(f"e{k}", f"2021-02-14T0{k}:00", score=50 + k, series=series, shares=shares) for k in range(4)]
    write(tmp_path, alerts)
    document = read(tmp_path, affected=7, contributions=12, whole_bytes=whole_bytes)
    by_score = sorted(group_intervals_of(document).values(), key=lambda member: -member["score"])
    assert [len(item["affected"]) for item in by_score] == [5, 2, 0, 0]
    assert [len(entry["shares"]) for entry in by_score] == [5, 5, 2, 0]
    assert [element["metrics"] for element in by_score] == [5, 5, 5, 5]
    assert any("13 affected metrics" in note for note in document.notes)


def test_an_absent_lake_and_an_empty_one_give_an_empty_document(tmp_path: Path) -> None:
    for lake in (tmp_path, tmp_path / "absent"):
        document = read(lake)
        assert document.detectors == ()
        assert len(document.group_intervals.time) == len(document.groups.id) == 0
        assert document.notes == ("The lake has no alert and no detector yet.",)
        assert pack(document)
    assert not (tmp_path / "absent").exists()


def test_a_lake_replayed_again_compacted_or_rebuilt_gives_the_same_bytes(tmp_path: Path) -> None:
    lines = tmp_path / "alerts.jsonl"
    texts = [text.replace("\n", " ") for text in made.texts(60, clashes=3)]
    lines.write_text("\n".join(texts) + "\n", encoding="utf-8")
    lake = tmp_path / "lake"
    handle = open_lake(str(lake))
    handle.replay(lines)
    first = pack(read(lake))
    assert len(read(lake).group_intervals.time) >= 50
    handle.replay(lines)
    assert pack(read(lake)) == first
    handle.compact()
    assert pack(read(lake)) == first
    handle.rebuild()
    assert pack(read(lake)) == first


def test_records_that_were_set_aside_are_counted_with_their_reasons(tmp_path: Path) -> None:
    lines = tmp_path / "alerts.jsonl"
    lines.write_text("\n".join([made.texts(2)[1], '{"a": 1}', "[1]", '{"a": 2}']) + "\n", encoding="utf-8")
    open_lake(str(tmp_path / "lake")).replay(lines)
    document = read(tmp_path / "lake")
    assert document.set_aside == 3
    assert len(document.set_aside_reasons) == 3
    assert all("expected" in set_aside_reason for set_aside_reason in document.set_aside_reasons)


TIMES = (
    "1970-01-01T00:00Z", "1970-01-01T00:00:00.000001Z", "2021-02-14T10:00:00.123456Z", "2021-02-14T10:00:00.999999Z",
    "2021-02-14T10:00:01.123456789Z", "2021-02-14T12:00:02+02:00[Europe/Paris]", "2199-12-31T23:59:59.999999999Z",
)  # fmt: skip


@WHOLE_OR_NOT
@pytest.mark.parametrize("formats", ["parquet", "csv"])
def test_alerts_at_any_time_are_shown(tmp_path: Path, formats: str, whole_bytes: int) -> None:
    lines = [
        json.dumps(made.alert(1, timestamp=time, alertEventId=f"e{at}", anomalyGroupId="g"))
        for at, time in enumerate(TIMES)
    ]
    (tmp_path / "alerts.jsonl").write_text("\n".join(lines), encoding="utf-8")
    lake = tmp_path / "lake"
    open_lake(lake).replay(tmp_path / "alerts.jsonl", formats=formats)
    document = read(lake, whole_bytes=whole_bytes)
    assert document.notes == ()
    # Two alerts about one group within a second are about one interval.
    expected = [0, 1_613_296_800, 1_613_296_801, 1_613_296_802, 7_258_118_399]
    assert document.group_intervals.time.tolist() == expected
    assert counts_of(document) == {}
    (shown_detector,) = document.detectors
    assert shown_detector.alerts == Span(expected[0], expected[-1])
    for sql in ("SELECT * FROM metric_values", "SELECT * FROM anomalies", "SELECT * FROM alerts"):
        for format_ in ("table", "csv", "json"):
            out = io.StringIO()
            open_lake(lake).write(sql, format_, out)
            # Athena has milliseconds.
            assert "10:00:00.123" in out.getvalue()
    few = read(lake, whole_bytes=0, group_intervals=2)
    assert len(few.group_intervals.time) + sum(counts_of(few).values()) == len(expected)


def test_a_shape_that_cannot_be_read_is_told_and_the_page_goes_on(tmp_path: Path) -> None:
    write(tmp_path, ALERTS)
    next(iter((tmp_path / "shapes").rglob("*.json"))).write_text("no JSON")
    document = read(tmp_path)
    assert group_intervals_of(document) == said(ALERTS)
    (note,) = document.notes
    assert "detectors" in note


@pytest.mark.parametrize(
    "sql", [alert_rows.sql_of("page_anomalies"), alert_rows.most_severe_sql(Limits())], ids=["all", "most_severe"]
)
def test_athena_is_asked_for_maps_as_text_that_can_be_read(tmp_path: Path, sql: str) -> None:
    write(tmp_path, ALERTS)
    text = AthenaEngine(open_store(str(tmp_path))).to_athena(sql)
    assert isinstance(text, str)
    assert "JSON_FORMAT(CAST(Q.DIMENSIONS AS JSON))" in text.upper()
