"""Models of a live detector, the histories that they were fitted on, and the states of their filters."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

import numpy as np
import numpy.typing as npt

from anomalake.model.array_types import FloatArray
from anomalake.model.metrics import Combination, Metrics
from anomalake.records.codecs import Arrays, arrays_from_bytes, arrays_to_bytes
from anomalake.records.errors import CorruptError
from anomalake.records.keys import stamp, starts_in, version_folder
from anomalake.records.model_blocks import BlockStore
from anomalake.storage.store import ObjectNotFound, ObjectStore

#: Number of states that are kept: late data of so many intervals are judged without computing a state again from a
#: model. A state of 50,000 hourly metrics has 80 MB.
STATES_KEPT = 24
#: Number of models that are kept, each with its history.
MODELS_KEPT = 3

_ENDING = ".npz"
# Name of the array with the names of blocks.
_BLOCKS = "block_names"


@dataclass(frozen=True, slots=True)
class StoredState:
    """State of the filter after an interval.

    Attributes
    ----------
    model
        Start of the model that it belongs to.
    arrays
        The state.
    body
        The bytes that are stored.
    """

    model: datetime
    arrays: dict[str, npt.NDArray[np.generic]]
    body: bytes


@dataclass(frozen=True, slots=True, eq=False)
class HistoryBlocks:
    """A history whose values are in blocks of series.

    Attributes
    ----------
    metrics
        The history; its `values` are all NaN, and need no memory.
    names
        Names of the blocks, in the order of their series.
    """

    metrics: Metrics
    names: tuple[str, ...]


def model_key(detector: str, version: str, start: datetime) -> str:
    """Return the key of the model for the intervals from `start` on."""
    return f"{version_folder(detector, version)}/models/{stamp(start)}{_ENDING}"


def history_key(detector: str, version: str, start: datetime) -> str:
    """Return the key of the history that ends before `start`, which a model was fitted on."""
    return f"{version_folder(detector, version)}/histories/{stamp(start)}{_ENDING}"


def state_key(detector: str, version: str, start: datetime) -> str:
    """Return the key of the state after the interval that begins at `start`."""
    return f"{version_folder(detector, version)}/states/{stamp(start)}{_ENDING}"


def history_to_bytes(metrics: Metrics) -> bytes:
    """Write a history; its values are float32 where that loses nothing, so that a model fitted again is the same."""
    arrays = {
        "starts": metrics.starts.astype("datetime64[s]").astype(np.int64),
        "combinations": np.array([json.dumps(combination) for combination in metrics.combinations], dtype=np.str_),
        "values": narrowed(metrics.values),
    }
    return arrays_to_bytes(arrays, _about(metrics))


def history_from_bytes(body: bytes, place: str = "history") -> Metrics:
    """Inverse of `history_to_bytes`; raises `CorruptError`, which names `place`."""
    return _whole_history(*arrays_from_bytes(body, place), place)


def history_blocks_to_bytes(history: HistoryBlocks) -> bytes:
    """Write the names of a history's blocks."""
    starts = history.metrics.starts.astype("datetime64[s]").astype(np.int64)
    about = {**_about(history.metrics), "combinations": history.metrics.combinations}
    return arrays_to_bytes({"starts": starts, _BLOCKS: np.array(history.names, np.str_)}, about)


def any_history_from_bytes(body: bytes, place: str = "history") -> Metrics | HistoryBlocks:
    """Inverse of `history_to_bytes` and of `history_blocks_to_bytes`; raises `CorruptError`, which names `place`."""
    arrays, about = arrays_from_bytes(body, place)
    if _BLOCKS not in arrays:
        return _whole_history(arrays, about, place)
    try:
        combinations = tuple(tuple(combination) for combination in about["combinations"])
        values = np.broadcast_to(np.nan, (len(about["measures"]), len(combinations), len(arrays["starts"])))
        return HistoryBlocks(_history(arrays, about, combinations, values), tuple(arrays[_BLOCKS].tolist()))
    except (KeyError, ValueError) as error:
        raise CorruptError(f"{place}: {error!r}; expected the blocks of the history of a model") from error


def narrowed(values: FloatArray) -> npt.NDArray[np.floating[Any]]:
    """Return values as float32 where that loses nothing."""
    with np.errstate(over="ignore"):
        narrow = values.astype(np.float32)
    return narrow if np.array_equal(narrow, values, equal_nan=True) else values


def _about(metrics: Metrics) -> dict[str, Any]:
    return {
        "frequency": metrics.frequency,
        "timezone": metrics.timezone,
        "measures": metrics.measures,
        "dimension_names": metrics.dimension_names,
        **({"roll_ups": True} if metrics.roll_ups else {}),
    }


def _whole_history(arrays: Arrays, about: Mapping[str, Any], place: str) -> Metrics:
    try:
        combinations = tuple(tuple(json.loads(text)) for text in arrays["combinations"].tolist())
        return _history(arrays, about, combinations, arrays["values"].astype(np.float64))
    except (KeyError, ValueError) as error:
        raise CorruptError(f"{place}: {error!r}; expected the history of a model") from error


def _history(
    arrays: Arrays, about: Mapping[str, Any], combinations: tuple[Combination, ...], values: FloatArray
) -> Metrics:
    return Metrics(
        about["frequency"],
        about["timezone"],
        arrays["starts"].astype("datetime64[s]"),
        tuple(about["measures"]),
        tuple(about["dimension_names"]),
        combinations,
        values,
        bool(about.get("roll_ups")),
    )


def state_to_bytes(model: datetime, arrays: Arrays) -> bytes:
    """Write a state of the model that starts at `model`."""
    return arrays_to_bytes(arrays, {"model": model.isoformat()})


def state_from_bytes(body: bytes, place: str = "state") -> StoredState:
    """Inverse of `state_to_bytes`; raises `CorruptError`, which names `place`."""
    arrays, about = arrays_from_bytes(body, place)
    try:
        return StoredState(datetime.fromisoformat(about["model"]), arrays, body)
    except (KeyError, ValueError) as error:
        raise CorruptError(f"{place}: {error!r}; expected the state of a model") from error


class ModelStore:
    """Models, histories and states of one version of one detector.

    Parameters
    ----------
    store
        The lake.
    detector
        Name of the detector.
    version
        Version of the detector file (`versions.version_of`): no other version reads these objects.
    """

    def __init__(self, store: ObjectStore, detector: str, version: str) -> None:
        self._store = store
        self._detector = detector
        self._version = version
        self._blocks = BlockStore(store, detector, version)

    # ---- models, and the histories that they were fitted on ----

    def write_model(self, start: datetime, arrays: Arrays) -> bool:
        """Write the model for the intervals from `start` on; False where there is one, which is not replaced."""
        return self._store.put_new(self._model_key(start), arrays_to_bytes(arrays, {"start": start.isoformat()}))

    def delete_model(self, start: datetime) -> None:
        """Delete a model."""
        self._store.delete([self._model_key(start)])

    def read_model(self, start: datetime) -> dict[str, npt.NDArray[np.generic]] | None:
        """Read the arrays of a model; None where there is none; raises `CorruptError`."""
        key = self._model_key(start)
        body = self._get(key)
        return arrays_from_bytes(body, self._place(key))[0] if body is not None else None

    def model_starts(self) -> list[datetime]:
        """List the starts of stored models, in ascending order."""
        return self._starts("models")

    def write_history(self, start: datetime, metrics: Metrics) -> None:
        """Write the history that the model of `start` was fitted on."""
        self._store.put(self._history_key(start), history_to_bytes(metrics))

    def write_history_blocks(self, start: datetime, history: HistoryBlocks) -> None:
        """Write the names of the blocks of the history that the model of `start` was fitted on."""
        self._store.put(self._history_key(start), history_blocks_to_bytes(history))

    def read_history(self, start: datetime) -> Metrics | None:
        """Read the history of a model, also from its blocks; None where there is none; raises `CorruptError`."""
        history = self.find_history(start)
        if not isinstance(history, HistoryBlocks):
            return history
        try:
            parts = [self._blocks.read(name)["values"].astype(np.float64) for name in history.names]
            values = np.concatenate(parts).reshape(history.metrics.values.shape)
        except (ObjectNotFound, KeyError, ValueError) as error:
            raise CorruptError(f"{self._place(self._history_key(start))}: {error}; expected all its blocks") from error
        return replace(history.metrics, values=values)

    def find_history(self, start: datetime) -> Metrics | HistoryBlocks | None:
        """Read the history of a model, or the names of its blocks; None where there is none.

        Raises `CorruptError`, also where a block is lost.
        """
        key = self._history_key(start)
        body = self._get(key)
        if body is None:
            return None
        history = any_history_from_bytes(body, self._place(key))
        if isinstance(history, HistoryBlocks):
            lost = self._blocks.lost(history.names)
            if lost:
                raise CorruptError(
                    f"{self._place(key)}: {len(lost):,} of {len(history.names):,} blocks are lost, such as {lost[0]}"
                )
        return history

    def history_starts(self) -> list[datetime]:
        """List the starts of models with a stored history, in ascending order."""
        return self._starts("histories")

    def prune_models(self, keep: int = MODELS_KEPT) -> None:
        """Delete all models and histories but the newest."""
        starts = self.model_starts()
        histories = self.history_starts()
        old = [self._model_key(start) for start in starts[:-keep]]
        old += [self._history_key(start) for start in histories[:-keep]]
        if old:
            self._store.delete(old)
        if len(starts) > keep:
            self._blocks.delete_before("models", starts[-keep])
        if len(histories) > keep:
            self._blocks.delete_before("histories", histories[-keep])

    # ---- states ----

    def write_state(self, start: datetime, model: datetime, arrays: Arrays) -> bytes:
        """Write the state after an interval; return its bytes."""
        body = state_to_bytes(model, arrays)
        self._store.put(self._state_key(start), body)
        return body

    def read_state(self, start: datetime) -> StoredState | None:
        """Read the state after an interval; None where there is none; raises `CorruptError`."""
        key = self._state_key(start)
        body = self._get(key)
        return state_from_bytes(body, self._place(key)) if body is not None else None

    def state_starts(self) -> list[datetime]:
        """List the intervals with a stored state after them, in ascending order."""
        return self._starts("states")

    def delete_states(self, starts: Iterable[datetime]) -> None:
        """Delete states."""
        self._store.delete([self._state_key(start) for start in starts])

    def prune_states(self, keep: int = STATES_KEPT) -> None:
        """Delete all states but the newest."""
        starts = self.state_starts()
        if len(starts) > keep:
            self.delete_states(starts[:-keep])
            self._blocks.delete_before("states", starts[-keep])

    def _model_key(self, start: datetime) -> str:
        return model_key(self._detector, self._version, start)

    def _history_key(self, start: datetime) -> str:
        return history_key(self._detector, self._version, start)

    def _state_key(self, start: datetime) -> str:
        return state_key(self._detector, self._version, start)

    def _starts(self, kind: str) -> list[datetime]:
        return starts_in(self._store, f"{version_folder(self._detector, self._version)}/{kind}", _ENDING)

    def _get(self, key: str) -> bytes | None:
        try:
            return self._store.get(key)
        except ObjectNotFound:
            return None

    def _place(self, key: str) -> str:
        return f"{self._store.uri}/{key}"
