"""Models and filter states of a live detector: read from the lake, or computed where they are old, lost or corrupt."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Any

import numpy as np

from anomalake.definitions.detector import Detector
from anomalake.definitions.intervals import next_start, previous_start
from anomalake.definitions.settings import DetectionSettings
from anomalake.detection.engine import FittedModel, ModelEngine
from anomalake.detection.judging import learnable
from anomalake.detection.learning import (
    SCHEDULES,
    Histories,
    fit_time,
    grid,
    intervals_observed,
    is_current,
    unread_source,
)
from anomalake.detection.presence import complete, from_arrays, learn_presence, to_arrays
from anomalake.detection.source import IntervalError
from anomalake.model.metrics import Metrics, join
from anomalake.records.codecs import Arrays
from anomalake.records.errors import CorruptError
from anomalake.records.intervals import IntervalStore, metrics_of
from anomalake.records.models import ModelStore

# Name of the array with the start of the history that a model was fitted to.
_SINCE = "learnt_since"


@dataclass(frozen=True, slots=True, eq=False)
class ActiveModel:
    """A model, and the start of the first interval that it judges."""

    start: datetime
    fitted: FittedModel


class LiveModels:
    """Models and states of one live detector.

    Parameters
    ----------
    detector
        The detector.
    intervals, models
        Records of the detector's version.
    histories
        What models are fitted to.
    engine
        Kind of model.
    """

    def __init__(
        self,
        detector: Detector,
        intervals: IntervalStore,
        models: ModelStore,
        histories: Histories,
        engine: ModelEngine,
    ) -> None:
        self._detector = detector
        self._metric_set = detector.metric_set
        self._settings = DetectionSettings.of(detector)
        self._intervals = intervals
        self._models = models
        self._histories = histories
        self._engine = engine
        # Values of the source in intervals that were never run, so that several runs read it once.
        self._recent: Metrics | None = None

    def model_for(self, start: datetime, warnings: list[str]) -> ActiveModel | str:
        """Return the model of an interval, which is fitted now if one is due; or a line that says why there is none."""
        stored, earlier = self._newest_model(start, warnings), None
        if stored is not None:
            if is_current(self._metric_set.frequency, stored.start, stored.fitted.since, start):
                return stored
            earlier = stored
        elif self._had_a_model(start):
            warnings.append(
                f"the model for {start.isoformat()} is lost: a new one is fitted to the lake and the source"
            )
        with self._histories.before(start, warnings) as history:
            began = fit_time(history, self._metric_set.frequency, start)
            if history is not None and began is not None:
                return self._fit(history, began, earlier, warnings)
            observed, minimum = intervals_observed(history), SCHEDULES[self._metric_set.frequency].minimum
        if earlier is not None:
            warnings.append(
                f"the model of {earlier.start.isoformat()} stays in use: {_insufficient(observed, minimum)}"
            )
            return earlier
        return _insufficient(observed, minimum)

    def _fit(self, history: Metrics, began: datetime, earlier: ActiveModel | None, warnings: list[str]) -> ActiveModel:
        """Fit the model that judges from `began` on, and store it."""
        learnt, self._recent = self._histories.divided(history, began)
        usable = self._histories.learnable(learnt)
        fitted = replace(
            self._engine.fit(usable, self._detector.holidays, earlier.fitted if earlier is not None else None),
            presence=learn_presence(learnt, self._settings, self._detector.holidays),
            since=datetime.fromtimestamp(int(learnt.starts[0].astype(np.int64)), UTC),
        )
        self._histories.write(began, learnt)
        arrays = {**self._engine.model_to_arrays(fitted), **to_arrays(fitted.presence), _SINCE: learnt.starts[:1]}
        if not self._models.write_model(began, arrays):
            # Another run has written its model first: all runs use that one.
            other = self._read_model(began, warnings)
            return ActiveModel(began, other if other is not None else fitted)
        self._models.prune_models()
        self._intervals.delete_before(began - SCHEDULES[self._metric_set.frequency].history)
        return ActiveModel(began, fitted)

    def state_before(self, start: datetime, model: ActiveModel, warnings: list[str]) -> Any:
        """Return the filter's state before an interval; compute it from an earlier one where it is not stored."""
        if start == model.start:
            return model.fitted.state
        state, after = model.fitted.state, self._previous(model.start)
        candidates = [candidate for candidate in self._models.state_starts() if model.start <= candidate < start]
        for candidate in reversed(candidates):
            try:
                stored = self._models.read_state(candidate)
                if stored is not None and stored.model == model.start:
                    state, after = self._engine.state_from_arrays(stored.arrays), candidate
                    break
            except (CorruptError, ValueError, KeyError) as error:
                warnings.append(f"state after {candidate.isoformat()}: {error}; computed from an earlier one")
        missing = grid(self._metric_set, self._next(after), self._previous(start))
        if not len(missing):
            return state
        starts = [datetime.fromtimestamp(int(seconds), UTC) for seconds in missing.astype(np.int64)]
        records, problems = self._intervals.read_many(starts)
        warnings.extend(f"{problem}; used as not observed" for problem in problems)
        if records:
            warnings.append(f"no state before {start.isoformat()}: computed over {len(starts)} intervals")
        parts = [metrics_of(records, missing)]
        if len(records) + len(problems) < len(starts):
            parts.insert(0, self._from_source(starts[0], start, warnings))
        observed = [part for part in parts if part is not None and len(part.combinations)]
        metrics = join(observed, missing) if observed else self._unobserved(missing)
        metrics = complete(metrics, model.fitted.presence, self._settings, self._detector.holidays).metrics
        return self._engine.advance(model.fitted.model, state, learnable(metrics, self._settings))

    def _from_source(self, first: datetime, until: datetime, warnings: list[str]) -> Metrics | None:
        """Return the source's values of a span, for the intervals that were never run."""
        wanted = grid(self._metric_set, first, self._previous(until))
        if self._recent is None or not np.isin(wanted, self._recent.starts).all():
            try:
                values = self._histories.source_values(wanted, until)
            except IntervalError as error:
                warnings.append(unread_source(error))
                return None
            self._recent = values if values is not None else self._unobserved(wanted)
        return self._recent

    def write_state(self, start: datetime, model: ActiveModel, state: Any, warnings: list[str]) -> None:
        """Write the state after an interval. If it differs from the stored one, replace the later states too."""
        later = [candidate for candidate in self._models.state_starts() if candidate > start]
        newer_models = [candidate for candidate in self._models.model_starts() if candidate > start]
        dependent = [candidate for candidate in later if not newer_models or candidate < newer_models[0]]
        before = self._state_body(start) if dependent else None
        if self._models.write_state(start, model.start, self._engine.state_to_arrays(state)) != before and dependent:
            # The interval has late data. The latest state is computed now, those between when they are read.
            self._models.delete_states(dependent)
            latest = dependent[-1]
            state = self.state_before(self._next(latest), model, [])
            self._models.write_state(latest, model.start, self._engine.state_to_arrays(state))
            if before is not None:
                warnings.append(f"states up to {latest.isoformat()} were computed again with this interval's late data")
        self._models.prune_states()

    def advance_unobserved(self, start: datetime, metrics: Metrics, warnings: list[str]) -> None:
        """Write the state after an interval without data, where there is a model, and no such state yet."""
        model = self._newest_model(start, [])
        if model is None or self._state_body(start) is not None:
            return
        state = self.state_before(start, model, warnings)
        after = self._engine.advance(model.fitted.model, state, metrics)
        self.write_state(start, model, after, warnings)

    def unobserved_interval(self, start: datetime) -> Metrics:
        """Return the metrics of an interval in which nothing was observed."""
        return self._unobserved(grid(self._metric_set, start, start))

    def _unobserved(self, starts: Any) -> Metrics:
        of = self._metric_set
        values = np.empty((len(of.measures), 0, len(starts)))
        return Metrics(of.frequency, of.timezone, starts, of.measures, of.dimension_list, (), values, of.roll_ups)

    def _state_body(self, start: datetime) -> bytes | None:
        try:
            stored = self._models.read_state(start)
        except CorruptError:
            return None
        return stored.body if stored is not None else None

    def _newest_model(self, start: datetime, warnings: list[str]) -> ActiveModel | None:
        """Return the newest model for an interval that can be read."""
        for model_start in reversed([candidate for candidate in self._models.model_starts() if candidate <= start]):
            fitted = self._read_model(model_start, warnings)
            if fitted is not None:
                return ActiveModel(model_start, fitted)
        return None

    def _had_a_model(self, start: datetime) -> bool:
        before = [candidate for candidate in self._intervals.starts() if candidate < start]
        try:
            record = self._intervals.read(before[-1]) if before else None
        except CorruptError:
            return True
        return record is not None and bool(record.about.get("judged"))

    def _read_model(self, start: datetime, warnings: list[str]) -> FittedModel | None:
        """Read a model; delete one that is corrupt, so that it can be fitted again."""
        try:
            arrays = self._models.read_model(start)
            if arrays is None:
                return None
            return replace(self._engine.model_from_arrays(arrays), presence=from_arrays(arrays), since=_since(arrays))
        except (CorruptError, ValueError, KeyError) as error:
            warnings.append(f"model of {start.isoformat()}: {error}; a new one is fitted")
            self._models.delete_model(start)
            return None

    def _next(self, start: datetime) -> datetime:
        return next_start(start, self._metric_set.frequency, self._metric_set.timezone)

    def _previous(self, start: datetime) -> datetime:
        return previous_start(start, self._metric_set.frequency, self._metric_set.timezone)


def _since(arrays: Arrays) -> datetime | None:
    if _SINCE not in arrays:
        return None
    return datetime.fromtimestamp(int(arrays[_SINCE][0].astype("datetime64[s]").astype(np.int64)), UTC)


def _insufficient(observed: int, minimum: int) -> str:
    return (
        f"Insufficient amount of data was found at the source location: {observed:,} of {minimum:,} intervals; "
        f"{minimum - observed:,} more are needed to fit a model"
    )
