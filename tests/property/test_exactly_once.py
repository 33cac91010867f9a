"""Whatever is repeated, reordered, killed or failing: the tables say what the set of alerts says."""

from __future__ import annotations

import contextlib
import itertools
import json
import threading
from dataclasses import dataclass, replace
from datetime import timedelta

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from anomalake.alerts import AlertDocument
from anomalake.lake import bulk
from anomalake.lake.compaction import compact
from anomalake.lake.lake import Lake
from anomalake.storage.objects import memory_store
from anomalake.storage.store import ObjectStore, StoreError
from tests.support import made, oracle
from tests.support.stores import FlakyStore, Killed, KillingStore, WrappedStore

ALERTS = made.texts(24, clashes=4)


def withdrawal(second: int, withdrawn: list[int], reinstated: list[int]) -> str:
    """Return a document that withdraws and reinstates alerts, by their numbers."""
    named = []
    for numbers in (withdrawn, reinstated):
        alerts = [json.loads(ALERTS[number]) for number in numbers]
        named.append(
            [
                {
                    "alertEventId": alert["alertEventId"],
                    "metricName": alert["impactedMetric"]["metricName"],
                    "timestamp": alert["timestamp"],
                    "digest": oracle.digest(ALERTS[number]),
                }
                for number, alert in zip(numbers, alerts, strict=True)
            ]
        )
    return json.dumps(
        {
            "record": "anomalake/withdrawal",
            "anomalyDetectorArn": json.loads(ALERTS[[*withdrawn, *reinstated][0]])["anomalyDetectorArn"],
            "sequence": f"2026-11-27T00:00:{second:02d}.000000Z",
            "withdrawn": named[0],
            "reinstated": named[1],
        }
    )


def of_one_detector() -> list[int]:
    """Return the numbers of the alerts of the detector with most alerts, those of clashes last."""
    arns = [json.loads(text)["anomalyDetectorArn"] for text in ALERTS]
    return [number for number, arn in enumerate(arns) if arn == max(arns, key=arns.count)]


def causes(sequence: int, stated: dict[int, list[float]]) -> str:
    """Return a document of the causes of the groups of alerts, by the alerts' numbers: a cause for each gain."""
    alerts = {number: json.loads(ALERTS[number]) for number in stated}
    (arn,) = {alert["anomalyDetectorArn"] for alert in alerts.values()}
    return json.dumps(
        {
            "record": "anomalake/causes",
            "anomalyDetectorArn": arn,
            "sequence": sequence,
            "groups": [
                {
                    "anomalyGroupId": alert.get("anomalyGroupId") or "none",
                    "metricName": alert["impactedMetric"]["metricName"],
                    "timestamp": alert["timestamp"],
                    "causes": [
                        {
                            "dimensions": [{"dimensionName": "platform", "dimensionValue": f"p{gain}"}],
                            "shareOff": None if gain > 5 else -0.25,
                            "explained": 0.5,
                            "gain": gain,
                        }
                        for gain in stated[number]
                    ],
                }
                for number, alert in alerts.items()
            ],
        }
    )


A, B, C, *_, X, Y = of_one_detector()
#: Alerts of this detector that name their groups; C is withdrawn, and E and Y are bodies of one alert.
E, F, *_ = (number for number in of_one_detector() if number != C and json.loads(ALERTS[number]).get("anomalyGroupId"))
#: Alerts, and documents that withdraw some of them: A stays withdrawn, B is reinstated, C is withdrawn once more, and
#: of the documents with the same sequence the one with the greater digest decides on X and Y. The group of E has other
#: causes later, that of F has none any more, and those of C and of an alert without a group are not shown.
TEXTS = [
    *ALERTS,
    withdrawal(1, [A, B, C], []), withdrawal(2, [], [B, C]), withdrawal(3, [C], []),
    withdrawal(4, [X], [Y]), withdrawal(4, [Y], [X]),
    causes(1, {C: [9.5], E: [8.25, 3.0], F: [4.0]}), causes(2, {E: [7.0, 2.5, 1.5]}), causes(2, {E: [6.0, 2.5]}),
    causes(3, {F: []}), causes(4, {A: [1.0]}),
]  # fmt: skip
WORLD = oracle.relations(TEXTS)


def documents(numbers: list[int]) -> list[AlertDocument]:
    return [AlertDocument(TEXTS[number], f"text {number}", str(number)) for number in numbers]


@dataclass(frozen=True)
class Step:
    """Something that happens to the lake; it dies at write `kill_at`, `after` that write is done or before."""

    what: str
    numbers: tuple[int, ...] = ()
    kill_at: int | None = None
    after: bool = False
    grace: int = 0


steps = st.builds(
    Step,
    what=st.sampled_from(["ingest", "ingest", "ingest", "replay", "compact", "rebuild"]),
    numbers=st.lists(st.integers(0, len(TEXTS) - 1), min_size=1, max_size=20).map(tuple),
    kill_at=st.none() | st.integers(0, 12),
    after=st.booleans(),
    grace=st.sampled_from([0, 0, 3600]),
)


def of_alerts(step: Step) -> Step:
    """Return a step without withdrawals, which hide what was acknowledged."""
    return replace(step, numbers=tuple(number % len(ALERTS) for number in step.numbers))


def happen(step: Step, store: ObjectStore) -> None:
    whole = store if step.kill_at is None else KillingStore(store, step.kill_at, step.after)
    with contextlib.suppress(Killed):
        act(step, whole)


def act(step: Step, store: ObjectStore) -> None:
    if step.what == "ingest":
        Lake(store).ingest(documents(list(step.numbers)))
    elif step.what == "replay":
        body = "\n".join(TEXTS[number].replace("\n", " ") for number in step.numbers).encode()
        job = bulk.Job(lambda: Lake(store), look_up=True)
        bulk.load([bulk.Piece("a.jsonl", body, first_line=1)], job)
    elif step.what == "compact":
        compact(Lake(store), timedelta(seconds=step.grace))
    else:
        bulk.rebuild(Lake(store), lambda: Lake(store))


@pytest.mark.slow
@settings(max_examples=25, suppress_health_check=[HealthCheck.too_slow])
@given(st.lists(steps, max_size=12), st.permutations(range(len(TEXTS))))
def test_tables_depend_only_on_the_set_of_alerts(history: list[Step], order: list[int]) -> None:
    store = memory_store()
    for step in history:
        happen(step, store)
    Lake(store).ingest(documents(order))
    assert oracle.shown_in_tables(store) == WORLD
    compact(Lake(store))
    assert oracle.shown_in_tables(store) == WORLD
    assert len({item.key.rpartition("/")[0] for item in store.list("tables")}) == len(list(store.list("tables")))
    bulk.rebuild(Lake(store), lambda: Lake(store))
    assert oracle.shown_in_tables(store) == WORLD


@settings(max_examples=25, suppress_health_check=[HealthCheck.too_slow])
@given(st.lists(steps.map(of_alerts), max_size=12))
def test_what_was_acknowledged_is_never_lost(history: list[Step]) -> None:
    """Without any retry: the lake has everything that a completed step took, and nothing else."""
    store = memory_store()
    acknowledged: set[int] = set()
    for step in history:
        happen(step, store)
        if step.kill_at is None and step.what in ("ingest", "replay"):
            acknowledged |= set(step.numbers)
    shown = [identity(row) for row in oracle.shown_in_tables(store)["alerts"]]
    assert len(shown) == len(set(shown))
    assert set(shown) <= identities({number for step in history for number in step.numbers})
    assert set(shown) >= identities(acknowledged)


def identity(row: oracle.Row) -> tuple[object, ...]:
    return row[2], row[7], row[4]


def identities(numbers: set[int]) -> set[tuple[object, ...]]:
    return {identity(row) for row in oracle.relations(TEXTS[number] for number in numbers)["alerts"]}


@settings(max_examples=25, suppress_health_check=[HealthCheck.too_slow])
@given(st.integers(0, 10**6), st.permutations(range(len(TEXTS))))
def test_a_store_that_fails_in_one_of_five_calls(seed: int, order: list[int]) -> None:
    """Deliveries that the receipt calls failed come again, as a queue sends them."""
    store = memory_store()
    flaky = FlakyStore(store, seed)
    waiting = documents(order)
    for _ in range(200):
        if not waiting:
            break
        batch, waiting = waiting[:7], waiting[7:]
        receipt = Lake(flaky).ingest(batch)
        failed = {item.delivery for item in receipt.failed}
        waiting += [entry for entry in batch if entry.delivery in failed]
        with contextlib.suppress(StoreError):
            compact(Lake(flaky))
    assert waiting == []
    assert oracle.shown_in_tables(store) == WORLD


@settings(max_examples=25, suppress_health_check=[HealthCheck.too_slow])
@given(
    st.sampled_from([Step("compact"), Step("rebuild"), Step("compact", grace=3600)]),
    st.dictionaries(st.integers(0, 40), steps.filter(lambda step: step.what != "replay"), max_size=6),
)
def test_compaction_and_rebuild_between_any_two_calls_of_each_other(outer: Step, between: dict[int, Step]) -> None:
    """One run is stopped before a call of its store while others run whole, then goes on."""
    store = memory_store()
    Lake(store).ingest(documents(list(range(12))))
    for number in range(12, len(TEXTS)):
        Lake(store).ingest(documents([number]))
    act(outer, Interrupted(store, between))
    assert oracle.shown_in_tables(store) == WORLD


class Interrupted(WrappedStore):
    """Lets a step happen before the calls with the given numbers."""

    def __init__(self, store: ObjectStore, between: dict[int, Step]) -> None:
        super().__init__(store)
        self._between = between
        self._calls = itertools.count()
        self._one_at_a_time = threading.Lock()

    def _before(self, call: str) -> None:
        with self._one_at_a_time:
            step = self._between.get(next(self._calls))
            if step is not None:
                act(step, self._store)
