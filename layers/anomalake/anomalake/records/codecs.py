"""Binary formats of records: named arrays as ``.npz`` and tables as Parquet, both with checksums."""

from __future__ import annotations

import io
import json
import math
import zipfile
import zlib
from collections.abc import Mapping, Sequence
from functools import lru_cache
from typing import Any, Literal

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


# RuntimeError: zipfile raises it for an unknown encryption or compression. OverflowError: a shape is too large.
_ARRAY_ERRORS = (
    ValueError, KeyError, EOFError, OSError, OverflowError, RuntimeError, zipfile.BadZipFile, zlib.error,
)  # fmt: skip


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
        with zipfile.ZipFile(io.BytesIO(body)) as archive:
            arrays = {name.removesuffix(".npy"): _array(archive.read(name)) for name in archive.namelist()}
        about: dict[str, Any] = json.loads(arrays.pop(_ABOUT).tobytes())
    except _ARRAY_ERRORS as error:
        raise CorruptError(
            f"{place}: {len(body):,} bytes: {error}; expected arrays as anomalake writes them"
        ) from error
    return arrays, about


def _array(body: bytes) -> npt.NDArray[Any]:
    """Read an array of ``.npy``; raises `ValueError` also for an array of objects."""
    shape, fortran_order, dtype, begin = array_header(body)
    n_bytes = math.prod(shape) * dtype.itemsize
    if len(body) - begin < n_bytes:
        raise ValueError(f"{len(body) - begin:,} bytes for an array of the shape {shape}")
    order: Literal["C", "F"] = "F" if fortran_order else "C"
    return np.ndarray(shape, dtype, memoryview(body)[begin : begin + n_bytes], order=order).copy(order)


def array_header(body: bytes) -> tuple[tuple[int, ...], bool, np.dtype[Any], int]:
    """Return shape, order, type and first byte of an array of ``.npy``; raises `ValueError`, also for objects."""
    before = np.lib.format.MAGIC_LEN
    lengths: Mapping[tuple[int, int], int] = {(1, 0): 2, (2, 0): 4}
    version = np.lib.format.read_magic(io.BytesIO(body[:before]))
    if version not in lengths:
        raise ValueError(f"array of NumPy's version {version}")
    begin = before + lengths[version] + int.from_bytes(body[before : before + lengths[version]], "little")
    return (*_parsed_header(body[:begin]), begin)


@lru_cache(1024)
def _parsed_header(header: bytes) -> tuple[tuple[int, ...], bool, np.dtype[Any]]:
    """Parse a header, of which the arrays of all models have the same few; NumPy parses it as Python's source."""
    stream = io.BytesIO(header)
    if np.lib.format.read_magic(stream) == (1, 0):
        shape, fortran_order, dtype = np.lib.format.read_array_header_1_0(stream)
    else:
        shape, fortran_order, dtype = np.lib.format.read_array_header_2_0(stream)
    if dtype.hasobject:
        raise ValueError("array of objects")
    return shape, fortran_order, dtype


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
