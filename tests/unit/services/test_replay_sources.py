"""Sources of a replay: which files are found, and how large ones are divided."""

from __future__ import annotations

import gzip
import io
import json
import os
import socket
import sys
from pathlib import Path
from types import SimpleNamespace

import pytest

from anomalake.alerts.bounds import FileLimits
from anomalake.lake import bulk
from anomalake.services import maintenance, replay_sources
from anomalake.services.replay_sources import ReplaySourceError, find_sources
from tests.support import made

TEXTS = [json.dumps(json.loads(text)) for text in made.texts(40)]


def replay(tmp_path: Path, *names: Path | str) -> bulk.Summary:
    return maintenance.replay(str(tmp_path / "lake"), list(map(str, names)))


def set_aside(tmp_path: Path) -> str:
    return "".join(path.read_text() for path in (tmp_path / "lake" / "set-aside").rglob("*.json"))


@pytest.fixture
def secret(tmp_path: Path) -> Path:
    """A file and a folder that are outside of the replayed folder."""
    (tmp_path / "outside").mkdir()
    (tmp_path / "outside" / "secret.json").write_text("root:$6$secret", encoding="utf-8")
    return tmp_path / "outside" / "secret.json"


def test_links_in_a_folder_are_not_followed(tmp_path: Path, secret: Path) -> None:
    folder = tmp_path / "in"
    (folder / "deep").mkdir(parents=True)
    (folder / "deep" / "a.json").write_text(TEXTS[0], encoding="utf-8")
    (folder / "x.json").symlink_to(secret)
    (folder / "deep" / "y").symlink_to(secret.parent, target_is_directory=True)
    (folder / "circle").symlink_to(folder, target_is_directory=True)
    (folder / "broken.json").symlink_to(tmp_path / "nothing")
    (folder / "notes.txt").symlink_to(secret)
    summary = replay(tmp_path, folder)
    assert (summary.loaded, summary.refused, summary.failed) == (1, 0, 0)
    assert summary.notes == [f"{folder}: 4 symbolic links not followed"]
    assert "secret" not in set_aside(tmp_path)


def test_a_link_that_is_named_is_followed_but_none_below_it(tmp_path: Path, secret: Path) -> None:
    folder = tmp_path / "in"
    folder.mkdir()
    (folder / "a.json").write_text(TEXTS[0], encoding="utf-8")
    (folder / "x.json").symlink_to(secret)
    (tmp_path / "to folder").symlink_to(folder, target_is_directory=True)
    (tmp_path / "to file").symlink_to(folder / "a.json")
    summary = replay(tmp_path, tmp_path / "to folder", tmp_path / "to file")
    assert (summary.loaded, summary.repeated, summary.refused) == (1, 1, 0)
    assert summary.notes == [f"{tmp_path / 'to folder'}: 1 symbolic link not followed"]


def test_a_folder_with_nothing_but_links_says_so(tmp_path: Path, secret: Path) -> None:
    (tmp_path / "in").mkdir()
    (tmp_path / "in" / "x.json").symlink_to(secret)
    with pytest.raises(ReplaySourceError, match=r"no file in it; 1 symbolic link not followed; expected \.json"):
        replay(tmp_path, tmp_path / "in")


def test_what_is_no_file_is_named_for_what_it_is(tmp_path: Path) -> None:
    fifo, broken = tmp_path / "a.json", tmp_path / "broken.json"
    os.mkfifo(fifo)
    broken.symlink_to(tmp_path / "nothing")
    for name, reason in (
        (fifo, "a FIFO; expected a file or folder"),
        ("/dev/null", "a character device; expected a file or folder"),
        (broken, "a symbolic link to nothing"),
        (tmp_path / "missing", "there is no such file or folder"),
        (fifo / "below", "there is no such file or folder"),
        ("a\x00b", "there is no such file or folder"),
    ):
        with pytest.raises(ReplaySourceError) as error:
            list(find_sources([str(name)], print))
        assert f": {reason}" in str(error.value)
    notes: list[str] = []
    (tmp_path / "b.json").write_text(TEXTS[0], encoding="utf-8")
    assert [Path(item.name).name for item in find_sources([str(tmp_path)], notes.append)] == ["b.json"]
    assert notes == [f"{fifo}: a FIFO, not read", f"{tmp_path}: 1 symbolic link not followed"]


def test_a_socket_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    with socket.socket(socket.AF_UNIX) as listening:
        listening.bind("s.json")
        with pytest.raises(ReplaySourceError, match="a socket; expected"):
            list(find_sources(["s.json"], print))


def test_a_folder_that_cannot_be_read_is_an_error(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def denied(path: str) -> None:
        raise PermissionError(13, "Permission denied", str(path))

    monkeypatch.setattr(os, "scandir", denied)
    with pytest.raises(ReplaySourceError, match=f"{tmp_path}: Permission denied"):
        list(find_sources([str(tmp_path)], print))


@pytest.fixture
def small(monkeypatch: pytest.MonkeyPatch) -> None:
    """Small limits, so that small files are divided."""
    monkeypatch.setattr(replay_sources, "SMALL", 1_000)
    monkeypatch.setattr(replay_sources, "PIECE", 10_000)
    monkeypatch.setattr(replay_sources, "READ", 1_000)
    monkeypatch.setattr(replay_sources, "MAX_RECORD_BYTES", 30_000)
    monkeypatch.setattr("anomalake.alerts.files.HEAD", 5_000)
    monkeypatch.setattr("anomalake.alerts.files.READ", 1_000)
    monkeypatch.setattr(bulk, "FileLimits", lambda: FileLimits(record_bytes=30_000))


LONG = '{"a": "' + "x" * 100_000 + '"}'
FORMS = {
    "lines": ("\n".join(TEXTS), 0),
    "joined": ("".join(TEXTS), 0),
    "joined in lines": ("".join(TEXTS[:20]) + "\n" + "".join(TEXTS[20:]), 0),
    "a list": ("[" + ",\n".join(TEXTS) + "]", 0),
    "a list on one line": ("[" + ",".join(TEXTS) + "]", 0),
    "pretty-printed": ("\n".join(json.dumps(json.loads(text), indent=1) for text in TEXTS), 0),
    "a long line at the beginning": ("\n".join([LONG, *TEXTS]), 1),
    "a long line in the middle": ("\n".join([*TEXTS[:20], LONG, *TEXTS[20:]]), 1),
    "a long line at the end": ("\n".join([*TEXTS, LONG]), 1),
    "two long lines": ("\n".join([*TEXTS[:1], LONG, LONG, *TEXTS[1:]]) + "\n", 2),
}


# A name that ends in .jsonl says that each line is a record.
NO_LINES = ("a list", "pretty-printed")


@pytest.mark.parametrize(
    ("how", "form"),
    [
        (how, form)
        for how in ("a.json", "a.jsonl", "a.json.gz", "a.jsonl.gz", "-")
        for form in FORMS
        if "jsonl" not in how or form not in NO_LINES
    ],
)
def test_a_large_source_is_read_whatever_its_form(
    how: str, form: str, small: None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    text, n_refused = FORMS[form]
    body = text.encode()
    if how.endswith(".gz"):
        # In two members.
        body = gzip.compress(body[:9_000]) + gzip.compress(body[9_000:])
    if how == "-":
        monkeypatch.setattr(sys, "stdin", SimpleNamespace(buffer=io.BytesIO(body)))
        summary = replay(tmp_path, "-")
    else:
        (tmp_path / how).write_bytes(body)
        summary = replay(tmp_path, tmp_path / how)
    assert (summary.loaded, summary.repeated, summary.failed) == (40, 0, 0)
    assert summary.refused == n_refused
    aside = set_aside(tmp_path)
    assert aside.count('"beginning"') == n_refused
    assert len(aside) < 20_000


@pytest.mark.parametrize("form", ["lines", "joined", "a list"])
def test_a_damaged_archive_is_loaded_as_far_as_possible(form: str, small: None, tmp_path: Path) -> None:
    body = gzip.compress(FORMS[form][0].encode(), compresslevel=0)
    (tmp_path / "a.gz").write_bytes(body[:-3_000])
    summary = replay(tmp_path, tmp_path / "a.gz")
    assert 30 <= summary.loaded < 40
    assert (summary.repeated, summary.refused, summary.failed) == (0, 1, 0)
    assert "gzip data that are cut off: expected a complete gzip file" in summary.reasons[0]


def test_what_expands_beyond_the_limit_of_a_file_is_refused(
    small: None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(replay_sources, "MAX_FILE_BYTES", 30_000)
    (tmp_path / "a.jsonl.gz").write_bytes(gzip.compress(FORMS["lines"][0].encode()))
    summary = replay(tmp_path, tmp_path / "a.jsonl.gz")
    assert 10 < summary.loaded < 40
    assert (summary.refused, summary.failed) == (1, 0)
    assert "more than 30,000 bytes: expected at most 30,000, after decompression" in summary.reasons[0]
