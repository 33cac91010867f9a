"""Files are written completely or not at all."""

from __future__ import annotations

from pathlib import Path

import pytest

from anomalake.files import FileWriteError, write_whole


def test_a_full_disk_keeps_the_old_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    out = tmp_path / "template.yaml"
    write_whole(out, b"before")

    def full(self: Path, body: bytes) -> int:
        with self.open("wb") as file:
            file.write(body[:1])
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(Path, "write_bytes", full)
    with pytest.raises(FileWriteError, match=r"^.*template\.yaml: cannot be written: No space left on device$"):
        write_whole(out, b"after")
    with pytest.raises(FileWriteError):
        write_whole(tmp_path / "new.yaml", b"after")
    assert out.read_bytes() == b"before"
    assert list(tmp_path.iterdir()) == [out]


def test_a_symbolic_link_is_kept_and_a_folder_is_refused(tmp_path: Path) -> None:
    real, link = tmp_path / "real", tmp_path / "link"
    link.symlink_to(real)
    write_whole(link, b"body")
    assert link.is_symlink()
    assert real.read_bytes() == b"body"
    with pytest.raises(FileWriteError, match="directory"):
        write_whole(tmp_path, b"body")
    with pytest.raises(FileWriteError, match="No such file or directory"):
        write_whole(tmp_path / "missing" / "file", b"body")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["link", "real"]


def test_a_device_is_written_to_directly() -> None:
    write_whole(Path("/dev/null"), b"body")
    assert Path("/dev/null").is_char_device()
