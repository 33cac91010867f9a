"""Where a detector's arrays lie in the lake (docs/adr/0005, 0006): intervals, models, states, histories."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import datetime
from typing import TypeVar

import numpy as np
import numpy.typing as npt

from anomalake.model.metrics import Metrics
from anomalake.records import intervals as interval_records
from anomalake.records.arrays import Arrays, CorruptError, from_bytes, to_bytes
from anomalake.records.executions import detector_folder, parse_stamp, stamp
from anomalake.records.intervals import IntervalRecord
from anomalake.storage.store import ObjectNotFound, ObjectStore

#: States kept: what a late file is judged again with at once; older ones are computed again from a model. One of 50,000
#: hourly metrics has 80 MB.
STATES_KEPT = 24
#: Models kept, each with its history.
MODELS_KEPT = 3
#: A fit may read some thousand small objects.
READERS = 16

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class KeptState:
    """A filter's state after an interval, and the model (its start) that it belongs to."""

    model: datetime
    arrays: dict[str, npt.NDArray[np.generic]]
    body: bytes


class StateStore:
    """The arrays of one version of one detector.

    Parameters
    ----------
    store
        The lake.
    detector
        Its name.
    version
        Of what the model depends on in the detector file: another version finds nothing of this one's.
    """

    def __init__(self, store: ObjectStore, detector: str, version: str) -> None:
        self.store = store
        self.version = version
        self._folder = f"{detector_folder(detector)}/version={version}"

    # ---- intervals ----

    def put_interval(self, start: datetime, body: bytes, *, only_new: bool = False) -> None:
        """Keep an interval's record, unless it is to be only where there is none."""
        key = self._key("intervals", start, ".parquet")
        if only_new:
            self.store.put_new(key, body)
        else:
            self.store.put(key, body)

    def interval(self, start: datetime) -> IntervalRecord | None:
        """An interval's record; None where there is none; raises `CorruptError`."""
        return self._read(self._key("intervals", start, ".parquet"), interval_records.from_parquet)

    def interval_starts(self) -> list[datetime]:
        """Intervals with a record, ascending."""
        return self._starts("intervals", ".parquet")

    def intervals(self, starts: Iterable[datetime]) -> tuple[list[IntervalRecord], list[str]]:
        """Records of intervals, and what is corrupt among them, a line each."""
        records: list[IntervalRecord] = []
        corrupt: list[str] = []

        def read(start: datetime) -> IntervalRecord | CorruptError | None:
            try:
                return self.interval(start)
            except CorruptError as error:
                return error

        with ThreadPoolExecutor(READERS) as pool:
            for found in pool.map(read, starts):
                if isinstance(found, CorruptError):
                    corrupt.append(str(found))
                elif found is not None:
                    records.append(found)
        return records, corrupt

    # ---- models and the histories they were fitted on ----

    def put_model(self, start: datetime, arrays: Arrays) -> bool:
        """Keep a model for the intervals from `start` on; False where there is one already, which stays."""
        return self.store.put_new(self._key("models", start, ".npz"), to_bytes(arrays, {"start": start.isoformat()}))

    def drop_model(self, start: datetime) -> None:
        """Delete a model that cannot be read, so that it can be fitted again."""
        self.store.delete([self._key("models", start, ".npz")])

    def model(self, start: datetime) -> dict[str, npt.NDArray[np.generic]] | None:
        """A model's arrays; None where there is none; raises `CorruptError`."""
        found = self._read(self._key("models", start, ".npz"), from_bytes)
        return found[0] if found is not None else None

    def model_starts(self) -> list[datetime]:
        """Intervals that models were fitted for, ascending."""
        return self._starts("models", ".npz")

    def put_history(self, start: datetime, metrics: Metrics) -> None:
        """Keep what a model was fitted on, as float32."""
        texts = np.array([json.dumps(one) for one in metrics.combinations], dtype=np.str_)
        arrays = {
            "starts": metrics.starts.astype("datetime64[s]").astype(np.int64),
            "combinations": texts,
            "values": metrics.values.astype(np.float32),
        }
        about = {
            "frequency": metrics.frequency,
            "timezone": metrics.timezone,
            "measures": metrics.measures,
            "dimension_names": metrics.dimension_names,
        }
        self.store.put(self._key("histories", start, ".npz"), to_bytes(arrays, about))

    def history(self, start: datetime) -> Metrics | None:
        """What a model was fitted on; None where there is none; raises `CorruptError`."""
        return self._read(self._key("histories", start, ".npz"), _history_of)

    def history_starts(self) -> list[datetime]:
        """Intervals that histories end before, ascending."""
        return self._starts("histories", ".npz")

    # ---- states ----

    def put_state(self, start: datetime, model: datetime, arrays: Arrays) -> bytes:
        """Keep the state after an interval; returns its bytes."""
        body = to_bytes(arrays, {"model": model.isoformat()})
        self.store.put(self._key("states", start, ".npz"), body)
        return body

    def state(self, start: datetime) -> KeptState | None:
        """The state after an interval; None where there is none; raises `CorruptError`."""

        def read(body: bytes) -> KeptState:
            arrays, about = from_bytes(body)
            return KeptState(datetime.fromisoformat(about["model"]), arrays, body)

        return self._read(self._key("states", start, ".npz"), read)

    def state_starts(self) -> list[datetime]:
        """Intervals with a state after them, ascending."""
        return self._starts("states", ".npz")

    def drop_states(self, starts: Iterable[datetime]) -> None:
        """Delete states."""
        self.store.delete([self._key("states", start, ".npz") for start in starts])

    # ---- what is kept, and for how long ----

    def prune_states(self, keep: int = STATES_KEPT) -> None:
        """Delete all states but the last ones."""
        old = self.state_starts()[:-keep]
        if old:
            self.drop_states(old)

    def prune_models(self, oldest_interval: datetime, keep: int = MODELS_KEPT) -> None:
        """Delete all models and histories but the last ones, and intervals before the given one."""
        old = [self._key("models", start, ".npz") for start in self.model_starts()[:-keep]]
        old += [self._key("histories", start, ".npz") for start in self.history_starts()[:-keep]]
        old += [
            self._key("intervals", start, ".parquet") for start in self.interval_starts() if start < oldest_interval
        ]
        if old:
            self.store.delete(old)

    def _key(self, kind: str, start: datetime, ending: str) -> str:
        return f"{self._folder}/{kind}/{stamp(start)}{ending}"

    def _starts(self, kind: str, ending: str) -> list[datetime]:
        names = (one.key.rsplit("/", 1)[1] for one in self.store.list(f"{self._folder}/{kind}"))
        return sorted(parse_stamp(name.removesuffix(ending)) for name in names if name.endswith(ending))

    def _read(self, key: str, read: Callable[[bytes], T]) -> T | None:
        try:
            body = self.store.get(key)
        except ObjectNotFound:
            return None
        try:
            return read(body)
        except (CorruptError, KeyError, ValueError) as error:
            raise CorruptError(f"{self.store.uri}/{key}: {error}") from error


def _history_of(body: bytes) -> Metrics:
    arrays, about = from_bytes(body)
    return Metrics(
        about["frequency"],
        about["timezone"],
        arrays["starts"].astype("datetime64[s]"),
        tuple(about["measures"]),
        tuple(about["dimension_names"]),
        tuple(tuple(json.loads(text)) for text in arrays["combinations"].tolist()),
        arrays["values"].astype(np.float64),
    )
