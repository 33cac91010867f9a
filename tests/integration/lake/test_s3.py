"""A lake in S3: the same as in a folder, also when S3 fails in one of five calls."""

from __future__ import annotations

import json
import uuid
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import boto3
import pytest

from anomalake.alerts import AlertDocument
from anomalake.lake.lake import Lake
from anomalake.services import maintenance
from anomalake.storage.objects import open_store
from tests.support import made, oracle
from tests.support.faulty_s3 import s3_server

TEXTS = made.texts(80, clashes=3)
WORLD = oracle.relations(TEXTS)


@pytest.fixture(params=[(0.0, 0.0), (0.2, 0.0), (0.0, 0.3)], ids=["sound", "failing", "cut off"])
def uri(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    fault_share, cut_share = request.param
    with s3_server(fault_share, seed=7, cut_share=cut_share) as endpoint:
        monkeypatch.setenv("AWS_ENDPOINT_URL", endpoint)
        bucket = f"lake-{uuid.uuid4().hex}"
        boto3.client("s3", region_name="us-east-1").create_bucket(Bucket=bucket)
        yield f"s3://{bucket}/some/prefix"


def test_replay_compact_and_rebuild(uri: str, tmp_path: Path) -> None:
    (tmp_path / "a.jsonl").write_text("\n".join(json.dumps(text) for text in TEXTS), encoding="utf-8")
    (tmp_path / "junk.json").write_text("{", encoding="utf-8")
    summary = maintenance.replay(uri, [str(tmp_path)])
    assert (summary.loaded, summary.refused, summary.failed) == (80, 1, 0)
    store = open_store(uri)
    assert oracle.shown_in_tables(store) == WORLD
    assert maintenance.replay(uri, [str(tmp_path)]).repeated == 80
    Lake(store).ingest(AlertDocument(text, "again") for text in TEXTS[:5])
    kept = {item.key for item in store.list("tables")}
    done = maintenance.compact(uri)
    assert done.merged > 0
    assert done.deleted == 0
    assert kept < {entry.key for entry in store.list("tables")}
    assert oracle.shown_in_tables(store) == WORLD
    assert maintenance.compact(uri).merged == 0
    assert maintenance.compact(uri, grace=timedelta(0)).deleted == done.merged
    assert oracle.shown_in_tables(store) == WORLD
    assert maintenance.rebuild(uri).failed == 0
    assert oracle.shown_in_tables(store) == WORLD


def test_alerts_replayed_from_s3_itself(uri: str, tmp_path: Path) -> None:
    bucket = uri.split("/")[2]
    source = open_store(f"s3://{bucket}/old alerts")
    for number, text in enumerate(TEXTS):
        source.put(f"2021/é {number}.json", text.encode())
    event = {
        "source": "aws.s3",
        "detail-type": "Object Created",
        "detail": {"bucket": {"name": bucket}, "object": {"key": "old alerts/2021/é 3.json"}},
    }
    (tmp_path / "event.json").write_text(json.dumps(event), encoding="utf-8")
    summary = maintenance.replay(uri, [f"s3://{bucket}/old alerts", str(tmp_path / "event.json")])
    assert (summary.loaded, summary.repeated, summary.failed) == (80, 1, 0)
    assert oracle.shown_in_tables(open_store(uri)) == WORLD


def test_a_missing_bucket_is_an_error(uri: str) -> None:
    with pytest.raises(Exception, match="no-such-bucket"):
        maintenance.replay("s3://no-such-bucket/lake", ["s3://no-such-bucket/x"])


def test_a_listing_between_two_keys(uri: str) -> None:
    store = open_store(uri)
    keys = [f"a/{number}/x" for number in range(6)]
    for key in [*keys, "b/0"]:
        store.put(key, b"")
    for after, before, found in ((None, None, keys), ("a/2", None, keys[2:]), ("a/2/x", "a/5", keys[3:5])):
        assert [entry.key for entry in store.list("a", after, before)] == found
