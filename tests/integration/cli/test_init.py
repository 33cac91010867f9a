"""`init` and `try` from the command line."""

from __future__ import annotations

import gzip
import json
import uuid
import webbrowser
from pathlib import Path

import boto3
import pytest

from anomalake.definitions.detector_file import read_detector
from tests.support.command import Run
from tests.support.faulty_s3 import s3_server
from tests.support.tables import TABLES, csv_of, days

pytestmark = pytest.mark.usefixtures("no_browser")


@pytest.fixture
def no_browser(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    opened: list[str] = []
    monkeypatch.setattr(webbrowser, "open", opened.append)
    return opened


def sales(number: int = 400) -> bytes:
    rows = [
        [f"{day:%Y-%m-%d}", shop, 100 + 20 * day.weekday() + place * 7 % 13 + 900 * (place == 380)]
        for place, day in enumerate(days(number))
        for shop in ("north", "south")
    ]
    return csv_of(["day", "shop", "orders"], rows)


def test_init_writes_a_detector_file_that_can_be_read_and_says_what_comes_next(run: Run, tmp_path: Path) -> None:
    (tmp_path / "my sales.csv").write_bytes(sales())
    result = run("init", "my sales.csv", "--yes")
    assert (result.code, result.err) == (0, "")
    assert "Wrote my-sales.yaml" in result.out
    assert "anomalake backtest my-sales.yaml --lake ./lake" in result.out
    detector = read_detector(tmp_path / "my-sales.yaml")
    assert detector.metric_set.historical_data_path_list == (str(tmp_path / "my sales.csv"),)
    assert (detector.frequency, detector.metric_set.dimension_list) == ("P1D", ("shop",))
    assert run("backtest", "my-sales.yaml").code == 0


def test_init_replaces_nothing_unasked(run: Run, tmp_path: Path) -> None:
    (tmp_path / "sales.csv").write_bytes(sales())
    (tmp_path / "sales.yaml").write_text("mine")
    result = run("init", "sales.csv", "--yes")
    assert result.code == 2
    assert (
        result.err.strip() == "anomalake: sales.yaml: is there already; --force replaces it, --out names another file"
    )
    assert (tmp_path / "sales.yaml").read_text() == "mine"
    assert "Replaced sales.yaml" in run("init", "sales.csv", "--yes", "--force").out


@pytest.mark.parametrize("name", ["decimal comma", "months across"])
def test_json_is_one_object_and_nothing_is_written(run: Run, tmp_path: Path, name: str) -> None:
    (tmp_path / "table").write_bytes(TABLES[name]())
    result = run("init", "table", "--yes", "--format", "json")
    assert [path.name for path in tmp_path.iterdir()] == ["table"]
    if name == "months across":
        assert result.code == 2
        assert "time runs across the columns, from 'Jan' to 'Dec'" in result.err
        return
    reading = json.loads(result.out)
    assert (reading["time"], reading["decimal"], reading["dimensions"]) == ("Zeit", ",", ["Region"])
    assert reading["guesses"]["frequency"]["confidence"] > 0.8


def test_standard_input_is_stored_beside_the_detector_file(run: Run, tmp_path: Path) -> None:
    result = run("init", "-", "--yes", "--out", "made/shop.yaml", stdin=gzip.compress(sales()))
    assert result.code == 0, result.err
    assert read_detector(tmp_path / "made" / "shop.yaml").metric_set.file_format.file_compression == "GZIP"
    assert run("backtest", "made/shop.yaml").code == 0


def test_every_guess_has_an_option(run: Run, tmp_path: Path) -> None:
    rows = [[day, day, f"{day:%d.%m.%Y}", 3, "2,5", "x"] for day in days(20)]
    (tmp_path / "t.csv").write_bytes(csv_of(["a", "b", "c", "d", "e", "f"], rows, ";"))
    options = [
        "--time", "c", "--time-format", "dd.MM.yyyy", "--zone", "Europe/Paris", "--frequency", "P1W",
        "--measure", "d=AVG", "--measure", "e", "--dimension", "f", "--ignore", "a", "--delimiter", ";",
        "--charset", "ISO-8859-1", "--decimal", ",", "--header", "--name", "mine",
    ]  # fmt: skip
    result = run("init", "t.csv", "--yes", *options)
    assert result.code == 0, result.err
    detector = read_detector(tmp_path / "mine.yaml")
    metric_set = detector.metric_set
    assert (metric_set.timestamp_column, metric_set.timestamp_format, metric_set.timezone) == (
        "c", "dd.MM.yyyy", "Europe/Paris",
    )  # fmt: skip
    assert detector.frequency == "P7D"
    assert {measure.metric_name: measure.aggregation_function for measure in metric_set.metric_list} == {
        "d": "AVG", "e": "AVG",
    }  # fmt: skip
    assert metric_set.dimension_list == ("f",)


def test_folders_of_intervals_are_read_with_their_template(run: Run, tmp_path: Path) -> None:
    for number, day in enumerate(days(30)):
        folder = tmp_path / "data" / f"dt={day:%Y-%m-%d}"
        folder.mkdir(parents=True)
        (folder / "part-0.csv").write_bytes(csv_of(["time", "orders"], [[f"{day:%Y-%m-%d} 00:00:00", 5 + number % 3]]))
    result = run("init", "data", "--yes")
    assert result.code == 0, result.err
    metric_set = read_detector(tmp_path / "data.yaml").metric_set
    assert metric_set.recursive
    assert metric_set.templated_path_list == (str(tmp_path / "data" / "dt={{yyyy-MM-dd}}"),)


def test_try_ends_with_a_page_in_a_folder_of_its_own(run: Run, tmp_path: Path, no_browser: list[str]) -> None:
    (tmp_path / "sales.csv").write_bytes(sales())
    result = run("try", "sales.csv")
    assert result.code == 0, result.err
    page = tmp_path / "anomalake-try-sales" / "page.html"
    assert page.read_bytes().startswith(b"<!doctype html>")
    assert no_browser == [page.as_uri()]
    again = run("try", "sales.csv", "--no-open")
    assert (again.code, len(no_browser)) == (0, 1)
    assert "anomalake-try-sales: replaces what an earlier `anomalake try` made there" in again.out
    assert sorted(path.name for path in tmp_path.iterdir()) == ["anomalake-try-sales", "sales.csv"]


@pytest.mark.parametrize("place", ["shop/", "shop/sales.csv.gz"])
def test_a_table_in_s3_is_looked_at_and_backtested(
    run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, place: str
) -> None:
    with s3_server() as endpoint:
        monkeypatch.setenv("AWS_ENDPOINT_URL", endpoint)
        bucket = f"data-{uuid.uuid4().hex}"
        client = boto3.client("s3", region_name="us-east-1")
        client.create_bucket(Bucket=bucket)
        client.put_object(Bucket=bucket, Key="shop/sales.csv.gz", Body=gzip.compress(sales()))
        result = run("init", f"s3://{bucket}/{place}", "--yes", "--out", "sales.yaml")
        assert result.code == 0, result.err
        detector = read_detector(tmp_path / "sales.yaml")
        assert (detector.frequency, detector.metric_set.dimension_list) == ("P1D", ("shop",))
        assert detector.metric_set.historical_data_path_list[0].startswith(f"s3://{bucket}/shop")
        assert run("backtest", "sales.yaml").code == 0
        missing = run("init", f"s3://{bucket}/nothing/", "--yes")
        assert (missing.code, missing.err.count("\n")) == (2, 1)


def test_try_leaves_the_folders_of_others_alone(run: Run, tmp_path: Path) -> None:
    (tmp_path / "sales.csv").write_bytes(sales())
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "lake").write_text("mine")
    result = run("try", "sales.csv", "--dir", "mine")
    assert result.code == 2
    assert "mine: is there already, and not made by `anomalake try`" in result.err
    assert (tmp_path / "mine" / "lake").read_text() == "mine"


@pytest.mark.parametrize("command", ["init", "try"])
@pytest.mark.parametrize(
    ("name", "content", "reason"),
    [
        ("book.xlsx", b"PK\x03\x04 xl/workbook.xml", "is an Excel workbook (.xlsx); expected text: export the sheet"),
        ("template.yaml", b"AWSTemplateFormatVersion: 2010-09-09\nResources: {}\n", "is a CloudFormation template"),
        ("detector.yaml", b"AnomalyDetectorName: x\n", "is a detector file; expected data. `anomalake backtest"),
        ("people.csv", b"name,age\nAnn,3\nBob,4\n", "no column has times; expected one with the time of each row"),
        ("empty.csv", b"", "has no data; expected CSV, JSON lines or Parquet"),
        (None, b"", "there is no such file or folder"),
    ],
)  # fmt: skip
def test_what_cannot_be_looked_at_is_one_line(
    run: Run, tmp_path: Path, command: str, name: str | None, content: bytes, reason: str
) -> None:
    if name is not None:
        (tmp_path / name).write_bytes(content)
    result = run(command, name or "nothing.csv")
    assert (result.code, result.out) == (2, "")
    [line] = result.err.splitlines()
    assert line.startswith(f"anomalake: {name or 'nothing.csv'}: ")
    assert reason in line
    assert [path.name for path in tmp_path.iterdir()] == ([name] if name else [])


@pytest.mark.parametrize(
    ("option", "value", "expected"),
    [
        ("--zone", "Paris", "expected a zone such as Europe/Paris or UTC"),
        ("--frequency", "daily", "expected a duration such as PT5M, PT1H, P1D or P1W"),
        ("--delimiter", ";;", "expected one ASCII character, or TAB"),
        ("--decimal", ";", "expected . or ,"),
        ("--charset", "latin-99", "expected one such as UTF-8 or ISO-8859-1"),
        ("--time", "Day", "no column 'Day'; the table has 'day', 'shop', 'orders'"),
        ("--measure", "shop", "no numbers"),
    ],
)
def test_an_option_that_cannot_be_is_one_line(run: Run, tmp_path: Path, option: str, value: str, expected: str) -> None:
    (tmp_path / "sales.csv").write_bytes(sales(20))
    result = run("init", "sales.csv", "--yes", option, value)
    assert result.code == 2
    [line] = result.err.splitlines()
    assert expected in line
    assert value in line


@pytest.mark.parametrize("name", ["sales.csv", "data"])
def test_data_in_the_place_of_a_detector_file_are_told(run: Run, tmp_path: Path, name: str) -> None:
    (tmp_path / "sales.csv").write_bytes(sales(20))
    (tmp_path / "data").mkdir()
    result = run("backtest", name)
    assert result.code == 2
    assert result.err == (
        f"anomalake: {name}: is data; expected a detector file, which `anomalake init {name}` writes\n"
    )
