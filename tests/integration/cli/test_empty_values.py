"""Empty paths and URIs, as of an unset variable: refused with one line, and nothing is written."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

import anomalake
from anomalake.errors import AnomalakeError
from anomalake.storage.objects import open_store
from tests.support.command import Run

CALLS = [
    ("replay", "", "--lake", "lake"),
    ("replay", "alerts.json", "--lake", ""),
    ("replay", "alerts.json", "--lake="),
    ("replay", "alerts.json", "--lake", " "),
    ("query", "", "--lake", "lake"),
    ("query", "SELECT 1", "--lake", ""),
    ("export", "--lake", "", "--out", "out"),
    ("export", "--lake", "lake", "--out", ""),
    ("rebuild", "--lake", ""),
    ("compact", "--lake", ""),
    ("demo", ""),
    ("synth", ""),
    ("backtest", ""),
    ("backtest", "detector.yaml", "--lake", ""),
    ("backtest", "detector.yaml", "--labels", ""),
    ("backtest", "detector.yaml", "--scores", ""),
    ("backtest", "detector.yaml", "--data", ""),
    ("detect", "", "--lake", "lake"),
    ("detect", "detector.yaml", "--lake", ""),
    ("detect", "detector.yaml", "--lake", "lake", "--data="),
    ("dashboard", "--lake", "", "--out", "page.html"),
    ("dashboard", "--lake", "lake", "--out", ""),
    ("serve", "--lake", ""),
    ("quicksight", "detector.yaml", "--out", ""),
    ("feedback", "--lake", "", "--group", "x", "--anomaly"),
    ("snooze", "--lake", "", "--detector", "x", "--group", "y", "--until", "2026-01-01"),
]


@pytest.mark.parametrize("arguments", CALLS, ids=" ".join)
def test_an_empty_value_is_refused(run: Run, tmp_path: Path, arguments: tuple[str, ...]) -> None:
    result = run(*arguments)
    assert (result.code, result.out, result.err.count("\n")) == (2, "", 1)
    assert "is empty; expected a value" in result.err
    assert list(tmp_path.iterdir()) == []


def test_a_blank_variable_is_refused(run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ANOMALAKE_LAKE", " ")
    for arguments in (("query", "SELECT 1"), ("rebuild",), ("dashboard", "--out", "page.html")):
        result = run(*arguments)
        assert (result.code, result.out, result.err.count("\n")) == (2, "", 1)
        assert "lake ' ': is empty" in result.err
    assert list(tmp_path.iterdir()) == []


PYTHON_CALLS: list[Callable[[], object]] = [
    lambda: anomalake.open_lake(""),
    lambda: anomalake.read_detector(""),
    lambda: anomalake.backtest(""),
    lambda: anomalake.backtest("detector.yaml", lake=""),
    lambda: anomalake.backtest("detector.yaml", data=""),
    lambda: anomalake.backtest("detector.yaml", labels=""),
    lambda: anomalake.backtest("detector.yaml", scores=""),
    lambda: anomalake.detect("", lake="lake"),
    lambda: anomalake.open_lake("lake").export(""),
    lambda: anomalake.open_lake("lake").dashboard(""),
    lambda: anomalake.open_lake("lake").replay(""),
]


@pytest.mark.parametrize("call", PYTHON_CALLS)
def test_the_python_api_refuses_an_empty_value(
    call: Callable[[], object], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(AnomalakeError, match="is empty") as raised:
        call()
    assert isinstance(raised.value, ValueError)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("uri", "expected"),
    [
        ("s3://", "no bucket"),
        ("s3:///prefix", "no bucket"),
        ("S3://bucket/lake", "expected a folder"),
        ("gs://bucket/lake", "expected a folder"),
        ("C:\\lake", "expected a folder"),
        ("file://host/lake", "expected a folder"),
        ("file://lake", "expected a folder"),
        ("file:///lake?x", "%3F"),
        ("file:///lake#x", "%23"),
    ],
)
def test_a_uri_of_something_else_is_refused(
    uri: str, expected: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(anomalake.LakeUriError, match=expected):
        open_store(uri)
    assert list(tmp_path.iterdir()) == []
