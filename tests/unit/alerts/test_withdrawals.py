"""Withdrawals: read from any envelope, written back the same, and refused with the field that is invalid."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from anomalake.alerts import AlertBody, AlertDocument, Refusal, read_alert, read_event, read_withdrawal
from anomalake.alerts.withdrawals import sequence_after, withdrawal_text
from anomalake.lake.lake import Lake
from anomalake.lake.withdrawal_rows import read_states
from anomalake.storage.objects import memory_store
from tests.support import made

ALERTS = [read_alert(AlertDocument(text, "alert")) for text in made.texts(6)]
ARN = ALERTS[0].detector_arn
BODIES = [AlertBody.of(alert) for alert in ALERTS]
TEXT = withdrawal_text(ARN, "2026-11-27T02:41:01.123456Z", "late data", BODIES[:2], BODIES[2:3])


def document(**changes: Any) -> AlertDocument:
    return AlertDocument(json.dumps(json.loads(TEXT) | changes), "a withdrawal")


def test_what_was_written_is_read() -> None:
    withdrawal = read_withdrawal(AlertDocument(TEXT, "a withdrawal"))
    assert withdrawal is not None
    assert (withdrawal.detector_arn, withdrawal.reason, withdrawal.original) == (ARN, "late data", TEXT)
    assert {body.key for body in withdrawal.withdrawn} == {(alert.alert_id, alert.digest) for alert in ALERTS[:2]}
    assert {body.timestamp for body in withdrawal.withdrawn} == {alert.timestamp for alert in ALERTS[:2]}
    assert [body.key for body in withdrawal.reinstated] == [BODIES[2].key]


@pytest.mark.parametrize("number", range(6))
def test_every_alert_can_be_named(number: int) -> None:
    text = withdrawal_text(ARN, "2026-11-27T02:41:01.123456Z", "", [BODIES[number]])
    withdrawal = read_withdrawal(AlertDocument(text, "a withdrawal"))
    assert withdrawal is not None
    assert withdrawal.withdrawn == (BODIES[number],)


def test_other_documents_are_no_withdrawals() -> None:
    for body in (ALERTS[0].original, "{", "[]", b"\xff", '{"record": "anomalake/set-aside"}', '"anomalake/withdrawal"'):
        assert read_withdrawal(AlertDocument(body, "other")) is None


@pytest.mark.parametrize(
    ("changes", "field"),
    [
        ({"anomalyDetectorArn": "arn:aws:sns:::x"}, "anomalyDetectorArn"),
        ({"anomalyDetectorArn": ARN + "/../x"}, "anomalyDetectorArn"),
        ({"sequence": "2026-11-27"}, "sequence"),
        ({"sequence": "2026-13-27T02:41:01.123456Z"}, "sequence"),
        ({"sequence": 7}, "sequence"),
        ({"reason": 7}, "reason"),
        ({"withdrawn": "all"}, "withdrawn"),
        ({"withdrawn": [7]}, "withdrawn[0]"),
        ({"withdrawn": [{"alertEventId": "e"}]}, "withdrawn[0].timestamp"),
        ({"withdrawn": [json.loads(TEXT)["withdrawn"][0] | {"digest": "abc"}]}, "withdrawn[0].digest"),
        ({"withdrawn": [json.loads(TEXT)["withdrawn"][0] | {"timestamp": "soon"}]}, "withdrawn[0].timestamp"),
        ({"reinstated": json.loads(TEXT)["withdrawn"]}, "reinstated"),
    ],
)
def test_an_invalid_withdrawal_is_set_aside_with_its_field(changes: dict[str, Any], field: str) -> None:
    with pytest.raises(Refusal) as refused:
        read_withdrawal(document(**changes))
    assert refused.value.field == field
    store = memory_store()
    receipt = Lake(store).ingest([document(**changes), AlertDocument(ALERTS[0].original, "alert")])
    assert (receipt.stored, receipt.withdrawals, len(receipt.refused)) == (1, 0, 1)
    assert list(store.list("originals/withdrawals")) == []


@pytest.mark.parametrize(
    "event",
    [
        json.loads(TEXT),
        {"Records": [{"eventSource": "aws:sqs", "messageId": "1", "body": TEXT}]},
        {"Records": [{"EventSource": "aws:sns", "Sns": {"MessageId": "1", "Message": TEXT}}]},
        {"source": "own", "detail-type": "withdrawal", "detail": json.loads(TEXT)},
        [json.loads(TEXT), json.loads(TEXT)],
        {"record": "anomalake/set-aside", "body": TEXT},
    ],
    ids=["bare", "sqs", "sns", "eventbridge", "list", "set-aside"],
)
def test_an_event_may_carry_it(event: Any) -> None:
    store = memory_store()
    receipt = Lake(store).ingest(read_event(event))  # type: ignore[arg-type]
    assert (receipt.withdrawals, receipt.refused, receipt.failed) == (1, (), ())
    assert len(list(store.list("originals/withdrawals"))) == 1
    assert {state.is_withdrawn for state in read_states(store, ALERTS[0].detector).values()} == {True, False}
    assert Lake(store).ingest(read_event(event)).withdrawals == 0  # type: ignore[arg-type]


@given(st.recursive(st.none() | st.booleans() | st.integers() | st.text(max_size=5), st.lists, max_leaves=4), st.data())
def test_a_mutated_withdrawal_is_stored_or_set_aside(value: Any, data: st.DataObject) -> None:
    fields = json.loads(TEXT)
    where = data.draw(st.sampled_from([fields, fields["withdrawn"][0], fields["reinstated"][0]]))
    where[data.draw(st.sampled_from([*where, "other"]))] = value
    receipt = Lake(memory_store()).ingest([AlertDocument(json.dumps(fields), "a withdrawal")])
    assert receipt.withdrawals + len(receipt.refused) == 1
    assert receipt.failed == ()


def test_a_sequence_is_after_those_that_were_read() -> None:
    now = datetime(2026, 11, 27, 2, 41, 1, 5, UTC)
    assert sequence_after(now, None) == "2026-11-27T02:41:01.000005Z"
    assert sequence_after(now, "2026-11-27T02:41:00.999999Z") == "2026-11-27T02:41:01.000005Z"
    assert sequence_after(now, "2027-01-01T00:00:00.999999Z") == "2027-01-01T00:00:01.000000Z"
