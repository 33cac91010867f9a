"""Takes out of an installed layer what no function imports, and compiles the rest.

A layer is read-only in Lambda: without compiled files each cold start would compile every module it imports.
"""

from __future__ import annotations

import compileall
import shutil
import sys
from collections.abc import Iterable
from pathlib import Path
from py_compile import PycInvalidationMode

# Relative to the layer's python/ folder. A pattern that finds nothing fails the build, so that none goes stale unseen.
EVERYWHERE = (
    "bin",
    "**/tests",
    "**/*.pyi",
    "**/*.pyx",
    "**/*.pxd",
    "**/*.pxi",
    "pyarrow/include",
    "pyarrow/src",
    # pyarrow's link names for compilers (the loader asks for libarrow_python.so.<major>00), and Flight.
    "pyarrow/libarrow_python*.so",
    "pyarrow/libarrow_python*.so.*.*.*",
    "pyarrow/libarrow_flight.so.*",
    "pyarrow/libarrow_python_flight.so.*",
    "pyarrow/_flight*",
    "pyarrow/flight.py",
    # pyarrow's own clients for S3, GCS, Azure and HDFS: objects come and go through obstore or boto3.
    "pyarrow/_gcsfs*",
    "pyarrow/_azurefs*",
    "pyarrow/_hdfs*",
    # pyarrow.lib is linked with libarrow_substrait; the Python side of it is not needed.
    "pyarrow/_substrait*",
    "pyarrow/substrait.py",
    "pyarrow/_orc*",
    "pyarrow/orc.py",
    "aws_lambda_powertools/event_handler",
    "aws_lambda_powertools/utilities/parser",
    "aws_lambda_powertools/utilities/data_masking",
    "aws_lambda_powertools/utilities/kafka",
)
ONLY = {
    "ingest": (
        "pyarrow/_dataset*",
        "pyarrow/dataset.py",
        "pyarrow/_acero*",
        "pyarrow/acero.py",
        "pyarrow/_s3fs*",
        "pyarrow/interchange",
        "pyarrow/vendored",
        "aws_lambda_powertools/utilities/data_classes",
        "aws_lambda_powertools/utilities/idempotency",
        "aws_lambda_powertools/utilities/batch",
        "aws_lambda_powertools/utilities/feature_flags",
        "aws_lambda_powertools/utilities/parameters",
    ),
    "analytics": (
        "numpy/f2py",
        "numpy/_core/include",
        "numpy/_core/lib",
    ),
    "detection": (
        # Names of holidays in other languages.
        "holidays/locale",
        "numpy/f2py",
        "numpy/_core/include",
        "numpy/_core/lib",
        "pyarrow/_s3fs*",
        "pyarrow/interchange",
        "aws_lambda_powertools/utilities/data_classes",
        "aws_lambda_powertools/utilities/idempotency",
        "aws_lambda_powertools/utilities/batch",
        "aws_lambda_powertools/utilities/feature_flags",
        "aws_lambda_powertools/utilities/parameters",
    ),
}


def take_out(root: Path, patterns: Iterable[str]) -> None:
    """Delete what the patterns find; each must find something."""
    for pattern in patterns:
        found = list(root.glob(pattern))
        if not found:
            sys.exit(f"trim: {root}: nothing fits {pattern!r}; expected something to take out")
        for path in found:
            if path.is_dir():
                shutil.rmtree(path)
            else:
                path.unlink(missing_ok=True)


def main(folder: str, layer: str) -> None:
    root = Path(folder)
    take_out(root, (*EVERYWHERE, *ONLY[layer]))
    # Unchecked, because a layer's files have other times where they run; under the name they have there.
    compileall.compile_dir(
        root, quiet=2, stripdir=folder, prependdir="/opt/python", invalidation_mode=PycInvalidationMode.UNCHECKED_HASH
    )


if __name__ == "__main__":
    main(*sys.argv[1:])
