"""Files of rows that documents name, of withdrawals and of causes: always Parquet, each distinct row once."""

from __future__ import annotations

from collections.abc import Callable, Iterable

import pyarrow as pa
import pyarrow.parquet as pq

from anomalake.lake import rows


def to_parquet(table: pa.Table) -> bytes:
    """Write rows as one Parquet file."""
    sink = pa.BufferOutputStream()
    pq.write_table(table, sink, store_schema=False, compression="zstd")
    return bytes(sink.getvalue())


def from_parquet(body: bytes, schema: pa.Schema) -> pa.Table:
    """Read the rows of one file; raises pyarrow.ArrowInvalid for an invalid file."""
    return rows.from_parquet(body, schema.names).cast(schema)


def merged(tables: Iterable[pa.Table], names_of: Callable[[pa.Table], list[str]]) -> pa.Table:
    """Merge the distinct rows of several files, sorted by their names."""
    table = pa.concat_tables(tables)
    place = {name: number for number, name in enumerate(names_of(table))}
    return table.take(pa.array([place[name] for name in sorted(place)], pa.int64()))
