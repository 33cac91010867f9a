"""What a fit learned, and what the filter knows after an interval; both can be kept as arrays."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from typing import Any

import numpy as np
import numpy.typing as npt

from anomalake.errors import AnomalakeError
from anomalake.model.calendar import Bools, Floats
from anomalake.model.counts import CountModel
from anomalake.model.filter import Coefficients, FilterState
from anomalake.model.metrics import Combination
from anomalake.model.season import Singles
from anomalake.model.tails import Tails

VERSION = 1


class ModelError(AnomalakeError, ValueError):
    """Metrics that a model cannot judge, or arrays that are none of a model's."""


@dataclass(frozen=True, slots=True, eq=False)
class State:
    """The filter's state before the interval that starts at `next_start` (UTC).

    It can be kept as arrays; `from_arrays` raises `ModelError`.
    """

    next_start: np.datetime64
    filtered: FilterState

    def to_arrays(self) -> dict[str, npt.NDArray[Any]]:
        """All of it as arrays by name."""
        return {"next_start": np.array(self.next_start, "datetime64[s]"), **self.filtered.to_arrays()}

    @classmethod
    def from_arrays(cls, arrays: Mapping[str, npt.NDArray[Any]]) -> State:
        """Out of `to_arrays`."""
        try:
            return cls(np.datetime64(arrays["next_start"].item(), "s"), FilterState.from_arrays(arrays))
        except (KeyError, IndexError, ValueError) as error:
            raise ModelError(f"state: {error}; expected the arrays of a model's state") from error


@dataclass(frozen=True, slots=True, eq=False)
class Model:
    """What a fit learned of S = measures × combinations metrics, measure by measure.

    Attributes
    ----------
    center, scale
        Values less `center`, in `scale`, are what the filter works on; float64, shape (S,).
    nonnegative
        Whether the history has no value below 0.
    is_ready
        Whether the history has enough of a metric to judge it.
    rhythms, harmonics
        Names of the rhythms that were learned and the coefficients of their harmonics, shape (2 × harmonics, S).
    tails, tails_together, tails_rhythm
        Tails of standardised residuals, of their sums over some intervals, and of deviations from the rhythm alone.
    counts
        Of metrics that count few things.
    state
        State after the history.
    """

    frequency: str
    timezone: str
    holidays: tuple[date, ...]
    measures: tuple[str, ...]
    dimension_names: tuple[str, ...]
    combinations: tuple[Combination, ...]
    center: Floats
    scale: Floats
    nonnegative: Bools
    is_ready: Bools
    rhythms: tuple[str, ...]
    harmonics: Singles
    coefficients: Coefficients
    tails: Tails
    tails_together: Tails
    tails_rhythm: Tails
    counts: CountModel
    state: State

    def to_arrays(self) -> dict[str, npt.NDArray[Any]]:
        """All of it, with its state, as arrays by name."""
        named = {
            "version": VERSION,
            "frequency": self.frequency,
            "timezone": self.timezone,
            "holidays": [one.isoformat() for one in self.holidays],
            "measures": self.measures,
            "dimension_names": self.dimension_names,
            "combinations": self.combinations,
            "rhythms": self.rhythms,
        }
        known = self.coefficients
        return {
            "named": np.frombuffer(json.dumps(named).encode("ascii"), np.uint8),
            "center": self.center,
            "scale": self.scale,
            "nonnegative": self.nonnegative,
            "is_ready": self.is_ready,
            "harmonics": self.harmonics,
            **{name: getattr(known, name) for name in Coefficients.__slots__},
            **{f"tails_{name}": array for name, array in self.tails.to_arrays().items()},
            **{f"together_{name}": array for name, array in self.tails_together.to_arrays().items()},
            **{f"rhythm_{name}": array for name, array in self.tails_rhythm.to_arrays().items()},
            **{f"count_{name}": getattr(self.counts, name) for name in CountModel.__slots__},
            **{f"state_{name}": array for name, array in self.state.to_arrays().items()},
        }

    @classmethod
    def from_arrays(cls, arrays: Mapping[str, npt.NDArray[Any]]) -> Model:
        """Out of `to_arrays`.

        Raises
        ------
        ModelError
            An array is missing, or another version wrote them.
        """
        try:
            named = json.loads(arrays["named"].tobytes())
            if named["version"] != VERSION:
                raise ModelError(f"model of version {named['version']}: expected {VERSION}")
            return cls(
                frequency=named["frequency"],
                timezone=named["timezone"],
                holidays=tuple(date.fromisoformat(one) for one in named["holidays"]),
                measures=tuple(named["measures"]),
                dimension_names=tuple(named["dimension_names"]),
                combinations=tuple(tuple(one) for one in named["combinations"]),
                center=arrays["center"],
                scale=arrays["scale"],
                nonnegative=arrays["nonnegative"],
                is_ready=arrays["is_ready"],
                rhythms=tuple(named["rhythms"]),
                harmonics=arrays["harmonics"],
                coefficients=Coefficients(*(arrays[name] for name in Coefficients.__slots__)),
                tails=Tails.from_arrays(_below("tails_", arrays)),
                tails_together=Tails.from_arrays(_below("together_", arrays)),
                tails_rhythm=Tails.from_arrays(_below("rhythm_", arrays)),
                counts=CountModel(*(arrays[f"count_{name}"] for name in CountModel.__slots__)),
                state=State.from_arrays(_below("state_", arrays)),
            )
        except ModelError:
            raise
        except (KeyError, TypeError, ValueError) as error:
            raise ModelError(f"model: {error}; expected the arrays of a model") from error


def _below(prefix: str, arrays: Mapping[str, npt.NDArray[Any]]) -> dict[str, npt.NDArray[Any]]:
    return {name.removeprefix(prefix): arrays[name] for name in arrays if name.startswith(prefix)}
