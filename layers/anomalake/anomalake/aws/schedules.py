"""Schedules of detectors: one each in EventBridge Scheduler, made from the detector's own file."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from anomalake.definitions.detector import Detector
from anomalake.definitions.intervals import DAILY, grid_of

_HOUR, _MINUTE = 3600, 60


@dataclass(frozen=True, slots=True)
class When:
    """A cron expression and its zone, as EventBridge Scheduler takes them."""

    expression: str
    timezone: str


def when(detector: Detector) -> When:
    """When an interval's data are complete: each time it ends and the offset is over, to the next full minute.

    Days end at midnight of the zone. Shorter intervals are a grid in UTC, and so is their schedule, because a schedule
    in a zone skips or merges the hours in which its clocks change.
    """
    offset = detector.metric_set.offset
    if detector.frequency == DAILY:
        minutes = -(-offset // _MINUTE)
        return When(f"cron({minutes % 60} {minutes // 60 % 24} * * ? *)", detector.timezone)
    step, shift = grid_of(detector.frequency, detector.timezone)
    minutes = -(-(offset + shift) % step // _MINUTE) if (offset + shift) % step else 0
    minutes %= step // _MINUTE
    if step == _HOUR:
        return When(f"cron({minutes} * * * ? *)", "UTC")
    return When(f"cron({minutes}/{step // _MINUTE} * * * ? *)", "UTC")


class Schedules:
    """The schedules of a group.

    Parameters
    ----------
    group, target, role
        The group; ARNs of the function that they invoke, and of the role that they do it with.
    make_client
        Makes the Scheduler client when it is first needed.
    """

    def __init__(self, group: str, target: str, role: str, make_client: Callable[[], Any] | None = None) -> None:
        self._group = group
        self._target = target
        self._role = role
        self._make_client = make_client

    def put(self, detector: Detector) -> None:
        """Make a detector's schedule, or bring it in line."""
        at = when(detector)
        request = {
            "Name": detector.name,
            "GroupName": self._group,
            "Description": f"Intervals of {detector.arn}"[:512],
            "ScheduleExpression": at.expression,
            "ScheduleExpressionTimezone": at.timezone,
            "FlexibleTimeWindow": {"Mode": "OFF"},
            "State": "ENABLED",
            "Target": {
                "Arn": self._target,
                "RoleArn": self._role,
                "Input": json.dumps({"detector": detector.name}),
                # A run that cannot be started is made up for by the next one.
                "RetryPolicy": {"MaximumRetryAttempts": 3, "MaximumEventAgeInSeconds": 3600},
            },
        }
        try:
            self._client.create_schedule(**request)
        except self._client.exceptions.ConflictException:
            self._client.update_schedule(**request)

    def delete(self, detector_name: str) -> bool:
        """Delete a detector's schedule; whether there was one."""
        try:
            self._client.delete_schedule(Name=detector_name, GroupName=self._group)
        except self._client.exceptions.ResourceNotFoundException:
            return False
        return True

    @cached_property
    def _client(self) -> Any:
        if self._make_client is not None:
            return self._make_client()
        import boto3
        from botocore.config import Config

        # An account's Scheduler takes some fifty calls a second; a deployment may have hundreds of detectors.
        return boto3.client("scheduler", config=Config(retries={"mode": "adaptive", "max_attempts": 10}))
