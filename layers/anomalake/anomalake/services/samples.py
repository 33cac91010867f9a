"""Samples of source data: rows for a person, the format of files, and the check of a metric set against its files."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from anomalake.services.workspace import Workspace


def check_metric_set(workspace: Workspace, members: Mapping[str, Any]) -> None:
    """Check the fields of CreateMetricSet against the beginning of the files that they name.

    Raises
    ------
    InvalidRequestError
        There is no such bucket, or the files do not have the columns, the timestamps or the numbers.
    AccessRefusedError
        The files are outside of what may be read.
    """
