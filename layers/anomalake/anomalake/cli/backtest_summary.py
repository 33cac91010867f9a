"""Lines that summarise a backtest."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from pathlib import Path
from zoneinfo import ZoneInfo

from anomalake.groups.grouping import AffectedMetric, Group
from anomalake.groups.near_misses import NearMiss
from anomalake.model.judgement import ANOMALOUS
from anomalake.notify.plain import figure, quoted, shown
from anomalake.records.backtests import MOST_POINTS
from anomalake.services.backtests.backtest import BacktestOutcome, Evaluation, LoadedAlerts

WORST = 5
MOST_REASONS = 10


def summary_lines(outcome: BacktestOutcome, lake: str | None = None, scores: Path | None = None) -> Iterator[str]:
    """Summarise a backtest: the tested data, the anomalies, the figures and the alerts."""
    tested, metrics = outcome.backtest, outcome.backtest.metrics
    zone = ZoneInfo(metrics.timezone)
    starts = [_instant(metrics.starts[at].item()).astimezone(zone) for at in (0, tested.first, -1)]
    first, first_tested, last = (f"{start:%Y-%m-%d %H:%M}" for start in starts)
    n_metrics = f"{metrics.n_metrics:,} metrics{' with roll-ups' if metrics.roll_ups else ''}"
    yield f"{outcome.detector.name}: {n_metrics}, {first} to {last} ({metrics.timezone})"
    yield (
        f"  trained on {tested.first:,} intervals of {metrics.frequency}, "
        f"tested on the {tested.tested:,} from {first_tested} on"
    )
    n_with_rows = int(metrics.has_value.sum())
    if n_with_rows < len(metrics.starts):
        yield f"  {n_with_rows:,} of {len(metrics.starts):,} intervals have rows"
    yield f"  {outcome.read}"
    n_points, n_anomalous = tested.n_points, sum(tested.points_by_measure().values())
    yield f"  {n_anomalous:,} of {n_points:,} tested points anomalous: {_by_name(tested.points_by_measure())}"
    yield f"  {_many(len(tested.groups), 'group')}: {_by_name(tested.groups_by_measure())}"
    for group in tested.worst_groups(WORST):
        yield f"    {_group_line(group, zone)}"
    near_misses = tested.near_misses()
    if near_misses:
        yield f"  nothing counts as an anomaly; the most unusual points below severity {ANOMALOUS:g}:"
    for near_miss in near_misses:
        yield f"    {_near_miss_line(near_miss, zone)}"
    if outcome.evaluated is not None:
        yield from _evaluated_lines(outcome.evaluated)
    if outcome.scored is not None:
        yield f"  scores of {outcome.scored:,} points: {scores}"
    if outcome.sent is not None:
        yield f"  alerts in {lake}: {_sent(outcome.sent)}"


def reason_lines(outcome: BacktestOutcome) -> Iterator[str]:
    """Reasons why rows and alerts were not used, the first of each."""
    sent = outcome.sent
    reasons = (*sent.summary.reasons, *sent.too_large) if sent is not None else ()
    for lines in (outcome.read.problems, reasons, outcome.unread):
        for reason in lines[:MOST_REASONS]:
            yield f"  {reason}"
        if len(lines) > MOST_REASONS:
            yield f"  … and {len(lines) - MOST_REASONS:,} more"
    if sent is not None and not sent.points_written:
        yield f"  expected values are not written to the lake: more than {MOST_POINTS:,} tested points"
    if sent is not None and sent.unregistered is not None:
        yield f"  queries cannot read the source data: {sent.unregistered}"


def went_well(outcome: BacktestOutcome) -> bool:
    """Whether every row and all feedback could be read, and every alert was stored."""
    if outcome.read.bad or outcome.unread:
        return False
    sent = outcome.sent
    return sent is None or not (sent.summary.refused or sent.summary.failed or sent.too_large)


def _evaluated_lines(evaluated: Evaluation) -> Iterator[str]:
    figures = evaluated.figures
    unknown = f"; {evaluated.unknown:,} labels outside the data" if evaluated.unknown else ""
    yield f"  against {_many(evaluated.labelled, 'labelled point')}{unknown}"
    yield (
        f"    points: precision {figures.precision:.4f}, recall {figures.recall:.4f}, F1 {figures.f1:.4f}, "
        f"average precision {figures.average_precision:.4f}"
    )
    yield (
        f"    events: precision {figures.event_precision:.4f}, recall {figures.event_recall:.4f}, "
        f"F1 {figures.event_f1:.4f}"
    )


def _sent(sent: LoadedAlerts) -> str:
    summary = sent.summary
    text = f"{summary.loaded:,} new, {summary.repeated:,} repeated"
    if sent.withdrawn:
        text += f", {sent.withdrawn:,} of an earlier backtest withdrawn (SELECT * FROM withdrawals)"
    if summary.clashes:
        text += f", {summary.clashes:,} clashing with others of the same id (SELECT * FROM clashes)"
    refused = summary.refused + len(sent.too_large)
    if refused:
        text += f", {refused:,} refused"
    if summary.failed:
        text += f", {summary.failed:,} failed (run it again)"
    return text


def _group_line(group: Group, zone: ZoneInfo) -> str:
    worst = max(group.intervals, key=lambda interval: (interval.score, interval.timestamp))
    return (
        f"{group.score:6.2f}  {group.start.astimezone(zone):%Y-%m-%d %H:%M}  {shown(group.measure)}, "
        f"{_many(len(group.intervals), 'interval')}, {_many(len(worst.affected), 'metric')}: "
        f"{_deviation(worst.affected[0])}"
    )


def _near_miss_line(near_miss: NearMiss, zone: ZoneInfo) -> str:
    start = near_miss.timestamp.astimezone(zone)
    return f"{near_miss.severity:6.2f}  {start:%Y-%m-%d %H:%M}  {shown(near_miss.measure)}: {_deviation(near_miss)}"


def _deviation(metric: AffectedMetric | NearMiss) -> str:
    named = ", ".join(f"{quoted(name)}={quoted(value)}" for name, value in metric.dimensions)
    is_missing = isinstance(metric, AffectedMetric) and metric.is_missing
    value = "no data" if is_missing else figure(metric.value)
    return f"{named + ': ' if named else ''}{value}, expected {figure(metric.expected)}"


def _by_name(counts: Mapping[str, int]) -> str:
    return ", ".join(f"{shown(name)} {count:,}" for name, count in counts.items())


def _many(count: int, what: str) -> str:
    return f"{count:,} {what}" if count == 1 else f"{count:,} {what}s"


def _instant(naive: datetime) -> datetime:
    return naive.replace(tzinfo=UTC)
