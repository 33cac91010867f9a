"""What a source is taken for: its file format, frequency and offset, each with how sure that is."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from itertools import groupby
from typing import Any, Final

from anomalake.errors import AnomalakeError
from anomalake.frequencies import FREQUENCIES
from anomalake.services.detector_guess import DataError, files_of_one_kind, read_parts
from anomalake.services.samples.files import (
    HISTORIES,
    FoundFile,
    SamplePath,
    answered,
    check_bounds,
    files_of,
    invalid,
    nothing_in,
    sample_paths,
)
from anomalake.services.workspace import Workspace
from anomalake.sources.guessing.arrival import offset_of
from anomalake.sources.guessing.guess import Guess
from anomalake.sources.guessing.readings import TableReading, read_columns
from anomalake.sources.guessing.samples import read_sample
from anomalake.sources.guessing.spacing import seconds_of
from anomalake.sources.guessing.texts import TextFormat
from anomalake.sources.ports import SourceFiles
from anomalake.sources.rows import SourceFileError

#: Frequencies that Lookout for Metrics had.
L4M_FREQUENCIES: Final = ("PT5M", "PT10M", "PT1H", "P1D")
# The newest files of a template that are looked at.
_MOST_LIVE = 100
_FIELD = "AutoDetectionMetricSource.S3SourceConfig"


@dataclass(frozen=True, slots=True)
class DetectedFormat:
    """What a source is taken for.

    Attributes
    ----------
    text
        How the bytes of its files are read.
    header
        Names of the columns; None if no line names them.
    frequency
        One of `L4M_FREQUENCIES`; None if none fits.
    offset
        Seconds after the end of an interval; None if nothing tells.
    """

    text: TextFormat
    header: Guess[tuple[str, ...] | None]
    frequency: Guess[str | None]
    offset: Guess[int | None]


def detect_format(workspace: Workspace, config: Mapping[str, Any]) -> DetectedFormat:
    """Look at the files of an S3SourceConfig without a format, as ``anomalake init`` does.

    Raises
    ------
    InvalidRequestError
        There is no file, or it is no table in CSV or JSON lines.
    AccessRefusedError
        The files may not be read.
    StoreError
    """
    paths = sample_paths(config, _FIELD)
    check_bounds(workspace, paths)
    files = workspace.source_files
    found = {sample_path: _found(files, sample_path) for sample_path in paths}
    used = next((sample_path for sample_path in paths if found[sample_path]), None)
    if used is None:
        raise invalid([nothing_in(sample_path) for sample_path in paths])
    listed = [item.file for item in found[used]]
    try:
        parts = answered(used, lambda: read_parts(files, files_of_one_kind(listed)))
        text, sample = read_sample(parts)
    except (DataError, SourceFileError) as error:
        raise invalid([(used.field, str(error))]) from error
    if text.kind.value == "parquet":
        raise invalid([(used.field, f"{listed[0].name}: is Parquet; expected CSV or JSON lines")])
    names = tuple(column.name for column in sample.columns)
    header = Guess(names if text.header.value else None, text.header.confidence, text.header.evidence)
    try:
        frequency = _frequency(read_columns(text, sample))
    except AnomalakeError as error:
        frequency = Guess(None, 0.0, str(error))
    live = [item for items in found.values() for item in items if item.time is not None]
    return DetectedFormat(text, header, frequency, _offset(live, frequency.value))


def _found(files: SourceFiles, sample_path: SamplePath) -> list[FoundFile]:
    if sample_path.kind == HISTORIES:
        return [FoundFile(file) for file in answered(sample_path, lambda: files.list(sample_path.path)) if file.size]
    return files_of(files, sample_path, _MOST_LIVE)


def _frequency(reading: TableReading) -> Guess[str | None]:
    """The shortest of L4M's frequencies whose intervals have whole steps of the rows."""
    written, time = reading.frequency.value, reading.time.value
    columns = ", ".join(map(repr, time.columns))
    where = f"times in {columns}" + (f" in the format {time.pattern}" if time.pattern else "")
    evidence = f"{reading.frequency.evidence}; {where}"
    confidence = min(reading.frequency.confidence, reading.time.confidence)
    if written in L4M_FREQUENCIES:
        return Guess(written, confidence, evidence)
    seconds = seconds_of(written)
    for name in L4M_FREQUENCIES:
        if FREQUENCIES[name].seconds >= seconds and FREQUENCIES[name].seconds % seconds == 0:
            return Guess(name, min(confidence, 0.6), f"rows are {written} apart: {evidence}")
    return Guess(None, 0.0, f"rows are {written} apart; expected {', '.join(L4M_FREQUENCIES)} or less: {evidence}")


def _offset(live: Sequence[FoundFile], frequency: str | None) -> Guess[int | None]:
    if not live:
        return Guess(None, 0.0, "without files of intervals (TemplatedPathList), nothing tells when data arrive")
    if frequency is None:
        return Guess(None, 0.0, "without a frequency, the ends of the intervals are not known")
    length = timedelta(seconds=FREQUENCIES[frequency].seconds)
    arrivals: list[tuple[datetime, datetime]] = []
    for time, items in groupby(sorted(live, key=_time), _time):
        written = max((item.file.modified for item in items if item.file.modified is not None), default=None)
        if written is not None:
            arrivals.append((time.replace(tzinfo=UTC) + length, written))
    return offset_of(arrivals)


def _time(item: FoundFile) -> datetime:
    assert item.time is not None
    return item.time
