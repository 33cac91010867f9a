"""Samples of source data: their first rows, and the check of a metric set against its files."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from anomalake.definitions.document import DocumentError, read_document
from anomalake.definitions.fields import Fields, Problems
from anomalake.definitions.metric_set import FileFormat, MetricSet, ParquetFormat
from anomalake.definitions.metric_set_fields import read_file_format, read_metric_set
from anomalake.definitions.resource_errors import InvalidRequestError
from anomalake.services.samples.files import (
    HISTORIES,
    SamplePath,
    check_bounds,
    files_of,
    invalid,
    lines_of,
    nothing_in,
    sample_paths,
)
from anomalake.services.workspace import Workspace
from anomalake.sources.checking import faults_in
from anomalake.sources.ports import SourceFiles
from anomalake.sources.rows import SourceFileError
from anomalake.sources.sample_rows import SampleRows, sample_rows

_S3 = "S3SourceConfig"
_SOURCE = f"MetricSource.{_S3}"
# Files of a path that are checked.
_CHECKED = 2


def read_sample_rows(workspace: Workspace, config: Mapping[str, Any]) -> SampleRows:
    """Read the first rows of a source: of the newest interval of a template, else of the first historical file.

    Parameters
    ----------
    config
        An S3SourceConfig.

    Raises
    ------
    InvalidRequestError
        There is no file, or it is not in the format.
    AccessRefusedError
        The files may not be read.
    StoreError
    """
    problems = Problems("")
    form = read_file_format(
        Fields(_document(config), _S3, problems).fields("FileFormatDescriptor"), problems, named=False
    )
    if isinstance(form, ParquetFormat):
        problems.add(f"{_S3}.FileFormatDescriptor", None, "expected CsvFormatDescriptor or JsonFormatDescriptor")
    _raise(problems)
    assert not isinstance(form, ParquetFormat)
    paths = sample_paths(config, _S3)
    check_bounds(workspace, paths)
    files = workspace.source_files
    for sample_path in reversed(paths):
        for found in files_of(files, sample_path, 1):
            try:
                return sample_rows(lines_of(files, sample_path, found.file, form.charset), form)
            except SourceFileError as error:
                raise invalid([(sample_path.field, f"{found.file.name}: {error}")]) from error
    raise invalid([nothing_in(sample_path) for sample_path in paths])


def check_metric_set(workspace: Workspace, members: Mapping[str, Any]) -> None:
    """Check the fields of CreateMetricSet against the beginning of the files that they name.

    A template may have no files yet, because live data begin later. A historical path must have some.

    Raises
    ------
    InvalidRequestError
        A field is invalid, there is no such bucket or no historical file, or the files do not have the columns, the
        timestamps or the numbers.
    AccessRefusedError
        The files are outside of what may be read.
    StoreError
    """
    metric_set = _metric_set(members)
    if metric_set.athena is not None:
        return
    paths = sample_paths(members["MetricSource"][_S3], _SOURCE)
    check_bounds(workspace, paths)
    files = workspace.source_files
    problems = [problem for sample_path in paths for problem in _problems_of(files, sample_path, metric_set)]
    if problems:
        raise invalid(list(dict.fromkeys(problems)))


def _problems_of(files: SourceFiles, sample_path: SamplePath, metric_set: MetricSet) -> list[tuple[str, str]]:
    found = files_of(files, sample_path, _CHECKED)
    if not found:
        return [nothing_in(sample_path)] if sample_path.kind == HISTORIES else []
    form: FileFormat = metric_set.file_format
    if isinstance(form, ParquetFormat):
        return []
    problems: dict[str, str] = {}
    for item in found:
        try:
            lines = lines_of(files, sample_path, item.file, form.charset)
        except SourceFileError as error:
            problems.setdefault(sample_path.field, f"{item.file.name}: {error}")
            continue
        for fault in faults_in(lines, metric_set, item.file.name):
            problems.setdefault(fault.field, fault.problem)
    return list(problems.items())


def _metric_set(members: Mapping[str, Any]) -> MetricSet:
    problems = Problems("", unknown_allowed=True)
    fields = Fields(_document(members), "", problems)
    arn = fields.text("AnomalyDetectorArn", "an ARN", default=_AN_ARN)
    # Without a frequency, a date is time enough.
    frequency = fields.text("MetricSetFrequency", "a frequency", default="P1D")
    metric_set = read_metric_set(fields, arn, frequency, "", problems)
    _raise(problems)
    if metric_set is None:
        raise InvalidRequestError("the metric set has no fields; expected those of CreateMetricSet")
    return metric_set


_AN_ARN = "arn:aws:lookoutmetrics:us-east-1:000000000000:AnomalyDetector:x"


def _document(members: Mapping[str, Any]) -> Any:
    try:
        return read_document(json.dumps(members))
    except (DocumentError, TypeError, ValueError, RecursionError) as error:
        raise InvalidRequestError(f"the request cannot be read: {error}", reason="CANNOT_PARSE") from error


def _raise(problems: Problems) -> None:
    if problems.members:
        raise invalid(problems.members)
