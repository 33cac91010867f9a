"""`anomalake dashboard` and `anomalake serve` on a lake in a folder."""

from __future__ import annotations

import base64
import gzip
import json
import os
import re
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from http.client import HTTPConnection
from pathlib import Path
from typing import Any

import boto3
import pytest
from starlette.testclient import TestClient

from anomalake.records.feedback import read_feedback
from anomalake.records.groups import group_ids
from anomalake.records.metric_sets import write_metric_set
from anomalake.records.snoozes import read_snoozes
from anomalake.server.application import application
from anomalake.server.documents import Site
from anomalake.storage.objects import open_store
from tests.support.command import Run
from tests.support.documents import one
from tests.support.faulty_s3 import s3_server
from tests.support.live import Bench, hour
from tests.support.patience import PATIENCE


@pytest.fixture
def lake(tmp_path: Path) -> Path:
    """Two hours of a live detector; German views were unusual in the first."""
    bench = Bench(open_store(str(tmp_path / "lake")))
    bench.source.unusual = {(hour(0), "de"): 30.0}
    bench.run(hour(0))
    bench.run(hour(1))
    write_metric_set(bench.store, bench.detector.metric_set)
    return tmp_path / "lake"


def shown(page: str) -> dict[str, Any]:
    """The document in a page, but for its arrays."""
    found = re.search(r'id="document">([A-Za-z0-9+/=]*)</script>', page)
    assert found is not None
    packed = gzip.decompress(base64.b64decode(found[1]))
    document: dict[str, Any] = json.loads(packed[4 : 4 + int.from_bytes(packed[:4], "little")])
    return document


def test_the_page_is_one_file(run: Run, lake: Path, tmp_path: Path) -> None:
    said = run("dashboard", "--lake", "lake", "--out", "pages/page.html")
    assert said.code == 0
    assert re.fullmatch(
        r"pages/page\.html: \d\.\d MB, 1 detector, 1 group, 1 anomalous interval, live values of 1\n", said.out
    ), said.out
    document = shown((tmp_path / "pages" / "page.html").read_text(encoding="utf-8"))
    assert [item["name"] for item in document["detectors"]] == ["shop"]
    assert document["groups"]["id"] == group_ids(open_store("lake"), "shop")
    assert document["lake"] == "lake"


def test_a_missing_lake_makes_an_empty_page_and_a_note(run: Run, tmp_path: Path) -> None:
    said = run("dashboard", "--lake", "nowhere", "--out", "page.html")
    assert said.code == 0
    assert "no detector yet" in said.out
    assert "note: there is nothing at nowhere yet\n" in said.err
    assert shown((tmp_path / "page.html").read_text(encoding="utf-8"))["detectors"] == []
    assert not (tmp_path / "nowhere").exists()


@pytest.mark.parametrize(
    ("arguments", "code", "said"),
    [
        (["dashboard", "--lake", "lake", "--out", "."], 2, "'.': is a folder; expected a file"),
        (["dashboard", "--lake", "ftp://x", "--out", "p.html"], 2, "expected a folder, file:///FOLDER or s3://"),
        (["dashboard", "--lake", "lake", "--out", "lake.txt/p.html"], 1, "lake.txt"),
        (["serve", "--lake", "ftp://x", "--port", "0"], 2, "expected a folder, file:///FOLDER or s3://"),
    ],
)
def test_errors_are_one_line(run: Run, tmp_path: Path, arguments: list[str], code: int, said: str) -> None:
    (tmp_path / "lake").mkdir()
    (tmp_path / "lake.txt").touch()
    result = run(*arguments)
    assert (result.code, result.err.count("\n")) == (code, 1)
    assert said in result.err
    assert not (tmp_path / "p.html").exists()


def test_a_port_in_use_is_reported_in_one_line(run: Run, lake: Path) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        said = run("serve", "--lake", "lake", "--port", str(port))
    assert (said.code, said.out) == (1, "")
    assert said.err == f"anomalake: port {port}: Address already in use; expected a free port, or 0 for any free port\n"


@pytest.fixture
def server(lake: Path) -> Iterator[tuple[subprocess.Popen[str], str, int]]:
    """`anomalake serve` in a process of its own: it, what it said first, its port."""
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path), "COLUMNS": "200"}
    process = subprocess.Popen(
        [sys.executable, "-m", "anomalake", "serve", "--lake", str(lake), "--port", "0"],
        env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
    )  # fmt: skip
    try:
        assert process.stdout is not None
        first = process.stdout.readline()
        found = re.match(r"http://127\.0\.0\.1:(\d+)/ shows ", first)
        assert found is not None, first + process.communicate()[1]
        yield process, first, int(found[1])
    finally:
        process.kill()
        process.communicate()


def asked(port: int, method: str, path: str, body: Any = None, **headers: str) -> tuple[int, dict[str, str], bytes]:
    connection = HTTPConnection("127.0.0.1", port, timeout=PATIENCE)
    try:
        connection.request(method, path, json.dumps(body) if body is not None else None, headers)
        answer = connection.getresponse()
        return answer.status, {name.lower(): value for name, value in answer.getheaders()}, answer.read()
    finally:
        connection.close()


def test_serve_shows_the_page_records_feedback_and_ends_without_error(
    server: tuple[subprocess.Popen[str], str, int], lake: Path
) -> None:
    process, first, port = server
    assert first == f"http://127.0.0.1:{port}/ shows {lake}, and answers Lookout for Metrics' API; Ctrl-C ends it\n"
    status, headers, page = asked(port, "GET", "/")
    assert (status, headers["content-type"]) == (200, "text/html; charset=utf-8")
    assert "server" not in headers
    token = re.search(r'<body data-token="([\w-]{40,})">', page.decode())
    assert token is not None
    document = shown(page.decode())
    status, headers, body = asked(port, "GET", "/document")
    assert status == 200
    assert gzip.decompress(body)[4:].startswith(b'{"format":3')
    assert asked(port, "GET", "/document", **{"If-None-Match": headers["etag"]})[0] == 304
    [group] = document["groups"]["id"]
    given = {"detector": "shop", "group": group, "is_anomaly": False}
    own = {"Content-Type": "application/json", "Origin": f"http://127.0.0.1:{port}"}
    assert asked(port, "POST", "/feedback", given, **own)[0] == 403
    status, _, body = asked(port, "POST", "/feedback", given, **own, **{"X-Anomalake-Token": token[1]})
    assert (status, json.loads(body)) == (200, {"said": ["2026-03-03T00:00:00+00:00 views country de: no anomaly"]})
    assert asked(port, "GET", "/", Host="evil.example.com")[0] == 421
    [kept] = read_feedback(open_store(str(lake)), "shop")[0]
    assert (kept.is_anomaly, kept.anomaly_group_id, kept.timestamp) == (False, group, hour(0))
    process.send_signal(signal.SIGINT)
    assert process.communicate(timeout=PATIENCE) == ("", "")
    assert process.returncode == 0


def test_feedback_on_the_page_of_a_lake_in_s3_is_written_to_s3(monkeypatch: pytest.MonkeyPatch) -> None:
    with s3_server(0.0, seed=7) as endpoint:
        monkeypatch.setenv("AWS_ENDPOINT_URL", endpoint)
        boto3.client("s3", region_name="us-east-1").create_bucket(Bucket="kpis")
        bench = Bench(open_store("s3://kpis/lake"))
        bench.source.unusual = {(hour(0), "de"): 30.0}
        bench.run(hour(0))
        write_metric_set(bench.store, bench.detector.metric_set)
        store = open_store("s3://kpis/lake", create=False)
        site = Site(one, lambda packed, token: packed, store, print)
        client = TestClient(application(site, 80, token="own"), base_url="http://127.0.0.1")
        [group] = group_ids(store, "shop")
        given = {"detector": "shop", "group": group, "is_anomaly": True}
        assert client.post("/feedback", json=given, headers={"X-Anomalake-Token": "own"}).status_code == 200
        silence = {"detector": "shop", "group": group, "until": "2026-03-10T00:00Z"}
        assert client.post("/snooze", json=silence, headers={"X-Anomalake-Token": "own"}).status_code == 200
        assert [said.is_anomaly for said in read_feedback(bench.store, "shop")[0]] == [True]
        assert [kept.group_id for kept in read_snoozes(bench.store, "shop")[0]] == [group]
