"""The files of the stack's job on AWS Glue, which `put_job_files` writes to the stack's bucket at each deployment."""

from __future__ import annotations

import io
import zipfile
from pathlib import Path
from typing import Final

from anomalake.storage.objects import open_store

#: Names of the files: the job's script, the package, and what is installed besides.
SCRIPT, PACKAGE, REQUIREMENTS = "detect.py", "anomalake.zip", "requirements.txt"

# A zip file cannot have an earlier time; the same package always makes the same bytes.
_TIME: Final = (1980, 1, 1, 0, 0, 0)


def put_job_files(uri: str) -> None:
    """Write the files of the job to a folder, ``s3://BUCKET/PREFIX``; raises `StoreError`."""
    store = open_store(uri)
    for name, body in job_files().items():
        store.put(name, body)


def job_files() -> dict[str, bytes]:
    """Return the files of the job by their names: this package as it is installed, so that job and functions agree."""
    package = Path(__file__).parents[1]
    return {
        SCRIPT: (package / "glue_job.py").read_bytes(),
        PACKAGE: _zipped(package),
        REQUIREMENTS: (package / "spark" / REQUIREMENTS).read_bytes(),
    }


def _zipped(package: Path) -> bytes:
    written = io.BytesIO()
    with zipfile.ZipFile(written, "w", zipfile.ZIP_DEFLATED) as archive:
        for path in sorted(package.rglob("*")):
            if path.is_file() and "__pycache__" not in path.parts:
                name = path.relative_to(package.parent).as_posix()
                archive.writestr(zipfile.ZipInfo(name, _TIME), path.read_bytes(), zipfile.ZIP_DEFLATED)
    return written.getvalue()
