"""The files of the job on AWS Glue, which schedule writes at a deployment."""

from __future__ import annotations

import io
import re
import zipfile
from pathlib import Path

from anomalake.services.job_files import PACKAGE, REQUIREMENTS, SCRIPT, job_files, put_job_files
from tests.support.stack import ROOT


def requirements(text: str) -> dict[str, set[str]]:
    """Return the hashes of each pinned requirement."""
    blocks = re.split(r"\n(?=[a-z])", text.strip())
    return {
        re.sub(r" ;.*", "", block.splitlines()[0].rstrip(" \\")): set(re.findall(r"sha256:[0-9a-f]{64}", block))
        for block in blocks
    }


def test_the_zip_has_the_package_and_nothing_compiled() -> None:
    names = zipfile.ZipFile(io.BytesIO(job_files()[PACKAGE])).namelist()
    assert {"anomalake/__init__.py", "anomalake/services/stack.py", "anomalake/spark/runner.py"} <= set(names)
    assert not [name for name in names if "__pycache__" in name or not name.startswith("anomalake/")]


def test_the_same_package_makes_the_same_bytes() -> None:
    assert job_files() == job_files()


def test_the_job_installs_pins_and_hashes_of_the_lock_for_spark() -> None:
    ours = requirements(job_files()[REQUIREMENTS].decode())
    lock = requirements((ROOT / "requirements" / "spark.txt").read_text())
    assert all(hashes and hashes <= lock[name] for name, hashes in ours.items())
    names = {name.partition("==")[0] for name in ours}
    assert {"numpy", "pyarrow", "pandas", "obstore"} <= names
    # Glue has these.
    assert not names & {"pyspark", "py4j", "boto3"}


def test_the_files_are_written_to_a_folder(tmp_path: Path) -> None:
    put_job_files(str(tmp_path / "spark"))
    assert {path.name for path in (tmp_path / "spark").iterdir()} == {SCRIPT, PACKAGE, REQUIREMENTS}
    assert "anomalake.services.stack" in (tmp_path / "spark" / SCRIPT).read_text()
