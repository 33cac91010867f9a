"""Histories made for tests: rhythms with noise, on any grid, the same for the same seed."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, date, datetime
from functools import cache
from itertools import pairwise

import numpy as np
import numpy.typing as npt

from anomalake.definitions.intervals import interval_starts
from anomalake.model import Model, State, fit, judge
from anomalake.model.judgement import Judgement
from anomalake.model.metrics import Metrics

Floats = npt.NDArray[np.float64]

DAY = {"PT5M": 288, "PT10M": 144, "PT1H": 24, "P1D": 7}
#: Five weeks to learn from and fifteen days to judge.
LEARNED, ALL = 840, 1200


def starts(
    n: int, frequency: str = "PT1H", timezone: str = "UTC", first: str = "2024-01-01"
) -> npt.NDArray[np.datetime64]:
    """So many starts of intervals from the one that holds an instant on."""
    begin = datetime.fromisoformat(first).replace(tzinfo=UTC)
    last = datetime.fromtimestamp(begin.timestamp() + (n + 1) * {"P1D": 86_400}.get(frequency, 3_600), UTC)
    return interval_starts(frequency, timezone, begin, last)[:n].astype("datetime64[s]")


def metrics(
    values: Floats | Sequence[Sequence[float]],
    frequency: str = "PT1H",
    timezone: str = "UTC",
    first: str = "2024-01-01",
    names: Sequence[str] | None = None,
) -> Metrics:
    """Rows as the metrics of one measure."""
    rows = np.atleast_2d(np.asarray(values, float))
    named = names or [f"{k:04}" for k in range(len(rows))]
    grid = starts(rows.shape[1], frequency, timezone, first)
    return Metrics(frequency, timezone, grid, ("views",), ("page",), tuple((one,) for one in named), rows[None])


def rhythm(n: int = ALL, frequency: str = "PT1H") -> Floats:
    """A day's and a week's rhythm about 100, shape (n,)."""
    t = np.arange(n)
    day = DAY[frequency]
    if frequency == "P1D":
        return 100 + 30 * np.sin(2 * np.pi * t / 7)
    return 100 + 20 * np.sin(2 * np.pi * t / day) + 10 * np.sin(2 * np.pi * t / (7 * day))


def noisy(series: int = 4, n: int = ALL, frequency: str = "PT1H", seed: int = 1, noise: float = 3.0) -> Floats:
    """The rhythm with normal noise, shape (series, n)."""
    return rhythm(n, frequency) + np.random.default_rng(seed).normal(0, noise, (series, n))


def learn(values: Floats, n: int = LEARNED, *, holidays: Sequence[date] = (), **grid: str) -> Model:
    """Fit on the first `n` intervals."""
    return fit(metrics(np.atleast_2d(values)[:, :n], **grid), holidays=tuple(holidays))


@cache
def usual_model() -> Model:
    """The model of `noisy(3)`."""
    return learn(noisy(3))


def judged(
    values: Floats, n: int = LEARNED, *, model: Model | None = None, holidays: Sequence[date] = (), **grid: str
) -> Judgement:
    """Fit on the first `n` intervals and judge the rest."""
    known = learn(values, n, holidays=holidays, **grid) if model is None else model
    return judge(known, known.state, metrics(values, **grid), n)[0]


def by_steps(model: Model, values: Floats, n: int, cuts: Sequence[int], **grid: str) -> tuple[list[Judgement], State]:
    """Judge from `n` on in blocks that end at the cuts, the state kept as arrays in between."""
    found, state = [], model.state
    bounds = [n, *cuts, np.atleast_2d(values).shape[1]]
    for begin, end in pairwise(bounds):
        part, state = judge(model, state, metrics(np.atleast_2d(values)[:, :end], **grid), begin)
        state = State.from_arrays(state.to_arrays())
        found.append(part)
    return found, state


def state_before(model: Model, values: Floats, at: int) -> State:
    """The state before one of the intervals."""
    start = int((model.state.next_start - metrics(values).starts[0]) / np.timedelta64(1, "h"))
    return judge(model, model.state, metrics(values[:, :at]), start)[1]


def rows(judgement: Judgement, of: slice) -> Judgement:
    """What was said of some of the metrics."""
    parts = (getattr(judgement, name)[of] for name in ("expected", "lower", "upper", "severity", "is_anomaly"))
    return Judgement(judgement.first, *parts)


def outside(judgement: Judgement, values: Floats) -> npt.NDArray[np.bool_]:
    """Where values lie outside of the range."""
    of = np.atleast_2d(values)[:, judgement.first :]
    return (of < judgement.lower) | (of > judgement.upper)


def runs(anomalous: npt.NDArray[np.bool_]) -> list[int]:
    """How many runs of anomalies each row has."""
    padded = np.pad(anomalous.astype(int), ((0, 0), (1, 0)))
    return [int(one) for one in (np.diff(padded, axis=1) == 1).sum(axis=1)]
