"""PyArrow without pandas, in commands that have no data frames."""

from __future__ import annotations

import sys
from collections.abc import Sequence


def use_pyarrow_without_pandas() -> None:
    """Import PyArrow, and let it find no pandas when it makes its first array.

    It imports pandas then, in case that the values are a data frame's, which takes longer than PyArrow itself. It works
    as where pandas is not installed; `to_pandas` imports pandas nevertheless. This is for a process of our own, whose
    arrays are not made of data frames.
    """
    import pyarrow as pa

    if "pandas" in sys.modules:
        return
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
