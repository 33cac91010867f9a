"""PyArrow without pandas, in commands that have no data frames."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from anomalake.cli import without_pandas
from anomalake.cli.without_pandas import use_pyarrow_without_pandas

PACKAGE = Path(__file__).parents[3] / "layers" / "anomalake"
CODE = f"""
import sys
sys.path.insert(0, {str(PACKAGE)!r})
from anomalake.cli.without_pandas import begin_process, use_pyarrow_without_pandas
begin_process()
use_pyarrow_without_pandas()
import pyarrow as pa
array = pa.array([1, None])
assert "pandas" not in sys.modules
assert array.null_count == 1
import pandas as pd
assert pa.table({{"x": array}}).to_pandas()["x"].isna().tolist() == [False, True]
"""


def test_arrays_import_no_pandas_and_frames_do() -> None:
    pytest.importorskip("pandas", reason="pandas is not installed: it is in the extra pandas")
    done = subprocess.run([sys.executable, "-c", CODE], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


def test_a_process_of_others_finds_pandas(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(without_pandas, "_NoPandas", None)
    use_pyarrow_without_pandas()
    assert not without_pandas._is_of_command
