"""Named arrays as bytes and back: what models, states and histories are kept as."""

from __future__ import annotations

import io
import json
import zipfile
import zlib
from collections.abc import Mapping
from typing import Any

import numpy as np
import numpy.typing as npt

from anomalake.errors import AnomalakeError

Arrays = Mapping[str, npt.NDArray[Any]]

_ABOUT = "about.json"
#: Bytes of the checksum, and of the field at an archive's end that tells the length of its comment.
_CHECKSUM, _COMMENT_LENGTH = 4, 2


class CorruptError(AnomalakeError, ValueError):
    """Bytes in the lake that are not what was written there: where, and what was found."""


def to_bytes(arrays: Arrays, about: Mapping[str, Any]) -> bytes:
    """Arrays (no objects) and a few JSON values as an uncompressed ``.npz``: equal bytes for equal arrays.

    The archive's comment is a checksum of all before it, since those inside leave its directory out.
    """
    buffer = io.BytesIO()
    text = np.frombuffer(json.dumps(about, sort_keys=True).encode("ascii"), np.uint8)
    np.savez(buffer, allow_pickle=False, **{_ABOUT: text}, **dict(arrays))
    buffer.seek(-_COMMENT_LENGTH, io.SEEK_END)
    buffer.write(_CHECKSUM.to_bytes(_COMMENT_LENGTH, "little"))
    buffer.write(zlib.crc32(buffer.getbuffer()).to_bytes(_CHECKSUM, "little"))
    return buffer.getvalue()


def from_bytes(body: bytes) -> tuple[dict[str, npt.NDArray[Any]], dict[str, Any]]:
    """Arrays and JSON values out of `to_bytes`.

    Raises
    ------
    CorruptError
        A byte is not as it was written.
    """
    try:
        if zlib.crc32(memoryview(body)[:-_CHECKSUM]) != int.from_bytes(body[-_CHECKSUM:], "little"):
            raise ValueError("the checksum is another")
        with np.load(io.BytesIO(body), allow_pickle=False) as file:
            arrays = {name: file[name] for name in file.files}
        about: dict[str, Any] = json.loads(arrays.pop(_ABOUT).tobytes())
    # RuntimeError: what zipfile raises for an encryption or a compression that it does not know.
    except (ValueError, KeyError, EOFError, OSError, RuntimeError, zipfile.BadZipFile, zlib.error) as error:
        raise CorruptError(f"{len(body):,} bytes: {error}; expected arrays as anomalake writes them") from error
    return arrays, about
