"""Environment variables of the functions, read and validated. Only the standard library, for fast cold starts."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import NoReturn

from anomalake.errors import AnomalakeError
from anomalake.notify.page_url import PageUrlError, page_url

FORMATS = ("parquet", "csv")

#: The lake under `sam local invoke`, where there is no bucket. It is deleted with the container.
LOCAL_LAKE = "/tmp/lake"  # nosec B108

_S3_URI = re.compile(r"s3://[a-z0-9][a-z0-9.-]{1,61}[a-z0-9](/[^\s,]*)?")
_FOLDER = re.compile(r"(file://)?/[^\x00]+")
_DATABASE = re.compile(r"[a-z][a-z0-9_]{0,127}")
_WORKGROUP = re.compile(r"[A-Za-z0-9._-]{1,128}")
_JOB = re.compile(r"[A-Za-z0-9._-]{1,255}")
_CRAWLER = re.compile(r"[A-Za-z0-9._-]{1,255}")
_ARN = re.compile(r"arn:[a-z-]+:[a-z0-9-]+:[a-z0-9-]*:[0-9]{12}:\S{1,256}")
_SCHEDULE_GROUP = re.compile(r"[A-Za-z0-9._-]{1,64}")
_REGION = re.compile(r"[a-z]{2}(-[a-z]+)+-[0-9]")
_ACCOUNT = re.compile(r"[0-9]{12}")
_PARTITION = re.compile(r"aws(-[a-z]+)*")
_BUCKET = re.compile(r"[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]")
_TARGET = re.compile(r"arn:[a-z-]+:(lambda|sns):[a-z0-9-]+:[0-9]{12}:[A-Za-z0-9_:*-]+")
_BOOLEAN = re.compile(r"true|false")


class EnvironmentVariableError(AnomalakeError, ValueError):
    """A missing or invalid environment variable: its name, its value, and what was expected."""


@dataclass(frozen=True, slots=True)
class CrawlerTarget:
    """A Glue crawler, and the ``s3://BUCKET/PREFIX`` whose changes start it."""

    crawler: str
    prefix: str


@dataclass(frozen=True, slots=True)
class IngestEnvironment:
    """Environment of the function ingest.

    Attributes
    ----------
    lake
        URI of the lake.
    formats
        Formats of the table.
    database
        Glue database for partitions; None if the stack has no analytics part.
    """

    lake: str
    formats: tuple[str, ...]
    database: str | None

    @classmethod
    def read(cls, variables: Mapping[str, str]) -> IngestEnvironment:
        """Read and check; raises `EnvironmentVariableError`."""
        lake = _lake_or_folder(variables)
        return cls(lake, _formats(variables), _database(variables) if lake.startswith("s3://") else None)


@dataclass(frozen=True, slots=True)
class CompactEnvironment:
    """Environment of the function compact: lake, formats, and hours that merged files are kept for running queries."""

    lake: str
    formats: tuple[str, ...]
    grace_hours: int

    @classmethod
    def read(cls, variables: Mapping[str, str]) -> CompactEnvironment:
        """Read and check; raises `EnvironmentVariableError`."""
        return cls(
            _lake_or_folder(variables), _formats(variables), _integer(variables, "ANOMALAKE_GRACE_HOURS", 24, 0, 720)
        )


@dataclass(frozen=True, slots=True)
class CrawlEnvironment:
    """Environment of the function crawl: the lake, the Glue database, and the crawlers with their prefixes."""

    lake: str
    database: str
    crawlers: tuple[CrawlerTarget, ...]

    @classmethod
    def read(cls, variables: Mapping[str, str]) -> CrawlEnvironment:
        """Read and check; raises `EnvironmentVariableError`."""
        return cls(_lake(variables), _required_database(variables), _crawlers(variables))


@dataclass(frozen=True, slots=True)
class CatalogEnvironment:
    """Environment of the function catalog: the lake, its formats, the Glue database and the Athena workgroup."""

    lake: str
    formats: tuple[str, ...]
    database: str
    workgroup: str

    @classmethod
    def read(cls, variables: Mapping[str, str]) -> CatalogEnvironment:
        """Read and check; raises `EnvironmentVariableError`."""
        return cls(_lake(variables), _formats(variables), _required_database(variables), _workgroup(variables))


@dataclass(frozen=True, slots=True)
class DetectEnvironment:
    """Environment of the function detect.

    Attributes
    ----------
    lake, formats
        As of the function ingest.
    detectors
        Location of the detector files, ``s3://BUCKET/PREFIX`` or a folder.
    ingest
        ARN of the function that receives alerts without an action; None: they are written to the lake directly.
    long_text_topic, short_text_topic
        SNS topics for e-mail and SMS; None if there is none.
    threshold
        Lowest score of a group that is sent to these topics.
    region, account
        Used in the ARNs of detectors whose files have no ARN.
    page
        URL of the page that alerts link to; empty if there is none.
    job
        Name of the Glue job that judges intervals on Apache Spark; None if there is none.
    """

    lake: str
    formats: tuple[str, ...]
    detectors: str
    ingest: str | None
    long_text_topic: str | None
    short_text_topic: str | None
    threshold: int
    region: str
    account: str
    page: str
    job: str | None

    @classmethod
    def read(cls, variables: Mapping[str, str]) -> DetectEnvironment:
        """Read and check; raises `EnvironmentVariableError`."""
        return cls(
            _lake_or_folder(variables),
            _formats(variables),
            _detectors(variables),
            _arn(variables, "ANOMALAKE_INGEST", "lambda"),
            _arn(variables, "ANOMALAKE_LONG_TEXT_TOPIC", "sns"),
            _arn(variables, "ANOMALAKE_SHORT_TEXT_TOPIC", "sns"),
            _integer(variables, "ANOMALAKE_ALERT_THRESHOLD", 70, 0, 100),
            *_region_and_account(variables),
            _page(variables),
            _job(variables),
        )


@dataclass(frozen=True, slots=True)
class ScheduleEnvironment:
    """Environment of the function schedule.

    Attributes
    ----------
    detectors
        Location of the detector files, ``s3://BUCKET/PREFIX`` or a folder.
    group
        Schedule group in EventBridge Scheduler.
    detect
        ARN of the function that the schedules invoke.
    role
        ARN of the role that the schedules use.
    region, account
        Used in the ARNs of detectors whose files have no ARN.
    job_files
        Where the files of the job on Apache Spark are written, ``s3://BUCKET/PREFIX``; None if there is no such job.
    """

    detectors: str
    group: str
    detect: str
    role: str
    region: str
    account: str
    job_files: str | None

    @classmethod
    def read(cls, variables: Mapping[str, str]) -> ScheduleEnvironment:
        """Read and check; raises `EnvironmentVariableError`."""
        return cls(
            _detectors(variables),
            _matching(variables, "ANOMALAKE_SCHEDULE_GROUP", _SCHEDULE_GROUP, "a group of EventBridge Scheduler"),
            _matching(variables, "ANOMALAKE_DETECT", _ARN, "the ARN of a function"),
            _matching(variables, "ANOMALAKE_SCHEDULE_ROLE", _ARN, "the ARN of a role"),
            *_region_and_account(variables),
            _job_files(variables),
        )


@dataclass(frozen=True, slots=True)
class MacroEnvironment:
    """Environment of the function macro.

    Attributes
    ----------
    api
        ARN of the function that makes detectors and alerts.
    role
        ARN of the role of the detectors.
    """

    api: str
    role: str

    @classmethod
    def read(cls, variables: Mapping[str, str]) -> MacroEnvironment:
        """Read and check; raises `EnvironmentVariableError`."""
        return cls(
            _matching(variables, "ANOMALAKE_API", _ARN, "the ARN of a function"),
            _matching(variables, "ANOMALAKE_DETECT_ROLE", _ARN, "the ARN of a role"),
        )


@dataclass(frozen=True, slots=True)
class ApiEnvironment:
    """Environment of the function api.

    Attributes
    ----------
    lake
        URI of the lake.
    detectors
        Location of the detector files, ``s3://BUCKET/PREFIX`` or a folder.
    detect, backtest
        ARNs of the functions that it invokes.
    sources
        Buckets with source data that it may read.
    targets
        ARNs of functions and topics that alerts may have as actions; ``*`` stands for any characters.
    partition, region, account
        Used in ARNs.
    """

    lake: str
    detectors: str
    detect: str
    backtest: str
    sources: tuple[str, ...]
    targets: tuple[str, ...]
    partition: str
    region: str
    account: str

    @property
    def reserved(self) -> tuple[str, ...]:
        """Folders of the stack's own, which are in a bucket with source data but have none."""
        stack = self.detectors.rpartition("/")[0]
        return (
            self.lake,
            self.detectors,
            *(f"{stack}/{folder}" for folder in ("inbox", "athena-results", "quicksight", "spark")),
        )

    @classmethod
    def read(cls, variables: Mapping[str, str]) -> ApiEnvironment:
        """Read and check; raises `EnvironmentVariableError`."""
        return cls(
            _lake_or_folder(variables),
            _detectors(variables),
            _matching(variables, "ANOMALAKE_DETECT", _ARN, "the ARN of a function"),
            _matching(variables, "ANOMALAKE_BACKTEST", _ARN, "the ARN of a function"),
            _each(variables, "ANOMALAKE_SOURCES", _BUCKET, "names of buckets, separated by commas"),
            _each(variables, "ANOMALAKE_TARGETS", _TARGET, "ARNs of functions and topics, separated by commas"),
            _matching({"ANOMALAKE_PARTITION": "aws", **variables}, "ANOMALAKE_PARTITION", _PARTITION, "aws"),
            *_region_and_account(variables),
        )


@dataclass(frozen=True, slots=True)
class BacktestEnvironment:
    """Environment of the function backtest.

    Attributes
    ----------
    lake
        URI of the lake.
    detectors
        Location of the detector files, ``s3://BUCKET/PREFIX`` or a folder.
    sends_alerts
        Whether the alerts of a detector are sent for the groups of a backtest.
    region, account
        Used in the ARNs of detectors whose files have no ARN.
    page
        URL of the page that alerts link to; empty if there is none.
    """

    lake: str
    detectors: str
    sends_alerts: bool
    region: str
    account: str
    page: str

    @classmethod
    def read(cls, variables: Mapping[str, str]) -> BacktestEnvironment:
        """Read and check; raises `EnvironmentVariableError`."""
        sends = {"ANOMALAKE_BACKTEST_ALERTS": "false", **variables}
        return cls(
            _lake_or_folder(variables),
            _detectors(variables),
            _matching(sends, "ANOMALAKE_BACKTEST_ALERTS", _BOOLEAN, "true or false") == "true",
            *_region_and_account(variables),
            _page(variables),
        )


def _page(variables: Mapping[str, str]) -> str:
    try:
        return page_url("ANOMALAKE_PAGE", variables.get("ANOMALAKE_PAGE", ""))
    except PageUrlError as error:
        raise EnvironmentVariableError(str(error)) from error


def _job(variables: Mapping[str, str]) -> str | None:
    """Name of the Glue job; None where there is none, and for `sam local invoke`, which has no Glue."""
    if not variables.get("ANOMALAKE_JOB") or variables.get("AWS_SAM_LOCAL") == "true":
        return None
    return _matching(variables, "ANOMALAKE_JOB", _JOB, "the name of a Glue job")


def _job_files(variables: Mapping[str, str]) -> str | None:
    if not variables.get("ANOMALAKE_JOB_FILES"):
        return None
    return _matching(variables, "ANOMALAKE_JOB_FILES", _S3_URI, "s3://BUCKET/PREFIX").rstrip("/")


def _lake_or_folder(variables: Mapping[str, str]) -> str:
    """A lake in S3 or in a folder, such as on a mounted file system."""
    # SAM CLI replaces the bucket's name by its logical id, which is not a valid bucket name.
    if variables.get("AWS_SAM_LOCAL") == "true" and variables.get("ANOMALAKE_LAKE") == "s3://Bucket/lake":
        return LOCAL_LAKE
    value = variables.get("ANOMALAKE_LAKE", "")
    if value.startswith("s3://"):
        return _lake(variables)
    return _matching(variables, "ANOMALAKE_LAKE", _FOLDER, "s3://BUCKET/PREFIX, or a folder: /FOLDER or file:///FOLDER")


def _lake(variables: Mapping[str, str]) -> str:
    return _matching(variables, "ANOMALAKE_LAKE", _S3_URI, "s3://BUCKET or s3://BUCKET/PREFIX").rstrip("/")


def _detectors(variables: Mapping[str, str]) -> str:
    name, expected = "ANOMALAKE_DETECTORS", "s3://BUCKET/PREFIX, or a folder: /FOLDER or file:///FOLDER"
    if variables.get(name, "").startswith("s3://"):
        return _matching(variables, name, _S3_URI, expected).rstrip("/")
    return _matching(variables, name, _FOLDER, expected)


def _region_and_account(variables: Mapping[str, str]) -> tuple[str, str]:
    """Region and account."""
    region = _matching({"AWS_REGION": "us-east-1", **variables}, "AWS_REGION", _REGION, "a region such as eu-west-1")
    account = {"ANOMALAKE_ACCOUNT": "000000000000", **variables}
    return region, _matching(account, "ANOMALAKE_ACCOUNT", _ACCOUNT, "an account, 12 digits")


def _arn(variables: Mapping[str, str], name: str, service: str) -> str | None:
    """An ARN of a service; None where it is not set, or is a template's logical id, as SAM CLI leaves it locally."""
    value = variables.get(name, "")
    if not value or (variables.get("AWS_SAM_LOCAL") == "true" and not value.startswith("arn:")):
        return None
    arn = _matching(variables, name, _ARN, f"an ARN of {service}")
    if arn.split(":")[2] != service:
        _fault(name, value, f"an ARN of {service}")
    return arn


def _formats(variables: Mapping[str, str]) -> tuple[str, ...]:
    value = variables.get("ANOMALAKE_FORMATS", "parquet")
    formats = tuple(value.split(","))
    if any(format_ not in FORMATS for format_ in formats) or len(set(formats)) != len(formats):
        _fault("ANOMALAKE_FORMATS", value, "parquet, csv or parquet,csv")
    return formats


def _database(variables: Mapping[str, str]) -> str | None:
    return _required_database(variables) if variables.get("ANOMALAKE_DATABASE") else None


def _required_database(variables: Mapping[str, str]) -> str:
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
            _fault(name, value, "CRAWLER=s3://BUCKET/PREFIX, several separated by commas")
        targets.append(CrawlerTarget(crawler, prefix))
    return tuple(targets)


def _each(variables: Mapping[str, str], name: str, pattern: re.Pattern[str], expected: str) -> tuple[str, ...]:
    """Values that are separated by commas; none where the variable is empty or not set."""
    value = variables.get(name, "")
    parts = tuple(value.split(",")) if value else ()
    if not all(pattern.fullmatch(part) for part in parts):
        _fault(name, value, expected)
    return parts


def _integer(variables: Mapping[str, str], name: str, default: int, least: int, most: int) -> int:
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
    raise EnvironmentVariableError(
        f"{name}: {value[:200]!r}: expected {expected}" if value else f"{name}: is not set: expected {expected}"
    )
