"""Schedules of detectors in EventBridge Scheduler, one for each detector file."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from anomalake.definitions.detector import Detector
from anomalake.definitions.intervals import grid_of
from anomalake.frequencies import FREQUENCIES

_HOUR, _MINUTE, _DAY_MINUTES = 3600, 60, 24 * 60
_WEEKDAYS = ("MON", "TUE", "WED", "THU", "FRI", "SAT", "SUN")


@dataclass(frozen=True, slots=True)
class CronSchedule:
    """A cron expression and its time zone, in EventBridge Scheduler's form."""

    expression: str
    timezone: str


def cron_schedule(detector: Detector) -> CronSchedule:
    """Schedule of a detector: the end of each interval plus the offset, rounded up to a minute.

    Days and weeks end at midnight in the zone. Shorter intervals are a grid in UTC, and so is their schedule, because a
    schedule in a zone skips or merges hours when its clocks change.
    """
    offset = detector.metric_set.offset
    days = FREQUENCIES[detector.frequency].days
    if days:
        minutes = -(-offset // _MINUTE)
        day = "* * ?" if days == 1 else f"? * {_WEEKDAYS[minutes // _DAY_MINUTES % 7]}"
        return CronSchedule(f"cron({minutes % 60} {minutes // 60 % 24} {day} *)", detector.timezone)
    step, shift = grid_of(detector.frequency, detector.timezone)
    minutes = -(-(offset + shift) % step // _MINUTE) if (offset + shift) % step else 0
    minutes %= step // _MINUTE
    if step == _HOUR:
        return CronSchedule(f"cron({minutes} * * * ? *)", "UTC")
    return CronSchedule(f"cron({minutes}/{step // _MINUTE} * * * ? *)", "UTC")


class Schedules:
    """The schedules of a schedule group.

    Parameters
    ----------
    group, target, role
        Name of the group; ARNs of the function that the schedules invoke, and of the role that they use.
    make_client
        Creates the Scheduler client on first use.
    """

    def __init__(self, group: str, target: str, role: str, make_client: Callable[[], Any] | None = None) -> None:
        self._group = group
        self._target = target
        self._role = role
        self._make_client = make_client

    def put(self, detector: Detector) -> None:
        """Create or update a detector's schedule."""
        cron = cron_schedule(detector)
        request = {
            "Name": detector.name,
            "GroupName": self._group,
            "Description": f"Intervals of {detector.arn}"[:512],
            "ScheduleExpression": cron.expression,
            "ScheduleExpressionTimezone": cron.timezone,
            "FlexibleTimeWindow": {"Mode": "OFF"},
            "State": "ENABLED",
            "Target": {
                "Arn": self._target,
                "RoleArn": self._role,
                "Input": json.dumps({"detector": detector.name}),
                # The next run catches up on a run that could not be started.
                "RetryPolicy": {"MaximumRetryAttempts": 3, "MaximumEventAgeInSeconds": 3600},
            },
        }
        try:
            self._client.create_schedule(**request)
        except self._client.exceptions.ConflictException:
            self._client.update_schedule(**request)

    def delete(self, detector_name: str) -> bool:
        """Delete a detector's schedule; return whether it existed."""
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

        # Scheduler accepts about 50 calls a second for an account, and a stack may have hundreds of detectors.
        return boto3.client("scheduler", config=Config(retries={"mode": "adaptive", "max_attempts": 10}))
