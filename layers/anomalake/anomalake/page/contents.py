"""Contents of a lake, as far as the page needs them: what `reading` reads and `composing` makes the document from."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime

import pyarrow as pa

from anomalake.definitions.detector import About
from anomalake.groups.anomaly_group import Group
from anomalake.page.definitions import Definition
from anomalake.page.document import CommentGiven, Crawl, FeedbackGiven, SnoozeGiven
from anomalake.query.detectors import DetectorSchema
from anomalake.records.backtests import TestedPoints
from anomalake.records.executions import Execution
from anomalake.records.intervals import IntervalRecord
from anomalake.records.listing import DetectorRecords


class Elsewhere(str):
    """Why source data are not among a lake's contents: another engine reads them."""


#: A group in one interval: AnomalyDetectorArn, anomalyGroupId, measure, epoch seconds.
GroupIntervalKey = tuple[str, str, str, int]
#: AnomalyDetectorArn, measure, start of the UTC day (epoch seconds), lower end of the class of scores.
CountKey = tuple[str, str, int, int]


@dataclass(frozen=True, slots=True)
class AlertSummary:
    """Alerts of a detector.

    Attributes
    ----------
    alerts
        Number of alerts.
    first, last
        Earliest and latest timestamp, epoch seconds.
    timezone
        Zone of the alerts.
    clashes
        Number of alerts with several bodies.
    """

    alerts: int
    first: int
    last: int
    timezone: str | None
    clashes: int


@dataclass(frozen=True, slots=True, eq=False)
class AlertContents:
    """Rows of alerts.

    Attributes
    ----------
    rows
        Answer to page_anomalies.sql where `complete`, else to page_most_severe.sql.
    complete
        Whether the rows are those of all alerts.
    beyond
        Where not complete: rows of less severe alerts, of groups that have records.
    counts
        Where not complete: number of group intervals; None where `rows` has all of them.
    summaries
        Where not complete: by ARN.
    """

    rows: pa.Table
    complete: bool
    beyond: Sequence[pa.Table] = ()
    counts: Mapping[CountKey, int] | None = None
    summaries: Mapping[str, AlertSummary] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class UserRecords:
    """Feedback, snoozes and comments of users on a detector's groups, the newest first."""

    feedback: Sequence[FeedbackGiven] = ()
    snoozes: Sequence[SnoozeGiven] = ()
    comments: Sequence[CommentGiven] = ()


@dataclass(frozen=True, slots=True, eq=False)
class DetectorContents:
    """Records of the detectors of one name.

    Attributes
    ----------
    definitions
        From the versions of the detector file, by ARN.
    tested
        Points of the last backtest.
    groups
        Groups of the live detector and of the last backtest.
    executions
        Executions of the newest intervals.
    intervals
        The newest intervals, by ARN; under "" where no version of the detector file is known.
    user_records
        Feedback, snoozes and comments of users on its groups.
    about
        Owner, runbook and note, by ARN.
    """

    records: DetectorRecords
    definitions: Mapping[str, Definition]
    tested: TestedPoints | None
    groups: Sequence[Group]
    executions: Sequence[Execution]
    intervals: Mapping[str, Sequence[IntervalRecord]]
    user_records: UserRecords = field(default_factory=lambda: UserRecords())
    about: Mapping[str, About] = field(default_factory=dict)

    def intervals_of(self, arn: str) -> Sequence[IntervalRecord]:
        """Return the intervals of a detector."""
        return self.intervals.get(arn if self.definitions else "", ())


@dataclass(frozen=True, slots=True, eq=False)
class LakeContents:
    """Contents of a lake.

    Attributes
    ----------
    lake
        URI, as the user gave it.
    now
        Time of reading.
    schemas
        Detectors that queries know.
    detectors
        Records, by detector name.
    alerts
        None where they could not be read.
    source_data
        By ARN: values by time and combination (`live_values.sql_of`), or the reason why there are none; `Elsewhere` is
        no fault of the lake.
    set_aside, set_aside_reasons
        Number of records that were set aside, and reasons of the newest ones.
    crawl
        State of the Glue crawler; None where there is none.
    notes
        What could not be read.
    """

    lake: str
    now: datetime
    schemas: Sequence[DetectorSchema]
    detectors: Mapping[str, DetectorContents]
    alerts: AlertContents | None
    source_data: Mapping[str, pa.Table | str]
    set_aside: int
    set_aside_reasons: tuple[str, ...]
    crawl: Crawl | None
    notes: tuple[str, ...]
