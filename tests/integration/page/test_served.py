"""The page that is served is made again only after a change of the lake, of its source data, or of the time."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from anomalake.local import file_index
from anomalake.local.lake_state import state_of
from anomalake.page.contents import LakeContents
from anomalake.services import dashboard
from anomalake.services.dashboard import ServedPage
from tests.integration.page.test_reading_live import Ran
from tests.support.live import detector

HOUR = timedelta(hours=1)


class Looked:
    """A page that is looked at, with a clock and the number of its readings."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.now = datetime(2026, 3, 4, 12, 10, tzinfo=UTC)
        self.page = ServedPage(str(folder), lambda: self.now)
        self.readings = 0

    def look(self) -> int:
        """Return how often the lake was read for one more look."""
        before = self.readings
        self.page.document()
        return self.readings - before


@pytest.fixture
def looked(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Looked:
    # Files of just now are as good as old ones.
    monkeypatch.setattr(file_index, "_SETTLED", 0)
    Ran(tmp_path / "lake", 3)
    looked = Looked(tmp_path / "lake")
    read = dashboard._read

    def counting(*arguments: object) -> LakeContents:
        looked.readings += 1
        return read(*arguments)  # type: ignore[arg-type]

    monkeypatch.setattr(dashboard, "_read", counting)
    # What the files are is known from the second look on.
    assert [looked.look() for _ in range(4)] == [1, 1, 0, 0]
    return looked


def test_the_document_is_the_same_until_a_file_changes(looked: Looked) -> None:
    first = looked.page.document()
    assert looked.page.document() is first
    record = next((looked.folder / "detection").rglob("*.parquet"))
    record.with_name(f"another-{record.name}").write_bytes(record.read_bytes())
    assert [looked.look() for _ in range(3)] == [1, 0, 0]
    assert looked.page.document() is not first
    record.unlink()
    assert [looked.look() for _ in range(2)] == [1, 0]


def test_originals_and_indexes_do_not_count(looked: Looked) -> None:
    for folder in ("originals", "index"):
        (looked.folder / folder / "some").mkdir(parents=True, exist_ok=True)
        (looked.folder / folder / "some" / "file").write_text("x")
    assert looked.look() == 0


def test_a_later_interval_that_did_not_run_counts(looked: Looked) -> None:
    late = looked.page.document().detectors[0].runs
    assert late is not None
    assert late.late is not None
    looked.now += timedelta(minutes=5)
    assert looked.look() == 0
    looked.now += HOUR
    assert looked.look() == 1
    later = looked.page.document().detectors[0].runs
    assert later is not None
    assert later.late == late.late + 1


def test_a_file_of_just_now_is_read_again(looked: Looked, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(file_index, "_SETTLED", 10**18)
    assert [looked.look() for _ in range(2)] == [1, 1]


def test_a_lake_of_which_a_part_could_not_be_read_is_read_again(looked: Looked) -> None:
    record = next((looked.folder / "detection").rglob("*.parquet"))
    record.write_bytes(b"not a table")
    assert [looked.look() for _ in range(3)] == [1, 1, 1]
    assert dashboard.unread_in(looked.page.document())


def test_a_linked_folder_is_not_trusted(looked: Looked, tmp_path: Path) -> None:
    (tmp_path / "elsewhere").mkdir()
    (looked.folder / "detection" / "linked").symlink_to(tmp_path / "elsewhere")
    assert [looked.look() for _ in range(2)] == [1, 1]


def test_files_of_source_data_count(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(file_index, "_SETTLED", 0)
    (tmp_path / "lake").mkdir()
    folder = tmp_path / "source" / "20260301" / "0000"
    folder.mkdir(parents=True)
    (folder / "values.csv").write_text("a")
    template = f"{tmp_path}/source/{{{{yyyyMMdd}}}}/{{{{HHmm}}}}"
    source = detector(templated_path_list=(template,)).metric_set

    def state() -> str | None:
        return state_of(tmp_path / "lake", [source])

    before = state()
    assert before is not None
    assert state() == before
    (folder / "values.csv").write_text("ab")
    changed = state()
    assert changed not in (None, before)
    (folder / "more.csv").write_text("a")
    assert state() not in (None, before, changed)
    (folder / "more.csv").unlink()
    assert state() == changed
    # No query on a lake in a folder reads S3.
    elsewhere = replace(source, templated_path_list=("s3://bucket/{{yyyyMMdd}}",))
    assert state_of(tmp_path / "lake", [elsewhere]) == state_of(tmp_path / "lake", [])
