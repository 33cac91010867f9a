"""A warning where rows are farther apart than the intervals of a detector."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import numpy as np
import pytest

from anomalake.definitions.intervals import interval_starts
from anomalake.frequencies import FREQUENCIES
from anomalake.model.metrics import Metrics
from anomalake.sources.reading import read_history
from anomalake.sources.spacing import spacing_problem
from tests.support.source_data import FilesInMemory, detector


def rows_every(step: timedelta, n_rows: int, frequency: str, **changes: object) -> tuple[str, ...]:
    times = [datetime(2021, 1, 4) + number * step for number in range(n_rows)]
    body = "\n".join(["t,p,q,v,w", *(f"{time:%Y-%m-%d %H:%M:%S},a,x,1,2" for time in times)])
    return read_history(detector(frequency=frequency, **changes), FilesInMemory({"/h/a": body.encode()}))[1].problems


def test_weekly_rows_read_as_days_name_the_frequency_to_set() -> None:
    assert rows_every(timedelta(days=7), 45, "P1D", Timezone="Europe/Paris") == (
        "264 of 309 intervals have no rows: rows are typically 7 days apart, and AnomalyDetectorFrequency is P1D; "
        "expected P7D",
    )


@pytest.mark.parametrize(
    ("step", "frequency", "expected"),
    [
        (timedelta(hours=1), "PT5M", "1 hour apart, and AnomalyDetectorFrequency is PT5M; expected PT1H"),
        (timedelta(minutes=30), "PT10M", "30 minutes apart, and AnomalyDetectorFrequency is PT10M; expected PT30M"),
        (timedelta(hours=3), "PT1H", "3 hours apart, and AnomalyDetectorFrequency is PT1H; expected P1D"),
        (timedelta(days=1), "PT1H", "1 day apart, and AnomalyDetectorFrequency is PT1H; expected P1D"),
        (timedelta(days=14), "P7D", "14 days apart, and AnomalyDetectorFrequency is P7D; expected rows at most 7 days"),
    ],
)
def test_the_shortest_frequency_that_fits_is_named(step: timedelta, frequency: str, expected: str) -> None:
    (problem,) = rows_every(step, 20, frequency)
    assert f"rows are typically {expected}" in problem


@pytest.mark.parametrize("frequency", list(FREQUENCIES))
def test_rows_of_every_interval_are_no_problem(frequency: str) -> None:
    first = datetime(2021, 3, 1, tzinfo=UTC)
    starts = interval_starts(frequency, "Europe/Paris", first, first + timedelta(days=365))[:400]
    values = np.ones((1, 1, len(starts)))
    # A gap, and an interval of five that is missing, as weekends are in daily data.
    values[:, :, 10:25] = np.nan
    values[:, :, ::5] = np.nan
    assert spacing_problem(Metrics(frequency, "Europe/Paris", starts, ("v",), (), ((),), values)) is None


def test_a_few_rows_tell_no_typical_distance() -> None:
    assert rows_every(timedelta(days=7), 5, "P1D") == ()
    assert rows_every(timedelta(hours=1), 50, "P1D") == ()
