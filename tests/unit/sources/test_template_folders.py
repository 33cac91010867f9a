"""The newest folders of templates, found with few listings."""

from __future__ import annotations

from datetime import datetime, timedelta

import pytest

from anomalake.definitions.errors import SourceError
from anomalake.sources.template_folders import MOST_LISTED, newest_folders
from tests.support.source_data import FilesInMemory


class CountedFiles(FilesInMemory):
    listed = 0

    def folders(self, folder: str) -> list[str]:
        self.listed += 1
        return super().folders(folder)


def found(template: str, *names: str) -> list[str]:
    return [folder for _, folder in newest_folders(FilesInMemory(dict.fromkeys(names, b"x")), template)]


def test_the_newest_folder_comes_first() -> None:
    times = [datetime(2021, 12, 30) + timedelta(hours=number) for number in range(60)]
    names = [f"s3://b/live/{time:%Y%m%d/%H%M}/rows.csv" for time in times]
    files = CountedFiles(dict.fromkeys(names, b"x"))
    folders = newest_folders(files, "s3://b/live/{{yyyyMMdd}}/{{HHmm}}/")
    assert [next(folders) for _ in range(15)] == [
        (time, f"s3://b/live/{time:%Y%m%d/%H%M}") for time in reversed(times[-15:])
    ]
    assert files.listed == 3  # the days, and the hours of two of them


def test_the_order_is_that_of_time() -> None:
    names = ["s3://b/31-12-2020/a", "s3://b/01-02-2021/a", "s3://b/15-01-2021/a"]
    assert found("s3://b/{{dd-MM-yyyy}}", *names) == ["s3://b/01-02-2021", "s3://b/15-01-2021", "s3://b/31-12-2020"]


def test_a_key_may_name_several_folders() -> None:
    names = ["s3://b/x/2021/01/dt=05/a", "s3://b/x/2020/12/dt=31/a"]
    assert found("s3://b/x/{{yyyy/MM}}/dt={{dd}}", *names) == ["s3://b/x/2021/01/dt=05", "s3://b/x/2020/12/dt=31"]


def test_a_time_that_begins_with_the_hour() -> None:
    names = ["s3://b/23/20210101/a", "s3://b/05/20210102/a"]
    wanted = [(datetime(2021, 1, 1, 23), "s3://b/23/20210101"), (datetime(2021, 1, 2, 5), "s3://b/05/20210102")]
    assert list(newest_folders(FilesInMemory(dict.fromkeys(names, b"")), "s3://b/{{HH}}/{{yyyyMMdd}}")) == wanted


def test_other_folders_are_not_taken() -> None:
    names = ["s3://b/l/20210101/a", "s3://b/l/latest/a", "s3://b/l/2021010/a", "s3://b/l/.20210102/a", "s3://b/l/x.csv"]
    assert found("s3://b/l/{{yyyyMMdd}}", *names) == ["s3://b/l/20210101"]
    assert found("s3://b/l/{{yyyyMMdd}}", "s3://b/l/20210231/a", *names) == ["s3://b/l/20210101"]


def test_a_template_that_names_no_whole_time() -> None:
    files = FilesInMemory(dict.fromkeys(["s3://b/2020/12/a", "s3://b/2021/02/a"], b""))
    wanted = [(None, "s3://b/2021/02"), (None, "s3://b/2020/12")]
    assert list(newest_folders(files, "s3://b/{{yyyy}}/{{MM}}")) == wanted


def test_a_template_without_a_key_is_a_folder() -> None:
    assert found("s3://b/live/", "s3://b/live/a") == ["s3://b/live"]


def test_listings_are_bounded() -> None:
    days = [datetime(2019, 1, 1) + timedelta(days=number) for number in range(400)]
    files = CountedFiles({f"s3://b/{day:%Y%m%d}/other/a": b"" for day in days})
    assert list(newest_folders(files, "s3://b/{{yyyyMMdd}}/{{HHmm}}")) == []
    assert files.listed == MOST_LISTED


@pytest.mark.parametrize("template", ["s3://b/{{q}}", "s3://b/{{yyyy}", "s3://b/{x}", "s3://b/{{}}"])
def test_an_invalid_template(template: str) -> None:
    with pytest.raises(SourceError, match="TemplatedPathList"):
        found(template)
