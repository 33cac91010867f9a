"""What an unfinished backtest job has stored: the history that it has read, and the judgement of blocks of series."""

from __future__ import annotations

import json
import re
from typing import Final

import numpy as np

from anomalake.model.judgement import Judgement
from anomalake.model.metrics import Metrics
from anomalake.records.backtest_jobs import steps_folder
from anomalake.records.codecs import arrays_from_bytes, arrays_to_bytes
from anomalake.records.data_quality import DataQuality
from anomalake.records.errors import CorruptError, RecordError, RecordInputError
from anomalake.records.models import history_from_bytes, history_to_bytes
from anomalake.storage.store import ObjectNotFound, ObjectStore

_JUDGED: Final = ("expected", "lower", "upper", "severity", "is_anomaly")
_VERSION: Final = re.compile("[0-9a-f]{32}")


class BacktestSteps:
    """The stored results of one job.

    What cannot be read counts as not stored: the job computes it again. Every method raises `StoreError`.

    Parameters
    ----------
    store, detector, id_
        The lake, the name of the detector and the id of the job.
    version
        Digest of what the results depend on, 32 hex digits; results of another version are not used.
    """

    def __init__(self, store: ObjectStore, detector: str, id_: str, version: str) -> None:
        if not _VERSION.fullmatch(version):
            raise RecordInputError(f"version {version[:100]!r}: expected 32 hex digits")
        self._store = store
        self._folder = steps_folder(detector, id_)
        self._version = version

    def write_history(self, metrics: Metrics) -> None:
        """Store the history."""
        self._store.put(self._key("history"), history_to_bytes(metrics))

    def read_history(self) -> Metrics | None:
        """Read the history; None where it is not stored."""
        key = self._key("history")
        try:
            return history_from_bytes(self._store.get(key), key)
        except (ObjectNotFound, CorruptError):
            return None

    def write_quality(self, quality: DataQuality) -> None:
        """Store the quality of the history."""
        self._store.put(self._quality_key, json.dumps(quality.to_fields()).encode("ascii"))

    def read_quality(self) -> DataQuality | None:
        """Read the quality of the history; None where it is not stored."""
        try:
            return DataQuality.from_fields(json.loads(self._store.get(self._quality_key)))
        except (ObjectNotFound, RecordError, ValueError, RecursionError):
            return None

    def write_block(self, begin: int, judgement: Judgement) -> None:
        """Store the judgement of the block of series that begins at an index."""
        arrays = {name: getattr(judgement, name) for name in _JUDGED}
        self._store.put(self._block_key(begin), arrays_to_bytes(arrays, {"first": judgement.first}))

    def read_block(self, begin: int) -> Judgement | None:
        """Read the judgement of a block; None where it is not stored."""
        key = self._block_key(begin)
        try:
            arrays, about = arrays_from_bytes(self._store.get(key), key)
            return Judgement(int(about["first"]), *(np.asarray(arrays[name]) for name in _JUDGED))
        except (ObjectNotFound, CorruptError, KeyError, TypeError, ValueError):
            return None

    def blocks(self) -> set[int]:
        """List the begins of the stored blocks."""
        folder = f"{self._folder}/{self._version}/blocks"
        names = (entry.key.removeprefix(f"{folder}/").removesuffix(".npz") for entry in self._store.list(folder))
        return {int(name) for name in names if name.isdecimal()}

    @property
    def _quality_key(self) -> str:
        return f"{self._folder}/{self._version}/data-quality.json"

    def _key(self, name: str) -> str:
        return f"{self._folder}/{self._version}/{name}.npz"

    def _block_key(self, begin: int) -> str:
        return self._key(f"blocks/{begin:08d}")


def delete_steps(store: ObjectStore, detector: str, id_: str) -> None:
    """Delete what a job has stored, in any version; raises `StoreError`."""
    store.delete([entry.key for entry in store.list(steps_folder(detector, id_))])
