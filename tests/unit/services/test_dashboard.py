"""Files of the page: written completely or not at all."""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator
from pathlib import Path

import pytest

from anomalake.files import FileWriteError
from anomalake.page import document as document_module
from anomalake.page.document import PageDocument
from anomalake.services import dashboard as page_files
from anomalake.services import lakes
from anomalake.services.dashboard import PageFileError, summary_of, write_page
from anomalake.storage.objects import memory_store
from anomalake.storage.store import StoreError
from tests.support.documents import empty, one
from tests.support.stores import WrappedStore


def test_a_lake_that_does_not_answer_is_an_error_instead_of_an_empty_page(monkeypatch: pytest.MonkeyPatch) -> None:
    class Down(WrappedStore):
        def _before(self, call: str) -> None:
            raise StoreError("s3://bucket/lake: cannot list: 503")

    monkeypatch.setattr(lakes, "open_store", lambda lake, create: Down(memory_store()))
    with pytest.raises(StoreError, match="cannot list: 503"):
        page_files.make_document("s3://bucket/lake")


def test_a_document_is_packed_once_for_its_size_and_its_page(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    packed: list[PageDocument] = []

    def packed_parts(document: PageDocument) -> Iterator[bytes]:
        packed.append(document)
        return document_module.packed_parts(document)

    monkeypatch.setattr("anomalake.page.page.packed_parts", packed_parts)
    document, _ = page_files.make_document(str(tmp_path))
    write_page(document, tmp_path / "page.html")
    assert packed == [document]


def test_a_page_is_written_atomically_and_its_folder_is_created(tmp_path: Path) -> None:
    out = tmp_path / "some" / "where" / "page.html"
    written = write_page(one(), out)
    body = out.read_bytes()
    assert (written.path, written.size) == (out, len(body))
    assert body.startswith(b"<!doctype html>")
    assert [path.name for path in out.parent.iterdir()] == ["page.html"]
    ordinary = tmp_path / "ordinary"
    ordinary.touch()
    assert stat.S_IMODE(out.stat().st_mode) == stat.S_IMODE(ordinary.stat().st_mode)
    write_page(empty(), out)
    assert out.read_bytes() != body


def test_a_failed_write_keeps_the_old_page(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    out = tmp_path / "page.html"
    write_page(empty(), out)
    before = out.read_bytes()

    def full(self: Path, body: bytes) -> int:
        with self.open("wb") as file:
            file.write(body[:100])
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(Path, "write_bytes", full)
    with pytest.raises(FileWriteError, match=r"page\.html: cannot be written: No space left"):
        write_page(one(), out)
    assert out.read_bytes() == before
    assert [path.name for path in tmp_path.iterdir()] == ["page.html"]


def test_a_page_is_not_written_to_a_folder(tmp_path: Path) -> None:
    with pytest.raises(PageFileError, match=r"is a folder; expected a file such as .*page\.html"):
        write_page(empty(), tmp_path)
    assert not list(tmp_path.iterdir())


def test_a_page_is_not_written_to_a_device_or_a_pipe(tmp_path: Path) -> None:
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    for out in (pipe, Path(os.devnull)):
        with pytest.raises(PageFileError, match="is not a regular file"):
            write_page(one(), out)
    assert pipe.is_fifo()


def test_a_page_is_written_through_a_symbolic_link(tmp_path: Path) -> None:
    link, real = tmp_path / "link.html", tmp_path / "elsewhere" / "page.html"
    link.symlink_to(real)
    for _ in range(2):
        assert write_page(one(), link).path == link
        assert link.is_symlink()
        assert real.read_bytes().startswith(b"<!doctype html>")
        assert [item.name for item in real.parent.iterdir()] == ["page.html"]


def test_the_summary_counts_what_a_document_shows() -> None:
    assert summary_of(empty()) == "no detector yet"
    assert summary_of(one()) == "1 detector, 40 groups, 156 anomalous intervals, live values of 1"
