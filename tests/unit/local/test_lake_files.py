"""The settings of the connection that a query has."""

from __future__ import annotations

from contextlib import closing
from pathlib import Path

import duckdb

from anomalake.local.file_names import PlainNames
from anomalake.local.lake_files import CONFIG, LakeFiles
from anomalake.storage.objects import memory_store


def test_a_query_writes_no_progress_to_standard_output(tmp_path: Path) -> None:
    with closing(duckdb.connect(config=CONFIG)) as connection, PlainNames() as names:
        # As where DuckDB takes Python for interactive.
        connection.execute("SET enable_progress_bar = true")
        LakeFiles(memory_store(), tmp_path, {}, names).prepare(connection)
        assert connection.sql("SELECT current_setting('enable_progress_bar')").fetchall() == [(False,)]
