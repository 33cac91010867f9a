"""A temporary folder for files of alerts and for lakes, for one run of the benchmarks."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path

from benchmarks import synthetic_alerts
from benchmarks.processes import BenchmarkError, Run, replay

#: Bytes on disk per alert: a line in a file, an original and a row in a lake, times two for compaction.
BYTES_PER_ALERT = 4_000


class Workspace:
    """Folder and sizes of a run of the benchmarks.

    Parameters
    ----------
    folder
        An empty folder; the caller creates and deletes it.
    quick
        Use small sizes, to check that the benchmarks work.
    log
        Prints a line about the progress.
    """

    def __init__(self, folder: Path, quick: bool, log: Callable[[str], None]) -> None:
        self.folder = folder
        self.quick = quick
        self.log = log
        self._lakes: dict[int, Path] = {}
        self._number = 0

    def size(self, full: int, quick: int) -> int:
        """Return `full`, or `quick` in a quick run."""
        return quick if self.quick else full

    def new_folder(self) -> Path:
        """Return a path that does not exist."""
        self._number += 1
        return self.folder / f"{self._number}"

    def alerts(self, count: int, *, shuffled: bool = False) -> Path:
        """Return a file of `count` alerts.

        Raises
        ------
        BenchmarkError
            The disk is too small for the file and a lake of the alerts.
        """
        path = self.folder / f"{'shuffled' if shuffled else 'ordered'}-{count}.jsonl"
        if not path.exists():
            free, needed = shutil.disk_usage(self.folder).free, count * BYTES_PER_ALERT
            if free < needed:
                raise BenchmarkError(f"{count:,} alerts need {needed:,} bytes of disk; {free:,} are free")
            self.log(f"making {path.name}")
            synthetic_alerts.write(path, count, shuffled=shuffled)
        return path

    def replay(self, count: int, *, shuffled: bool = False, keep: bool = False) -> Run:
        """Replay `count` alerts into a new lake in a folder, and delete the lake unless `keep` is true."""
        source = self.alerts(count, shuffled=shuffled)
        lake = self.new_folder()
        run = replay(source, str(lake), count)
        self.log(f"replayed {count:,} in {run.seconds:.2f} s, {run.peak_bytes / 1e6:,.0f} MB")
        if keep:
            self._lakes[count] = lake
        else:
            shutil.rmtree(lake)
        return run

    def lake_of(self, count: int) -> Path:
        """Return the folder of a lake of `count` alerts."""
        if count not in self._lakes:
            self.replay(count, keep=True)
        return self._lakes[count]
