"""PyArrow without pandas, in commands that have no data frames."""

from __future__ import annotations

import sys
from collections.abc import Sequence

_is_of_command = False


def begin_process() -> None:
    """Note that this process runs one command and nothing else."""
    global _is_of_command
    _is_of_command = True


def use_pyarrow_without_pandas() -> None:
    """Import PyArrow, and let it find no pandas when it makes its first array; only in the process of a command.

    It imports pandas then, in case that the values are a data frame's, which takes longer than PyArrow itself. It works
    as where pandas is not installed; `to_pandas` imports pandas nevertheless.
    """
    if not _is_of_command or "pandas" in sys.modules:
        return
    import pyarrow as pa

    finder = _NoPandas()
    sys.meta_path.insert(0, finder)
    try:
        pa.array([0])
    finally:
        sys.meta_path.remove(finder)


class _NoPandas:
    """A finder of modules that finds no pandas."""

    def find_spec(self, name: str, path: Sequence[str] | None = None, target: object = None) -> None:
        if name == "pandas":
            raise ModuleNotFoundError(name)
