"""Documents of causes: read as they were written, from any envelope, and refused with the field that is invalid."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from anomalake.alerts import (
    AlertDocument,
    Cause,
    GroupCauses,
    Refusal,
    StoredAlert,
    read_alert,
    read_causes,
    read_event,
    read_withdrawal,
)
from anomalake.alerts.causes import MOST_CAUSES, causes_text
from anomalake.alerts.timestamps import parse_zoned
from anomalake.lake import cause_documents, cause_rows
from anomalake.lake.cause_documents import texts_of
from anomalake.lake.lake import Lake
from anomalake.storage.objects import memory_store
from tests.support import made

ALERT = read_alert(AlertDocument(made.texts(1)[0], "alert"))
ARN = ALERT.detector_arn
START = parse_zoned("2021-07-16T13:00:30.5+02:00[Europe/Paris]")
GROUPS = [
    GroupCauses("g1", "revenue", START, (Cause((("carrier", "UA"), ("é🙂", "")), -0.6213, 0.71, 30.25),)),
    GroupCauses("g2", "views", parse_zoned("2021-07-17T00:00Z[UTC]"), (Cause((), None, 1.0, 4.5),)),
    GroupCauses("g3", "views", parse_zoned("2021-07-17T00:00Z[UTC]"), ()),
]
TEXT = causes_text(ARN, 7, GROUPS)


def document(**changes: Any) -> AlertDocument:
    return AlertDocument(json.dumps(json.loads(TEXT) | changes), "causes")


def changed(number: int = 0, **changes: Any) -> dict[str, Any]:
    """The document's groups, with other fields in one of them."""
    groups = json.loads(TEXT)["groups"]
    groups[number] |= changes
    return {"groups": groups}


def test_what_was_written_is_read() -> None:
    found = read_causes(AlertDocument(TEXT, "causes"))
    assert found is not None
    assert (found.detector_arn, found.detector, found.sequence, found.original) == (ARN, ALERT.detector, 7, TEXT)
    assert [(group.key, group.causes) for group in found.groups] == [(group.key, group.causes) for group in GROUPS]
    assert found.groups[0].timestamp == START


def test_rows_say_what_the_document_says() -> None:
    store = memory_store()
    assert Lake(store).ingest([AlertDocument(TEXT, "causes")]).causes == 1
    assert Lake(store).ingest([AlertDocument(TEXT, "causes")]).causes == 0
    states = cause_rows.read_causes(store, ALERT.detector, ARN)
    assert {key[0]: state.causes for key, state in states.items()} == {
        group.anomaly_group_id: group.causes for group in GROUPS
    }
    assert [entry.key.split("/")[2:4] for entry in store.list("tables/cause_rows")] == [
        [f"detector={ALERT.detector}", "day=2021-07-16"],
        [f"detector={ALERT.detector}", "day=2021-07-17"],
    ]
    assert cause_rows.read_causes(store, ALERT.detector, ARN + "-other") == {}
    assert list(texts_of(ARN, GROUPS, states)) == []


def test_other_documents_are_no_causes() -> None:
    withdrawal = json.dumps({"record": "anomalake/withdrawal"})
    for body in (ALERT.original, "{", "[]", b"\xff", withdrawal, '"anomalake/causes"'):
        assert read_causes(AlertDocument(body, "other")) is None
    assert read_withdrawal(document()) is None


@pytest.mark.parametrize(
    ("changes", "field"),
    [
        ({"anomalyDetectorArn": "arn:aws:sns:::x"}, "anomalyDetectorArn"),
        ({"anomalyDetectorArn": ARN + "/../x"}, "anomalyDetectorArn"),
        ({"sequence": "1"}, "sequence"),
        ({"sequence": 0}, "sequence"),
        ({"sequence": True}, "sequence"),
        ({"sequence": 2**53 + 1}, "sequence"),
        ({"groups": {}}, "groups"),
        (changed(anomalyGroupId=""), "groups[0].anomalyGroupId"),
        (changed(1, metricName=None), "groups[1].metricName"),
        (changed(timestamp="noon"), "groups[0].timestamp"),
        (changed(causes=[7]), "groups[0].causes[0]"),
        (changed(causes=[{"explained": 1, "gain": 1, "shareOff": "x"}]), "groups[0].causes[0].shareOff"),
        (changed(causes=[{"explained": 1}]), "groups[0].causes[0].gain"),
        (changed(causes=[{"explained": True, "gain": 1}]), "groups[0].causes[0].explained"),
        (changed(causes=[{"explained": 1, "gain": 10**301}]), "groups[0].causes[0].gain"),
        (changed(causes=[{"explained": 1, "gain": 1}] * (MOST_CAUSES + 1)), "groups[0].causes"),
        (
            changed(causes=[{"dimensions": [{"dimensionName": "a", "dimensionValue": "x"}] * 2, "explained": 1}]),
            "groups[0].causes[0].dimensions[1].dimensionName",
        ),
        ({"groups": [*json.loads(TEXT)["groups"], json.loads(TEXT)["groups"][1]]}, "groups[3]"),
    ],
)
def test_an_invalid_document_is_set_aside_with_its_field(changes: dict[str, Any], field: str) -> None:
    with pytest.raises(Refusal) as refused:
        read_causes(document(**changes))
    assert refused.value.field == field
    store = memory_store()
    receipt = Lake(store).ingest([document(**changes), AlertDocument(ALERT.original, "alert")])
    assert (receipt.stored, receipt.causes, len(receipt.refused)) == (1, 0, 1)
    assert list(store.list("originals/causes")) == list(store.list("tables/cause_rows")) == []


@pytest.mark.parametrize(
    "event",
    [
        json.loads(TEXT),
        {"source": "own", "detail-type": "causes", "detail": json.loads(TEXT)},
        {"Records": [{"eventSource": "aws:sqs", "messageId": "1", "body": TEXT}]},
    ],
    ids=["itself", "EventBridge", "SQS"],
)
def test_every_envelope_may_have_causes(event: dict[str, Any]) -> None:
    store = memory_store()
    receipt = Lake(store).ingest(read_event(event))  # type: ignore[arg-type]
    assert (receipt.causes, receipt.refused, receipt.failed) == (1, (), ())
    assert len(list(store.list("originals/causes"))) == 1


@given(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5) | st.lists(st.integers()), st.data()
)
def test_a_mutated_document_is_stored_or_set_aside(value: Any, data: st.DataObject) -> None:
    fields = json.loads(TEXT)
    cause = fields["groups"][0]["causes"][0]
    where = data.draw(st.sampled_from([fields, fields["groups"][0], cause, cause["dimensions"][0]]))
    where[data.draw(st.sampled_from([name for name in where if name != "record"]))] = value
    receipt = Lake(memory_store()).ingest([AlertDocument(json.dumps(fields), "causes")])
    assert receipt.causes + len(receipt.refused) == 1


def test_documents_are_bounded_and_of_one_day(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cause_documents, "MOST_CHARACTERS", 600)
    many = [
        GroupCauses(
            f"g{number}", "views", START, tuple(Cause((("x", "y" * 40),), None, 1.0, 5.0 - k) for k in range(9))
        )
        for number in range(3)
    ]
    texts = list(texts_of(ARN, [*many, GROUPS[1]], {}))
    assert all(len(text) <= 600 for text in texts)
    documents = [read_causes(AlertDocument(text, "causes")) for text in texts]
    stated = [group for found in documents if found is not None for group in found.groups]
    assert [group.anomaly_group_id for group in stated] == ["g0", "g1", "g2", "g2"]
    # The best causes of a group that is too large for a document.
    assert stated[0].causes == many[0].causes[: len(stated[0].causes)] != ()
    assert all(len({group.day for group in found.groups}) == 1 for found in documents if found is not None)


def test_an_alert_without_a_group_has_no_causes() -> None:
    assert cause_documents.causes_of([], [StoredAlert.of(ALERT)]) == []
