"""A whole backtest: from a detector file over its history to alerts in a lake, figures and scores."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from anomalake.aws.channels import LAMBDA_BYTES
from anomalake.definitions.detector import Detector
from anomalake.definitions.detector_file import read_detector
from anomalake.definitions.errors import SourceError
from anomalake.detection.backtest import Progress, run_backtest
from anomalake.detection.evaluation import Figures, evaluate
from anomalake.detection.labels import read_labels
from anomalake.detection.score_files import write_scores
from anomalake.lake import bulk, layout
from anomalake.lake.lake import Lake
from anomalake.notify.alert_json import AlertTooLargeError
from anomalake.notify.channel import JSON
from anomalake.notify.messages import message_of
from anomalake.notify.rules import Due, passes, passes_measure
from anomalake.records.backtests import Backtest, write_backtest
from anomalake.records.feedback import read_feedback
from anomalake.services.detect import rules_of
from anomalake.services.lakes import open_writer, reopen
from anomalake.services.source_registration import register_source
from anomalake.services.sources import open_source_files
from anomalake.sources.reading import ReadReport, read_history
from anomalake.storage.objects import open_store

# Bytes of alerts that are handed to the lake at a time.
_PIECE: Final = 4 * 1024 * 1024


@dataclass(frozen=True, slots=True)
class Evaluation:
    """A backtest against labels.

    Attributes
    ----------
    figures
        Of the tested points.
    labelled
        Tested and observed points with a label.
    unknown
        Labels that no interval or metric of the data is meant by.
    """

    figures: Figures
    labelled: int
    unknown: int


@dataclass(frozen=True, slots=True)
class LoadedAlerts:
    """What became of the alerts.

    Attributes
    ----------
    summary
        Of the lake.
    too_large
        Alerts that no leaving out of metrics made small enough, a line each.
    unregistered
        Why queries cannot read the source data, so that there is no ``live_`` relation; None where they can.
    judgement_kept
        Whether the lake keeps the tested points, for the page: too many are left out.
    """

    summary: bulk.Summary
    too_large: tuple[str, ...]
    unregistered: str | None
    judgement_kept: bool = True


@dataclass(frozen=True, slots=True)
class BacktestOutcome:
    """What a backtest came to.

    Attributes
    ----------
    evaluated, scored, sent
        None where no labels, no file for the scores, no lake was given.
    """

    detector: Detector
    read: ReadReport
    backtest: Backtest
    evaluated: Evaluation | None
    scored: int | None
    sent: LoadedAlerts | None


def backtest(
    detector_file: Path,
    *,
    data: str | None = None,
    lake: str | None = None,
    labels: Path | None = None,
    scores: Path | None = None,
    page: str = "",
    progress: Progress | None = None,
) -> BacktestOutcome:
    """Test a detector on its own history.

    Parameters
    ----------
    data
        Folder or URI below which the detector file's relative paths lie; its own folder unless given.
    lake
        Where alerts go, the source data is registered, and feedback is heeded; a second time nothing changes.
    labels
        CSV file to compare with (`detection.labels.read_labels`).
    scores
        Parquet file to write every tested point to (`detection.score_files.write_scores`).
    page
        Address of the page that alerts link to.

    Raises
    ------
    DetectorFileError, ReadingError, LabelsError, BacktestError, SettingsError, StoreError, OSError
    """
    detector = read_detector(detector_file, data=data)
    metrics, read = read_history(detector, open_source_files(detector.metric_set))
    metric_set = detector.metric_set
    # Before the model, so that a file that cannot be read costs no wait.
    told = read_labels(labels, metrics, metric_set.timestamp_column, metric_set.timestamp_format) if labels else None
    said = read_feedback(open_store(lake, create=False), detector.name)[0] if lake else []
    found = run_backtest(metrics, detector.arn, holidays=detector.holidays, feedback=said, progress=progress)
    evaluated = None
    if told is not None:
        tested = told.is_anomaly.reshape(metrics.n_metrics, -1)[:, found.first :]
        figures = evaluate(tested, found.judgement.is_anomaly, found.judgement.severity, found.observed)
        evaluated = Evaluation(figures, int((tested & found.observed).sum()), told.unknown)
    return BacktestOutcome(
        detector=detector,
        read=read,
        backtest=found,
        evaluated=evaluated,
        scored=write_scores(scores, found) if scores else None,
        sent=send(lake, detector, found, progress, page) if lake else None,
    )


def send(
    lake: str, detector: Detector, found: Backtest, progress: Progress | None = None, page: str = ""
) -> LoadedAlerts:
    """Take the alerts of a backtest into a lake, in few writes, register the source data, and keep what it judged."""
    writer = open_writer(lake)
    unregistered = None
    try:
        register_source(writer.store, detector.metric_set)
    except SourceError as error:
        unregistered = str(error)
    too_large: list[str] = []
    n_groups = len(found.groups)

    def tell(done: int) -> None:
        if progress is not None:
            progress("alerts", done, n_groups)

    texts = alert_texts(detector, found, too_large.append, tell, page)
    job = bulk.Job(open_lake=reopen(lake, writer.formats), look_up=_has_rows(writer))
    summary = bulk.load(_pieces(texts), job)
    pending = bulk.register(writer, summary)
    if pending is not None:
        summary.reasons.append(f"catalog: {pending}; the rows are stored, the next crawl registers their partitions")
    kept = write_backtest(writer.store, detector.name, detector.arn, found)
    return LoadedAlerts(summary, tuple(too_large), unregistered, kept)


def alert_texts(
    detector: Detector,
    found: Backtest,
    too_large: Callable[[str], None],
    progress: Callable[[int], None],
    page: str = "",
) -> Iterator[str]:
    """An alert for every interval of every group that passes a rule, as L4M's JSON, a line each."""
    rules = rules_of(detector)
    for number, group in enumerate(found.groups, 1):
        for rule in rules:
            if not passes_measure(group, rule):
                continue
            for interval in group.intervals:
                if not passes(interval, rule):
                    continue
                try:
                    yield message_of(Due(group, interval), rule, detector, JSON, LAMBDA_BYTES, page).text
                except AlertTooLargeError as error:
                    too_large(str(error))
        progress(number)


def _pieces(texts: Iterator[str]) -> Iterator[bulk.Piece]:
    lines: list[str] = []
    size, first = 0, 1
    for text in texts:
        lines.append(text)
        size += len(text) + 1
        if size >= _PIECE:
            yield _piece(lines, first, size)
            first += len(lines)
            lines, size = [], 0
    if lines:
        yield _piece(lines, first, size)


def _piece(lines: list[str], first: int, size: int) -> bulk.Piece:
    return bulk.Piece("alerts of the backtest", "\n".join([*lines, ""]).encode("ascii"), first_line=first, size=size)


def _has_rows(lake: Lake) -> bool:
    return next(iter(lake.store.list(layout.TABLES[lake.formats[0]][0])), None) is not None
