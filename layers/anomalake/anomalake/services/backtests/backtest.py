"""Backtest: a detector file, its history, the test, and the alerts, figures and scores that follow."""

from __future__ import annotations

import secrets
from collections.abc import Callable, Iterable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Final

import numpy as np

from anomalake.alerts import AlertDocument, Refusal, StoredAlert, read_alert
from anomalake.aws.channels import LAMBDA_BYTES
from anomalake.definitions.detector import Detector
from anomalake.definitions.detector_file import read_detector
from anomalake.definitions.errors import SourceError
from anomalake.definitions.settings import DetectionSettings
from anomalake.detection.arrow_blocks import BacktestPlan
from anomalake.detection.backtest import (
    PreparedBacktest,
    Progress,
    first_tested,
    group_backtest,
    insufficient,
    judge_series,
    judged_arrays,
    prepare_backtest,
)
from anomalake.detection.distributed_backtest import BlockWork, judge_distributed, judge_given
from anomalake.detection.distributed_reading import SourceWork, can_read_by_tasks, read_distributed
from anomalake.detection.evaluation import Agreement, Figures
from anomalake.detection.labels import Labels, read_labels
from anomalake.detection.score_files import write_scores
from anomalake.groups.anomaly_group import Group, GroupInterval
from anomalake.groups.causes import with_causes
from anomalake.groups.counting import counted_intervals
from anomalake.groups.judged_series import JudgedSeries
from anomalake.lake import bulk
from anomalake.lake.lake import utc_now
from anomalake.local.source_files import FolderOrS3Files
from anomalake.model.metrics import Metrics
from anomalake.notify.alert_json import AlertTooLargeError
from anomalake.notify.channel import JSON
from anomalake.notify.messages import message_of
from anomalake.notify.rules import Due, passes, passes_measure
from anomalake.records.about import write_about
from anomalake.records.backtests import Backtest, begin_backtest, write_backtest
from anomalake.records.data_quality import DataQuality, backtest_quality_of, write_backtest_quality
from anomalake.records.feedback import Feedback, read_feedback
from anomalake.records.work import delete_left_behind, new_work_folder
from anomalake.services.detect import rules_of
from anomalake.services.engines import Engine
from anomalake.services.lake_updates import earlier_alerts, replace_alerts, write_causes
from anomalake.services.lakes import open_writer, reopen
from anomalake.services.maintenance import has_rows, register_partitions
from anomalake.services.sources import open_source_files, register_source
from anomalake.sources.reading import ReadReport, read_history
from anomalake.storage.objects import check_lake_uri, open_store
from anomalake.storage.store import StoreError

# Bytes of alerts that are written to the lake at once.
_PIECE_BYTES: Final = 4 * 1024 * 1024
# Series that are compared with labels at a time.
_SERIES_AT_ONCE: Final = 2_048


@dataclass(frozen=True, slots=True)
class Evaluation:
    """Comparison of a backtest with labels.

    Attributes
    ----------
    figures
        Precision, recall and others, of the tested points.
    labelled
        Number of tested and observed points with a label.
    unknown
        Number of labels for an interval or metric that the data do not have.
    """

    figures: Figures
    labelled: int
    unknown: int


@dataclass(frozen=True, slots=True)
class LoadedAlerts:
    """Alerts of a backtest that were written to a lake.

    Attributes
    ----------
    summary
        Numbers of loaded, repeated and refused alerts.
    withdrawn
        Number of alerts of earlier backtests that are withdrawn, because this one does not repeat them.
    too_large
        Alerts that are too large even with one metric, one line for each.
    unregistered
        Why queries cannot read the source data, so that there is no ``live_`` relation; None if they can.
    points_written
        Whether the tested points are in the lake, for the page; False if there are too many.
    """

    summary: bulk.Summary
    too_large: tuple[str, ...]
    unregistered: str | None
    points_written: bool = True
    withdrawn: int = 0


@dataclass(frozen=True, slots=True)
class BacktestOutcome:
    """Result of a backtest.

    Attributes
    ----------
    detector
        The detector.
    read
        Report on the rows that were read.
    backtest
        Tested points and anomaly groups.
    evaluated
        Comparison with labels; None without labels.
    scored
        Number of points in the file of scores; None without such a file.
    sent
        Alerts in the lake; None without a lake.
    unread
        Feedback in the lake that could not be read, one line for each.
    """

    detector: Detector
    read: ReadReport
    backtest: Backtest
    evaluated: Evaluation | None
    scored: int | None
    sent: LoadedAlerts | None
    unread: tuple[str, ...] = ()


def backtest(
    detector: Detector | Path,
    *,
    data: str | None = None,
    lake: str | None = None,
    labels: Path | None = None,
    scores: Path | None = None,
    page: str = "",
    progress: Progress | None = None,
    engine: Engine | None = None,
) -> BacktestOutcome:
    """Test a detector on its own history.

    Parameters
    ----------
    detector
        The detector, or its file.
    data
        Base of the detector file's relative paths, a folder or URI. Default: the folder of the file.
    lake
        URI of the lake for the alerts; source data are registered and feedback is applied there. Repeating a backtest
        changes nothing.
    labels
        CSV file with labels (`detection.labels.read_labels`).
    scores
        Parquet file for every tested point (`detection.score_files.write_scores`).
    page
        URL of the page that alerts link to.
    progress
        Called with the name of the step (``read``, ``train``, ``test``, ``alerts``), and the done and total number of
        its units.
    engine
        Reads the files and judges the blocks of series, with the same results. The outcome then has no judged points
        when the call has ended (`Backtest.judgement`); `scores` keeps them. Default: this process.

    Raises
    ------
    DetectorFileError, ReadingError, LabelsError, BacktestError, SettingsError, StoreError, OSError
    EngineError, TaskError
    """
    if lake is not None:
        check_lake_uri(lake)
    if isinstance(detector, Path):
        detector = read_detector(detector, data=data)
    feedback, unread = read_feedback(open_store(lake, create=False), detector.name) if lake else ([], [])
    with ExitStack() as until_written:
        history = _read(detector, engine, lake, until_written, progress)
        metrics, report = history.metrics, history.report
        # Labels are read before the model is fitted, so that an invalid file is reported at once.
        of = detector.metric_set
        labelled = read_labels(labels, metrics, of.timestamp_column, of.timestamp_format) if labels else None
        judged = until_written.enter_context(_judge(detector, history, engine, lake, feedback, progress))
        tested = conclude(detector, judged)
        quality = backtest_quality_of(report, metrics, tested.first)
        return BacktestOutcome(
            detector=detector,
            read=report,
            backtest=tested,
            evaluated=_evaluation(labelled, tested) if labelled is not None else None,
            scored=write_scores(scores, tested) if scores else None,
            sent=write_alerts(lake, detector, tested, progress, page, quality) if lake else None,
            unread=tuple(unread),
        )


@dataclass(frozen=True, slots=True, eq=False)
class _History:
    """A history that was read, and the work folder that has its blocks; None where its values are in memory."""

    metrics: Metrics
    report: ReadReport
    work: SourceWork | None = None
    is_enough: bool = True


def _read(
    detector: Detector,
    engine: Engine | None,
    lake: str | None,
    until_written: ExitStack,
    progress: Progress | None = None,
) -> _History:
    """Read the history, in this process or by an engine's tasks, whose blocks are deleted at the end of the context."""
    of = detector.metric_set
    if engine is None or not can_read_by_tasks(detector) or not engine.reaches(of.paths):
        reading = partial(progress, "read") if progress is not None else None
        return _History(*read_history(detector, open_source_files(of), progress=reading))
    open_work = until_written.enter_context(engine.work_store(lake))
    now = utc_now()
    delete_left_behind(open_work(), now)
    work = SourceWork(open_work, new_work_folder(now), FolderOrS3Files, of, secrets.token_bytes(16))
    until_written.callback(work.work().delete)
    given = read_distributed(detector, work, engine.runner, progress)
    return _History(given.metrics, given.report, work, given.is_enough)


def _evaluation(labels: Labels, tested: Backtest) -> Evaluation:
    """Compare the tested points with labels, some series at a time."""
    metrics = tested.metrics
    is_anomaly = labels.is_anomaly.reshape(metrics.n_metrics, -1)[:, tested.first :]
    # Labels are of the combinations in the data.
    has_label = ~np.tile(metrics.is_roll_up, len(metrics.measures))[:, None]
    agreement, labelled = Agreement(), 0
    for begin in range(0, metrics.n_metrics, _SERIES_AT_ONCE):
        rows = slice(begin, min(begin + _SERIES_AT_ONCE, metrics.n_metrics))
        values, judgement = tested.judged.rows(rows.start, rows.stop)
        observed = ~np.isnan(values) & has_label[rows]
        agreement += Agreement.of(is_anomaly[rows], judgement.is_anomaly, judgement.severity, observed)
        labelled += int((is_anomaly[rows] & observed).sum())
    return Evaluation(agreement.figures, labelled, labels.unknown)


def prepare(detector: Detector, metrics: Metrics) -> PreparedBacktest:
    """Divide a detector's history into what it learns from and what is tested; raises `BacktestError`."""
    return prepare_backtest(metrics, holidays=detector.holidays, settings=DetectionSettings.of(detector))


@contextmanager
def _judge(
    detector: Detector,
    history: _History,
    engine: Engine | None,
    lake: str | None,
    feedback: Iterable[Feedback],
    progress: Progress | None = None,
) -> Iterator[JudgedSeries]:
    """Judge all series in this process, or by an engine whose tasks exchange blocks through the lake.

    The tasks' blocks, and so all points but the anomalous ones, are deleted at the end of the context, or of the one in
    which they were read.
    """
    metrics = history.metrics
    if engine is not None and history.work is not None:
        first = first_tested(len(metrics.starts))
        if not history.is_enough:
            raise insufficient(metrics, first)
        plan = BacktestPlan.of(metrics, first, DetectionSettings.of(detector), tuple(detector.holidays), feedback)
        work = BlockWork(history.work.open_store, history.work.folder, plan)
        yield judge_given(metrics, work, engine.runner, progress)
        return
    prepared = prepare(detector, metrics)
    if engine is None:
        judgement = judge_series(prepared, 0, metrics.n_metrics, progress)
        yield judged_arrays(prepared, [judgement], feedback)
        return
    with engine.work_store(lake) as open_work:
        now = utc_now()
        delete_left_behind(open_work(), now)
        folder = new_work_folder(now)
        with judge_distributed(prepared, engine.runner, open_work, folder, feedback, progress) as judged:
            yield judged


def conclude(detector: Detector, judged: JudgedSeries) -> Backtest:
    """Group the anomalies of the judged series, and add the root causes of the intervals that alert."""
    tested = group_backtest(judged, DetectionSettings.of(detector), detector.arn)
    rules = rules_of(detector)

    def alerts(group: Group, interval: GroupInterval) -> bool:
        return any(passes_measure(group, rule) and passes(interval, rule) for rule in rules)

    return replace(tested, groups=with_causes(tested.groups, tested.judged, alerts))


def write_alerts(
    lake: str,
    detector: Detector,
    tested: Backtest,
    progress: Progress | None = None,
    page: str = "",
    quality: DataQuality | None = None,
) -> LoadedAlerts:
    """Write the alerts, groups and points of a backtest to a lake, and register the source; raises `StoreError`.

    They replace those of the detector's earlier backtest; its alerts that are not repeated are withdrawn. The
    quality of its history is written too, if it is given.
    """
    writer = open_writer(lake)
    unregistered = None
    try:
        register_source(writer.store, detector.metric_set)
    except SourceError as error:
        unregistered = str(error)
    too_large: list[str] = []
    n_groups = len(tested.groups)

    def report(done: int) -> None:
        if progress is not None:
            progress("alerts", done, n_groups)

    write_about(writer.store, detector.name, detector.arn, detector.about)
    earlier = earlier_alerts(writer.store, detector)
    begin_backtest(writer.store, detector.name, tested)
    alerts: list[StoredAlert] = []
    texts = _noted(alert_texts(detector, tested, too_large.append, report, page), alerts)
    job = bulk.Job(open_lake=reopen(lake, writer.formats), look_up=has_rows(writer))
    summary = bulk.load(_pieces(texts), job)
    if summary.failed:
        raise StoreError(f"{lake}: {summary.failed:,} alerts are not stored: {summary.reasons[0]}")
    register_partitions(writer, summary)
    withdrawn = replace_alerts(writer, detector, earlier, alerts)
    write_causes(writer, detector, tested.groups, alerts)
    if quality is not None:
        write_backtest_quality(writer.store, detector.name, quality)
    written = write_backtest(writer.store, detector.name, detector.arn, tested, alerts, utc_now())
    return LoadedAlerts(summary, tuple(too_large), unregistered, written, withdrawn)


def alert_texts(
    detector: Detector,
    tested: Backtest,
    too_large: Callable[[str], None],
    progress: Callable[[int], None],
    page: str = "",
) -> Iterator[str]:
    """Write the alert of every group interval that passes a rule as one line of L4M's JSON."""
    rules, settings = rules_of(detector), DetectionSettings.of(detector)
    for number, group in enumerate(tested.groups, 1):
        for rule in rules:
            if not passes_measure(group, rule):
                continue
            for interval in counted_intervals(group, settings):
                if not passes(interval, rule):
                    continue
                try:
                    yield message_of(Due(group, interval), rule, detector, JSON, LAMBDA_BYTES, page).text
                except AlertTooLargeError as error:
                    too_large(str(error))
        progress(number)


def _noted(texts: Iterator[str], alerts: list[StoredAlert]) -> Iterator[str]:
    """Note each alert before it is written."""
    for text in texts:
        # An alert that the lake refuses is set aside and reported in the summary.
        with suppress(Refusal):
            alerts.append(StoredAlert.of(read_alert(AlertDocument(text, "alert"))))
        yield text


def _pieces(texts: Iterator[str]) -> Iterator[bulk.Piece]:
    lines: list[str] = []
    size, first = 0, 1
    for text in texts:
        lines.append(text)
        size += len(text) + 1
        if size >= _PIECE_BYTES:
            yield _piece(lines, first, size)
            first += len(lines)
            lines, size = [], 0
    if lines:
        yield _piece(lines, first, size)


def _piece(lines: list[str], first: int, size: int) -> bulk.Piece:
    return bulk.Piece("alerts of the backtest", "\n".join([*lines, ""]).encode("ascii"), first_line=first, size=size)
