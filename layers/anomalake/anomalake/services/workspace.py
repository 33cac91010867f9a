"""What the operations of Lookout for Metrics' API work with."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Protocol

from anomalake.aws.detector_files import DetectorFiles
from anomalake.lake.lake import Clock
from anomalake.local.source_files import FolderOrS3Files
from anomalake.sources.ports import SourceFiles
from anomalake.storage.store import ObjectStore


@dataclass(frozen=True, slots=True)
class Account:
    """The AWS account and region in ARNs.

    Attributes
    ----------
    partition
        Such as ``aws``.
    region
        Such as ``us-east-1``.
    number
        The account's 12 digits.
    """

    partition: str
    region: str
    number: str

    def arn(self, resource: str) -> str:
        """Return the ARN of a resource, such as ``AnomalyDetector:NAME``."""
        return f"arn:{self.partition}:lookoutmetrics:{self.region}:{self.number}:{resource}"


class Jobs(Protocol):
    """Starts work that goes on after the answer. A call that is repeated starts nothing twice."""

    def backtest(self, detector: str) -> None:
        """Start the backtest that is recorded for a detector; raises `AnomalakeError` where it cannot be started."""
        ...

    def activate(self, detector: str) -> None:
        """Start the first run of an active detector; raises `AnomalakeError` where it cannot be started."""
        ...


@dataclass(frozen=True, slots=True)
class Bounds:
    """Source data and targets of alerts that the operations may use.

    Attributes
    ----------
    sources
        Buckets, or None for any.
    targets
        Patterns of ARNs, in which ``*`` stands for any characters, or None for any.
    reserved
        Folders ``s3://BUCKET/FOLDER`` without source data in buckets that may be read, such as the lake itself.
    """

    sources: tuple[str, ...] | None = None
    targets: tuple[str, ...] | None = None
    reserved: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Workspace:
    """A lake, its detector files and what works with them.

    Attributes
    ----------
    lake
        URI of the lake.
    store
        Its object store.
    files
        The detector files: those of active detectors.
    account
        Account and region of new ARNs.
    now
        The clock.
    jobs
        Starts backtests and first runs.
    bounds
        What may be read and called.
    source_files
        Source data, of which samples are read.
    """

    lake: str
    store: ObjectStore
    files: DetectorFiles
    account: Account
    now: Clock
    jobs: Jobs
    bounds: Bounds = Bounds()
    source_files: SourceFiles = field(default_factory=FolderOrS3Files)
