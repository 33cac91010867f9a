"""The model as the live detector uses it: learnt, judging, kept as arrays."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from typing import Any, Protocol

from anomalake.model.judgement import Judgement
from anomalake.model.metrics import Metrics
from anomalake.records.arrays import Arrays


@dataclass(frozen=True, slots=True, eq=False)
class FittedModel:
    """A model, and the filter's state at the end of what it was fitted on."""

    model: Any
    state: Any


class ModelEngine(Protocol):
    """Learns a model, judges with it, keeps both as arrays."""

    def fit(self, history: Metrics, holidays: Sequence[date]) -> FittedModel:
        """Learn from a history that ends with the interval before the one to be judged."""
        ...

    def judge(self, model: Any, state: Any, metrics: Metrics) -> tuple[Judgement, Any]:
        """Judge intervals, one after another; returns the state after them."""
        ...

    def keep_model(self, learned: FittedModel) -> Arrays:
        """A model with its state as arrays."""
        ...

    def read_model(self, arrays: Arrays) -> FittedModel:
        """Out of `keep_model`; raises ValueError or KeyError where they are none."""
        ...

    def keep_state(self, state: Any) -> Arrays:
        """A state as arrays."""
        ...

    def read_state(self, arrays: Arrays) -> Any:
        """Out of `keep_state`; raises ValueError or KeyError where they are none."""
        ...
