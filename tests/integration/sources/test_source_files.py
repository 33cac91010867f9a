"""Source files in a folder and in S3: the same rows, the same errors."""

from __future__ import annotations

import gzip
import json
import re
import uuid
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import boto3
import numpy as np
import pytest
import yaml

from anomalake.api import open_lake
from anomalake.definitions.detector import Detector
from anomalake.definitions.detector_file import parse_detector, read_detector
from anomalake.local.source_files import FolderOrS3Files
from anomalake.services.sources import open_source_files
from anomalake.sources.reading import NoDataError, read_history, read_interval
from anomalake.storage.store import StoreError
from tests.support.faulty_s3 import s3_server

ROOT = Path(__file__).parents[3]
HEADER = "timestamp,platform,marketplace,views,revenue\n"
NOON = datetime(2021, 1, 1, 12, tzinfo=UTC)
FILES = {
    "backtest/input.csv": HEADER + "2021-01-01 10:00:00,web,NA,1,0.5\n2021-01-01 11:00:00,web,NA,2,0.5\n",
    "backtest/more.csv": HEADER + "2021-01-01 11:00:00,web,007,3,0.5\n",
    "backtest/.hidden": "x",
    "backtest/_SUCCESS": "",
    "backtest/sub/ignored.csv": HEADER + "2021-01-01 11:00:00,web,NA,1000,0.5\n",
    "live/20210101/1200/20210101_120000.csv": HEADER + "2021-01-01 12:00:00,web,NA,4,0.5\n",
    "live/20210101/1200/sub/ignored.csv": HEADER + "2021-01-01 12:00:00,web,NA,1000,0.5\n",
    "live/20210101/12000/ignored.csv": HEADER + "2021-01-01 12:00:00,web,NA,1000,0.5\n",
    "live/20210101/1300/20210101_130000.csv": HEADER + "2021-01-01 13:00:00,web,é,5,0.5\n",
}


def _in_folder(tmp_path: Path) -> str:
    for name, text in FILES.items():
        (tmp_path / "shop" / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / "shop" / name).write_text(text, encoding="utf-8")
    return str(tmp_path / "shop")


@pytest.fixture(params=["folder", "s3", "failing s3"])
def shop(request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Detector]:
    if request.param == "folder":
        yield read_detector(ROOT / "detectors" / "shop.yaml", data=_in_folder(tmp_path))
        return
    with s3_server(0.2 if request.param == "failing s3" else 0.0, seed=3) as endpoint:
        monkeypatch.setenv("AWS_ENDPOINT_URL", endpoint)
        bucket = f"data-{uuid.uuid4().hex}"
        client = boto3.client("s3", region_name="us-east-1")
        client.create_bucket(Bucket=bucket)
        for name, text in {**FILES, "live/20210101/1200/": "", "live/20210101/1400/": ""}.items():
            client.put_object(Bucket=bucket, Key=f"shop/{name}", Body=text.encode())
        yield read_detector(ROOT / "detectors" / "shop.yaml", data=f"s3://{bucket}/shop/")


def test_a_history_and_an_interval(shop: Detector) -> None:
    files = open_source_files(shop.metric_set)
    metrics, report = read_history(shop, files)
    assert metrics.combinations == (("web", "007"), ("web", "NA"), ("web", "é"))
    assert metrics.values[0, 1, :3].tolist() == [1.0, 2.0, 4.0]
    assert metrics.values[0, 2, 3] == 5.0
    assert (report.files, report.used, report.bad, report.problems) == (4, 5, 0, ())
    one, report = read_interval(shop, files, NOON)
    assert one.values.tolist() == [[[4.0]], [[0.5]]]
    assert report.files == 1
    with pytest.raises(NoDataError, match=r"shop/live/20210101/1400: no file is there"):
        read_interval(shop, files, NOON.replace(hour=14))


HIVE = {
    "dt=2021-01-01/hour=10/part-0.csv": HEADER + "2021-01-01 10:00:00,web,NA,1,0.5\n",
    "dt=2021-01-01/hour=11/part-0.csv": HEADER + "2021-01-01 11:00:00,web,NA,2,0.5\n",
    "dt=2021-01-02/hour=00/a/b/part-0.csv": HEADER + "2021-01-02 00:00:00,web,NA,3,0.5\n",
    "direct.csv": HEADER + "2021-01-01 09:00:00,web,NA,4,0.5\n",
    "dt=2021-01-02/_temporary/0/part-1.csv": HEADER + "2021-01-01 10:00:00,web,NA,1000,0.5\n",
    "dt=2021-01-02/.part-0.csv.crc": "x",
    "dt=2021-01-02/_SUCCESS": "",
}


def _hive_in_folder(folder: Path) -> None:
    for name, text in HIVE.items():
        (folder / "data" / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / "data" / name).write_text(text, encoding="utf-8")
    (folder / "elsewhere").mkdir()
    (folder / "elsewhere" / "x.csv").write_text(HEADER + "2021-01-01 10:00:00,web,NA,1000,0.5\n", encoding="utf-8")
    (folder / "data" / "linked").symlink_to(folder / "elsewhere", target_is_directory=True)
    (folder / "data" / "dt=2021-01-01" / "linked.csv").symlink_to(folder / "elsewhere" / "x.csv")


def _with_paths(folder: str, **changes: Any) -> Detector:
    definition = yaml.safe_load((ROOT / "detectors" / "shop.yaml").read_text("utf-8"))
    definition["MetricSet"]["MetricSource"]["S3SourceConfig"] |= {"TemplatedPathList": None, **changes}
    return parse_detector(json.dumps(definition), "shop.json", data=folder)


@pytest.fixture(params=["folder", "s3"])
def hive(request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """A place with Hive's folders below ``data``."""
    if request.param == "folder":
        _hive_in_folder(tmp_path)
        yield str(tmp_path)
        return
    with s3_server(0.0, seed=1) as endpoint:
        monkeypatch.setenv("AWS_ENDPOINT_URL", endpoint)
        bucket = f"data-{uuid.uuid4().hex}"
        client = boto3.client("s3", region_name="us-east-1")
        client.create_bucket(Bucket=bucket)
        marks = {"dt=2021-01-01/": "", "dt=2021-01-01/hour=10/": "", "dt=2021-01-03_$folder$": "", "dt=2021-01-04/": ""}
        for name, text in {**HIVE, **marks}.items():
            client.put_object(Bucket=bucket, Key=f"data/{name}", Body=text.encode())
        client.put_object(Bucket=bucket, Key="data2/x.csv", Body=HIVE["direct.csv"].encode())
        yield f"s3://{bucket}"


@pytest.mark.parametrize("path", ["data", "data/"])
def test_folders_in_folders_are_read_on_request(hive: str, path: str) -> None:
    detector = _with_paths(hive, HistoricalDataPathList=[path], Recursive=True)
    files = open_source_files(detector.metric_set)
    metrics, report = read_history(detector, files)
    assert np.nansum(metrics.values[0]) == 1 + 2 + 3 + 4
    assert (report.files, report.used, report.bad) == (4, 4, 0)
    assert read_interval(detector, files, NOON.replace(hour=10))[0].values.tolist() == [[[1.0]], [[0.5]]]


def test_folders_in_folders_are_not_read_without_request(tmp_path: Path) -> None:
    _hive_in_folder(tmp_path)
    metrics, report = read_history(_with_paths(str(tmp_path), HistoricalDataPathList=["data/"]), FolderOrS3Files())
    assert (metrics.values[0].tolist(), report.files) == ([[4.0]], 1)


def test_a_folder_that_has_only_folders_names_the_setting(hive: str) -> None:
    detector = _with_paths(hive, HistoricalDataPathList=["data/dt=2021-01-02/"])
    files = open_source_files(detector.metric_set)
    place = re.escape(f"{hive}/data/dt=2021-01-02/")
    expected = (
        rf"{place}: no file is there; {place}: files are in subfolders, such as {place}hour=00/a/b/part-0\.csv; "
        r"S3SourceConfig\.Recursive: true reads them"
    )
    with pytest.raises(NoDataError, match=expected):
        read_history(detector, files)
    with pytest.raises(NoDataError, match="Recursive"):
        read_interval(detector, files, NOON.replace(hour=10))
    empty = _with_paths(hive, HistoricalDataPathList=["data/nothing/"], Recursive=True)
    with pytest.raises(NoDataError, match=r"data/nothing/: no file is there$"):
        read_history(empty, files)


def test_the_folders_of_intervals_in_hives_style(hive: str) -> None:
    templates = ["data/dt={{yyyy-MM-dd}}/hour={{HH}}"]
    detector = _with_paths(hive, HistoricalDataPathList=["data/"], TemplatedPathList=templates)
    files = open_source_files(detector.metric_set)
    metrics, report = read_history(detector, files)
    assert metrics.values[0].tolist() == [[4.0, 1.0, 2.0]]
    assert report.bad == 0
    assert read_interval(detector, files, NOON.replace(hour=11))[0].values.tolist() == [[[2.0]], [[0.5]]]
    with pytest.raises(NoDataError, match=r"hour=00: no file is there; .*files are in subfolders"):
        read_interval(detector, files, NOON.replace(day=2, hour=0))


def test_folders_are_read_to_a_bounded_depth(tmp_path: Path) -> None:
    deep = tmp_path.joinpath(*["a"] * 32)
    deep.mkdir(parents=True)
    (deep / "x.csv").write_text("x", encoding="utf-8")
    assert [file.size for file in FolderOrS3Files().list(str(tmp_path), recursive=True)] == [1]
    (deep / "a").mkdir()
    with pytest.raises(StoreError, match="expected at most 32 folders in one another"):
        FolderOrS3Files().list(str(tmp_path), recursive=True)


def test_a_lake_reads_the_same_files(tmp_path: Path) -> None:
    _hive_in_folder(tmp_path)
    lake = open_lake(tmp_path / "lake")
    lake.register_source(_with_paths(str(tmp_path), HistoricalDataPathList=["data/"], Recursive=True).metric_set)
    _, rows = lake.query_rows("SELECT sum(views) FROM live_shop")
    assert [[float(cell) for cell in row] for row in rows] == [[10.0]]


def test_a_file_in_place_of_a_folder(tmp_path: Path) -> None:
    folder = _in_folder(tmp_path)
    files = FolderOrS3Files()
    assert [file.name for file in files.list(f"{folder}/backtest/input.csv")] == [f"{folder}/backtest/input.csv"]
    assert files.list(f"{folder}/nothing") == []
    assert list(files.walk(f"{folder}/nothing")) == []
    with pytest.raises(StoreError, match="nothing: No such file"):
        files.open(f"{folder}/nothing")


def test_an_object_in_place_of_a_prefix(monkeypatch: pytest.MonkeyPatch) -> None:
    with s3_server(0.0, seed=1) as endpoint:
        monkeypatch.setenv("AWS_ENDPOINT_URL", endpoint)
        boto3.client("s3", region_name="us-east-1").create_bucket(Bucket="data-1")
        boto3.client("s3", region_name="us-east-1").put_object(Bucket="data-1", Key="a/b c?.csv", Body=b"x" * 3_000_000)
        files = FolderOrS3Files()
        (file,) = files.list("s3://data-1/a/b c?.csv")
        assert (file.name, file.size) == ("s3://data-1/a/b c?.csv", 3_000_000)
        stream = files.open(file.name)
        assert sum(len(block) for block in iter(lambda: stream.read(1_000), b"")) == 3_000_000
        stream.close()
        assert files.list("s3://data-1/nothing") == []
        assert list(files.walk("s3://data-1/nothing/")) == []
        with pytest.raises(StoreError, match="s3://data-1/nothing"):
            files.open("s3://data-1/nothing")
        with pytest.raises(StoreError, match="s3://other-bucket"):
            files.list("s3://other-bucket/x")


def test_a_detectors_metric_set_is_a_lakes_source(tmp_path: Path) -> None:
    shop = read_detector(ROOT / "detectors" / "shop.yaml", data=_in_folder(tmp_path))
    # Queries take the folder of any key, whatever is in its place.
    (tmp_path / "shop" / "live/20210101/12000/ignored.csv").unlink()
    lake = open_lake(tmp_path / "lake")
    lake.register_source(shop.metric_set)
    _, rows = lake.query_rows("SELECT sum(views) FROM live_shop")
    assert [[float(cell) for cell in row] for row in rows] == [[15.0]]


def test_an_archive_in_a_folder(tmp_path: Path) -> None:
    folder = Path(_in_folder(tmp_path)) / "backtest"
    text = (folder / "input.csv").read_bytes()
    (folder / "input.csv").unlink()
    (folder / "input.csv.gz").write_bytes(gzip.compress(text))
    shop = read_detector(ROOT / "detectors" / "shop.yaml", data=folder.parent)
    assert read_history(shop, FolderOrS3Files(), until=NOON)[1].used == 3
