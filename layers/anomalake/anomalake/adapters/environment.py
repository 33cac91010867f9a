"""What the functions are told by their environment, checked first; standard library only, for the cold start."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import NoReturn

FORMATS = ("parquet", "csv")

#: The lake under `sam local invoke`, which knows no bucket: it lasts as long as the container.
LOCAL_LAKE = "/tmp/lake"  # nosec B108

_S3_URI = re.compile(r"s3://[a-z0-9][a-z0-9.-]{1,61}[a-z0-9](/[^\s,]*)?")
_FOLDER = re.compile(r"(file://)?/[^\x00]+")
_DATABASE = re.compile(r"[a-z][a-z0-9_]{0,127}")
_WORKGROUP = re.compile(r"[A-Za-z0-9._-]{1,128}")
_CRAWLER = re.compile(r"[A-Za-z0-9._-]{1,255}")


class EnvironmentFault(ValueError):
    """A variable that is missing or wrong: which, what it holds, what was expected."""


@dataclass(frozen=True, slots=True)
class CrawlerTarget:
    """A Glue crawler and where the changes lie that it is started for, ``s3://BUCKET/PREFIX``."""

    crawler: str
    prefix: str


@dataclass(frozen=True, slots=True)
class IngestEnvironment:
    """Of the function ingest.

    Attributes
    ----------
    lake
        URI of the lake.
    formats
        Formats of the table.
    database
        Glue database that partitions are registered in; None where there is no analytics part.
    """

    lake: str
    formats: tuple[str, ...]
    database: str | None

    @classmethod
    def read(cls, variables: Mapping[str, str]) -> IngestEnvironment:
        """Read and check; raises `EnvironmentFault`."""
        lake = _lake_or_folder(variables)
        return cls(lake, _formats(variables), _database(variables) if lake.startswith("s3://") else None)


@dataclass(frozen=True, slots=True)
class CompactEnvironment:
    """Of the function compact: the lake, its formats, and hours that merged files stay for queries under way."""

    lake: str
    formats: tuple[str, ...]
    grace_hours: int

    @classmethod
    def read(cls, variables: Mapping[str, str]) -> CompactEnvironment:
        """Read and check; raises `EnvironmentFault`."""
        return cls(
            _lake_or_folder(variables), _formats(variables), _whole(variables, "ANOMALAKE_GRACE_HOURS", 24, 0, 720)
        )


@dataclass(frozen=True, slots=True)
class CrawlEnvironment:
    """Of the function crawl: the lake, the Glue database, and which crawler is started for what."""

    lake: str
    database: str
    crawlers: tuple[CrawlerTarget, ...]

    @classmethod
    def read(cls, variables: Mapping[str, str]) -> CrawlEnvironment:
        """Read and check; raises `EnvironmentFault`."""
        return cls(_lake(variables), _needed_database(variables), _crawlers(variables))


@dataclass(frozen=True, slots=True)
class CatalogEnvironment:
    """Of the function catalog: the lake, its formats, the Glue database and the Athena workgroup."""

    lake: str
    formats: tuple[str, ...]
    database: str
    workgroup: str

    @classmethod
    def read(cls, variables: Mapping[str, str]) -> CatalogEnvironment:
        """Read and check; raises `EnvironmentFault`."""
        return cls(_lake(variables), _formats(variables), _needed_database(variables), _workgroup(variables))


def _lake_or_folder(variables: Mapping[str, str]) -> str:
    """A lake in S3, or in a folder: on a mounted file system, or a developer's own."""
    # SAM CLI puts the bucket's logical id in the place of its name, which no bucket could bear.
    if variables.get("AWS_SAM_LOCAL") == "true" and variables.get("ANOMALAKE_LAKE") == "s3://Bucket/lake":
        return LOCAL_LAKE
    value = variables.get("ANOMALAKE_LAKE", "")
    if value.startswith("s3://"):
        return _lake(variables)
    return _matching(variables, "ANOMALAKE_LAKE", _FOLDER, "s3://BUCKET/PREFIX, or a folder: /FOLDER or file:///FOLDER")


def _lake(variables: Mapping[str, str]) -> str:
    return _matching(variables, "ANOMALAKE_LAKE", _S3_URI, "s3://BUCKET or s3://BUCKET/PREFIX").rstrip("/")


def _formats(variables: Mapping[str, str]) -> tuple[str, ...]:
    value = variables.get("ANOMALAKE_FORMATS", "parquet")
    formats = tuple(value.split(","))
    if any(one not in FORMATS for one in formats) or len(set(formats)) != len(formats):
        _fault("ANOMALAKE_FORMATS", value, "parquet, csv or parquet,csv")
    return formats


def _database(variables: Mapping[str, str]) -> str | None:
    return _needed_database(variables) if variables.get("ANOMALAKE_DATABASE") else None


def _needed_database(variables: Mapping[str, str]) -> str:
    return _matching(variables, "ANOMALAKE_DATABASE", _DATABASE, "a Glue database, a-z 0-9 _")


def _workgroup(variables: Mapping[str, str]) -> str:
    return _matching(variables, "ANOMALAKE_WORKGROUP", _WORKGROUP, "an Athena workgroup")


def _crawlers(variables: Mapping[str, str]) -> tuple[CrawlerTarget, ...]:
    name = "ANOMALAKE_CRAWLERS"
    value = variables.get(name, "")
    targets = []
    for part in value.split(","):
        crawler, equals, prefix = part.partition("=")
        if not equals or not _CRAWLER.fullmatch(crawler) or not _S3_URI.fullmatch(prefix):
            _fault(name, value, "CRAWLER=s3://BUCKET/PREFIX, several parted by commas")
        targets.append(CrawlerTarget(crawler, prefix))
    return tuple(targets)


def _whole(variables: Mapping[str, str], name: str, default: int, least: int, most: int) -> int:
    value = variables.get(name, str(default))
    if not re.fullmatch(r"[0-9]{1,9}", value) or not least <= int(value) <= most:
        _fault(name, value, f"a whole number from {least} to {most}")
    return int(value)


def _matching(variables: Mapping[str, str], name: str, pattern: re.Pattern[str], expected: str) -> str:
    value = variables.get(name, "")
    if not pattern.fullmatch(value):
        _fault(name, value, expected)
    return value


def _fault(name: str, value: str, expected: str) -> NoReturn:
    raise EnvironmentFault(
        f"{name}: {value[:200]!r}: expected {expected}" if value else f"{name}: is not set: expected {expected}"
    )
