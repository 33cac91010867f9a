"""An index of many small files: queries answer as from the files themselves, whatever happens to either."""

from __future__ import annotations

import json
import os
import threading
from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from anomalake.api import LakeHandle, open_lake
from anomalake.definitions.metric_set import CsvFormat, Measure, MetricSet
from anomalake.lake.compaction import compact
from anomalake.lake.lake import Lake
from anomalake.local import file_index, lake_files
from anomalake.page.document import pack
from anomalake.query.errors import QueryError
from anomalake.services.dashboard import read_document
from anomalake.storage.objects import open_store
from tests.integration.query.lakes import ORDERS, alert, arn, rows, same, write

SOURCE = MetricSet(
    ORDERS, "timestamp", (Measure("revenue"),), ("marketplace",),
    templated_path_list=("live/{{yyyyMMdd}}/{{HHmm}}",), file_format=CsvFormat(),
)  # fmt: skip
OF_ALERTS = (
    "SELECT * FROM metric_values",
    'SELECT * FROM dimension_contributions WHERE day("timestamp") = 3',
    "SELECT * FROM alerts_by_day WHERE detector = 'orders' AND day BETWEEN '2021-02-02' AND '2021-02-04'",
    "SELECT * FROM clashes",
    "SELECT detector, count(*) FROM alert_rows GROUP BY 1",
    "SELECT * FROM anomalies_by_day WHERE day = '2021-02-05'",
)
OF_SOURCE = (
    "SELECT * FROM live_orders_by_day",
    "SELECT * FROM live_orders_by_day WHERE day >= '2021-02-12'",
    "SELECT sum(revenue), count(*) FROM with_livedata_orders",
)

#: A query of each of the two folders of an index.
OF_EACH_INDEX = ("SELECT * FROM metric_values", "SELECT * FROM live_orders_by_day")


def alerts(first: int, last: int) -> list[Any]:
    start = datetime(2021, 2, 1)
    return [
        alert(f"e{number}", (start + timedelta(hours=5 * number)).isoformat(), detector_arn=of, score=number % 90)
        for number in range(first, last)
        for of in (ORDERS, arn("other"))
    ]


def source_rows(folder: Path, first: int, last: int) -> None:
    for number in range(first, last):
        start = datetime(2021, 2, 10) + timedelta(hours=3 * number)
        path = folder / "live" / f"{start:%Y%m%d}" / f"{start:%H%M}" / "rows.csv"
        path.parent.mkdir(parents=True, exist_ok=True)
        # Columns in another order are another group of files.
        order = ("timestamp", "marketplace", "revenue") if number % 3 else ("revenue", "timestamp", "marketplace")
        cells = {"timestamp": f"{start:%Y-%m-%d %H:%M:%S}", "marketplace": "=1+1", "revenue": f"{number}.50"}
        path.write_text(",".join(order) + "\n" + ",".join(cells[name] for name in order) + "\n", encoding="utf-8")


@pytest.fixture(params=["parquet"])
def lake(request: pytest.FixtureRequest, tmp_path: Path) -> LakeHandle:
    handle = write(tmp_path, alerts(0, 30), (request.param,))
    source_rows(tmp_path, 0, 30)
    handle.register_source(SOURCE)
    return handle


@pytest.fixture(autouse=True)
def no_waiting(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(file_index, "_SETTLED", -(10**18))


@pytest.fixture
def check(lake: LakeHandle, monkeypatch: pytest.MonkeyPatch) -> Callable[..., None]:
    """Compare the answers with an index to those without one."""
    expected: dict[str, list[dict[str, Any]]] = {}

    def compare(queries: Sequence[str] = (*OF_ALERTS, *OF_SOURCE), *, same_files: bool = False) -> None:
        """With `same_files`, the answers without an index are those of the call before."""
        if not same_files:
            monkeypatch.setattr(file_index, "MOST_FILES", 1_000_000)
            expected.update({sql: rows(lake, sql) for sql in queries})
        monkeypatch.setattr(file_index, "MOST_FILES", 8)
        for sql in queries:
            same(rows(lake, sql), expected[sql])

    return compare


def parts(lake: LakeHandle, name: str = "") -> list[Path]:
    return sorted(file for file in Path(lake.uri, "index").rglob("*.parquet") if name in str(file))


def read_by(lake: LakeHandle, sql: str, monkeypatch: pytest.MonkeyPatch) -> int:
    """Return the number of files that a query reads."""
    counts: list[int] = []
    prepare = lake_files.LakeFiles.prepare

    def counting(self: lake_files.LakeFiles, *arguments: Any, **options: Any) -> None:
        counts.append(sum(map(len, self.parameters.values())))
        prepare(self, *arguments, **options)

    with monkeypatch.context() as patch:
        patch.setattr(lake_files.LakeFiles, "prepare", counting)
        rows(lake, sql)
    return counts[-1]


@pytest.mark.parametrize("lake", ["parquet", "csv"], indirect=True)
def test_answers_are_those_of_the_files(lake: LakeHandle, check: Callable[..., None]) -> None:
    check()
    assert len(parts(lake, "alert_rows")) == 1
    assert len(parts(lake, "source-")) == 1
    check(same_files=True)


def test_new_files_are_read_beside_the_index_and_go_into_it_when_they_are_many(
    lake: LakeHandle, check: Callable[..., None], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    check()
    assert read_by(lake, "SELECT * FROM alert_rows", monkeypatch) <= 1 + len(parts(lake, "alert_rows"))
    for first in (30, 34):
        write(tmp_path, alerts(first, first + 4), [path.name for path in [lake_format(tmp_path)]])
        source_rows(tmp_path, first, first + 4)
        check()
    # Parts become one when they are many.
    for first in range(40, 140, 10):
        source_rows(tmp_path, first, first + 10)
        rows(lake, "SELECT count(*) FROM live_orders")
    check()
    assert 1 <= len(parts(lake, "source-")) <= file_index.MOST_PARTS + 1
    assert read_by(lake, "SELECT * FROM live_orders", monkeypatch) <= file_index.MOST_PARTS + 10


def lake_format(folder: Path) -> Path:
    return Path(json.loads((folder / "lake.json").read_bytes())["formats"][0])


def test_a_changed_or_deleted_source_file_is_read_anew(
    lake: LakeHandle, check: Callable[..., None], tmp_path: Path
) -> None:
    check(OF_SOURCE)
    first, second, *_ = sorted((tmp_path / "live").rglob("rows.csv"))
    first.write_text(first.read_text("utf-8").replace(".50", ".75"), encoding="utf-8")
    check(OF_SOURCE)
    second.unlink()
    check(OF_SOURCE)
    # The same size and time; only the time of the change of the entry tells.
    times = first.stat()
    first.write_text(first.read_text("utf-8").replace(".75", ".25"), encoding="utf-8")
    os.utime(first, ns=(times.st_atime_ns, times.st_mtime_ns))
    check(OF_SOURCE)


def test_compaction_rebuild_and_deleted_partitions_show(
    lake: LakeHandle, check: Callable[..., None], tmp_path: Path
) -> None:
    check(OF_ALERTS)
    write(tmp_path, alerts(0, 30), [lake_format(tmp_path).name])
    write(tmp_path, [alert("again", "2021-02-03T01:00"), alert("again", "2021-02-03T01:00", body="2")])
    compact(Lake(open_store(str(tmp_path)), formats=[lake_format(tmp_path).name]))
    check(OF_ALERTS)
    for file in (tmp_path / "tables").rglob("detector=other/*/*"):
        file.unlink()
    check(OF_ALERTS)
    assert rows(lake, "SELECT count(*) AS number FROM alerts WHERE detector = 'other'") == [{"number": 0}]


@pytest.mark.parametrize("damage", ["part", "list", "list of nothing", "both", "overlap"])
def test_a_damaged_index_is_not_used_or_not_believed(lake: LakeHandle, check: Callable[..., None], damage: str) -> None:
    check(OF_EACH_INDEX)
    assert len(parts(lake)) == len(OF_EACH_INDEX)
    for part in parts(lake):
        members = part.with_suffix(".json")
        if damage in ("list", "both"):
            members.write_text("{", encoding="ascii")
        if damage == "list of nothing":
            members.unlink()
        if damage in ("part", "both"):
            part.unlink()
        if damage == "overlap":
            # Another process has indexed the same files.
            for file in (part, members):
                (part.parent / f"other{file.suffix}").write_bytes(file.read_bytes())
    check(OF_EACH_INDEX, same_files=True)


def test_a_lake_that_cannot_be_written_is_read_without_an_index(lake: LakeHandle, check: Callable[..., None]) -> None:
    Path(lake.uri, "index").write_text("a file where the folder would be", encoding="ascii")
    check(OF_EACH_INDEX)
    assert Path(lake.uri, "index").is_file()


def test_a_file_that_was_changed_just_now_is_not_indexed(
    lake: LakeHandle, check: Callable[..., None], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(file_index, "_SETTLED", 3_600 * 10**9)
    check(OF_EACH_INDEX)
    assert parts(lake, "source-") == []


def test_a_source_file_that_cannot_be_read_is_told_as_without_an_index(
    lake: LakeHandle, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    broken = next((tmp_path / "live").rglob("rows.csv"))
    broken.write_bytes(b"timestamp,marketplace,revenue\n2021-02-10 00:00:00,\xff,1\n")
    said = []
    for most in (1_000_000, 8):
        monkeypatch.setattr(file_index, "MOST_FILES", most)
        with pytest.raises(QueryError) as error:
            rows(lake, "SELECT * FROM live_orders")
        said.append(str(error.value).partition("Line:")[0])
    assert said[0] == said[1]
    assert parts(lake, "source-") == []


def test_the_page_is_that_of_the_files(lake: LakeHandle, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def document() -> bytes:
        return pack(read_document(lake.uri, now=datetime(2021, 3, 1, tzinfo=UTC)))

    def afresh() -> bytes:
        with monkeypatch.context() as patch:
            patch.setattr(file_index, "MOST_FILES", 1_000_000)
            return document()

    monkeypatch.setattr(file_index, "MOST_FILES", 8)
    first = document()
    assert first == document() == afresh()
    write(tmp_path, [alert("new", "2021-02-20T01:00", score=99.0)])
    source_rows(tmp_path, 30, 33)
    assert first != document() == afresh()
    assert parts(lake, "alert_rows")
    assert parts(lake, "source-")


def test_the_list_of_a_part_that_another_process_is_writing_is_kept(tmp_path: Path) -> None:
    for name in ("writing.json", "used.json", "used.parquet", "old.json", "old.parquet", ".hidden"):
        (tmp_path / name).touch()
    file_index._delete_unused(tmp_path, {"used"})
    assert {path.name for path in tmp_path.iterdir()} == {"writing.json", "used.json", "used.parquet", ".hidden"}


def test_threads_make_one_index(lake: LakeHandle, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(file_index, "MOST_FILES", 8)
    answers: list[list[dict[str, Any]]] = []

    def ask() -> None:
        answers.append(rows(open_lake(lake.uri), "SELECT count(*) AS number FROM metric_values"))

    threads = [threading.Thread(target=ask) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert answers == [[{"number": 60}]] * 4
    assert len(parts(lake, "alert_rows")) == 1


@pytest.mark.parametrize("number", [0, 3, 30])
def test_files_without_a_header_are_indexed_too(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, number: int) -> None:
    lake = write(tmp_path, alerts(0, 1))
    header = ("timestamp", "marketplace", "revenue")
    lake.register_source(replace(SOURCE, file_format=CsvFormat(contains_header=False, header_list=header)))
    for hour in range(number):
        path = tmp_path / "live" / "20210210" / f"{hour:02}00" / "rows.csv"
        path.parent.mkdir(parents=True)
        path.write_text(f"2021-02-10 0{hour % 10}:00:00,it,1\n", encoding="utf-8")
    monkeypatch.setattr(file_index, "MOST_FILES", 8)
    for _ in range(2):
        assert rows(lake, "SELECT count(*) AS number FROM live_orders") == [{"number": number}]
    assert len(parts(lake, "source-")) == (number > 8)
