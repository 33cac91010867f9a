"""Two callers of the API at once, whose calls of the store interleave in any order, and one that may be killed."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from datetime import timedelta
from functools import partial
from itertools import combinations
from typing import Any

import pytest
from hypothesis import event, given, settings
from hypothesis import strategies as st

from anomalake.definitions.resource_errors import (
    InvalidRequestError,
    QuotaExceededError,
    ResourceConflictError,
    ResourceNotFoundError,
)
from anomalake.records.definitions import list_definitions, read_definition
from anomalake.records.executions import SUCCEEDED
from anomalake.services.definitions.lookup import all_detectors
from anomalake.storage.objects import memory_store
from anomalake.storage.store import ObjectStore
from tests.support.definitions import METRIC_SET, USERS_FILE, Api, alert_arn, detector_arn
from tests.support.stores import Killed, WrappedStore

Operation = tuple[str, str]
REFUSED = (InvalidRequestError, QuotaExceededError, ResourceConflictError, ResourceNotFoundError)

OPERATIONS: dict[str, Callable[[Api, str], Any]] = {
    "create": lambda api, name: api.create("shop"),
    "metric set": lambda api, name: api("CreateMetricSet", AnomalyDetectorArn=detector_arn(), **METRIC_SET),
    "alert": lambda api, name: api.alert(detector_arn(), name),
    "alert elsewhere": lambda api, name: api.alert(detector_arn("other"), name),
    "delete alert": lambda api, name: api("DeleteAlert", AlertArn=alert_arn(name)),
    "threshold": lambda api, name: api("UpdateAlert", AlertArn=alert_arn(name), AlertSensitivityThreshold=1),
    "tag": lambda api, name: api("TagResource", ResourceArn=detector_arn(), Tags={name: "x"}),
    "untag": lambda api, name: api("UntagResource", ResourceArn=detector_arn(), TagKeys=[name]),
    "tag alert": lambda api, name: api("TagResource", ResourceArn=alert_arn(name), Tags={"x": "y"}),
    "change": lambda api, name: api(
        "UpdateAnomalyDetector", AnomalyDetectorArn=detector_arn(), AnomalyDetectorDescription=name
    ),
    "activate": lambda api, name: api("ActivateAnomalyDetector", AnomalyDetectorArn=detector_arn()),
    "deactivate": lambda api, name: api("DeactivateAnomalyDetector", AnomalyDetectorArn=detector_arn()),
    "back test": lambda api, name: api("BackTestAnomalyDetector", AnomalyDetectorArn=detector_arn()),
    "delete": lambda api, name: api("DeleteAnomalyDetector", AnomalyDetectorArn=detector_arn()),
    "look": lambda api, name: api("DescribeAnomalyDetector", AnomalyDetectorArn=detector_arn())["Status"],
}


def draft(api: Api) -> None:
    api.create()


def whole(api: Api) -> None:
    api.alert(api.create_whole(), "a")


def active(api: Api) -> None:
    whole(api)
    api("ActivateAnomalyDetector", AnomalyDetectorArn=detector_arn())
    api.run("shop", SUCCEEDED)


def users_file(api: Api) -> None:
    api.files.put("shop.yaml", USERS_FILE.encode())
    api.run("shop", SUCCEEDED)


def nothing(api: Api) -> None:
    """No detector."""


BEGINNINGS = (nothing, draft, whole, active, users_file)

operations = st.lists(st.tuples(st.sampled_from(sorted(OPERATIONS)), st.sampled_from("ab")), min_size=1, max_size=3)

#: Whose turn it is: long runs, in which one caller waits while the other does much, and single calls.
orders = st.lists(st.tuples(st.integers(0, 1), st.integers(1, 40)), max_size=12).map(
    lambda runs: [caller for caller, calls in runs for _ in range(calls)]
)


class Turns:
    """Lets one caller at a time make one call of a store, in a given order.

    Parameters
    ----------
    order
        Whose turn it is: 0 or 1. Afterwards they take turns.
    killed
        The caller 0 is killed at the call with this number; None: it lives.
    """

    def __init__(self, order: Sequence[int], killed: int | None = None) -> None:
        self._order = iter(order)
        self._killed = killed
        self._condition = threading.Condition()
        self._waiting: set[int] = set()
        self._ended: set[int] = set()
        self._turn: int | None = None
        self._last = 0

    def wait(self, caller: int) -> None:
        with self._condition:
            self._waiting.add(caller)
            self._condition.notify_all()
            assert self._condition.wait_for(lambda: self._turn == caller, 60)
            self._turn = None
            self._waiting.discard(caller)
        if caller == 0 and self._killed is not None:
            if self._killed == 0:
                raise Killed
            self._killed -= 1

    def end(self, caller: int) -> None:
        with self._condition:
            self._ended.add(caller)
            self._condition.notify_all()

    def run(self, callers: Sequence[Callable[[], object]]) -> None:
        threads = [threading.Thread(target=self._call, args=(number, call)) for number, call in enumerate(callers)]
        for thread in threads:
            thread.start()
        everyone = set(range(len(callers)))
        while True:
            with self._condition:
                assert self._condition.wait_for(
                    lambda: self._turn is None and self._waiting | self._ended == everyone, 60
                )
                if self._ended == everyone:
                    break
                wanted = next(self._order, 1 - self._last)
                self._last = self._turn = wanted if wanted in self._waiting else min(self._waiting)
                self._condition.notify_all()
        for thread in threads:
            thread.join()

    def _call(self, number: int, call: Callable[[], object]) -> None:
        try:
            call()
        except Killed:
            pass
        finally:
            self.end(number)


class TurnStore(WrappedStore):
    def __init__(self, store: ObjectStore, turns: Turns, caller: int) -> None:
        super().__init__(store)
        self._turns = turns
        self._caller = caller

    def _before(self, call: str) -> None:
        self._turns.wait(self._caller)


def result_of(api: Api, operation: Operation) -> str:
    what, name = operation
    try:
        answer = OPERATIONS[what](api, name)
    except REFUSED as error:
        return type(error).__name__
    return str(answer)


def state(store: ObjectStore, files: ObjectStore) -> Any:
    """What there is, but for times and ids; a user's file and its definition are the same."""
    api = Api(store, files)
    found = [
        (
            definition.name,
            definition.wanted,
            definition.description,
            dict(definition.tags),
            definition.metric_set is not None,
            sorted((alert.name, str(alert.fields), str(alert.tags)) for alert in definition.alerts),
            bool(definition.backtest),
        )
        for definition in all_detectors(api.workspace)
    ]
    detectors = [api.workspace.files.read(name) for name in api.workspace.files.names()]
    return found, [(detector.name, sorted(rule.name for rule in detector.alerts)) for detector in detectors if detector]


def merged(left: Sequence[Any], right: Sequence[Any]) -> Iterator[list[Any]]:
    """Yield every order of the members of two sequences that keeps the order of each."""
    for places in combinations(range(len(left) + len(right)), len(left)):
        one, other = iter(left), iter(right)
        yield [next(one) if place in places else next(other) for place in range(len(left) + len(right))]


def check(store: ObjectStore, files: ObjectStore) -> None:
    """Check what is always so: names of alerts are unique, and files are those of the active detectors."""
    definitions = [one for one in list_definitions(store) if one.wanted != "DELETED"]
    names = [alert.name for definition in definitions for alert in definition.alerts]
    assert len(names) == len(set(names)), names
    api = Api(store, files)
    active = {definition.name for definition in definitions if definition.wanted == "ACTIVE"}
    names = api.workspace.files.names()
    users = {name for name in names if read_definition(store, name) is None}
    assert set(names) == active | users


@given(
    st.sampled_from(BEGINNINGS),
    operations,
    operations,
    orders,
)
@settings(max_examples=60)
def test_the_result_is_that_of_some_order(
    begin: Callable[[Api], None], left: list[Operation], right: list[Operation], order: list[int]
) -> None:
    store, files = memory_store(), memory_store()
    begin(Api(store, files))
    Api(store, files).create("other")
    turns = Turns(order)
    results: list[list[str]] = [[], []]

    def caller(number: int, given: list[Operation]) -> Callable[[], None]:
        api = Api(TurnStore(store, turns, number), TurnStore(files, turns, number))
        # After what there was before.
        api.time += timedelta(hours=1)
        return lambda: results[number].extend(result_of(api, operation) for operation in given)

    turns.run([caller(0, left), caller(1, right)])
    assert [len(one) for one in results] == [len(left), len(right)]
    check(store, files)
    found = state(store, files)
    answered = [list(zip(given, results[number], strict=True)) for number, given in enumerate((left, right))]
    event(f"{sum(result in {'ResourceConflictError'} for _, result in [*answered[0], *answered[1]])} conflicts")
    tried = []
    for sequence in merged(*answered):
        other_store, other_files = memory_store(), memory_store()
        api = Api(other_store, other_files)
        begin(api)
        api.create("other")
        api.time += timedelta(hours=1)
        for operation, result in sequence:
            # A name may be refused that another call is about to use.
            if operation[0].startswith("alert") and result == "ResourceConflictError":
                continue
            if result_of(api, operation) != result:
                break
        else:
            if (one := state(other_store, other_files)) == found:
                return
            tried.append(one)
    raise AssertionError(f"{answered}: {found}; in order: {tried}")


@given(
    st.sampled_from(BEGINNINGS),
    operations,
    operations,
    orders,
    st.integers(0, 60),
)
@settings(max_examples=60)
def test_one_may_be_killed(
    begin: Callable[[Api], None], left: list[Operation], right: list[Operation], order: list[int], killed: int
) -> None:
    store, files = memory_store(), memory_store()
    begin(Api(store, files))
    Api(store, files).create("other")
    turns = Turns(order, killed)

    def caller(number: int, given: list[Operation]) -> Callable[[], None]:
        api = Api(TurnStore(store, turns, number), TurnStore(files, turns, number))
        # After what there was before.
        api.time += timedelta(hours=1)
        return lambda: [result_of(api, operation) for operation in given] and None

    turns.run([caller(0, left), caller(1, right)])
    after = Api(store, files)
    after("ListAnomalyDetectors")
    check(store, files)
    # Every name can be used again, and the detector can be deleted for good.
    with suppress(ResourceNotFoundError):
        after("DeleteAnomalyDetector", AnomalyDetectorArn=detector_arn())
    for name in "ab":
        with suppress(ResourceNotFoundError):
            after("DeleteAlert", AlertArn=alert_arn(name))
        after.alert(detector_arn("other"), name)
    assert after.file_names() == []
    check(store, files)


@pytest.mark.parametrize(
    ("begin", "slow", "fast"),
    [
        (whole, "activate", "delete"),
        (active, "change", "delete"),
        (active, "change", "deactivate"),
        (active, "deactivate", "delete"),
        (users_file, "tag", "delete"),
        (users_file, "tag", "deactivate"),
        (whole, "delete", "create"),
    ],
)
def test_one_waits_at_any_call_while_the_other_does_all(begin: Callable[[Api], None], slow: str, fast: str) -> None:
    for calls in range(1, 60):
        store, files = memory_store(), memory_store()
        begin(Api(store, files))
        turns = Turns([0] * calls + [1] * 200)
        apis = [Api(TurnStore(store, turns, number), TurnStore(files, turns, number)) for number in (0, 1)]
        for api in apis:
            api.time += timedelta(hours=1)
        turns.run([partial(result_of, apis[0], (slow, "b")), partial(result_of, apis[1], (fast, "b"))])
        check(store, files)
