"""Which model and which state judge an interval: those that are kept, or, where these are old or lost, new ones."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import numpy as np

from anomalake.definitions.detector import Detector
from anomalake.definitions.intervals import next_start, previous_start
from anomalake.detection.engine import FittedModel, ModelEngine
from anomalake.detection.learning import (
    SCHEDULES,
    HistorySource,
    grid,
    history_before,
    intervals_observed,
    model_due,
)
from anomalake.model.metrics import Metrics
from anomalake.records.arrays import CorruptError
from anomalake.records.intervals import metrics_of
from anomalake.records.states import StateStore


@dataclass(frozen=True, slots=True, eq=False)
class ActiveModel:
    """A model, and the start of the first interval that it is for."""

    start: datetime
    learned: FittedModel


class ModelKeeper:
    """Models and states of one detector.

    Parameters
    ----------
    detector, states, source, engine
        Whose; where they are kept; where it learns from when nothing is kept; how.
    """

    def __init__(self, detector: Detector, states: StateStore, source: HistorySource, engine: ModelEngine) -> None:
        self._detector = detector
        self._set = detector.metric_set
        self._states = states
        self._source = source
        self._engine = engine

    def model_for(self, start: datetime, warnings: list[str]) -> ActiveModel | str:
        """The model in force, learnt now if it is due; or why there is none, in a line."""
        kept, earlier = self._kept_model(start, warnings), None
        if kept is not None:
            if kept.start >= model_due(self._set.frequency, start):
                return kept
            earlier = kept
        elif self._had_a_model(start):
            warnings.append(
                f"no model for {start.isoformat()} is left: learns again from what the lake and the source have"
            )
        history = history_before(start, self._set, self._states, self._source, warnings)
        seen, least = intervals_observed(history), SCHEDULES[self._set.frequency].least
        if history is None or seen < least:
            if earlier is not None:
                warnings.append(f"the model of {earlier.start.isoformat()} goes on: {self._too_little(seen, least)}")
                return earlier
            return self._too_little(seen, least)
        learned = self._engine.fit(history, self._detector.holidays)
        self._states.put_history(start, history)
        if not self._states.put_model(start, self._engine.keep_model(learned)):
            # Another run was first: its model is the one that counts.
            other = self._read_model(start, warnings)
            return ActiveModel(start, other if other is not None else learned)
        self._states.prune_models(start - SCHEDULES[self._set.frequency].history)
        return ActiveModel(start, learned)

    def state_before(self, start: datetime, found: ActiveModel, warnings: list[str]) -> Any:
        """The filter's state as of the beginning of an interval; computed again where it is not kept."""
        if start == found.start:
            return found.learned.state
        state, after = found.learned.state, self._before(found.start)
        for kept in reversed([one for one in self._states.state_starts() if found.start <= one < start]):
            try:
                read = self._states.state(kept)
                if read is not None and read.model == found.start:
                    state, after = self._engine.read_state(read.arrays), kept
                    break
            except (CorruptError, ValueError, KeyError) as error:
                warnings.append(f"state after {kept.isoformat()}: {error}; computed again from an earlier one")
        missing = grid(self._set, self._after(after), self._before(start))
        if not len(missing):
            return state
        wanted = [datetime.fromtimestamp(int(one), UTC) for one in missing.astype(np.int64)]
        records, corrupt = self._states.intervals(wanted)
        warnings.extend(f"{one}; taken as not observed" for one in corrupt)
        warnings.append(f"no state before {start.isoformat()}: computed again over {len(wanted)} intervals")
        metrics = metrics_of(records, missing)
        return self._engine.judge(found.learned.model, state, metrics or self._empty(missing))[1]

    def keep_state(self, start: datetime, found: ActiveModel, state: Any, warnings: list[str]) -> None:
        """Keep the state after an interval; where that changes what later ones were computed from, those too."""
        later = [one for one in self._states.state_starts() if one > start]
        newer = [one for one in self._states.model_starts() if one > start]
        ours = [one for one in later if not newer or one < newer[0]]
        before = self._state_body(start) if ours else None
        if self._states.put_state(start, found.start, self._engine.keep_state(state)) != before and ours:
            # Late data of this interval: the latest is computed again, those between when they are asked for.
            self._states.drop_states(ours)
            self._states.put_state(ours[-1], found.start, self._engine.keep_state(self._state_after(ours[-1], found)))
            warnings.append(f"states up to {ours[-1].isoformat()} were computed again with this interval's late data")
        self._states.prune_states()

    def pass_over(self, start: datetime, nothing: Metrics, warnings: list[str]) -> None:
        """Let the filter go on over an interval without data, where there is a model and no state after it yet."""
        found = self._kept_model(start, [])
        if found is None or self._state_body(start) is not None:
            return
        state = self.state_before(start, found, warnings)
        after = self._engine.judge(found.learned.model, state, nothing)[1]
        self.keep_state(start, found, after, warnings)

    def nothing(self, start: datetime) -> Metrics:
        """An interval in which nothing was observed."""
        return self._empty(grid(self._set, start, start))

    def _empty(self, starts: Any) -> Metrics:
        measures = self._set.measures
        values = np.empty((len(measures), 0, len(starts)))
        return Metrics(self._set.frequency, self._set.timezone, starts, measures, self._set.dimension_list, (), values)

    def _state_after(self, start: datetime, found: ActiveModel) -> Any:
        return self.state_before(self._after(start), found, [])

    def _state_body(self, start: datetime) -> bytes | None:
        try:
            kept = self._states.state(start)
        except CorruptError:
            return None
        return kept.body if kept is not None else None

    def _kept_model(self, start: datetime, warnings: list[str]) -> ActiveModel | None:
        """The newest model for an interval that can be read."""
        for kept in reversed([one for one in self._states.model_starts() if one <= start]):
            learned = self._read_model(kept, warnings)
            if learned is not None:
                return ActiveModel(kept, learned)
        return None

    def _had_a_model(self, start: datetime) -> bool:
        before = [one for one in self._states.interval_starts() if one < start]
        try:
            record = self._states.interval(before[-1]) if before else None
        except CorruptError:
            return True
        return record is not None and bool(record.about.get("judged"))

    def _read_model(self, start: datetime, warnings: list[str]) -> FittedModel | None:
        try:
            arrays = self._states.model(start)
            return self._engine.read_model(arrays) if arrays is not None else None
        except (CorruptError, ValueError, KeyError) as error:
            warnings.append(f"model of {start.isoformat()}: {error}; learns again")
            self._states.drop_model(start)
            return None

    def _too_little(self, seen: int, least: int) -> str:
        return (
            f"Insufficient amount of data was found at the source location: {seen:,} of {least:,} intervals; "
            f"{least - seen:,} more are wanted to learn from"
        )

    def _after(self, start: datetime) -> datetime:
        return next_start(start, self._set.frequency, self._set.timezone)

    def _before(self, start: datetime) -> datetime:
        return previous_start(start, self._set.frequency, self._set.timezone)
