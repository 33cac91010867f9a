"""Binary formats of records: named arrays as ``.npz`` and tables as Parquet, both with checksums."""

from __future__ import annotations

import io
import json
import zipfile
import zlib
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.parquet as pq

from anomalake.errors import first_line
from anomalake.records.errors import CorruptError

Arrays = Mapping[str, npt.NDArray[Any]]

# Name of the JSON values in an archive and in a table's metadata.
_ABOUT, _TABLE_ABOUT = "about.json", b"anomalake"
# Bytes from which a table is read by several threads.
_LARGE = 1_000_000
# Bytes of the checksum, and of the field at an archive's end that has the length of its comment.
_CHECKSUM, _COMMENT_LENGTH = 4, 2


def arrays_to_bytes(arrays: Arrays, about: Mapping[str, Any]) -> bytes:
    """Write arrays (no objects) and JSON values as an uncompressed ``.npz``; equal bytes for equal input.

    The archive's comment is a checksum of all bytes before it: the checksums of the format leave out its directory.
    """
    buffer = io.BytesIO()
    text = np.frombuffer(json.dumps(about, sort_keys=True).encode("ascii"), np.uint8)
    np.savez(buffer, allow_pickle=False, **{_ABOUT: text}, **dict(arrays))
    buffer.seek(-_COMMENT_LENGTH, io.SEEK_END)
    buffer.write(_CHECKSUM.to_bytes(_COMMENT_LENGTH, "little"))
    buffer.write(zlib.crc32(buffer.getbuffer()).to_bytes(_CHECKSUM, "little"))
    return buffer.getvalue()


def arrays_from_bytes(body: bytes, place: str = "arrays") -> tuple[dict[str, npt.NDArray[Any]], dict[str, Any]]:
    """Inverse of `arrays_to_bytes`; raises `CorruptError`, which names `place`."""
    try:
        if zlib.crc32(memoryview(body)[:-_CHECKSUM]) != int.from_bytes(body[-_CHECKSUM:], "little"):
            raise ValueError("the checksum differs")
        with np.load(io.BytesIO(body), allow_pickle=False) as file:
            arrays = {name: file[name] for name in file.files}
        about: dict[str, Any] = json.loads(arrays.pop(_ABOUT).tobytes())
    # RuntimeError: zipfile raises it for an unknown encryption or compression.
    except (ValueError, KeyError, EOFError, OSError, RuntimeError, zipfile.BadZipFile, zlib.error) as error:
        raise CorruptError(
            f"{place}: {len(body):,} bytes: {error}; expected arrays as anomalake writes them"
        ) from error
    return arrays, about


def table_to_bytes(
    columns: Mapping[str, pa.Array], about: Mapping[str, Any], dictionary: Sequence[str] | bool = True
) -> bytes:
    """Write columns and JSON values as Parquet with page checksums.

    Parameters
    ----------
    dictionary
        Columns that are written with a dictionary; True for all.
    """
    table = pa.table(dict(columns)).replace_schema_metadata({_TABLE_ABOUT: json.dumps(about, sort_keys=True)})
    sink = pa.BufferOutputStream()
    pq.write_table(
        table, sink, compression="zstd", compression_level=1, use_dictionary=dictionary, write_page_checksum=True
    )
    return bytes(sink.getvalue())


def table_from_bytes(body: bytes) -> tuple[pa.Table, dict[str, Any]]:
    """Inverse of `table_to_bytes`; raises the errors of `TABLE_ERRORS`."""
    # Threads are not worth their start for a small table.
    threads = len(body) > _LARGE
    table = pq.ParquetFile(pa.BufferReader(body), page_checksum_verification=True).read(use_threads=threads)
    about = json.loads(table.schema.metadata[_TABLE_ABOUT])
    if not isinstance(about, dict):
        raise TypeError(f"metadata {type(about).__name__}")
    return table, about


#: Errors that `table_from_bytes` and the checks of a table's metadata raise.
TABLE_ERRORS = (pa.ArrowException, OSError, ValueError, KeyError, TypeError)


def corrupt_table(body: bytes, place: str, error: Exception, expected: str) -> CorruptError:
    """Return the error of a table that cannot be read."""
    reason = first_line(error)
    return CorruptError(f"{place}: {len(body):,} bytes: {reason}; expected {expected}")
