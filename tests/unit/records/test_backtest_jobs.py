"""Backtest jobs in the lake: codec, keys and writes on a condition."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from anomalake.records.backtest_jobs import (
    BacktestJob,
    JobProgress,
    from_json,
    job_folder,
    new_job_id,
    other_jobs,
    read_job,
    steps_folder,
    to_json,
    write_job,
)
from anomalake.records.errors import RecordError, RecordInputError
from anomalake.storage.objects import memory_store

NOW = datetime(2026, 11, 27, 10, 15, tzinfo=UTC)
JOB = BacktestJob("0" * 32, "shop", "RUNNING", NOW, NOW, JobProgress("train", 3, 10), runner="a", deaths=1)


def test_a_job_is_read_as_it_was_written() -> None:
    store = memory_store()
    assert read_job(store, "shop", JOB.id) is None
    assert write_job(store, JOB) == JOB
    read = read_job(store, "shop", JOB.id)
    assert read == JOB
    assert read is not None
    assert read.number == 1


def test_of_two_writers_that_have_read_the_same_job_one_is_refused() -> None:
    store = memory_store()
    first = write_job(store, JOB)
    assert first is not None
    assert write_job(store, replace(first, phase="DONE")) is not None
    assert write_job(store, replace(first, phase="FAILED")) is None
    read = read_job(store, "shop", JOB.id)
    assert read is not None
    assert (read.phase, read.number) == ("DONE", 2)
    assert len(list(store.list(job_folder("shop", JOB.id)))) == 2


def test_a_late_writer_whose_number_was_deleted_is_refused() -> None:
    store = memory_store()
    first = write_job(store, JOB)
    assert first is not None
    latest = first
    for done in range(5):
        written = write_job(store, replace(latest, progress=JobProgress("train", done, 10)))
        assert written is not None
        latest = written
    assert write_job(store, replace(first, phase="FAILED")) is None
    assert read_job(store, "shop", JOB.id) == latest
    assert len(list(store.list(job_folder("shop", JOB.id)))) == 2


def test_other_jobs_are_all_but_the_one() -> None:
    store = memory_store()
    other = replace(JOB, id=new_job_id())
    for job in (JOB, other, replace(JOB, detector="elsewhere", id=new_job_id())):
        assert write_job(store, job) is not None
    store.put(f"{steps_folder('shop', other.id)}/history.npz", b"")
    assert sorted(other_jobs(store, "shop", JOB.id)) == [
        f"{job_folder('shop', other.id)}/00000001.json",
        f"{steps_folder('shop', other.id)}/history.npz",
    ]
    assert len(list(other_jobs(store, "shop", None))) == 3


@pytest.mark.parametrize("id_", ["", "..", "0" * 31, "0" * 33, "../" + "0" * 29, "A" * 32])
def test_an_invalid_id_is_no_key(id_: str) -> None:
    with pytest.raises(RecordInputError, match="32 hex digits"):
        job_folder("shop", id_)


@pytest.mark.parametrize(
    "body", [b"", b"[]", b"{}", b"{", to_json(JOB).replace(b"RUNNING", b"ROTTEN"), to_json(JOB).replace(b"+00:00", b"")]
)
def test_an_invalid_record_is_an_error_with_its_place(body: bytes) -> None:
    with pytest.raises(RecordError, match="the place: "):
        from_json(body, place="the place")


@given(
    st.builds(
        BacktestJob,
        id=st.just("0" * 32),
        detector=st.just("shop"),
        phase=st.sampled_from(["WAITING", "RUNNING", "DONE", "FAILED"]),
        begun_at=st.datetimes(timezones=st.just(UTC)),
        heartbeat_at=st.datetimes(timezones=st.just(UTC)),
        progress=st.builds(JobProgress, st.text(max_size=8), st.integers(0), st.integers(0)),
        reason=st.text(max_size=40),
        runner=st.text(max_size=8),
        deaths=st.integers(0, 9),
    )
)
def test_the_codec_is_exact(job: BacktestJob) -> None:
    assert from_json(to_json(job)) == job
