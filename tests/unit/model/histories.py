"""Synthetic histories for tests: seasonal patterns with noise, on any grid, equal for equal seeds."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, date, datetime
from functools import cache
from itertools import pairwise

import numpy as np
import numpy.typing as npt

from anomalake.definitions.intervals import interval_starts
from anomalake.frequencies import FREQUENCIES
from anomalake.model import Model, State, fit, judge
from anomalake.model.judgement import Judgement
from anomalake.model.metrics import Metrics

Floats = npt.NDArray[np.float64]

DAY = {"PT5M": 288, "PT10M": 144, "PT1H": 24, "P1D": 7}
#: Hours: five weeks of history, then fifteen days to judge.
LEARNED, ALL = 840, 1200


def starts(
    n: int, frequency: str = "PT1H", timezone: str = "UTC", first: str = "2024-01-01"
) -> npt.NDArray[np.datetime64]:
    """Return the starts of `n` intervals, the first of which contains the instant `first`."""
    begin = datetime.fromisoformat(first).replace(tzinfo=UTC)
    last = datetime.fromtimestamp(begin.timestamp() + (n + 1) * max(3_600, FREQUENCIES[frequency].seconds), UTC)
    return interval_starts(frequency, timezone, begin, last)[:n].astype("datetime64[s]")


def metrics(
    values: Floats | Sequence[Sequence[float]],
    frequency: str = "PT1H",
    timezone: str = "UTC",
    first: str = "2024-01-01",
    names: Sequence[str] | None = None,
) -> Metrics:
    """Return rows as the metrics of one measure."""
    rows = np.atleast_2d(np.asarray(values, float))
    pages = names or [f"{k:04}" for k in range(len(rows))]
    grid = starts(rows.shape[1], frequency, timezone, first)
    return Metrics(frequency, timezone, grid, ("views",), ("page",), tuple((page,) for page in pages), rows[None])


def seasonal(n: int = ALL, frequency: str = "PT1H") -> Floats:
    """Return a daily and a weekly pattern around 100, shape (n,)."""
    t = np.arange(n)
    day = DAY[frequency]
    if frequency == "P1D":
        return 100 + 30 * np.sin(2 * np.pi * t / 7)
    return 100 + 20 * np.sin(2 * np.pi * t / day) + 10 * np.sin(2 * np.pi * t / (7 * day))


def noisy(series: int = 4, n: int = ALL, frequency: str = "PT1H", seed: int = 1, noise: float = 3.0) -> Floats:
    """Return the seasonal pattern with normal noise, shape (series, n)."""
    return seasonal(n, frequency) + np.random.default_rng(seed).normal(0, noise, (series, n))


def eventful(series: int = 3) -> Floats:
    """Return series with gaps, spikes and a level shift after the history."""
    values = noisy(series)
    values[:, 900:905] = np.nan
    values[:, 950] += 200
    values[:, 1000:1010] *= 0.3
    values[:, 1050:] += 70
    return values


def learn(values: Floats, n: int = LEARNED, *, holidays: Sequence[date] = (), **grid: str) -> Model:
    """Fit on the first `n` intervals."""
    return fit(metrics(np.atleast_2d(values)[:, :n], **grid), holidays=tuple(holidays))


@cache
def usual_model() -> Model:
    """Return the model of `noisy(3)`."""
    return learn(noisy(3))


def judged(
    values: Floats, n: int = LEARNED, *, model: Model | None = None, holidays: Sequence[date] = (), **grid: str
) -> Judgement:
    """Fit on the first `n` intervals and judge the rest."""
    model = learn(values, n, holidays=holidays, **grid) if model is None else model
    return judge(model, model.state, metrics(values, **grid), n)[0]


def by_steps(model: Model, values: Floats, n: int, cuts: Sequence[int], **grid: str) -> tuple[list[Judgement], State]:
    """Judge from `n` on in steps that end at the cuts; the state is written to arrays and read between them."""
    judgements, state = [], model.state
    bounds = [n, *cuts, np.atleast_2d(values).shape[1]]
    for begin, end in pairwise(bounds):
        part, state = judge(model, state, metrics(np.atleast_2d(values)[:, :end], **grid), begin)
        state = State.from_arrays(state.to_arrays())
        judgements.append(part)
    return judgements, state


def state_before(model: Model, values: Floats, at: int) -> State:
    """Return the state before the interval with index `at`."""
    start = int((model.state.next_start - metrics(values).starts[0]) / np.timedelta64(1, "h"))
    return judge(model, model.state, metrics(values[:, :at]), start)[1]


def rows(judgement: Judgement, selected: slice) -> Judgement:
    """Return the judgement of the selected metrics."""
    parts = (getattr(judgement, name)[selected] for name in ("expected", "lower", "upper", "severity", "is_anomaly"))
    return Judgement(judgement.first, *parts)


def outside(judgement: Judgement, values: Floats) -> npt.NDArray[np.bool_]:
    """Return which values are outside the range."""
    judged_values = np.atleast_2d(values)[:, judgement.first :]
    return (judged_values < judgement.lower) | (judged_values > judgement.upper)


def runs(anomalous: npt.NDArray[np.bool_]) -> list[int]:
    """Return the number of runs of anomalies in each row."""
    padded = np.pad(anomalous.astype(int), ((0, 0), (1, 0)))
    return (np.diff(padded, axis=1) == 1).sum(axis=1).tolist()
