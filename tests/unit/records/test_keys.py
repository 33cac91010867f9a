"""Keys of records: they are what stored lakes have, and are parsed back into their parts."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime

import numpy as np
import pytest

from anomalake.definitions.detector import About
from anomalake.groups.grouping import group
from anomalake.records import about as about_records
from anomalake.records import comments
from anomalake.records.about import about_key, write_about
from anomalake.records.backtests import GROUPS, JUDGEMENT, BacktestKey, backtest_key, parse_backtest_key
from anomalake.records.comments import Comment, write_comment
from anomalake.records.deliveries import (
    DELIVERED,
    INTENT,
    Announcement,
    DeliveryRound,
    Ledger,
    Outcome,
    SentAlert,
    UndeliveredIntervals,
    announcement_from_json,
    announcement_to_json,
    delivery_folder,
    delivery_key,
    outcome_from_json,
    outcome_to_json,
    parse_undelivered_key,
    undelivered_key,
)
from anomalake.records.errors import RecordError, RecordInputError
from anomalake.records.executions import Execution, ExecutionKey, execution_key, parse_execution_key, write_execution
from anomalake.records.feedback import Feedback, feedback_key, write_feedback
from anomalake.records.groups import (
    GroupKey,
    group_ids,
    group_key,
    parse_group_key,
    read_group,
    read_groups,
    write_group,
)
from anomalake.records.intervals import (
    IntervalKey,
    IntervalStore,
    find_interval,
    interval_key,
    parse_interval_key,
    points_of,
    to_parquet,
)
from anomalake.records.keys import detector_file_keys, detector_folder, parse_detector, parse_detector_file_key
from anomalake.records.listing import DetectorRecords, list_records
from anomalake.records.models import history_key, model_key, state_key
from anomalake.records.snoozes import Snooze, read_snoozes, snooze_key, write_snooze
from anomalake.records.versions import (
    VersionKey,
    parse_version_key,
    read_versions,
    version_key,
    version_of,
    write_version,
)
from anomalake.storage.objects import memory_store
from tests.support.anomalies import judged
from tests.support.live import ARN, HOUR, START, detector, hour

FOLDER = "detection/detector=shop"
STAMP = "20260303T000000Z"
VERSION = "0123456789abcdef"


def test_keys_are_those_of_stored_lakes() -> None:
    feedback = Feedback(ARN, "series", "views", (), START, True, 1, 60.0, START + HOUR)
    snooze = Snooze(START, group_id="g")
    assert execution_key("shop", START, "run") == f"{FOLDER}/executions/{STAMP}/run.json"
    assert group_key("shop", "g", START) == f"{FOLDER}/groups/g/{STAMP}.json"
    assert version_key("shop", VERSION) == f"{FOLDER}/versions/{VERSION}.json"
    assert interval_key("shop", VERSION, START) == f"{FOLDER}/version={VERSION}/intervals/{STAMP}.parquet"
    assert model_key("shop", VERSION, START) == f"{FOLDER}/version={VERSION}/models/{STAMP}.npz"
    assert history_key("shop", VERSION, START) == f"{FOLDER}/version={VERSION}/histories/{STAMP}.npz"
    assert state_key("shop", VERSION, START) == f"{FOLDER}/version={VERSION}/states/{STAMP}.npz"
    assert backtest_key("shop", JUDGEMENT) == f"{FOLDER}/backtest/judgement.parquet"
    assert backtest_key("shop", GROUPS) == f"{FOLDER}/backtest/groups.jsonl.gz"
    assert undelivered_key("shop", START) == f"{FOLDER}/undelivered/{STAMP}"
    assert feedback_key("shop", feedback) == f"{FOLDER}/feedback/series/{STAMP}-20260303T010000Z.json"
    assert snooze_key("shop", snooze) == f"{FOLDER}/snoozes/a0255b93b2c9670b89fd3bbee6bfc33f.json"
    folder = delivery_folder("shop", "all", "g", START)
    assert folder == f"{FOLDER}/deliveries/all/g/{STAMP}"
    assert delivery_key(DeliveryRound(folder, 2), "in-doubt") == f"{folder}/0002-in-doubt.json"
    assert delivery_folder("shop", "é/..", "g").startswith(f"{FOLDER}/deliveries/sha256-")


def test_keys_are_parsed_into_their_parts() -> None:
    assert parse_execution_key(execution_key("shop", START, "run")) == ExecutionKey("shop", START, "run")
    assert parse_group_key(group_key("shop", "g", START)) == GroupKey("shop", "g", START)
    assert parse_version_key(version_key("shop", VERSION)) == VersionKey("shop", VERSION)
    assert parse_interval_key(interval_key("shop", VERSION, START)) == IntervalKey("shop", VERSION, START)
    assert parse_backtest_key(backtest_key("shop", GROUPS)) == BacktestKey("shop", GROUPS)
    assert parse_undelivered_key(undelivered_key("shop", START)) == ("shop", START)
    assert parse_detector(execution_key("shop", START, "run")) == "shop"


@pytest.mark.parametrize(
    "key",
    [
        "",
        "detection",
        "sources/shop-0123456789abcdef.json",
        f"{FOLDER}/executions/{STAMP}/x/run.json",
        f"{FOLDER}/executions/20261303T000000Z/run.json",
        f"{FOLDER}/groups/g/{STAMP}.txt",
        f"{FOLDER}/groups/g/2026-03-03.json",
        f"{FOLDER}/version=XYZ/intervals/{STAMP}.parquet",
        f"detection/detector=é/groups/g/{STAMP}.json",
        f"other/{FOLDER}/groups/g/{STAMP}.json",
    ],
)
def test_other_keys_are_not_parsed(key: str) -> None:
    parsers = (parse_execution_key, parse_group_key, parse_version_key, parse_interval_key, parse_undelivered_key)
    assert [parse(key) for parse in parsers] == [None] * len(parsers)


@pytest.mark.parametrize("name", ["", "../shop", "a/b", "a b", "x" * 64, "é"])
def test_an_invalid_name_is_refused(name: str) -> None:
    for key_of in (detector_folder, detector_file_keys):
        with pytest.raises(RecordInputError, match="expected 1 to 63"):
            key_of(name)


def test_detector_files_have_three_endings() -> None:
    assert detector_file_keys("shop") == ("shop.yaml", "shop.yml", "shop.json")
    assert [parse_detector_file_key(key) for key in ("detectors/shop.yml", "a b.yaml", "shop.txt")] == [
        "shop",
        None,
        None,
    ]


def test_one_listing_has_the_records_of_all_detectors() -> None:
    store = memory_store()
    points = {("views", 0, 1): (0.0, 60.0)}
    metrics, judgement = judged(points, 2)
    [anomaly_group] = group(metrics, judgement, ARN)
    version = version_of(detector().metric_set)
    write_version(store, "shop", detector().metric_set, START)
    for start in (hour(1), START):
        write_execution(store, "shop", Execution(ARN, start, "SUCCEEDED", run_id="r"))
        IntervalStore(store, "shop", version).write(start, b"")
    write_group(store, "shop", anomaly_group, anomaly_group.start)
    UndeliveredIntervals(store, "shop").add(START)
    store.put(backtest_key("other", GROUPS), b"")
    snooze = Snooze(START, group_id="g")
    write_snooze(store, "third", snooze)
    feedback = [Feedback(ARN, "series", "views", (), START, True, 1, 60.0, hour(n)) for n in (2, 1)]
    for one in feedback:
        write_feedback(store, "third", one)
    commented = write_comment(store, "third", Comment(ARN, "g", "x", False, START))
    write_about(store, "third", ARN, About(owner="team"))
    write_about(store, "other", ARN, About())
    odd = ("executions/x.json", f"groups/g/{STAMP}.txt", "versions/x.txt", "undelivered/x", "note")
    for key in (*odd, "snoozes/x.json", "comments/g/x.json", "feedback/x.json", "about-x.json"):
        store.put(f"{FOLDER}/{key}", b"")
    store.put("detection/note", b"")
    assert list_records(store) == {
        "shop": DetectorRecords(
            "shop",
            intervals={version: [START, hour(1)]},
            groups=[(anomaly_group.start, group_key("shop", anomaly_group.group_id, anomaly_group.start))],
            executions=[(start, execution_key("shop", start, "r")) for start in (START, hour(1))],
            versions={version: version_key("shop", version)},
            undelivered=1,
        ),
        "other": DetectorRecords("other", backtest={GROUPS}),
        "third": DetectorRecords(
            "third",
            feedback=[(one.given_at, feedback_key("third", one)) for one in reversed(feedback)],
            comments=[(START, commented)],
            snoozes=[snooze_key("third", snooze)],
            about=[about_key("third", ARN)],
        ),
    }


def test_a_group_is_read_by_its_id() -> None:
    store = memory_store()
    [anomaly_group] = group(*judged({("views", 0, 1): (0.0, 60.0), ("views", 0, 2): (0.0, 70.0)}, 4), ARN)
    for interval in anomaly_group.intervals:
        write_group(store, "shop", anomaly_group, interval.timestamp)
    assert group_ids(store, "shop") == [anomaly_group.group_id]
    assert read_group(store, "shop", anomaly_group.group_id) == anomaly_group
    assert read_group(store, "shop", anomaly_group.group_id, anomaly_group.end) == replace(
        anomaly_group, intervals=anomaly_group.intervals[:1]
    )
    assert read_group(store, "shop", anomaly_group.group_id, anomaly_group.start) is None
    assert read_groups(store, "shop", [anomaly_group.group_id, "other"]) == ([anomaly_group], [])
    store.put(group_key("shop", anomaly_group.group_id, anomaly_group.end), b"[]")
    groups, [problem] = read_groups(store, "shop", [anomaly_group.group_id])
    assert groups == []
    assert problem.startswith(f"memory:///{group_key('shop', anomaly_group.group_id, anomaly_group.end)}: ")
    write_group(store, "shop", replace(anomaly_group, intervals=anomaly_group.intervals[:1]), anomaly_group.end)
    assert read_group(store, "shop", anomaly_group.group_id) == replace(
        anomaly_group, intervals=anomaly_group.intervals[:1]
    )


def test_versions_are_read_newest_first_and_an_interval_by_the_newest_that_has_it() -> None:
    store = memory_store()
    first, second = detector().metric_set, detector(timezone="Europe/Paris").metric_set
    assert write_version(store, "shop", first, START) is None
    assert write_version(store, "shop", first, hour(1)) is None
    change = write_version(store, "shop", second, hour(2))
    assert change == "the detector file changed in Timezone: a new model is fitted to the source's history"
    store.put(f"{FOLDER}/versions/x.json", b"[]")
    assert [version.version for version in read_versions(store, "shop")] == [version_of(second), version_of(first)]
    metrics, judgement = judged({("views", 0, 0): (0.0, 60.0)}, 1)
    start = datetime.fromisoformat(f"{metrics.starts[0]}+00:00")
    assert find_interval(store, "shop", start) is None
    IntervalStore(store, "shop", version_of(first)).write(start, to_parquet(start, metrics, judgement))
    record = find_interval(store, "shop", start)
    assert record is not None
    [anomaly_group] = group(metrics, judgement, ARN)
    [affected] = anomaly_group.intervals[0].affected
    [point] = points_of(record, ARN, {affected.time_series_id})
    assert (point.measure, point.dimensions) == ("views", affected.dimensions)
    assert (point.value, point.severity) == (0.0, pytest.approx(60.0))
    assert points_of(record, ARN, {"other"}) == []
    np.testing.assert_allclose(point.expected, affected.expected)


def test_an_invalid_snooze_is_a_line_that_names_its_key() -> None:
    store = memory_store()
    snooze = Snooze(START, measure="views", dimensions=(("country", "é"),))
    assert write_snooze(store, "shop", snooze) == snooze_key("shop", snooze)
    for number, body in enumerate((b"{}", b"[]", b"{", b'{"until": "noon", "group_id": "g"}')):
        store.put(f"{FOLDER}/snoozes/{number}.json", body)
    snoozes, problems = read_snoozes(store, "shop")
    assert snoozes == [snooze]
    assert len(problems) == 4
    assert all(line.startswith(f"memory:///{FOLDER}/snoozes/{n}.json: ") for n, line in enumerate(problems))


def test_the_person_is_no_part_of_what_a_snooze_is() -> None:
    given = Snooze(START, group_id="g", given_at=hour(1), given_by="ana")
    assert snooze_key("shop", given) == snooze_key("shop", Snooze(START, group_id="g"))
    assert given == Snooze(START, group_id="g")
    store = memory_store()
    write_snooze(store, "shop", given)
    [kept], _ = read_snoozes(store, "shop")
    assert (kept.given_at, kept.given_by) == (hour(1), "ana")


def test_feedback_without_a_person_is_read() -> None:
    feedback = Feedback(ARN, "series", "views", (), START, True, 1, 60.0, hour(1))
    fields = {name: value for name, value in feedback.to_fields().items() if name != "given_by"}
    assert Feedback.from_fields(fields) == feedback
    with pytest.raises(RecordError, match="given_by 7"):
        Feedback.from_fields({**fields, "given_by": 7})


def test_comments_are_read_as_they_were_written_and_bounded() -> None:
    comment = Comment(ARN, "g", "<b>\u2028é", True, START, "ana")
    assert comments.from_json(comments.to_json(comment)) == comment
    for body in (b"", b"[]", b"{}", comments.to_json(comment).replace(b"true", b"1")):
        with pytest.raises(RecordError, match="place: "):
            comments.from_json(body, "place")
    for changes in ({"group_id": "../x"}, {"text": "x" * 2_001}, {"text": " ", "acknowledged": False}):
        with pytest.raises(RecordInputError, match="comment: "):
            replace(comment, **changes)


def test_what_is_known_about_a_detector_is_written_when_it_changes() -> None:
    store = memory_store()
    for about in (About("team", "https://example.com/", "é"), About()):
        write_about(store, "shop", ARN, about)
        assert about_records.from_json(store.get(about_key("shop", ARN))) == (ARN, about)
    for body in (b"", b"[]", b'{"detector_arn": "x", "owner": 1, "runbook": "", "note": ""}'):
        with pytest.raises(RecordError, match="place: "):
            about_records.from_json(body, "place")


def test_a_snooze_of_nothing_or_without_a_zone_is_refused() -> None:
    for fields in ({"until": START}, {"until": START.replace(tzinfo=None), "group_id": "g"}):
        with pytest.raises(RecordInputError, match="snooze: "):
            Snooze(**fields)  # type: ignore[arg-type]


# ---- deliveries ----

OUTCOME = Outcome("g", START, 60.5, 12.0, 3, "channel", 2, hour(1), "503: busy")


def test_announcements_and_outcomes_survive() -> None:
    for announcement in (Announcement("r", "2026", None, "text"), Announcement("r", "2026", "é", "\ud83d")):
        assert announcement_from_json(announcement_to_json(announcement)) == announcement
    assert outcome_from_json(outcome_to_json(OUTCOME)) == OUTCOME


@pytest.mark.parametrize("body", [b"{", b"[]", b"{}", b'{"text": 1}', b'{"score": "high", "group_id": "g"}'])
def test_an_invalid_delivery_record_is_refused(body: bytes) -> None:
    for read in (announcement_from_json, outcome_from_json):
        with pytest.raises(RecordError, match=r"^lake/x\.json: .*expected"):
            read(body, "lake/x.json")


def test_a_ledger_has_rounds_that_begin_once_and_end() -> None:
    store = memory_store()
    ledger = Ledger(store, "shop")
    [anomaly_group] = group(*judged({("views", 0, 1): (0.0, 60.0)}, 2), ARN)
    before = ledger.latest_round("all", anomaly_group.group_id, anomaly_group.start)
    assert (before.number, before.status) == (0, "")
    begun = ledger.write_announcement(before, Announcement("r1", "now", "s", "text"))
    assert begun == ledger.latest_round("all", anomaly_group.group_id, anomaly_group.start)
    assert begun is not None
    assert (begun.number, begun.status) == (1, INTENT)
    assert ledger.write_announcement(before, Announcement("r1", "now", "s", "text")) == begun
    assert ledger.write_announcement(before, Announcement("r2", "now", "s", "text")) is None
    assert ledger.read_announcement(begun) == Announcement("r1", "now", "s", "text")
    assert ledger.sent("all", [anomaly_group]) == {}
    ledger.write_outcome(begun, DELIVERED, replace(OUTCOME, group_id=anomaly_group.group_id))
    assert ledger.latest_round("all", anomaly_group.group_id, anomaly_group.start).status == DELIVERED
    assert ledger.sent("all", [anomaly_group]) == {
        anomaly_group.group_id: (SentAlert(anomaly_group.start, 60.5, 12.0, 3),)
    }
    store.put(delivery_key(begun, DELIVERED), b"{")
    assert ledger.sent("all", [anomaly_group]) == {
        anomaly_group.group_id: (SentAlert(anomaly_group.start, 0.0, 0.0, 0),)
    }


def test_undelivered_intervals_are_listed_oldest_first() -> None:
    undelivered = UndeliveredIntervals(memory_store(), "shop")
    for start in (hour(2), START, hour(1)):
        undelivered.add(start)
    undelivered.remove(hour(1))
    assert undelivered.starts() == [START, hour(2)]
