"""Composition of the page's document from a lake's contents; reads nothing."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import partial
from typing import Final

import numpy as np
import pyarrow as pa

from anomalake.definitions.arns import detector_of
from anomalake.definitions.detector import About, is_web_address
from anomalake.frequencies import FREQUENCIES
from anomalake.groups.anomaly_group import Group
from anomalake.page import alert_rows, anomalies, health, judged, live_values
from anomalake.page.anomalies import AnomalyTable, Counts
from anomalake.page.contents import AlertContents, AlertSummary, Elsewhere, GroupIntervalKey, LakeContents, UserRecords
from anomalake.page.definitions import Definition, definition_of, merge, zone_or_utc
from anomalake.page.document import DetectorView, Groups, Live, NearMisses, PageDocument, Span
from anomalake.page.judged import Points
from anomalake.page.limits import DEFAULT, Limits
from anomalake.page.near_misses import near_misses_of
from anomalake.page.notes import UnreadNote, attempt
from anomalake.page.numbering import DetectorNames, LakeNames
from anomalake.query.detectors import DetectorSchema

_NO_ALERT_AND_NO_DETECTOR: Final = "The lake has no alert and no detector yet."


def document_of(contents: LakeContents, limits: Limits = DEFAULT) -> PageDocument:
    """Return the document of a lake.

    Parameters
    ----------
    contents
        Read with limits that are at least as large.
    limits
        Most detail of the document. What is beyond is counted, added up or left out; the notes say so.
    """
    return _Composition(contents, limits).document()


@dataclass(slots=True)
class _DetectorValues:
    """Values of a detector, and what its records say of its intervals."""

    frequency: str | None
    timezone: str | None
    problem: str = ""
    live: Live | None = None
    backtest: Span | None = None
    points: Points = field(default_factory=judged.no_points)


class _Composition:
    def __init__(self, contents: LakeContents, limits: Limits) -> None:
        self._contents = contents
        self._limits = limits
        self._notes = list(contents.notes)
        definitions = _definitions(contents)
        self._definitions = {definition.arn: definition for definition in definitions}
        # Numbered in the order of names; detectors that only alerts name are numbered after these.
        self._names = LakeNames(
            DetectorNames(definition.arn, definition.measures, definition.dimensions) for definition in definitions
        )

    def document(self) -> PageDocument:
        contents = self._contents
        recorded = [group for detector in contents.detectors.values() for group in detector.groups]
        table, counts, summaries = self._anomalies(recorded)
        values = self._values(table)
        groups, group_intervals, affected, contributions = anomalies.document_columns(
            table, {(self._names.number(group.detector_arn), group.group_id): group for group in recorded}
        )
        detectors = tuple(
            self._detector(names, values[names.arn], summaries.get(names.arn)) for names in self._names.names
        )
        if not detectors:
            self._notes.append(_NO_ALERT_AND_NO_DETECTOR)
        return PageDocument(
            made_at=int(contents.now.timestamp()),
            lake=contents.lake,
            detectors=detectors,
            groups=groups,
            group_intervals=group_intervals,
            affected=affected,
            contributions=contributions,
            counts=anomalies.counts_of(counts),
            near_misses=self._near_misses(values, groups, counts),
            set_aside=contents.set_aside,
            set_aside_reasons=contents.set_aside_reasons,
            crawl=contents.crawl,
            notes=tuple(self._notes),
            feedback=tuple(feedback for records in self._user_records() for feedback in records.feedback),
            snoozes=tuple(snooze for records in self._user_records() for snooze in records.snoozes),
            comments=tuple(comment for records in self._user_records() for comment in records.comments),
        )

    def _user_records(self) -> list[UserRecords]:
        return [detector.user_records for detector in self._contents.detectors.values()]

    def _definition(self, arn: str) -> Definition:
        return self._definitions.get(arn) or Definition(arn)

    # ---- anomalies ----

    def _anomalies(self, recorded: Sequence[Group]) -> tuple[AnomalyTable, Counts, Mapping[str, AlertSummary]]:
        """Return the listed group intervals, the number of others, and the alerts of each detector, by ARN."""
        records = anomalies.from_groups(recorded, self._names)
        nothing: tuple[AnomalyTable | None, Counts, Mapping[str, AlertSummary]] = (None, {}, {})
        alerts, counts, summaries = attempt(self._notes, nothing, lambda: self._alerts(recorded), "alerts")
        table = anomalies.merged(records, alerts) if alerts is not None else records
        table, less_severe = anomalies.most_severe(table, self._limits)
        total = Counter(counts) + Counter(anomalies.counted(less_severe))
        self._note_limits(table, total.total())
        return table, dict(total), summaries

    def _alerts(self, recorded: Sequence[Group]) -> tuple[AnomalyTable | None, Counts, Mapping[str, AlertSummary]]:
        """Return the group intervals of alerts, the number of those that are beyond the limits, and the summaries."""
        alerts, names, limits = self._contents.alerts, self._names, self._limits
        if alerts is None:
            return None, {}, {}
        if alerts.complete:
            table, summaries = alert_rows.from_alerts(alerts.rows, names)
            return table, {}, summaries
        table, _ = alert_rows.from_alerts(alert_rows.within_limits(alerts.rows, limits), names)
        if len(table) < limits.group_intervals:
            return table, {}, alerts.summaries
        # A group interval that has a record is shown with its alert, even if the alert is beyond the limit.
        beyond = pa.concat_tables([alert_rows.less_severe(alerts.rows, limits), *alerts.beyond])
        beyond = _with_keys(beyond, alert_rows.record_keys(recorded))
        table = anomalies.joined(table, alert_rows.from_alerts(beyond, names)[0])
        return table, self._counts(alerts, table), alerts.summaries

    def _counts(self, alerts: AlertContents, listed: AnomalyTable) -> Counts:
        """Count the group intervals of alerts that are not listed."""
        counts = alerts.counts
        if counts is None:
            counts = alert_rows.counts_of_rows(alert_rows.first_rows(alerts.rows))
        total: Counter[tuple[int, int, int, int]] = Counter()
        for (arn, measure, day, score), number in sorted(counts.items()):
            total[self._names.number(arn), self._names.of(arn).measure(measure), day, score] += number
        total.subtract(anomalies.counted(listed))
        return {key: number for key, number in total.items() if number > 0}

    def _note_limits(self, table: AnomalyTable, beyond: int) -> None:
        if beyond:
            self._notes.append(
                f"The {len(table):,} most severe anomalies (groups in single intervals) are listed; {beyond:,} more "
                "are counted by detector, measure, day and score."
            )
        missing = int(table.metrics.sum()) - len(table.a_interval)
        if missing > 0:
            self._notes.append(f"{missing:,} affected metrics of less severe anomalies are left out.")

    # ---- values over time ----

    def _values(self, table: AnomalyTable) -> dict[str, _DetectorValues]:
        """Return the values of each detector, by ARN."""
        values: dict[str, _DetectorValues] = {}
        inputs: dict[str, live_values.LiveInput] = {}
        detector_of_affected = table.detector[table.a_interval]
        for number, names in enumerate(self._names.names):
            definition = self._definition(names.arn)
            detector = values[names.arn] = _DetectorValues(definition.frequency, definition.timezone)
            detector.points = self._points(names, detector)
            # Sums over time are those of the combinations.
            points = detector.points.where(detector.points.roll_up == 0)
            observed = self._observed(names, detector, definition.schema)
            if observed is None:
                observed = live_values.observed_of(points, names)
            n_anomalies = judged.anomalies_of(points, len(names.combinations()))
            affected = table.a_combination[detector_of_affected == number]
            is_affected = np.isin(detector.points.combination, affected)
            roll_ups = detector.points.where((detector.points.roll_up == 1) & is_affected)
            n_anomalies = n_anomalies + np.bincount(affected, minlength=len(n_anomalies))
            inputs[names.arn] = live_values.LiveInput(
                names,
                detector.frequency,
                zone_or_utc([detector.timezone]),
                tuple(definition.aggregations.get(measure) == "SUM" for measure in names.measures),
                observed,
                points,
                n_anomalies,
                roll_ups,
            )
        shares = live_values.shares(list(inputs.values()), self._limits.numbers)
        for arn, numbers in zip(list(inputs), shares, strict=True):
            # Each input is deleted as soon as it is used.
            made = partial(live_values.live_of, inputs.pop(arn), numbers, self._limits.series)
            values[arn].live = attempt(self._notes, None, made, self._names.of(arn).name)
            del made
        self._note_aggregation(
            {self._names.of(arn).name: value.live for arn, value in values.items() if value.live is not None}
        )
        return values

    def _near_misses(self, values: Mapping[str, _DetectorValues], groups: Groups, counts: Counts) -> NearMisses:
        """Return the near misses of the detectors without an anomaly."""
        busy = {*groups.detector.tolist(), *(detector for detector, *_ in counts)}
        quiet: dict[int, tuple[Points, str]] = {}
        for number, names in enumerate(self._names.names):
            detector = values[names.arn]
            if number not in busy and detector.frequency in FREQUENCIES:
                quiet[number] = (detector.points, detector.frequency)
        return near_misses_of(quiet)

    def _observed(
        self, names: DetectorNames, detector: _DetectorValues, schema: DetectorSchema | None
    ) -> live_values.Observed | None:
        """Return the values of a detector's source; None where there are none."""
        answer = self._contents.source_data.get(names.arn)
        if answer is None or schema is None:
            return None
        if isinstance(answer, str):
            detector.problem = answer
            if isinstance(answer, Elsewhere):
                self._notes.append(f"{answer}.")
                return None
            self._notes.append(UnreadNote(f"{names.name}: source data: could not be read: {answer}."))
            return None
        observed = attempt(self._notes, None, lambda: live_values.observed_in(answer, schema, names), names.name)
        if observed is None or len(observed):
            return observed
        detector.problem = _no_rows(schema)
        return None

    def _points(self, names: DetectorNames, detector: _DetectorValues) -> Points:
        """Return the judged points of a detector; note its frequency, time zone and backtest."""
        contents = self._contents.detectors.get(names.name)
        points = judged.no_points()
        if contents is None:
            return points
        intervals, tested = contents.intervals_of(names.arn), contents.tested
        if intervals:
            points = attempt(self._notes, points, lambda: judged.points_of_intervals(intervals, names), names.name)
            about = intervals[-1].about
            detector.frequency = detector.frequency or about["frequency"]
            detector.timezone = detector.timezone or about["timezone"]
        if tested is None or tested.about.get("detector_arn") != names.arn:
            return points
        about = tested.about
        detector.frequency = detector.frequency or about.get("frequency")
        detector.timezone = detector.timezone or about.get("timezone")
        if isinstance(about.get("first"), int) and isinstance(about.get("last"), int):
            detector.backtest = Span(about["first"], about["last"])
        no_points = judged.no_points()
        of_backtest = attempt(self._notes, no_points, lambda: judged.points_of_backtest(tested, names), names.name)
        return judged.live_over_backtest(points, of_backtest)

    def _note_aggregation(self, lives: Mapping[str, Live]) -> None:
        others = {name: live.others for name, live in lives.items() if live.others}
        intervals = {name: live.intervals for name, live in lives.items() if live.intervals > 1}
        if others:
            self._notes.append(
                f"Values over time of {_named(others)}: {sum(others.values()):,} combinations of dimension values are "
                "combined as others."
            )
        if intervals:
            low, high = min(intervals.values()), max(intervals.values())
            number = f"{low:,}" if low == high else f"{low:,} to {high:,}"
            self._notes.append(f"Values over time of {_named(intervals)}: {number} intervals are combined to one.")

    # ---- detectors ----

    def _detector(self, names: DetectorNames, values: _DetectorValues, alerts: AlertSummary | None) -> DetectorView:
        definition, contents = self._definition(names.arn), self._contents.detectors.get(names.name)
        about = contents.about.get(names.arn, About()) if contents is not None else About()
        frequency = values.frequency
        zone = zone_or_utc([definition.timezone, values.timezone, alerts.timezone if alerts is not None else None])
        runs = None
        if contents is not None:
            executions, undelivered, now = contents.executions, contents.records.undelivered, self._contents.now
            runs = attempt(
                self._notes,
                None,
                lambda: health.runs_of(executions, names.arn, frequency, zone, definition.offset, undelivered, now),
                names.name,
            )
        return DetectorView(
            name=names.name,
            arn=names.arn,
            frequency=frequency if frequency in FREQUENCIES else None,
            timezone=zone,
            measures=tuple(names.measures),
            aggregations=tuple(definition.aggregations.get(measure) for measure in names.measures),
            dimensions=names.values(),
            combinations=names.combinations(),
            live=values.live,
            live_problem=values.problem,
            runs=runs,
            backtest=values.backtest,
            alerts=Span(alerts.first, alerts.last) if alerts is not None else None,
            clashes=alerts.clashes if alerts is not None else 0,
            owner=about.owner,
            runbook=about.runbook if is_web_address(about.runbook) else "",
            note=about.note,
        )


def offsets_of(contents: LakeContents) -> dict[str, int]:
    """Return the seconds that each detector waits after an interval's end, by ARN."""
    return {definition.arn: definition.offset for definition in _definitions(contents)}


def is_current(document: PageDocument, offsets: Mapping[str, int], now: datetime) -> bool:
    """Whether the time that has passed has not changed a document: its numbers of late intervals.

    Parameters
    ----------
    offsets
        Those of the contents that it was made from (`offsets_of`).
    """
    return all(
        detector.runs is None
        or detector.runs.late
        == health.late_intervals(
            datetime.fromtimestamp(detector.runs.last_interval, UTC),
            detector.frequency,
            detector.timezone,
            offsets.get(detector.arn, 0),
            now,
        )
        for detector in document.detectors
    )


def _definitions(contents: LakeContents) -> list[Definition]:
    """Return the definitions of all detectors that queries or records know, in the order of their names."""
    definitions = {schema.arn: definition_of(schema) for schema in contents.schemas}
    for detector in contents.detectors.values():
        for arn, definition in detector.definitions.items():
            definitions[arn] = merge(definitions.get(arn), definition)
        arns = {group.detector_arn for group in detector.groups}
        arns |= {execution.detector_arn for execution in detector.executions}
        if detector.tested is not None:
            arns.add(str(detector.tested.about.get("detector_arn")))
        for arn in sorted(arns):
            definitions.setdefault(arn, Definition(arn))
    return [definitions[arn] for arn in sorted(definitions, key=lambda arn: (detector_of(arn), arn))]


def _with_keys(first_rows: pa.Table, keys: Collection[GroupIntervalKey]) -> pa.Table:
    return first_rows.filter(pa.array([key in keys for key in alert_rows.keys_of(first_rows)], pa.bool_()))


def _named(detectors: Collection[str]) -> str:
    return next(iter(detectors)) if len(detectors) == 1 else f"{len(detectors):,} detectors"


def _no_rows(schema: DetectorSchema) -> str:
    source = schema.source
    assert source is not None
    if source.athena is not None:
        table = source.athena
        return f"source data: no row is found in {table.data_catalog}.{table.database_name}.{table.table_name}"
    return f"source data: no row is found below {source.paths[0] if source.paths else '(no path)'}"
