"""The engine of every detector: docs/detection.md's model."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date

from anomalake.detection.engine import FittedModel
from anomalake.model import Model, State, fit, judge
from anomalake.model.judgement import Judgement
from anomalake.model.metrics import Metrics
from anomalake.records.arrays import Arrays


class NumpyModelEngine:
    """`Engine` over `detection.model`."""

    def fit(self, history: Metrics, holidays: Sequence[date]) -> FittedModel:
        """Learn."""
        model = fit(history, holidays=tuple(holidays))
        return FittedModel(model, model.state)

    def judge(self, model: Model, state: State, metrics: Metrics) -> tuple[Judgement, State]:
        """Judge all of the given intervals."""
        return judge(model, state, metrics, 0)

    def keep_model(self, learned: FittedModel) -> Arrays:
        """Model and state, for `Model` holds its own."""
        arrays: Arrays = learned.model.to_arrays()
        return arrays

    def read_model(self, arrays: Arrays) -> FittedModel:
        """Out of `keep_model`."""
        model = Model.from_arrays(dict(arrays))
        return FittedModel(model, model.state)

    def keep_state(self, state: State) -> Arrays:
        """State as arrays."""
        arrays: Arrays = state.to_arrays()
        return arrays

    def read_state(self, arrays: Arrays) -> State:
        """Out of `keep_state`."""
        return State.from_arrays(dict(arrays))
