"""Lookout for Metrics' API in tests: full values of shapes, handlers that answer them, botocore without a network."""

from __future__ import annotations

import io
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, cast
from urllib.parse import urlsplit

import botocore.session
from botocore.awsrequest import AWSPreparedRequest, AWSResponse

from anomalake.server.lookoutmetrics.answering import answer
from anomalake.server.lookoutmetrics.handling import Handler, Members
from anomalake.server.lookoutmetrics.operations import OPERATIONS, Operation
from anomalake.server.lookoutmetrics.requests import ApiRequest
from anomalake.server.lookoutmetrics.responses import ApiResponse
from anomalake.server.lookoutmetrics.shapes.kinds import (
    Boolean,
    Integer,
    ListOf,
    MapOf,
    Number,
    Shape,
    Structure,
    Text,
    Time,
)
from anomalake.services.workspace import Workspace

#: A workspace for handlers that do not look at it.
NO_WORKSPACE = cast(Workspace, None)

MADE_AT = datetime(2021, 2, 10, 22, 5, 28, 528_000, tzinfo=UTC)
DETECTOR_ARN = "arn:aws:lookoutmetrics:us-east-1:123456789012:AnomalyDetector:shop"
METRIC_SET_ARN = "arn:aws:lookoutmetrics:us-east-1:123456789012:MetricSet/shop/views per hour"

# Texts whose patterns an ordinary word does not match.
_TEXTS = {
    "Arn": DETECTOR_ARN,
    "KmsKeyArn": "arn:aws:kms:us-east-1:123456789012:key/0a1b2c3d-0000-4000-8000-000000000000",
    "UUID": "0a1b2c3d-0000-4000-8000-000000000000",
    "TimestampString": "2021-02-17T11:00:00Z",
    "Delimiter": ";",
    "QuoteSymbol": "'",
    "TemplatedPath": "s3://bucket/live/{{yyyyMMdd}}/{{HHmm}}",
    "HistoricalDataPath": "s3://bucket/backtest/",
    "AthenaS3ResultsPath": "s3://bucket/results/",
    "SecretManagerArn": "arn:aws:secretsmanager:r:1:secret:AmazonLookoutMetrics-shop",  # pragma: allowlist secret
}


def full_value(shape: Shape, *, largest: bool = False) -> Any:
    """Return a valid value with every member; of alternatives the first one. `largest`: with the greatest numbers."""
    match shape:
        case Text():
            return shape.enum[-1] if shape.enum else _TEXTS.get(shape.name, "views")
        case Integer() | Number():
            bound = (shape.most if largest else shape.least) or 0
            return int(bound) if isinstance(shape, Integer) else bound + (0 if largest else 0.5)
        case Boolean():
            return largest
        case Time():
            return MADE_AT
        case ListOf():
            return [full_value(shape.member, largest=largest)]
        case MapOf():
            return {"owner": "ana", "cost center": "12/3"}
        case Structure():
            members = list(shape.members.items())
            return {
                name: full_value(member, largest=largest) for name, member in (members[:1] if shape.one_of else members)
            }


@dataclass
class Recorded:
    """Handlers of all operations that record their members and answer full answers.

    Attributes
    ----------
    calls
        Name of the operation and members, in turn.
    reported
        What `answer` has reported.
    """

    calls: list[tuple[str, Members]] = field(default_factory=list)
    reported: list[str] = field(default_factory=list)

    def handlers(self) -> dict[str, Handler]:
        return {name: self._handler(operation) for name, operation in OPERATIONS.items()}

    def _handler(self, operation: Operation) -> Handler:
        def handle(workspace: Workspace, members: Members) -> dict[str, Any]:
            self.calls.append((operation.name, members))
            return cast(dict[str, Any], full_value(operation.output))

        return handle

    def report(self, line: str, error: Exception) -> None:
        self.reported.append(line)

    def answer(self, request: ApiRequest) -> ApiResponse:
        return answer(request, NO_WORKSPACE, self.handlers(), self.report)


def handling(error: Exception, name: str) -> Mapping[str, Handler]:
    """Return a handler of one operation that fails."""

    def handle(workspace: Workspace, members: Members) -> dict[str, Any]:
        raise error

    return {name: handle}


def client_of(
    service_answer: Callable[[ApiRequest], ApiResponse],
    note: Callable[[AWSPreparedRequest], None] = lambda request: None,
    **options: Any,
) -> Any:
    """Return botocore's client of the service, whose requests go to a function; its model is that of AWS_DATA_PATH.

    Parameters
    ----------
    note
        Is called with each signed request.
    """
    session = botocore.session.Session()

    def send(request: AWSPreparedRequest, **_: Any) -> AWSResponse:
        note(request)
        return _sent(request, service_answer)

    session.register("before-send.lookoutmetrics", send)
    return session.create_client("lookoutmetrics", region_name="us-east-1", **options)


def _sent(request: AWSPreparedRequest, service_answer: Callable[[ApiRequest], ApiResponse]) -> AWSResponse:
    url = urlsplit(request.url)
    body = request.body or b""
    headers = {name.lower(): value for name, value in request.headers.items()}
    answered = service_answer(
        ApiRequest(request.method, url.path, url.query, headers, body.encode() if isinstance(body, str) else body)
    )
    return AWSResponse(request.url, answered.status, dict(answered.headers), _Raw(answered.body))


class _Raw(io.BytesIO):
    def stream(self, amt: int = 65_536, **_: Any) -> Any:
        while part := self.read(amt):
            yield part
