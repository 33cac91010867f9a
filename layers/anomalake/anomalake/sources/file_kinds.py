"""Files that are not text, recognised by their first bytes."""

from __future__ import annotations

import codecs

#: Bytes of a file from which its kind is recognised.
KIND_BYTES = 4_096

_WORKBOOK = "expected text: export the sheet as CSV (UTF-8)"
_ARCHIVE = "expected the file in it, as it is or gzipped"
_KINDS = (
    (b"PK\x03\x04", "is a ZIP archive", _ARCHIVE),
    (b"PK\x05\x06", "is an empty ZIP archive", _ARCHIVE),
    (b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1", "is an Excel workbook (.xls) or another old Office file", _WORKBOOK),
    (b"PAR1", "is Parquet", "expected ParquetFormatDescriptor for it"),
    (b"%PDF-", "is a PDF", "expected text: export the table as CSV"),
    (b"ORC", "is ORC", "expected CSV, JSON lines or Parquet"),
    (b"Obj\x01", "is Avro", "expected CSV, JSON lines or Parquet"),
    (b"SQLite format 3\x00", "is an SQLite database", "expected text: export the table as CSV"),
    (b"BZh", "is compressed with bzip2", "expected it as it is or gzipped"),
    (b"\xfd7zXZ\x00", "is compressed with xz", "expected it as it is or gzipped"),
    (b"\x28\xb5\x2f\xfd", "is compressed with zstd", "expected it as it is or gzipped"),
    (b"7z\xbc\xaf\x27\x1c", "is a 7z archive", _ARCHIVE),
    (b"Rar!", "is a RAR archive", _ARCHIVE),
)
# Names of parts of Office files, which are ZIP archives.
_PARTS = ((b"xl/", "is an Excel workbook (.xlsx)"), (b"[Content_Types].xml", "is an Office file (such as .xlsx)"))
_MIMETYPE = b"mimetypeapplication/vnd.oasis.opendocument"
_SIGNATURES = tuple(signature for signature, _, _ in _KINDS)
# Signatures with which a text may begin too.
_SHORT = (b"ORC", b"BZh", b"PAR1", b"Rar!")


def kind_of(beginning: bytes, charset: str) -> str:
    """What a file is and what was expected; empty if it may be text.

    Parameters
    ----------
    beginning
        The first `KIND_BYTES` bytes, decompressed.
    charset
        Charset in which text was expected.
    """
    for signature, kind, expected in _KINDS if beginning.startswith(_SIGNATURES) else ():
        if not beginning.startswith(signature):
            continue
        if signature in _SHORT and not _is_binary(beginning):
            return ""
        if signature == b"PK\x03\x04":
            for part, office in _PARTS:
                if part in beginning:
                    return f"{office}; {_WORKBOOK}"
            if _MIMETYPE in beginning:
                return f"is an OpenDocument file (such as .ods); {_WORKBOOK}"
        return f"{kind}; {expected}"
    if beginning[:64].lstrip().lower().startswith((b"<!doctype html", b"<html")):
        return "is HTML; expected the table as CSV"
    is_utf16 = beginning.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE))
    if is_utf16 and codecs.lookup(charset).name in ("utf-8", "utf-8-sig", "ascii"):
        return "is text in UTF-16; expected Charset UTF-16 for it"
    return ""


def _is_binary(beginning: bytes) -> bool:
    return any(byte < 9 for byte in beginning)
