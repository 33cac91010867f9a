"""Engine of a live detector: fits models, judges intervals, and turns models and states into arrays."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any, Protocol

from anomalake.detection.presence import Presence
from anomalake.model import Model, State, fit, judge
from anomalake.model.judgement import Judgement
from anomalake.model.metrics import Combination, Metrics
from anomalake.records.codecs import Arrays


@dataclass(frozen=True, slots=True, eq=False)
class FittedModel:
    """A model, and the state of its filter at the end of the history that it was fitted on.

    `presence` is when the metrics of the history have values; None where no setting asks for it. `since` is when the
    history starts; None for a model of an earlier version.
    """

    model: Any
    state: Any
    presence: Presence | None = None
    since: datetime | None = None


class ModelEngine(Protocol):
    """A kind of model."""

    def fit(self, history: Metrics, holidays: Sequence[date], earlier: FittedModel | None = None) -> FittedModel:
        """Fit a model to a history that ends before the first interval to judge, after the `earlier` model, if any."""
        ...

    def judge(self, model: Any, state: Any, metrics: Metrics) -> tuple[Judgement, Any]:
        """Judge intervals in turn; return the judgement, and the state after them."""
        ...

    def advance(self, model: Any, state: Any, metrics: Metrics) -> Any:
        """Return the state after intervals, as `judge` does."""
        ...

    def combinations(self, model: Any) -> Sequence[Combination]:
        """Return the combinations of dimension values that a model knows."""
        ...

    def model_to_arrays(self, fitted: FittedModel) -> Arrays:
        """Return a model and its state as arrays."""
        ...

    def model_from_arrays(self, arrays: Arrays) -> FittedModel:
        """Inverse of `model_to_arrays`; raises ValueError or KeyError for other arrays."""
        ...

    def state_to_arrays(self, state: Any) -> Arrays:
        """Return a state as arrays."""
        ...

    def state_from_arrays(self, arrays: Arrays) -> Any:
        """Inverse of `state_to_arrays`; raises ValueError or KeyError for other arrays."""
        ...


class NumpyModelEngine:
    """`ModelEngine` with the model of `anomalake.model` (docs/detection.md).

    Parameters
    ----------
    decision
        Surprise from which a point is an anomaly; None: that of the frequency.
    """

    def __init__(self, decision: float | None = None) -> None:
        self._decision = decision

    def fit(self, history: Metrics, holidays: Sequence[date], earlier: FittedModel | None = None) -> FittedModel:
        """Fit a model."""
        model = fit(history, holidays=tuple(holidays), earlier=earlier.model if earlier is not None else None)
        return FittedModel(model, model.state)

    def judge(self, model: Model, state: State, metrics: Metrics) -> tuple[Judgement, State]:
        """Judge all intervals of `metrics`."""
        return judge(model, state, metrics, 0, decision=self._decision)

    def advance(self, model: Model, state: State, metrics: Metrics) -> State:
        """Return the state after all intervals of `metrics`."""
        return self.judge(model, state, metrics)[1]

    def combinations(self, model: Model) -> Sequence[Combination]:
        """Return the combinations of the history."""
        return model.combinations

    def model_to_arrays(self, fitted: FittedModel) -> Arrays:
        """Return a model as arrays; a `Model` has its own state."""
        arrays: Arrays = fitted.model.to_arrays()
        return arrays

    def model_from_arrays(self, arrays: Arrays) -> FittedModel:
        """Inverse of `model_to_arrays`."""
        model = Model.from_arrays(dict(arrays))
        return FittedModel(model, model.state)

    def state_to_arrays(self, state: State) -> Arrays:
        """Return a state as arrays."""
        arrays: Arrays = state.to_arrays()
        return arrays

    def state_from_arrays(self, arrays: Arrays) -> State:
        """Inverse of `state_to_arrays`."""
        return State.from_arrays(dict(arrays))
