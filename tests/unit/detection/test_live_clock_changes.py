"""A live detector through the hour that a zone has twice, and with rows that are farther apart than its intervals."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from itertools import count
from zoneinfo import ZoneInfo

import numpy as np

from anomalake.detection.engine import NumpyModelEngine
from anomalake.detection.live import LiveDetector
from anomalake.detection.live_groups import DeliverySummary
from anomalake.detection.source import SourceReader
from anomalake.records.executions import SUCCEEDED, Execution
from anomalake.storage.objects import memory_store
from tests.support.source_data import FilesInMemory, detector

PARIS = ZoneInfo("Europe/Paris")
#: In Paris, 31 October 2021 had 02:00 to 03:00 twice: from midnight to one in UTC, and from one to two.
FIRST = datetime(2021, 10, 31, tzinfo=UTC)
ONE_MEASURE = {"MetricList": [{"MetricName": "v", "AggregationFunction": "SUM"}], "DimensionList": []}


class NoNotifier:
    """A notifier that must not be called with a group."""

    def notify(self, groups: object, start: datetime, *, again: bool = False) -> DeliverySummary:
        assert not groups
        return DeliverySummary()


def run(files: dict[str, bytes], first: datetime, last: datetime, **changes: object) -> list[Execution]:
    given = detector(**{**ONE_MEASURE, "Timezone": "Europe/Paris", **changes})
    numbers = count(1)
    live = LiveDetector(
        given, memory_store(), SourceReader(given, FilesInMemory(files)), NoNotifier(), NumpyModelEngine(),
        clock=lambda: last + timedelta(days=30), run_id=lambda: f"run{next(numbers)}",
    )  # fmt: skip
    return [execution for execution, _ in live.run_span(first, last)]


def test_the_hours_that_have_the_same_times_have_no_value_and_no_group() -> None:
    noise = np.random.default_rng(1).normal(0, 3, 500).tolist()
    hours = [FIRST + timedelta(hours=number) for number in range(-480, 6)]
    rows = {hour: f"{hour.astimezone(PARIS):%Y-%m-%d %H:%M:%S},{100 + noise.pop()}\n" for hour in hours}
    history = "".join(row for hour, row in rows.items() if hour < FIRST - timedelta(hours=3))
    live: dict[str, str] = {}
    for hour in hours[-9:]:
        folder = f"/l/{hour.astimezone(PARIS):%Y%m%d/%H%M}/a"
        live[folder] = live.get(folder, "t,v\n") + rows[hour]
    files = {name: text.encode() for name, text in {"/h/a": f"t,v\n{history}", **live}.items()}
    done = run(files, FIRST - timedelta(hours=3), FIRST + timedelta(hours=5))
    assert [execution.status for execution in done] == [SUCCEEDED] * 9
    assert [execution.metrics for execution in done] == [1, 1, 1, 0, 0, 1, 1, 1, 1]
    assert [execution.groups for execution in done] == [0] * 9
    assert ["no sums" in " ".join(execution.warnings) for execution in done] == [
        hour in (FIRST, FIRST + timedelta(hours=1)) for hour in hours[-9:]
    ]


def test_weekly_rows_of_a_daily_detector_are_told() -> None:
    days = [datetime(2021, 1, 4) + timedelta(days=7 * number) for number in range(20)]
    rows = "".join(f"{day:%Y-%m-%d %H:%M:%S},100\n" for day in days[:-1])
    files = {"/h/a": f"t,v\n{rows}".encode(), f"/l/{days[-1]:%Y%m%d}/0000/a": f"t,v\n{days[-1]},100\n".encode()}
    at = days[-1].replace(tzinfo=UTC)
    (done,) = run(files, at, at, frequency="P1D")
    assert (done.status, done.reason) == (SUCCEEDED, "")
    (warning,) = done.warnings
    assert warning.endswith("rows are typically 7 days apart, and AnomalyDetectorFrequency is P1D; expected P7D")
