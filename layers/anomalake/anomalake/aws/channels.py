"""Delivery channels: a Lambda function, an SNS topic, a lake."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any, TypeVar

from anomalake.alerts import AlertDocument
from anomalake.definitions.detector import AlertRule, LambdaAction, SnsAction
from anomalake.errors import one_line, require
from anomalake.lake.lake import Lake
from anomalake.notify.channel import JSON, LONG_TEXT, Channel, ChannelError, Message

#: Limit of SNS, less room for the subject.
SNS_BYTES = 256 * 1024 - 1024
#: Limit of a synchronous Lambda invocation, and of `read_alert`.
LAMBDA_BYTES = 6 * 1024 * 1024 - 1024

# Codes of transient errors; the statuses 5xx and 429 are transient too.
_TRANSIENT = (
    "InternalError",
    "InternalErrorException",
    "InternalFailure",
    "KMSThrottling",
    "KMSThrottlingException",
    "EC2ThrottledException",
    "RequestTimeout",
    "ResourceConflictException",
    "ResourceNotReadyException",
    "ServiceException",
    "ServiceUnavailable",
    "SnapStartNotReadyException",
    "Throttled",
    "ThrottledException",
    "Throttling",
    "ThrottlingException",
    "TooManyRequestsException",
)

T = TypeVar("T")


def channel_of(rule: AlertRule, lake: Lake, ingest: str | None = None) -> Channel:
    """Channel of a rule's action; the lake itself if the rule has no action.

    Parameters
    ----------
    ingest
        ARN of the function that stores alerts in the lake.
    """
    if isinstance(rule.action, LambdaAction):
        return LambdaChannel(rule.action.lambda_arn, stores=rule.action.lambda_arn == ingest)
    if isinstance(rule.action, SnsAction):
        return SnsChannel(rule.action.topic_arn, rule.action.format)
    return LakeChannel(lake)


def client(service: str, region: str | None, read_timeout: float) -> Any:
    """A boto3 client without retries: the ledger decides what is sent again."""
    require("boto3", extra="aws")
    import boto3
    from botocore.config import Config

    config = Config(connect_timeout=5, read_timeout=read_timeout, retries={"mode": "standard", "total_max_attempts": 1})
    return boto3.client(service, region_name=region, config=config)


class LambdaChannel:
    """A Lambda function, invoked synchronously. An alert is delivered when the function returns without an error.

    Parameters
    ----------
    function_arn
        ARN of the function, in any region, with or without an alias.
    make_client
        Creates the Lambda client on first use.
    stores
        Whether the function stores alerts in the detector's lake.
    """

    format = JSON
    most_bytes = LAMBDA_BYTES
    repeatable = True

    def __init__(
        self,
        function_arn: str,
        make_client: Callable[[str, str | None, float], Any] = client,
        *,
        stores: bool = False,
    ) -> None:
        self.name = function_arn
        self.stores = stores
        self._make_client = make_client
        self._made: Any = None

    def send(self, message: Message) -> None:
        """Invoke the function; raises `ChannelError`, also if the function fails."""

        def invoke() -> tuple[Any, bytes]:
            if self._made is None:
                self._made = self._make_client("lambda", _region(self.name), 120)
            answer = self._made.invoke(
                FunctionName=self.name, InvocationType="RequestResponse", Payload=message.text.encode("utf-8")
            )
            return answer, answer["Payload"].read()

        answer, payload = _call(self.name, invoke)
        if answer.get("FunctionError"):
            raise ChannelError(
                f"{self.name}: the function failed: {_error_in(payload)}", retryable=True, uncertain=True
            )


class SnsChannel:
    """An SNS topic.

    Parameters
    ----------
    topic_arn
        ARN of the topic, in any region.
    format_
        ``JSON``, ``LONG_TEXT`` or ``SHORT_TEXT``.
    make_client
        Creates the SNS client on first use.
    """

    most_bytes = SNS_BYTES
    stores = False

    def __init__(
        self, topic_arn: str, format_: str, make_client: Callable[[str, str | None, float], Any] = client
    ) -> None:
        self.name = topic_arn
        self.format = format_
        # Ingest, which may be subscribed to the topic, recognises repeated JSON alerts. People do not.
        self.repeatable = format_ == JSON
        self._make_client = make_client
        self._made: Any = None

    def send(self, message: Message) -> None:
        """Publish the message; raises `ChannelError`."""
        request = {"TopicArn": self.name, "Message": message.text}
        if self.format == LONG_TEXT and message.subject:
            request["Subject"] = message.subject

        def publish() -> Any:
            if self._made is None:
                self._made = self._make_client("sns", _region(self.name), 20)
            return self._made.publish(**request)

        _call(self.name, publish)


class LakeChannel:
    """A lake that ingests alerts itself, for use without the function ingest, such as on a laptop."""

    format = JSON
    most_bytes = LAMBDA_BYTES
    repeatable = True
    stores = True

    def __init__(self, lake: Lake) -> None:
        self.name = lake.store.uri
        self._lake = lake

    def send(self, message: Message) -> None:
        """Ingest the alert; raises `ChannelError`."""
        receipt = self._lake.ingest([AlertDocument(message.text, "alert")])
        if receipt.failed:
            raise ChannelError(f"{self.name}: {receipt.failed[0].error}", retryable=True, uncertain=True)
        if receipt.refused:
            raise ChannelError(f"{self.name}: refused: {receipt.refused[0].refusal}", retryable=False)


def _call(name: str, call: Callable[[], T]) -> T:
    """Call AWS; raises `ChannelError`, which says whether a retry may help and whether the result is uncertain."""
    from botocore.exceptions import BotoCoreError, ClientError, ConnectionError, HTTPClientError, IncompleteReadError

    try:
        return call()
    except ClientError as error:
        details = error.response.get("Error", {})
        status = error.response.get("ResponseMetadata", {}).get("HTTPStatusCode", 0)
        transient = details.get("Code") in _TRANSIENT or status == 429 or status >= 500
        raise ChannelError(f"{name}: {one_line(error)[:500]}", retryable=transient) from error
    except ConnectionError as error:
        raise ChannelError(f"{name}: {one_line(error)[:500]}", retryable=True) from error
    except (HTTPClientError, IncompleteReadError) as error:
        # There was no complete response, so the request may have arrived.
        raise ChannelError(f"{name}: {one_line(error)[:500]}", retryable=True, uncertain=True) from error
    except BotoCoreError as error:
        # Invalid credentials, region or parameters: no request was sent.
        raise ChannelError(f"{name}: {one_line(error)[:500]}", retryable=False) from error


def _region(arn: str) -> str | None:
    parts = arn.split(":")
    return parts[3] or None if len(parts) > 3 else None


def _error_in(payload: bytes) -> str:
    try:
        details = json.loads(payload)
        return f"{details['errorType']}: {details['errorMessage']}"[:500]
    except (ValueError, KeyError, TypeError):
        return payload[:200].decode("utf-8", "replace")
