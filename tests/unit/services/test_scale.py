"""Where the intervals of a stack are judged: no interval is lost, and none is handed to two jobs."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from anomalake.aws.glue_job_runs import JobRunError
from anomalake.definitions.detector import Scale
from anomalake.detection.live import TooManyMetricsError
from anomalake.records.executions import EARLY, STARTED, SUCCEEDED, Execution, count_executions, read_executions
from anomalake.services.scale import most_metrics, run_or_start
from tests.support.live import Bench, StoreError, hour
from tests.support.stack import ROOT


@dataclass
class Jobs:
    """Jobs that were started, and those that run."""

    started: list[tuple[str, datetime]] = field(default_factory=list)
    running: set[str] = field(default_factory=set)
    fault: Exception | None = None

    def start(self, detector: str, start: datetime) -> str:
        if self.fault is not None:
            raise self.fault
        self.started.append((detector, start))
        run_id = f"jr_{len(self.started)}"
        self.running.add(run_id)
        return run_id

    def is_running(self, run_id: str) -> bool:
        return run_id in self.running


def bench(scale: Scale = "spark") -> Bench:
    made = Bench(scale=scale)
    made.now = made.due(hour(0))
    return made


def run(of: Bench, jobs: Jobs | None, at: datetime | None = None, most: int | None = None) -> Sequence[Execution]:
    live = of.live(most_metrics=most)
    return [execution for execution, _ in run_or_start(live, at, lambda: timedelta(minutes=5), jobs)]


def test_a_detector_with_scale_spark_is_handed_to_a_job() -> None:
    of, jobs = bench(), Jobs()
    (execution,) = run(of, jobs)
    assert (execution.status, execution.timestamp, execution.job_run) == (STARTED, hour(0), "jr_1")
    assert execution.reason == "judged by job run jr_1 on Apache Spark: the detector has Scale: spark"
    assert jobs.started == [("shop", hour(0))]
    assert list(read_executions(of.store, "shop")) == [execution]
    # Nothing is judged here.
    assert of.engine.fits == 0


def test_without_a_job_the_function_judges_every_detector() -> None:
    (execution,) = run(bench(), None)
    assert execution.status == SUCCEEDED


def test_an_interval_with_too_many_metrics_is_handed_to_a_job() -> None:
    of, jobs = bench("process"), Jobs()
    (execution,) = run(of, jobs, most=2)
    assert (execution.status, jobs.started) == (STARTED, [("shop", hour(0))])
    assert execution.reason.endswith("on Apache Spark: 3 metrics from 2026-03-03T00:00:00Z; this process may judge 2")
    assert of.engine.fits == 0


def test_an_interval_that_fits_is_judged_here() -> None:
    of, jobs = bench("process"), Jobs()
    (execution,) = run(of, jobs, most=3)
    assert (execution.status, jobs.started) == (SUCCEEDED, [])


def test_too_many_metrics_without_a_job_are_an_error() -> None:
    with pytest.raises(TooManyMetricsError):
        run(bench("process"), None, most=2)


def test_an_early_interval_starts_no_job() -> None:
    of, jobs = bench(), Jobs()
    (execution,) = run(of, jobs, hour(1))
    assert (execution.status, jobs.started) == (EARLY, [])


def test_a_repeated_event_starts_one_job() -> None:
    of, jobs = bench(), Jobs()
    first, second = run(of, jobs), run(of, jobs)
    assert first == second
    assert len(jobs.started) == 1


def test_an_interval_that_is_asked_for_starts_a_job_beside_a_running_one() -> None:
    of, jobs = bench(), Jobs()
    run(of, jobs)
    run(of, jobs, hour(0))
    assert jobs.started == [("shop", hour(0))] * 2


def test_a_job_that_could_not_be_started_leaves_a_missed_interval_that_the_next_one_judges() -> None:
    of, jobs = bench(), Jobs(fault=JobRunError("ConcurrentRunsExceeded"))
    with pytest.raises(JobRunError):
        run(of, jobs)
    assert list(read_executions(of.store, "shop")) == []
    jobs.fault = None
    of.now = of.due(hour(1))
    run(of, jobs)
    assert jobs.started == [("shop", hour(1))]


def test_a_started_job_is_no_try_of_the_interval() -> None:
    of, jobs = bench(), Jobs()
    run(of, jobs)
    assert count_executions(of.store, "shop", hour(0)) == 0
    of.source.faults[hour(0)] = StoreError("503: try later")
    for number in range(2):
        with pytest.raises(StoreError):
            of.run(hour(0))
        assert count_executions(of.store, "shop", hour(0)) == number + 1


@given(st.lists(st.sampled_from(["next", "repeat", "end"]), max_size=12))
def test_every_interval_is_judged_and_never_by_two_jobs_at_once(steps: list[str]) -> None:
    """A schedule fires for each interval, some fire twice, and jobs take any time."""
    of, jobs = bench(), Jobs()
    run(of, jobs)
    of_intervals, last = 1, hour(0)
    judged: list[datetime] = []

    def end() -> None:
        # The runs that were started judge the interval, and those missed before it.
        for run_id in sorted(jobs.running):
            _, start = jobs.started[int(run_id.removeprefix("jr_")) - 1]
            judged.extend(execution.timestamp for execution in of.run(start))
        jobs.running.clear()

    for step in steps:
        if step == "end":
            end()
        else:
            if step == "next":
                last = hour(of_intervals)
                of_intervals += 1
                of.now = of.due(last)
            before = len(jobs.started)
            run(of, jobs)
            assert len(jobs.running) <= 1
            assert len(jobs.started) <= before + 1
    end()
    of.now = of.due(hour(of_intervals))
    run(of, jobs)
    end()
    assert set(judged) == {hour(number) for number in range(of_intervals + 1)}


def test_memory_bounds_the_metrics() -> None:
    # 64 bytes for each of the 2,496 hours of 104 days, and 16 KiB: 176 kB; 400 MiB for everything else.
    assert most_metrics(3008, "PT1H") == (3008 - 400) * 2**20 // (2496 * 64 + 16_384)
    assert most_metrics(10_240, "PT1H") > 50_000
    assert most_metrics(10_240, "P1D") > most_metrics(10_240, "PT1H") > most_metrics(10_240, "PT5M")
    assert most_metrics(1, "PT1H") == 1


@pytest.mark.parametrize("memory", [3008, 10_240])
def test_the_documented_numbers_are_those_of_the_code(memory: int) -> None:
    (row,) = re.findall(rf"\| `DetectMemory` {memory} \| (.+) \|", (ROOT / "docs" / "deploy.md").read_text())
    assert row.split(" | ") == [f"{most_metrics(memory, of):,}" for of in ("PT5M", "PT10M", "PT15M", "PT1H", "P1D")]
