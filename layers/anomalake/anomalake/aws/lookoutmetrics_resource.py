"""Custom resources for detectors and alerts, as translated templates have them (`anomalake.cloudformation`)."""

from __future__ import annotations

import hashlib
import threading
import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any

from anomalake.aws.custom_resource import ResourceResult, Send, send_response
from anomalake.aws.lookoutmetrics_properties import (
    ALERT,
    DETECTOR,
    METRIC_SET,
    Updates,
    properties_of,
)
from anomalake.definitions.cloudformation import CUSTOM_ALERT, CUSTOM_DETECTOR
from anomalake.definitions.resource_errors import (
    InvalidRequestError,
    ResourceConflictError,
    ResourceNotFoundError,
)
from anomalake.errors import AnomalakeError

#: Calls an operation of the API with members, and returns those of the answer.
Call = Callable[[str, Mapping[str, Any]], Mapping[str, Any]]

#: Time of the function that is left for the response.
RESERVE = timedelta(seconds=20)

#: Tags of what a stack makes. The last one tells a repeated request from another one with the same name.
STACK_TAG = "cloudformation:stack-id"
LOGICAL_ID_TAG = "cloudformation:logical-id"
REQUEST_TAG = "cloudformation:request-id"

_UNFINISHED = "unfinished"
_CONFIG = "AnomalyDetectorConfig"
_MOST_NAME = 63
_MOST_WAITS = 600


class UnfinishedError(AnomalakeError):
    """The time of the function was over before the resource was made."""


@dataclass(frozen=True, slots=True)
class _Request:
    """CloudFormation's request, read."""

    kind: Updates
    physical_id: str
    properties: Mapping[str, Any]
    old: Mapping[str, Any]
    stack_id: str
    logical_id: str
    id: str
    call: Call = field(repr=False)
    wait: Callable[[], None] = field(repr=False)

    def arn(self, name: str) -> str:
        """ARN of a detector or an alert in the account and region of the stack."""
        _, partition, _, region, account, *_ = self.stack_id.split(":", 5)
        return f"arn:{partition}:lookoutmetrics:{region}:{account}:{self.kind.resource}:{name}"

    @property
    def name(self) -> str:
        """The name in the properties, or one of stack, logical id and request, as CloudFormation makes them."""
        given = self.properties.get(self.kind.name)
        if given is not None:
            return str(given)
        suffix = hashlib.sha256(self.id.encode()).hexdigest()[:12].upper()
        stack = self.stack_id.split("/")[1]
        room = (_MOST_NAME - len(suffix) - 2) // 2
        return f"{stack[:room].strip('-')}-{self.logical_id[:room]}-{suffix}"


def answer_resource(
    event: Mapping[str, Any], call: Call, wait: Callable[[], None] = lambda: time.sleep(1)
) -> ResourceResult:
    """Create, update or delete a detector or an alert as a request of CloudFormation wants it.

    A request that is repeated, because its first answer was lost, gives the same result.

    Parameters
    ----------
    event
        The request.
    call
        The API.
    wait
        Waits a moment, until a deletion goes on.

    Raises
    ------
    AnomalakeError
        The request is invalid, or the API refuses an operation.
    """
    id_ = str(event.get("PhysicalResourceId", ""))
    if event["RequestType"] == "Delete" and "arn:" not in id_:
        # Its creation was refused before there was a name.
        return ResourceResult(id_)
    request = _read(event, call, wait)
    match event["RequestType"]:
        case "Create":
            return _create(request)
        case "Update":
            return _update(request)
        case "Delete":
            return _delete(request)
        case other:
            raise InvalidRequestError(f"RequestType {other!r}: expected Create, Update or Delete")


def respond(
    event: Mapping[str, Any], call: Call, time_left: Callable[[], timedelta], send: Send | None = None
) -> Exception | None:
    """Answer a request of CloudFormation, and send the response, before the time of the function is over.

    The caller reports a failure that is returned, and does not raise it: Lambda would repeat a request that has been
    answered, and make a resource that no stack has.

    Raises
    ------
    OSError
        The response could not be sent; the invocation may be repeated.
    """
    outcome: list[ResourceResult | Exception] = []
    is_over = threading.Event()

    def call_in_time(operation: str, members: Mapping[str, Any]) -> Mapping[str, Any]:
        if is_over.is_set():
            raise UnfinishedError(f"{operation}: the response has been sent")
        return call(operation, members)

    def work() -> None:
        try:
            outcome.append(answer_resource(event, call_in_time))
        except Exception as error:
            outcome.append(error)

    thread = threading.Thread(target=work, daemon=True)
    thread.start()
    thread.join(max((time_left() - RESERVE).total_seconds(), 0.0))
    is_over.set()
    given = outcome[0] if outcome else UnfinishedError("the time of the function was over before the end")
    if isinstance(given, ResourceResult):
        send_response(event, given, None, send)
        return None
    send_response(event, ResourceResult(_failed_id(event)), given, send)
    return given


def _read(event: Mapping[str, Any], call: Call, wait: Callable[[], None]) -> _Request:
    type_ = event.get("ResourceType")
    kinds = {CUSTOM_DETECTOR: DETECTOR, CUSTOM_ALERT: ALERT}
    if type_ not in kinds:
        raise InvalidRequestError(f"ResourceType {type_!r}: expected {' or '.join(kinds)}")
    stack_id = event["StackId"]
    if str(stack_id).count(":") < 5 or "/" not in stack_id:
        raise InvalidRequestError(f"StackId {stack_id!r}: expected the ARN of a stack")
    deletes = event["RequestType"] == "Delete"
    return _Request(
        kind=kinds[type_],
        physical_id=event.get("PhysicalResourceId", ""),
        # What was refused when it was created can be deleted.
        properties={} if deletes else properties_of(event.get("ResourceProperties")),
        old=properties_of(event.get("OldResourceProperties")) if event["RequestType"] == "Update" else {},
        stack_id=stack_id,
        logical_id=event["LogicalResourceId"],
        id=event["RequestId"],
        call=call,
        wait=wait,
    )


def _failed_id(event: Mapping[str, Any]) -> str:
    """Physical id after a failure.

    For a creation, CloudFormation deletes this id next. It names the request, because a detector with the name may have
    been there before.
    """
    if event.get("PhysicalResourceId"):
        return str(event["PhysicalResourceId"])
    try:
        request = _read(event, lambda *_: {}, lambda: None)
        return f"{_UNFINISHED}/{request.id}/{request.arn(request.name)}"
    except Exception:
        return f"{_UNFINISHED}/{event.get('RequestId')}"


def _create(request: _Request) -> ResourceResult:
    """Create the resource and, for a detector, its metric set; after a failure nothing of it is left."""
    kind, name = request.kind, request.name
    metric_sets = request.properties.get("MetricSetList") or []
    members = {key: value for key, value in request.properties.items() if key != "MetricSetList"}
    tags = {STACK_TAG: request.stack_id, LOGICAL_ID_TAG: request.logical_id, REQUEST_TAG: request.id}
    members |= {kind.name: name, "Tags": {**members.get("Tags", {}), **tags}}
    if "AnomalyDetectorArn" in members:
        members["AnomalyDetectorArn"] = _detector_arn(request)
    try:
        arn = str(request.call(f"Create{kind.resource}", members)[kind.arn])
    except ResourceConflictError:
        arn = request.arn(name)
        if not _made_by(request, arn, request.id):
            raise
    try:
        for metric_set in metric_sets:
            if not _metric_set_arn(request, arn):
                request.call("CreateMetricSet", {"AnomalyDetectorArn": arn, **metric_set})
    except Exception:
        # What this leaves, CloudFormation deletes with the physical id of a failure.
        with suppress(AnomalakeError):
            _remove(request, arn)
        raise
    return _result(arn)


def _update(request: _Request) -> ResourceResult:
    """Update the resource in place where the API can, else create another one."""
    kind, arn, old, new = request.kind, request.physical_id, request.old, request.properties
    old_set, new_set = _metric_set(old), _metric_set(new)
    if not arn.startswith("arn:"):
        return _create(request)
    # The API keeps both frequencies the same, and changes one at a time.
    replaces_frequency = "MetricSetFrequency" in old_set and old.get(_CONFIG) != new.get(_CONFIG)
    replaces_set = bool(old_set) and (not new_set or METRIC_SET.replaces(old_set, new_set))
    if kind.replaces(old, new) or replaces_set or replaces_frequency:
        if new.get(kind.name) is not None and old.get(kind.name) == new.get(kind.name):
            raise InvalidRequestError(
                f"{kind.name} {new[kind.name]!r}: the changes replace the resource, and its name is in use; "
                "expected another name in the template"
            )
        return _create(request)
    changed = kind.changed(old, new)
    if changed:
        request.call(f"Update{kind.resource}", {kind.arn: arn, **changed})
    if new_set != old_set:
        metric_set_arn, changed = _metric_set_arn(request, arn), METRIC_SET.changed(old_set, new_set)
        if not metric_set_arn:
            request.call("CreateMetricSet", {"AnomalyDetectorArn": arn, **new_set})
        elif changed:
            request.call("UpdateMetricSet", {"MetricSetArn": metric_set_arn, **changed})
    _update_tags(request, arn)
    return _result(arn)


def _update_tags(request: _Request, arn: str) -> None:
    old, new = request.old.get("Tags", {}), request.properties.get("Tags", {})
    if new.items() - old.items():
        request.call("TagResource", {"ResourceArn": arn, "Tags": new})
    if old.keys() - new.keys():
        request.call("UntagResource", {"ResourceArn": arn, "TagKeys": sorted(old.keys() - new.keys())})


def _delete(request: _Request) -> ResourceResult:
    """Delete the resource; one that is not there is deleted already."""
    arn = request.physical_id
    if arn.startswith(f"{_UNFINISHED}/"):
        _, id_, arn = [*arn.split("/", 2), ""][:3]
        if not arn or not _made_by(request, arn, id_):
            return ResourceResult(request.physical_id)
    if arn.startswith("arn:"):
        _remove(request, arn)
    return ResourceResult(request.physical_id)


def _remove(request: _Request, arn: str) -> None:
    """Delete a resource, and wait until it is gone, because another one may get its name."""
    kind = request.kind
    try:
        request.call(f"Delete{kind.resource}", {kind.arn: arn})
    except ResourceNotFoundError:
        return
    except ResourceConflictError:
        if request.call(f"Describe{kind.resource}", {kind.arn: arn}).get("Status") != "DELETING":
            raise
    for _ in range(_MOST_WAITS):
        try:
            described = request.call(f"Describe{kind.resource}", {kind.arn: arn})
        except ResourceNotFoundError:
            return
        if described.get("Status") == "FAILED":
            raise ResourceConflictError(f"{arn}: {described.get('FailureReason')}", arn, kind.resource)
        request.wait()
    raise ResourceConflictError(f"{arn}: is not deleted yet", arn, kind.resource)


def _made_by(request: _Request, arn: str, id_: str) -> bool:
    """Whether a request made a resource."""
    try:
        tags = request.call("ListTagsForResource", {"ResourceArn": arn}).get("Tags", {})
    except ResourceNotFoundError:
        return False
    return bool(tags.get(REQUEST_TAG) == id_)


def _metric_set(properties: Mapping[str, Any]) -> Mapping[str, Any]:
    """The metric set of a detector's properties; empty for none."""
    return next(iter(properties.get("MetricSetList") or []), {})


def _metric_set_arn(request: _Request, arn: str) -> str:
    """ARN of a detector's metric set; empty if it has none."""
    listed = request.call("ListMetricSets", {"AnomalyDetectorArn": arn}).get("MetricSetSummaryList", [])
    return next((str(metric_set["MetricSetArn"]) for metric_set in listed), "")


def _detector_arn(request: _Request) -> str:
    """The detector's ARN; its name is taken too, which the documentation of Ref promised."""
    given = str(request.properties["AnomalyDetectorArn"])
    return given if given.startswith("arn:") else request.arn("").replace(":Alert:", f":AnomalyDetector:{given}")


def _result(arn: str) -> ResourceResult:
    return ResourceResult(arn, {"Arn": arn})
