"""The channels against moto: what is requested of Lambda and SNS, and what their failures mean."""

from __future__ import annotations

import io
import json
from collections.abc import Callable, Iterator
from typing import Any

import boto3
import botocore.exceptions
import pytest
from botocore.stub import Stubber
from moto import mock_aws

from anomalake.alerts import read_alert, read_event
from anomalake.aws.channels import LakeChannel, LambdaChannel, SnsChannel, channel_of, client
from anomalake.definitions.detector import LambdaAction, SnsAction
from anomalake.lake.lake import Lake
from anomalake.notify.channel import JSON, LONG_TEXT, SHORT_TEXT, Channel, ChannelError, Message
from anomalake.notify.delivery import RetryPolicy, deliver
from anomalake.notify.rules import Due
from anomalake.records.deliveries import Ledger
from anomalake.storage.objects import memory_store
from tests.support.anomalies import START, detector, group_of, interval, rule
from tests.support.stores import FlakyStore

TOPIC = "arn:aws:sns:eu-west-1:123456789012:alerts"
FUNCTION = "arn:aws:lambda:eu-west-1:123456789012:function:ingest:live"
GROUP = group_of(interval())
DUE = Due(GROUP, GROUP.intervals[0])


def send(channel: Channel) -> str:
    patience = RetryPolicy(pauses=(), now=lambda: START)
    return deliver(DUE, rule(), detector(), channel, Ledger(memory_store(), "d"), run="r", patience=patience).status


@pytest.fixture
def told(monkeypatch: pytest.MonkeyPatch) -> Iterator[tuple[str, Callable[[], list[dict[str, Any]]]]]:
    """A topic, and what a queue behind it has got."""
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.setenv(name, "testing")
    with mock_aws():
        topic: str = boto3.client("sns", "eu-west-1").create_topic(Name="alerts")["TopicArn"]
        sqs = boto3.client("sqs", "eu-west-1")
        url = sqs.create_queue(QueueName="queue")["QueueUrl"]
        arn = sqs.get_queue_attributes(QueueUrl=url, AttributeNames=["QueueArn"])["Attributes"]["QueueArn"]
        boto3.client("sns", "eu-west-1").subscribe(TopicArn=topic, Protocol="sqs", Endpoint=arn)

        def received() -> list[dict[str, Any]]:
            messages = sqs.receive_message(QueueUrl=url, MaxNumberOfMessages=10).get("Messages", [])
            return [json.loads(message["Body"]) for message in messages]

        yield topic, received


def test_sns_gets_the_alert_as_json_in_the_topics_own_region(told: Any) -> None:
    topic, received = told
    assert send(SnsChannel(topic, JSON)) == "delivered"
    [notification] = received()
    assert "Subject" not in notification
    [document] = read_event(notification)
    assert read_alert(document).anomaly_group_id == GROUP.group_id


def test_sns_gets_a_subject_with_the_long_text_alone(told: Any) -> None:
    topic, received = told
    assert [send(SnsChannel(topic, LONG_TEXT)), send(SnsChannel(topic, SHORT_TEXT))] == ["delivered"] * 2
    long, short = sorted(received(), key=lambda item: -len(item["Message"]))
    assert long["Subject"].startswith("Anomaly ")
    assert "Affected metrics (1 of 21):" in long["Message"]
    assert "Subject" not in short
    assert short["Message"].startswith("shop: revenue anomaly ")


def test_a_topic_that_is_not_there_is_not_tried_again(told: Any) -> None:
    channel = SnsChannel(told[0] + "-other", JSON)
    with pytest.raises(ChannelError, match="NotFound") as failed:
        channel.send(Message("x"))
    assert not failed.value.retryable
    assert not failed.value.uncertain


def stubbed(service: str) -> tuple[Any, Stubber]:
    made = boto3.client(service, region_name="eu-west-1", aws_access_key_id="testing", aws_secret_access_key="testing")
    return made, Stubber(made)


def test_a_function_is_invoked_with_the_alert_and_waited_for() -> None:
    made, stub = stubbed("lambda")
    wanted = {"FunctionName": FUNCTION, "InvocationType": "RequestResponse", "Payload": b'{"a":1}'}
    stub.add_response("invoke", {"StatusCode": 200, "Payload": io.BytesIO(b'{"stored":1}')}, wanted)
    asked: list[tuple[str, str | None]] = []

    def make(service: str, region: str | None, read_timeout: float) -> Any:
        asked.append((service, region))
        return made

    with stub:
        LambdaChannel(FUNCTION, make).send(Message('{"a":1}'))
    stub.assert_no_pending_responses()
    assert asked == [("lambda", "eu-west-1")]


@pytest.mark.parametrize(
    ("payload", "said"),
    [
        (b'{"errorType":"IngestError","errorMessage":"1 records refused"}', "IngestError: 1 records refused"),
        (b"not json", "not json"),
    ],
)
def test_a_function_that_fails_is_a_failure(payload: bytes, said: str) -> None:
    made, stub = stubbed("lambda")
    stub.add_response("invoke", {"StatusCode": 200, "FunctionError": "Unhandled", "Payload": io.BytesIO(payload)})
    with stub, pytest.raises(ChannelError, match=said) as failed:
        LambdaChannel(FUNCTION, lambda *_: made).send(Message("{}"))
    assert failed.value.retryable


@pytest.mark.parametrize(
    ("code", "status", "retryable"),
    [
        ("TooManyRequestsException", 429, True),
        ("ServiceException", 500, True),
        ("Throttling", 400, True),
        ("InternalError", 500, True),
        ("AccessDeniedException", 403, False),
        ("AuthorizationError", 403, False),
        ("RequestTooLargeException", 413, False),
    ],
)
def test_errors_that_pass_are_told_from_those_that_do_not(code: str, status: int, retryable: bool) -> None:
    made, stub = stubbed("lambda")
    stub.add_client_error("invoke", code, "two\nlines", status)
    with stub, pytest.raises(ChannelError) as failed:
        LambdaChannel(FUNCTION, lambda *_: made).send(Message("{}"))
    assert (failed.value.retryable, failed.value.uncertain) == (retryable, False)
    assert "\n" not in str(failed.value)


@pytest.mark.parametrize(
    ("error", "retryable", "uncertain"),
    [
        (botocore.exceptions.ReadTimeoutError(endpoint_url="x"), True, True),
        (botocore.exceptions.ConnectionClosedError(endpoint_url="x"), True, True),
        (botocore.exceptions.ConnectTimeoutError(endpoint_url="x"), True, False),
        (botocore.exceptions.EndpointConnectionError(endpoint_url="x"), True, False),
        (botocore.exceptions.NoCredentialsError(), False, False),
    ],
    ids=lambda value: type(value).__name__,
)
def test_no_answer_is_told_from_no_connection(error: Exception, retryable: bool, uncertain: bool) -> None:
    class Client:
        def publish(self, **_: str) -> Any:
            raise error

    with pytest.raises(ChannelError) as failed:
        SnsChannel(TOPIC, SHORT_TEXT, lambda *_: Client()).send(Message("x"))
    assert (failed.value.retryable, failed.value.uncertain) == (retryable, uncertain)


def test_clients_send_a_request_once(monkeypatch: pytest.MonkeyPatch) -> None:
    made = client("sns", "eu-west-1", 20)
    assert made.meta.config.retries["total_max_attempts"] == 1
    assert made.meta.region_name == "eu-west-1"


def test_a_lake_takes_alerts_in_itself_and_says_what_it_refuses() -> None:
    lake = Lake(memory_store())
    assert send(LakeChannel(lake)) == "delivered"
    assert len(list(lake.store.list("originals"))) == 1
    with pytest.raises(ChannelError, match="refused") as failed:
        LakeChannel(lake).send(Message("{}"))
    assert not failed.value.retryable


def test_a_lake_that_fails_is_tried_again() -> None:
    channel = LakeChannel(Lake(FlakyStore(memory_store(), seed=1, share=2.0)))
    with pytest.raises(ChannelError) as failed:
        channel.send(Message("{}"))
    assert failed.value.retryable


def test_the_channel_is_that_of_the_rules_action_and_the_lake_where_it_has_none() -> None:
    lake = Lake(memory_store())
    function = channel_of(rule(action=LambdaAction(FUNCTION)), lake)
    topic = channel_of(rule(action=SnsAction(TOPIC, "SHORT_TEXT")), lake)
    own = channel_of(rule(), lake)
    assert [type(item) for item in (function, topic, own)] == [LambdaChannel, SnsChannel, LakeChannel]
    assert [(entry.name, entry.format, entry.repeatable) for entry in (function, topic, own)] == [
        (FUNCTION, JSON, True),
        (TOPIC, SHORT_TEXT, False),
        ("memory://", JSON, True),
    ]
