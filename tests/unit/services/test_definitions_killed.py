"""The process is killed at every write of every operation, starts again, and goes on."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from anomalake.definitions.resource_errors import ResourceConflictError, ResourceNotFoundError
from anomalake.records.backtest_jobs import read_job
from anomalake.records.definitions import list_definitions
from anomalake.records.executions import SUCCEEDED
from anomalake.storage.objects import memory_store
from anomalake.storage.store import ObjectStore
from tests.support.definitions import METRIC_SET, TO_TOPIC, USERS_FILE, Api, alert_arn, detector_arn, metric_set_arn
from tests.support.stores import Killed, WrappedStore

ARN = detector_arn()
WRITES = ("put", "put_new", "delete")


class Countdown:
    """Kills at a write, before or after it is done, whichever store it is in."""

    def __init__(self, at: int, *, after: bool) -> None:
        self.left = at
        self.is_after = after

    def write(self, *, is_done: bool) -> None:
        if is_done != self.is_after:
            return
        if self.left == 0:
            raise Killed
        self.left -= 1


class Doomed(WrappedStore):
    def __init__(self, store: ObjectStore, countdown: Countdown) -> None:
        super().__init__(store)
        self._countdown = countdown

    def _before(self, call: str) -> None:
        if call in WRITES:
            self._countdown.write(is_done=False)

    def _after(self, call: str) -> None:
        if call in WRITES:
            self._countdown.write(is_done=True)


def nothing(api: Api) -> None:
    """A lake without detectors."""


def draft(api: Api) -> None:
    api.create()


def whole(api: Api) -> None:
    api.alert(api.create_whole(), "old")


def active(api: Api) -> None:
    whole(api)
    api("ActivateAnomalyDetector", AnomalyDetectorArn=ARN)
    api.run("shop", SUCCEEDED)


def users_file(api: Api) -> None:
    api.files.put("shop.yaml", USERS_FILE.encode())
    api.run("shop", SUCCEEDED)


def deleted(api: Api) -> None:
    active(api)
    api("DeleteAnomalyDetector", AnomalyDetectorArn=ARN)


def stolen(api: Api) -> None:
    """Another detector has had the name of the alert."""
    whole(api)
    other = api.create("other")
    api("DeleteAlert", AlertArn=api.alert(other, "new"))


Step = Callable[[Api], Any]
OPERATIONS: dict[str, tuple[Step, Step]] = {
    "create": (nothing, draft),
    "create again": (deleted, draft),
    "create metric set": (draft, lambda api: api("CreateMetricSet", AnomalyDetectorArn=ARN, **METRIC_SET)),
    "create alert": (whole, lambda api: api.alert(ARN, "new")),
    "create alert of an active detector": (active, lambda api: api.alert(ARN, "new")),
    "create alert of a file": (users_file, lambda api: api.alert(ARN, "new")),
    "create alert with a used name": (stolen, lambda api: api.alert(ARN, "new")),
    "update alert": (active, lambda api: api("UpdateAlert", AlertArn=alert_arn("old"), Action=TO_TOPIC)),
    "delete alert": (active, lambda api: api("DeleteAlert", AlertArn=alert_arn("old"))),
    "tag": (active, lambda api: api("TagResource", ResourceArn=ARN, Tags={"a": "b"})),
    "tag file": (users_file, lambda api: api("TagResource", ResourceArn=ARN, Tags={"a": "b"})),
    "offset": (active, lambda api: api("UpdateMetricSet", MetricSetArn=metric_set_arn(), Offset=60)),
    "describe": (
        whole,
        lambda api: api("UpdateAnomalyDetector", AnomalyDetectorArn=ARN, AnomalyDetectorDescription="x"),
    ),
    "activate": (whole, lambda api: api("ActivateAnomalyDetector", AnomalyDetectorArn=ARN)),
    "back test": (whole, lambda api: api("BackTestAnomalyDetector", AnomalyDetectorArn=ARN)),
    "deactivate": (active, lambda api: api("DeactivateAnomalyDetector", AnomalyDetectorArn=ARN)),
    "deactivate file": (users_file, lambda api: api("DeactivateAnomalyDetector", AnomalyDetectorArn=ARN)),
    "delete draft": (draft, lambda api: api("DeleteAnomalyDetector", AnomalyDetectorArn=ARN)),
    "delete": (active, lambda api: api("DeleteAnomalyDetector", AnomalyDetectorArn=ARN)),
    "delete file": (users_file, lambda api: api("DeleteAnomalyDetector", AnomalyDetectorArn=ARN)),
}


def check_whole(api: Api) -> None:
    """Every record can be read, no file is without an active detector, and no status waits for nothing."""
    definitions = {definition.name: definition for definition in list_definitions(api.store)}
    active = {name for name, definition in definitions.items() if definition.wanted == "ACTIVE"}
    users = {key.partition(".")[0] for key in api.file_names()} - definitions.keys()
    assert set(api.workspace.files.names()) == active | users
    for name in active | users:
        assert api.workspace.files.read(name) is not None
    for definition in definitions.values():
        if definition.wanted == "BACK_TEST":
            assert read_job(api.store, definition.name, definition.backtest) is not None


def shape(api: Api) -> Any:
    """What the API shows, but for times and jobs."""
    summaries = [
        {name: value for name, value in item.items() if not name.endswith("Time")}
        for operation, list_ in (
            ("ListAnomalyDetectors", "AnomalyDetectorSummaryList"),
            ("ListMetricSets", "MetricSetSummaryList"),
            ("ListAlerts", "AlertSummaryList"),
        )
        for item in api(operation)[list_]
    ]
    found = [api.workspace.files.read(name) for name in api.workspace.files.names()]
    # A definition gives the metric set of a user's file a name.
    files = [replace(one, metric_set=replace(one.metric_set, name="")) for one in found if one is not None]
    return summaries, files


@pytest.mark.parametrize("after", [False, True], ids=["before", "after"])
@pytest.mark.parametrize("operation", OPERATIONS)
def test_what_was_interrupted_goes_on(operation: str, after: bool) -> None:
    prepare, do = OPERATIONS[operation]
    undisturbed = Api()
    prepare(undisturbed)
    before = shape(undisturbed)
    do(undisturbed)
    done = shape(undisturbed)
    assert done != before or operation == "describe"
    for at in range(40):
        store, files = memory_store(), memory_store()
        prepare(Api(store, files))
        countdown = Countdown(at, after=after)
        doomed = Api(Doomed(store, countdown), Doomed(files, countdown))
        try:
            do(doomed)
        except Killed:
            pass
        else:
            assert at > 0
            break
        again = Api(store, files)
        # What was wanted and has not begun after a minute is started by the next caller.
        again.time = doomed.time + timedelta(minutes=2)
        with suppress(ResourceNotFoundError):
            again.status(ARN)
        assert shape(again) in (before, done), at
        check_whole(again)
        # Whoever had no answer asks again.
        with suppress(ResourceConflictError, ResourceNotFoundError):
            do(again)
        assert shape(again) == done, at
        check_whole(again)
        # Nothing is in the way of another detector.
        if "alert" not in operation:
            again.alert(again.create("next"), "new")
    else:
        raise AssertionError("the operation does not end")
