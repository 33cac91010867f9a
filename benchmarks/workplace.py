"""A temporary folder that holds files of alerts and lakes for as long as a call of the benchmarks lasts."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path

from benchmarks import made
from benchmarks.processes import BenchmarkError, Run, replay

#: Bytes on disk for each alert: its line in a file, its original and its row in a lake, twice over for compaction.
BYTES_PER_ALERT = 4_000


class Workplace:
    """Where benchmarks work.

    Parameters
    ----------
    folder
        Somebody else makes and deletes it.
    quick
        Small sizes, to see that all works.
    say
        Tells a person what goes on.
    """

    def __init__(self, folder: Path, quick: bool, say: Callable[[str], None]) -> None:
        self.folder = folder
        self.quick = quick
        self.say = say
        self._lakes: dict[int, Path] = {}
        self._number = 0

    def size(self, full: int, quick: int) -> int:
        """The size to work with."""
        return quick if self.quick else full

    def new_folder(self) -> Path:
        """A path that nothing lies at yet."""
        self._number += 1
        return self.folder / f"{self._number}"

    def alerts(self, count: int, *, shuffled: bool = False) -> Path:
        """A file of so many alerts.

        Raises
        ------
        BenchmarkError
            The disk has no room for them and a lake of them.
        """
        path = self.folder / f"{'shuffled' if shuffled else 'ordered'}-{count}.jsonl"
        if not path.exists():
            free, wanted = shutil.disk_usage(self.folder).free, count * BYTES_PER_ALERT
            if free < wanted:
                raise BenchmarkError(f"{count:,} alerts want {wanted:,} bytes of disk, {free:,} are free")
            self.say(f"making {path.name}")
            made.write(path, count, shuffled=shuffled)
        return path

    def replay(self, count: int, *, shuffled: bool = False, keep: bool = False) -> Run:
        """Replay so many alerts into a new lake in a folder, which is deleted, or kept for `lake_of`."""
        source = self.alerts(count, shuffled=shuffled)
        lake = self.new_folder()
        done = replay(source, str(lake), count)
        self.say(f"replayed {count:,} in {done.seconds:.2f} s, {done.peak_bytes / 1e6:,.0f} MB")
        if keep:
            self._lakes[count] = lake
        else:
            shutil.rmtree(lake)
        return done

    def lake_of(self, count: int) -> Path:
        """A lake in a folder that so many alerts were replayed into."""
        if count not in self._lakes:
            self.replay(count, keep=True)
        return self._lakes[count]
