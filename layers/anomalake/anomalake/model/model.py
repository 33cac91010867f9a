"""The fitted model and the state of the filter, and their stored form as named arrays."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, fields, replace
from datetime import date
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt

from anomalake.errors import AnomalakeError
from anomalake.model.array_types import BoolArray, Float32Array, FloatArray, IntArray
from anomalake.model.calendar import MONTH_SLOTS
from anomalake.model.counts import CountModel
from anomalake.model.filter_state import RAMP, Coefficients, FilterState, repeat_phases
from anomalake.model.holidays import HolidayModel, no_holidays
from anomalake.model.metrics import Combination
from anomalake.model.ramps import no_ramps
from anomalake.model.runs import RunModel
from anomalake.model.tails import Tails

#: Version of the stored form of a model.
VERSION = 2

# Names in the stored form, where they differ from the fields' names. They must not change: lakes hold such arrays.
_STORED_NAMES = {"seasonal_periods": "rhythms", "threshold": "knee", "settled": "calm"}
# Prefixes of the arrays of a model's parts; those of `coefficients` have none.
_STORED_TAILS = {"tails": "tails_", "joint_tails": "together_", "seasonal_tails": "rhythm_", "ramp_tails": "ramp_"}
_STORED_COUNTS, _STORED_RUNS, _STORED_HOLIDAYS, _STORED_STATE = "count_", "run_", "holiday_", "state_"

Arrays = Mapping[str, npt.NDArray[Any]]


class ModelError(AnomalakeError, ValueError):
    """Metrics that a model cannot judge, or arrays that are not those of a model or a state."""


@dataclass(frozen=True, slots=True, eq=False)
class State:
    """State of the filter before the interval that starts at `next_start` (UTC)."""

    next_start: np.datetime64
    filtered: FilterState

    def to_arrays(self) -> dict[str, npt.NDArray[Any]]:
        """Return the state as named arrays."""
        return {"next_start": np.array(self.next_start, "datetime64[s]"), **_to_arrays(self.filtered)}

    @classmethod
    def from_arrays(cls, arrays: Arrays) -> State:
        """Inverse of `to_arrays`.

        Raises
        ------
        ModelError
            An array is missing or of another type.
        """
        try:
            # States of an earlier version know no ramps.
            without = {"deviations": np.zeros((RAMP - 1, len(arrays["level"])), np.float32)}
            filtered = FilterState(**_field_arrays(FilterState, {**without, **arrays}))
            return cls(np.datetime64(arrays["next_start"].item(), "s"), _with_month_slots(filtered))
        except (KeyError, IndexError, ValueError) as error:
            raise ModelError(f"state: {error}; expected the arrays of a model's state") from error


@dataclass(frozen=True, slots=True, eq=False)
class Model:
    """A model of S = measures × combinations metrics, measure by measure.

    Attributes
    ----------
    center, scale
        The filter works on ``(value - center) / scale``; float64, shape (S,).
    nonnegative
        True for metrics without a negative value in the history.
    is_ready
        True for metrics with enough history to be judged.
    seasonal_periods, harmonics
        Names of the seasonal periods, and the coefficients of their harmonics, shape (2 × harmonics, S).
    months
        Offset and spread of the slots of the month, shape (2, `MONTH_SLOTS`, S); (2, 0, S) but for data of days.
    peaks
        Offset and spread of the phases of the day, shape (2, day length, S); (2, 0, S) where there is none.
    learned_holidays
        What past holidays have taught.
    tails, joint_tails, seasonal_tails, ramp_tails
        Tails of standardised residuals, of sums of consecutive ones, of deviations from the seasonal pattern alone, and
        of means of these.
    counts
        Model of the metrics that are low counts.
    runs
        Model of runs of low values.
    state
        State after the history.
    """

    frequency: str
    timezone: str
    holidays: tuple[date, ...]
    measures: tuple[str, ...]
    dimension_names: tuple[str, ...]
    combinations: tuple[Combination, ...]
    center: FloatArray
    scale: FloatArray
    nonnegative: BoolArray
    is_ready: BoolArray
    seasonal_periods: tuple[str, ...]
    harmonics: Float32Array
    months: Float32Array
    peaks: Float32Array
    coefficients: Coefficients
    learned_holidays: HolidayModel
    tails: Tails
    joint_tails: Tails
    seasonal_tails: Tails
    ramp_tails: Tails
    counts: CountModel
    runs: RunModel
    state: State

    def to_arrays(self) -> dict[str, npt.NDArray[Any]]:
        """Return the model and its state as named arrays."""
        description = {
            "version": VERSION,
            "frequency": self.frequency,
            "timezone": self.timezone,
            "holidays": [day.isoformat() for day in self.holidays],
            "measures": self.measures,
            "dimension_names": self.dimension_names,
            "combinations": self.combinations,
            _stored_name("seasonal_periods"): self.seasonal_periods,
        }
        arrays: dict[str, npt.NDArray[Any]] = {
            "named": np.frombuffer(json.dumps(description).encode("ascii"), np.uint8),
            "center": self.center,
            "scale": self.scale,
            "nonnegative": self.nonnegative,
            "is_ready": self.is_ready,
            "harmonics": self.harmonics,
            **_to_arrays(self.coefficients),
        }
        arrays |= {name: getattr(self, name) for name in ("months", "peaks") if getattr(self, name).any()}
        if self.learned_holidays.is_known:
            arrays |= _to_arrays(self.learned_holidays, _STORED_HOLIDAYS)
        for name, prefix in _STORED_TAILS.items():
            arrays |= _to_arrays(getattr(self, name), prefix)
        arrays |= _to_arrays(self.counts, _STORED_COUNTS) | _to_arrays(self.runs, _STORED_RUNS)
        if not self.counts.amount.any():
            del arrays[_STORED_COUNTS + "amount"]
        return arrays | {_STORED_STATE + name: array for name, array in self.state.to_arrays().items()}

    @classmethod
    def from_arrays(cls, arrays: Arrays) -> Model:
        """Inverse of `to_arrays`.

        Raises
        ------
        ModelError
            An array is missing or of another type, or another version wrote them.
        """
        try:
            description = json.loads(arrays["named"].tobytes())
            if description["version"] != VERSION:
                raise ModelError(f"model of version {description['version']}: expected {VERSION}")
            state = {
                name.removeprefix(_STORED_STATE): array
                for name, array in arrays.items()
                if name.startswith(_STORED_STATE)
            }
            return cls(
                frequency=description["frequency"],
                timezone=description["timezone"],
                holidays=tuple(date.fromisoformat(day) for day in description["holidays"]),
                measures=tuple(description["measures"]),
                dimension_names=tuple(description["dimension_names"]),
                combinations=tuple(tuple(combination) for combination in description["combinations"]),
                center=arrays["center"],
                scale=arrays["scale"],
                nonnegative=arrays["nonnegative"],
                is_ready=arrays["is_ready"],
                seasonal_periods=tuple(description[_stored_name("seasonal_periods")]),
                harmonics=arrays["harmonics"],
                # Models without peaks of the month, and old ones, have no such array.
                months=arrays.get("months", np.zeros((2, MONTH_SLOTS, len(arrays["center"])), np.float32)),
                # So have those without peaks of the day.
                peaks=arrays.get("peaks", np.zeros((2, 0, len(arrays["center"])), np.float32)),
                coefficients=Coefficients(**_field_arrays(Coefficients, arrays)),
                learned_holidays=_holidays_from_arrays(arrays, description["frequency"]),
                tails=_tails_from_arrays(arrays, _STORED_TAILS["tails"]),
                joint_tails=_tails_from_arrays(arrays, _STORED_TAILS["joint_tails"]),
                seasonal_tails=_tails_from_arrays(arrays, _STORED_TAILS["seasonal_tails"]),
                ramp_tails=_ramps_from_arrays(arrays),
                counts=_counts_from_arrays(arrays),
                runs=RunModel(**_field_arrays(RunModel, arrays, _STORED_RUNS)),
                state=State.from_arrays(state),
            )
        except ModelError:
            raise
        except (KeyError, TypeError, ValueError) as error:
            raise ModelError(f"model: {error}; expected the arrays of a model") from error


class Named(Protocol):
    """What has the names of metrics, as a `Model` or `Metrics`."""

    @property
    def measures(self) -> tuple[str, ...]:
        """The measures."""
        ...

    @property
    def dimension_names(self) -> tuple[str, ...]:
        """The dimensions."""
        ...

    @property
    def combinations(self) -> tuple[Combination, ...]:
        """The combinations of dimension values."""
        ...


def holidays_taught(known: HolidayModel, model: Named, metrics: Named) -> HolidayModel:
    """Return what a model knows of the holidays of some metrics; `known` is what it knows of its own."""
    return known.select(align(model, metrics)[0])


def align(model: Named, metrics: Named) -> tuple[IntArray, IntArray]:
    """Return the model's row of each metric, and the row in `metrics` of each of the model's; -1 for none."""
    if (model.measures, model.dimension_names, model.combinations) == (
        metrics.measures,
        metrics.dimension_names,
        metrics.combinations,
    ):
        same = np.arange(len(metrics.measures) * len(metrics.combinations))
        return same, same
    keys = _metric_keys(model.measures, model.dimension_names, model.combinations)
    row_of = {key: row for row, key in enumerate(keys)}
    model_rows = np.array(
        [row_of.get(key, -1) for key in _metric_keys(metrics.measures, metrics.dimension_names, metrics.combinations)],
        dtype=np.int64,
    )
    metric_rows = np.full(len(keys), -1, dtype=np.int64)
    is_known = model_rows >= 0
    metric_rows[model_rows[is_known]] = np.flatnonzero(is_known)
    return model_rows, metric_rows


def _metric_keys(
    measures: tuple[str, ...], dimension_names: tuple[str, ...], combinations: tuple[Combination, ...]
) -> list[tuple[str, frozenset[tuple[str, str | None]]]]:
    """Return a key of each metric that does not depend on the order of dimensions."""
    dimensions = [frozenset(zip(dimension_names, combination, strict=True)) for combination in combinations]
    return [(measure, key) for measure in measures for key in dimensions]


def _stored_name(name: str) -> str:
    return _STORED_NAMES.get(name, name)


def _to_arrays(part: Any, prefix: str = "") -> dict[str, npt.NDArray[Any]]:
    """Return the fields of a dataclass as arrays by their stored names."""
    return {prefix + _stored_name(field.name): np.asarray(getattr(part, field.name)) for field in fields(part)}


def _field_arrays(kind: Any, arrays: Arrays, prefix: str = "") -> dict[str, Any]:
    """Return the arrays of a dataclass by the names of its fields."""
    return {field.name: arrays[prefix + _stored_name(field.name)] for field in fields(kind)}


def _counts_from_arrays(arrays: Arrays) -> CountModel:
    # Models without amounts, and old ones, have no such array; older ones judge no pauses.
    n_metrics = len(arrays[_STORED_COUNTS + "mean"])
    without = {
        "pause": np.full(n_metrics, np.inf),
        "longest": np.full(n_metrics, np.inf),
        "amount": np.zeros(n_metrics),
    }
    of_pauses = {_STORED_COUNTS + name: array for name, array in without.items()}
    return CountModel(**_field_arrays(CountModel, {**of_pauses, **arrays}, _STORED_COUNTS))


def _with_month_slots(state: FilterState) -> FilterState:
    """Return a state of days with phases for the slots of the month, which old states did not have."""
    n_phases = repeat_phases("P1D")
    if not len(state.by_week) == len(state.profile) == n_phases - MONTH_SLOTS:
        return state
    more = ((0, MONTH_SLOTS), (0, 0))
    return replace(state, **{name: np.pad(getattr(state, name), more) for name in ("profile", "doubt", "odd")})


def _holidays_from_arrays(arrays: Arrays, frequency: str) -> HolidayModel:
    """Return what holidays have taught; models have no such arrays without holidays, and old ones had none."""
    if not any(name.startswith(_STORED_HOLIDAYS) for name in arrays):
        return no_holidays(frequency, len(arrays["center"]))
    return HolidayModel(**_field_arrays(HolidayModel, arrays, _STORED_HOLIDAYS))


def _ramps_from_arrays(arrays: Arrays) -> Tails:
    prefix = _STORED_TAILS["ramp_tails"]
    if not any(name.startswith(prefix) for name in arrays):
        return no_ramps(len(arrays["center"]))
    return _tails_from_arrays(arrays, prefix)


def _tails_from_arrays(arrays: Arrays, prefix: str) -> Tails:
    stored = _field_arrays(Tails, arrays, prefix)
    return Tails(float(stored.pop("share")), **stored)
