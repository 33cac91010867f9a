"""Guess the definition of a detector from data, and write its detector file."""

from __future__ import annotations

import os
import re
from collections import Counter
from collections.abc import Sequence
from contextlib import closing
from dataclasses import dataclass, replace
from pathlib import Path
from typing import IO, Any, Final
from urllib.parse import unquote, urlsplit

from anomalake.errors import AnomalakeError
from anomalake.files import unfinished
from anomalake.local.source_files import FolderOrS3Files
from anomalake.sources.guessing.detector_text import NotSupportedError, check_supported, detector_text
from anomalake.sources.guessing.guess import Guess
from anomalake.sources.guessing.readings import NO_CHOICES, Choices, TableReading, read_columns
from anomalake.sources.guessing.samples import FilePart, read_sample
from anomalake.sources.guessing.texts import MOST_BYTES
from anomalake.sources.ports import SourceFile, SourceFiles
from anomalake.sources.rows import SourceFileError

#: Most files, and most bytes of all files, that are looked at.
MOST_FILES: Final = 2_000
MOST_TOTAL: Final = 2 * MOST_BYTES
#: Most bytes of a Parquet file, whose metadata are at its end.
MOST_PARQUET: Final = 512 * 1024 * 1024
#: Most bytes of standard input.
MOST_INPUT: Final = 4 * 1024 * 1024 * 1024

_BLOCK: Final = 1024 * 1024
_DESCRIBING = re.compile(r"(?i)(^|/)(readme|license|licence)[^/]*$|\.(md|html?|pdf|ya?ml|sql|py)$")
_DIGITS = re.compile(r"(?:[A-Za-z_]+=)?(\d{4}-\d{2}-\d{2}|\d{8}|\d{4}|\d{2})")


class DataError(AnomalakeError, ValueError):
    """Data that cannot be looked at: which, and what was expected."""


@dataclass(frozen=True, slots=True)
class TextChoices:
    """What a person has said about the bytes of a file; what is None is guessed."""

    delimiter: str | None = None
    charset: str | None = None
    header: bool | None = None


NO_TEXT_CHOICES: Final = TextChoices()


@dataclass(frozen=True, slots=True)
class DetectorGuess:
    """What data without a description are taken for.

    Attributes
    ----------
    data
        The path or URI.
    files
        Number of files.
    reading
        What they were taken for.
    recursive
        Whether files are in subfolders.
    templates
        Templates of folders for each interval, if the folders have such names.
    """

    data: str
    files: int
    reading: TableReading
    recursive: bool = False
    templates: tuple[str, ...] = ()

    @property
    def name(self) -> str:
        """A detector's name, from that of the data."""
        last = self.data.rstrip("/").rpartition("/")[2].partition(".")[0] if self.data.strip("/") else ""
        name = re.sub(r"[^A-Za-z0-9_-]+", "-", last).strip("-_")[:63]
        return name if re.match(r"[A-Za-z0-9]", name) else "data"

    def text(self, folder: Path, name: str = "") -> str:
        """The detector file, as it is written to a folder; raises `NotSupportedError`."""
        place = self.data
        if "://" not in place:
            whole = Path(place).resolve()
            base = folder.resolve()
            place = str(whole.relative_to(base)) if whole.is_relative_to(base) else str(whole)
            place += "/" if self.recursive or whole.is_dir() else ""
        templates = [f"{place.rstrip('/')}/{template}" for template in self.templates]
        try:
            return detector_text(
                self.reading, name or self.name, [place], templates=templates, recursive=self.recursive
            )
        except NotSupportedError as error:
            raise NotSupportedError(f"{self.data}: {error}") from error


def guess_detector(data: str, choices: Choices = NO_CHOICES, text: TextChoices = NO_TEXT_CHOICES) -> DetectorGuess:
    """Guess how a file, a folder or ``s3://…`` is read.

    Raises
    ------
    DataError, SourceFileError, NotATableError
        The data are no table: why, and what was expected.
    StoreError
        They cannot be read.
    """
    data = _path(data)
    files = FolderOrS3Files()
    listed, recursive = _listed(data, files)
    parts = read_parts(files, listed)
    _check_no_definition(parts[0])
    try:
        form, sample = read_sample(parts, delimiter=text.delimiter, charset=text.charset, header=text.header)
    except SourceFileError as error:
        raise DataError(str(error)) from error
    if len(parts) < len(listed):
        sample = replace(sample, is_whole=False)
    try:
        reading = read_columns(form, sample, choices)
    except AnomalakeError as error:
        raise DataError(f"{data}: {error}") from error
    if reading.time.value.in_names:
        raise DataError(f"{data}: {reading.notices[0].text}")
    templates = _templates(data, listed) if recursive else ()
    return DetectorGuess(data, len(listed), reading, recursive, templates)


def store_input(stream: IO[bytes], path: Path) -> None:
    """Write standard input to a file; raises `DataError`."""
    size = 0
    with unfinished(path) as hidden:
        with hidden.open("wb") as out:
            while block := stream.read(_BLOCK):
                size += len(block)
                if size > MOST_INPUT:
                    raise DataError(f"standard input: has more than {MOST_INPUT >> 30} GB; expected a file or a folder")
                out.write(block)
        if not size:
            raise DataError("standard input: is empty; expected a table")


def missing_for_a_detector(reading: TableReading) -> str | None:
    """What a detector lacks for a reading, in one line; None if a file can be written."""
    try:
        check_supported(reading)
    except NotSupportedError as error:
        return str(error)
    return None


def reading_fields(guess: DetectorGuess) -> dict[str, Any]:
    """A reading as one JSON object."""
    reading = guess.reading
    time, text = reading.time.value, reading.text
    columns: list[str] = [*time.columns, *([f"columns: {','.join(time.in_names)}"] if time.in_names else [])]
    guesses: dict[str, Guess[object]] = {
        "kind": text.kind, "delimiter": text.delimiter, "quote": text.quote, "charset": text.charset,
        "header": text.header, "skip_lines": text.skip_lines, "decimal": reading.separators, "time": reading.time,
        "zone": reading.zone, "frequency": reading.frequency, "layout": reading.layout,
    }  # fmt: skip
    is_csv = text.kind.value == "csv"
    return {
        "data": guess.data,
        "files": guess.files,
        "rows": reading.rows,
        "kind": text.kind.value,
        "compression": text.compression.value,
        "delimiter": text.delimiter.value,
        "quote": text.quote.value,
        "charset": text.charset.value,
        "decimal": None if text.kind.value == "parquet" else reading.separators.value[0],
        "thousands": reading.separators.value[1] if is_csv else None,
        "header": text.header.value,
        "skip_lines": text.skip_lines.value,
        "time": columns[0] if len(columns) == 1 else columns,
        "time_format": time.pattern,
        "zone": reading.zone.value,
        "frequency": reading.frequency.value,
        "layout": reading.layout.value,
        "measures": reading.measures,
        "dimensions": list(reading.dimensions),
        "ignored": list(reading.ignored),
        "series": reading.series,
        "intervals": reading.spacing.intervals,
        "null_values": list(reading.null_values),
        "warnings": [notice.kind for notice in reading.notices],
        "notices": [notice.text for notice in reading.notices],
        "unsure": list(reading.unsure),
        "missing": missing_for_a_detector(reading),
        "guesses": {
            name: {"confidence": guess.confidence, "evidence": guess.evidence} for name, guess in guesses.items()
        },
        "columns": [
            {
                "name": role.name,
                "role": role.role.value,
                "confidence": role.role.confidence,
                "evidence": role.role.evidence,
            }
            for role in reading.roles
        ],
    }


def _path(data: str) -> str:
    if data.startswith("file://"):
        parts = urlsplit(data, allow_fragments=False)
        if parts.netloc not in ("", "localhost"):
            raise DataError(f"{data}: expected file:///PATH")
        return unquote(parts.path)
    scheme = re.match(r"[a-zA-Z][a-zA-Z0-9+.-]*(?=://)", data)
    if scheme and scheme[0] != "s3":
        raise DataError(f"{data}: expected a file, a folder, s3://BUCKET/PREFIX, or - for standard input")
    if "\x00" in data:
        raise DataError(f"{data!r}: expected no NUL in it")
    return data


def _listed(data: str, files: SourceFiles) -> tuple[Sequence[SourceFile], bool]:
    """The files, and whether they are in subfolders."""
    if "://" not in data and not os.path.lexists(data):
        raise DataError(f"{data}: there is no such file or folder")
    listed = [file for file in files.list(data) if file.size]
    if listed:
        return files_of_one_kind(listed), False
    listed = [file for file in files.list(data, recursive=True) if file.size]
    if not listed:
        raise DataError(f"{data}: has no data; expected CSV, JSON lines or Parquet")
    return files_of_one_kind(listed), True


def files_of_one_kind(listed: Sequence[SourceFile]) -> Sequence[SourceFile]:
    """Return the files without those that describe them, such as README.md."""
    data = [file for file in listed if not _DESCRIBING.search(file.name)] or listed
    kinds = Counter(map(_ending, data))
    usual = kinds.most_common(1)[0][0]
    return [file for file in data if _ending(file) == usual]


def _ending(file: SourceFile) -> str:
    """The ending of a file's name, without that of its compression."""
    return file.name.rpartition("/")[2].removesuffix(".gz").rpartition(".")[2].casefold()


def read_parts(files: SourceFiles, listed: Sequence[SourceFile]) -> list[FilePart]:
    """Read the beginnings of files, up to `MOST_FILES` and `MOST_TOTAL`; raises `DataError`, `StoreError`."""
    parts, total = [], 0
    for file in listed[:MOST_FILES]:
        with closing(files.open(file.name)) as stream:
            content, is_whole = _beginning(stream, file)
        parts.append(FilePart(file.name, content, is_whole))
        total += len(content)
        if total >= MOST_TOTAL:
            break
    return parts


def _beginning(stream: Any, file: SourceFile) -> tuple[bytes, bool]:
    blocks: list[bytes] = []
    size, most = 0, MOST_BYTES
    while size < most and (block := stream.read(_BLOCK)):
        if not blocks and block.startswith(b"PAR1"):
            most = MOST_PARQUET
            if file.size > most:
                raise DataError(f"{file.name}: has {file.size:,} bytes; expected Parquet files of at most {most:,}")
        blocks.append(block)
        size += len(block)
    return b"".join(blocks), size < most or not stream.read(1)


def _check_no_definition(part: FilePart) -> None:
    """Refuse a detector file or a template in the place of data."""
    beginning = part.content[:65_536]
    if b"AWSTemplateFormatVersion" in beginning or b"AWS::LookoutMetrics" in beginning:
        raise DataError(
            f"{part.name}: is a CloudFormation template; expected data. `anomalake backtest {part.name}` reads a "
            "detector of one"
        )
    if re.search(rb"(?m)^\s*\"?AnomalyDetector(Name|Arn|Config)\"?\s*:", beginning):
        raise DataError(f"{part.name}: is a detector file; expected data. `anomalake backtest {part.name}` tests it")


def _templates(data: str, listed: Sequence[SourceFile]) -> tuple[str, ...]:
    """The template of the folders below the data, if all have the names of intervals."""
    root = f"{data.rstrip('/')}/"
    folders = {file.name.removeprefix(root).rpartition("/")[0] for file in listed}
    templates = {_template(folder) for folder in folders}
    found = templates.pop() if len(templates) == 1 else ""
    return (found,) if found else ()


def _template(folder: str) -> str:
    """The template of one folder, such as ``{{yyyyMMdd}}/{{HHmm}}``; empty if it is no interval's."""
    letters, parts = "", []
    for part in folder.split("/"):
        found = _DIGITS.fullmatch(part)
        if found is None:
            if letters:
                return ""
            parts.append(part)
            continue
        key = _key(found[1], letters)
        if not key:
            return ""
        letters += key
        parts.append(f"{part[: found.start(1)]}{{{{{key}}}}}")
    return (
        "/".join(parts)
        if "dd" in letters and not any("{" in part or "}" in part for part in parts if "{{" not in part)
        else ""
    )


def _key(digits: str, before: str) -> str:
    if "-" in digits:
        return "" if before else "yyyy-MM-dd"
    if len(digits) == 8:
        return "" if before else "yyyyMMdd"
    if len(digits) == 4:
        return "HHmm" if "dd" in before else "" if before else "yyyy"
    following = {"yyyy": "MM", "yyyyMM": "dd", "yyyyMMdd": "HH", "yyyy-MM-dd": "HH", "yyyyMMddHH": "mm",
                 "yyyy-MM-ddHH": "mm"}  # fmt: skip
    return following.get(before, "")
