"""The script of the job on AWS Glue, run as Glue runs it: by spark-submit, with the package in a zip file."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from anomalake.definitions.detector_file import read_detector
from anomalake.records.executions import FAILED, SUCCEEDED
from anomalake.services.detect import detect
from anomalake.services.job_files import PACKAGE, SCRIPT, put_job_files
from anomalake.services.times import Span
from tests.spark.conftest import SPAN, needs_spark, results


@pytest.fixture
def stack(detector_file: Path, tmp_path: Path) -> Path:
    """Return the folder of a stack: detector files, source data, and the files of the job."""
    needs_spark()
    (tmp_path / "detectors").mkdir()
    (tmp_path / "detectors" / "shop.yaml").write_text(detector_file.read_text())
    # Paths in detector files start at the parent of their folder.
    (tmp_path / "data").symlink_to(detector_file.parent / "data")
    put_job_files(str(tmp_path / "spark"))
    return tmp_path


def submit(stack: Path, interval: str) -> subprocess.CompletedProcess[str]:
    # Without the package on any path: executors have it from the zip file.
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
    spark_submit = Path(sys.executable).parent / "spark-submit"
    return subprocess.run(
        [
            str(spark_submit), "--master", "local-cluster[2,1,1024]", "--py-files", str(stack / "spark" / PACKAGE),
            "--conf", "spark.ui.enabled=false", "--conf", "spark.driver.bindAddress=127.0.0.1",
            "--conf", "spark.driver.host=127.0.0.1",
            str(stack / "spark" / SCRIPT), "--JOB_NAME", "anomalake-detect", "--JOB_RUN_ID", "jr_1",
            "--ANOMALAKE_LAKE", str(stack / "lake"), "--ANOMALAKE_DETECTORS", str(stack / "detectors"),
            "--ANOMALAKE_PAGE", "--AWS_REGION", "eu-west-1", "--detector", "shop", "--interval", interval,
        ],
        cwd=stack,
        env={**environment, "PYSPARK_PYTHON": sys.executable},
        check=False,
        capture_output=True,
        text=True,
        timeout=500,
    )  # fmt: skip


def test_the_job_gives_the_lake_of_one_process(stack: Path) -> None:
    assert SPAN.first is not None
    done = submit(stack, SPAN.first.isoformat())
    assert done.returncode == 0, done.stderr[-3000:]
    (execution,) = [json.loads(line) for line in done.stdout.splitlines() if line.startswith("{")]
    assert (execution["status"], execution["delivered"]) == (SUCCEEDED, 1)
    detector = read_detector(stack / "detectors" / "shop.yaml", data=str(stack), region="eu-west-1")
    list(detect(detector, str(stack / "one"), Span(at=SPAN.first)))
    # The function ingest, or whoever writes the first alert, writes the lake's settings.
    assert results(stack / "lake") == {key: body for key, body in results(stack / "one").items() if key != "lake.json"}


def test_an_interval_that_fails_fails_the_job(stack: Path) -> None:
    done = submit(stack, "2026-03-20T00:00:00+00:00")
    assert done.returncode != 0
    assert "intervals failed; their executions have the reasons" in done.stdout
    (execution,) = [json.loads(line) for line in done.stdout.splitlines() if line.startswith("{")]
    assert execution["status"] == FAILED
