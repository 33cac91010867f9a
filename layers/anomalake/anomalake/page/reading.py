"""Makes the page's document from a lake."""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import datetime
from functools import partial
from typing import Any, Final, TypeVar

import numpy as np
import pyarrow as pa

from anomalake.definitions.arns import detector_of
from anomalake.definitions.errors import SourceError
from anomalake.definitions.metric_set import FREQUENCIES
from anomalake.groups.anomaly_group import Group
from anomalake.page import alert_moments, anomalies, group_files, health, judged, live_values
from anomalake.page.alert_moments import Alerted, Ask
from anomalake.page.anomalies import Everyone
from anomalake.page.definitions import Definition, definition_of, noted, together, zone_or_utc
from anomalake.page.document import Crawl, DetectorView, Live, PageDocument, Span
from anomalake.page.judged import Points
from anomalake.page.limits import DEFAULT, Limits, each, runs_each
from anomalake.page.names import Names
from anomalake.page.objects import error_line, read_each
from anomalake.query import templates
from anomalake.query.detectors import DetectorSchema as QueriedDetector
from anomalake.query.detectors import DetectorSchemas
from anomalake.query.errors import QueryError
from anomalake.records.backtests import GROUPS, TestedPoints, backtest_key, groups_from_lines
from anomalake.records.executions import Execution
from anomalake.records.listing import DetectorRecords, list_records
from anomalake.storage.store import ObjectStore, StoreError

#: Queries that wait for an answer at a time.
ASKED_AT_ONCE: Final = 4
# Where a lake's tables lie.
_TABLES: Final = "tables"
# Bytes of a table file that tell of its columns: most of a small one.
_FRAME: Final = 3_000
# Ids that are named in a query at a time.
_IDS: Final = 2_000

#: Moments by detector, measure, day and class of score.
Counted = dict[tuple[int, int, int, int], int]

_FAULTS = (QueryError, SourceError, StoreError)

T = TypeVar("T")


def read_document(
    ask: Ask,
    store: ObjectStore,
    *,
    lake: str,
    now: datetime,
    limits: Limits = DEFAULT,
    crawl: Crawl | None = None,
) -> PageDocument:
    """All that the page shows of a lake.

    What cannot be read, or is no such record, is left out and told in the document's notes.

    Parameters
    ----------
    ask
        Answers a query in Athena's dialect on the lake's relations; may be called from several threads.
    store
        The lake's objects.
    lake
        What the user calls it.
    limits
        How much detail.
    crawl
        Of the Glue crawler, where there is one.
    """
    return _Reading(ask, store, lake, now, limits).document(crawl)


@dataclass(slots=True)
class _Kept:
    """What detection left of one detector.

    Attributes
    ----------
    tested
        Of the last backtest.
    """

    stored: DetectorRecords
    definitions: dict[str, Definition]
    tested: TestedPoints | None
    groups: list[Group]
    executions: list[Execution]


class _Reading:
    def __init__(self, ask: Ask, store: ObjectStore, lake: str, now: datetime, limits: Limits) -> None:
        self._ask = ask
        self._store = store
        self._lake = lake
        self._now = now
        self._limits = limits
        self._notes: list[str] = []

    def document(self, crawl: Crawl | None) -> PageDocument:
        kept = self._kept()
        queried = self._or(list[QueriedDetector](), DetectorSchemas(self._store).all, "detectors")
        definitions = _definitions(queried, kept)
        everyone = Everyone(Names(one.arn, one.measures, one.dimensions) for one in definitions)
        found, rest, known, spans = self._anomalies(everyone, kept)
        definitions += [Definition(one.arn) for one in everyone.names[len(definitions) :]]
        lives = self._lives(everyone, definitions, kept, found)
        groups, moments, affected, contributions = anomalies.shown(found, known)
        nothing: tuple[int, tuple[str, ...]] = (0, ())
        aside, reasons = self._or(nothing, lambda: health.set_aside(self._store, self._notes), "set-aside records")
        by_arn = {one.arn: one for one in definitions}
        if not everyone.names:
            self._notes.append("The lake has no alert and no detector yet.")
        return PageDocument(
            made_at=int(self._now.timestamp()),
            lake=self._lake,
            detectors=tuple(
                self._detector(names, by_arn.get(names.arn, Definition(names.arn)), lives.get(names.arn), kept, spans)
                for names in everyone.names
            ),
            groups=groups,
            moments=moments,
            affected=affected,
            contributions=contributions,
            counts=anomalies.counts_of(rest),
            set_aside=aside,
            set_aside_reasons=reasons,
            crawl=crawl,
            notes=tuple(self._notes),
        )

    # ---- what detection left ----

    def _kept(self) -> dict[str, _Kept]:
        stored = self._or(dict[str, DetectorRecords](), lambda: list_records(self._store), "what detection left")
        groups = each(self._limits.groups, sum(bool(one.groups) for one in stored.values()))
        runs = runs_each(self._limits, sum(bool(one.executions) for one in stored.values()))
        return {name: self._kept_of(stored[name], groups, runs) for name in sorted(stored)}

    def _kept_of(self, of: DetectorRecords, groups: int, runs: int) -> _Kept:
        notes, store = self._notes, self._store
        definitions = self._or(dict[str, Definition](), lambda: noted(store, of, notes), of.name)
        executions = self._or(list[Execution](), lambda: health.executions(store, of, runs, notes), of.name)
        live = self._or(list[Group](), lambda: group_files.live_groups(store, of, groups, notes), of.name)
        tested: list[Group] = []
        if GROUPS in of.backtest:
            key, what = backtest_key(of.name, GROUPS), f"{of.name}: the backtest's groups"
            lines = read_each(store, [key], lambda body, place: list(groups_from_lines(body, place)), notes, what)
            tested = lines[0] if lines else []
        points = self._or(None, lambda: judged.of_backtest(store, of, notes), of.name)
        return _Kept(of, definitions, points, group_files.in_place(live, tested), executions)

    # ---- anomalies ----

    def _anomalies(
        self, everyone: Everyone, kept: dict[str, _Kept]
    ) -> tuple[anomalies.FoundGroups, Counted, dict[tuple[int, str], Group], dict[str, Alerted]]:
        groups = [group for one in kept.values() for group in one.groups]
        records = anomalies.from_groups(groups, everyone)
        known = {(everyone.number(one.detector_arn), one.group_id): one for one in groups}
        nothing: tuple[anomalies.FoundGroups | None, Counted, dict[str, Alerted]] = (None, {}, {})
        alerts, rest, spans = self._or(nothing, lambda: self._alerts_of(everyone, records), "alerts")
        found = anomalies.merged(records, alerts) if alerts is not None else records
        found, cut = anomalies.most_severe(found, self._limits)
        for key, number in anomalies.counted(cut).items():
            rest[key] = rest.get(key, 0) + number
        self._tell_limits(found, sum(rest.values()))
        return found, rest, known, spans

    def _alerts_of(
        self, everyone: Everyone, records: anomalies.FoundGroups
    ) -> tuple[anomalies.FoundGroups, Counted, dict[str, Alerted]]:
        """Moments that alerts tell of, how many more there are, and the alerts of each detector."""
        size = sum(max(0, one.size - _FRAME) for one in self._store.list(_TABLES))
        if size <= self._limits.whole_bytes:
            found, alerted = alert_moments.from_alerts(self._ask(_sql("page_anomalies")), everyone)
            return found, {}, alerted
        rows = self._ask(_sql("page_detectors")).to_pylist()
        spans = {row["detector_arn"]: _alerted(row) for row in rows}
        alerts, _ = alert_moments.from_alerts(self._ask(alert_moments.limited(self._limits)), everyone)
        if len(alerts) < self._limits.moments:
            return alerts, {}, spans
        # Of groups that are known, too, alerts beyond the limit are told of.
        unmatched = anomalies.without(records, alerts)
        ids = sorted({unmatched.ids[at] for at in unmatched.group.tolist()})
        for first in range(0, len(ids), _IDS):
            table = self._ask(alert_moments.of_groups(ids[first : first + _IDS], self._limits))
            more, _ = alert_moments.from_alerts(table, everyone)
            alerts = anomalies.joined(alerts, anomalies.within(more, records))
        rest = alert_moments.counts_in(self._ask(_sql("page_counts")), everyone)
        for key, number in anomalies.counted(alerts).items():
            rest[key] = rest.get(key, 0) - number
        return alerts, {key: number for key, number in rest.items() if number > 0}, spans

    def _tell_limits(self, found: anomalies.FoundGroups, beyond: int) -> None:
        if beyond:
            self._notes.append(
                f"The {len(found):,} most severe anomalies (groups in single intervals) are listed; {beyond:,} more "
                "are counted by detector, measure, day and score."
            )
        missing = int(found.metrics.sum()) - len(found.a_moment)
        if missing > 0:
            self._notes.append(f"{missing:,} affected metrics of less severe anomalies are left out.")

    # ---- values over time ----

    def _lives(
        self,
        everyone: Everyone,
        definitions: Sequence[Definition],
        kept: dict[str, _Kept],
        found: anomalies.FoundGroups,
    ) -> dict[str, _Lived]:
        made: dict[str, _Lived] = {}
        wanted: dict[str, live_values.Wanted] = {}
        answers = self._answers([one.queried for one in definitions if one.queried and one.queried.source])
        share = each(self._limits.intervals, sum(bool(one.stored.intervals) for one in kept.values()))
        for one in definitions:
            names = everyone.of(one.arn)
            at = kept.get(names.name)
            lived = _Lived(one.frequency, one.timezone)
            points = self._judged(one, names, at, lived, share) if at is not None else judged.no_points()
            observed = None
            answer = answers.get(one.arn)
            if isinstance(answer, pa.Table) and one.queried is not None:
                queried = one.queried
                observed = self._or(None, partial(live_values.observed_in, answer, queried, names), names.name)
                if observed is not None and not len(observed):
                    lived.problem, observed = _no_rows(queried), None
            elif answer is not None:
                lived.problem = answer
            if observed is None:
                observed = live_values.observed_of(points, names)
            made[one.arn] = lived
            weights = judged.anomalies_of(points, len(names.combinations()))
            mine = found.detector[found.a_moment] == everyone.number(one.arn)
            weights = weights + np.bincount(found.a_combination[mine], minlength=len(weights))
            wanted[one.arn] = live_values.Wanted(
                names,
                lived.frequency,
                zone_or_utc([lived.timezone]),
                tuple(one.aggregations.get(measure) == "SUM" for measure in names.measures),
                observed,
                points,
                weights,
            )
        given = live_values.shares(list(wanted.values()), self._limits.numbers)
        for (arn, one_), numbers in zip(wanted.items(), given, strict=True):
            make = partial(live_values.live_of, one_, numbers, self._limits.series)
            made[arn].live = self._or(None, make, one_.names.name)
        self._tell_lives({everyone.of(arn).name: one.live for arn, one in made.items() if one.live is not None})
        return made

    def _tell_lives(self, lives: dict[str, Live]) -> None:
        folded = {name: one.others for name, one in lives.items() if one.others}
        longer = {name: one.intervals for name, one in lives.items() if one.intervals > 1}
        if folded:
            self._notes.append(
                f"Values over time of {_named(folded)}: {sum(folded.values()):,} combinations of dimension values are "
                "put together as others."
            )
        if longer:
            low, high = min(longer.values()), max(longer.values())
            some = f"{low:,}" if low == high else f"{low:,} to {high:,}"
            self._notes.append(f"Values over time of {_named(longer)}: {some} intervals are put together as one.")

    def _judged(self, of: Definition, names: Names, at: _Kept, lived: _Lived, share: int) -> Points:
        versions = of.versions or _alone(at)
        nothing: tuple[Points, judged.IntervalGrid | None] = (judged.no_points(), None)
        live, rhythm = self._or(
            nothing,
            lambda: judged.of_intervals(self._store, at.stored, versions, names, share, self._notes),
            names.name,
        )
        if rhythm is not None:
            lived.frequency, lived.timezone = lived.frequency or rhythm.frequency, lived.timezone or rhythm.timezone
        tested = at.tested
        if tested is None or tested.about.get("detector_arn") != names.arn:
            return live
        points = self._or(judged.no_points(), lambda: judged.points_of(tested, names), names.name)
        about = tested.about
        lived.frequency, lived.timezone = (
            lived.frequency or about.get("frequency"),
            lived.timezone or about.get("timezone"),
        )
        if isinstance(about.get("first"), int) and isinstance(about.get("last"), int):
            lived.backtest = Span(about["first"], about["last"])
        return judged.live_over_backtest(live, points)

    def _answers(self, of: Sequence[QueriedDetector]) -> dict[str, pa.Table | str]:
        """Source data of each detector, or why there are none."""

        def answer(one: QueriedDetector) -> pa.Table | str:
            try:
                return self._ask(live_values.query_of(one))
            except _FAULTS as error:
                return error_line(error)

        with ThreadPoolExecutor(ASKED_AT_ONCE) as pool:
            return dict(zip((one.arn for one in of), pool.map(answer, of), strict=True))

    # ---- detectors ----

    def _detector(
        self,
        names: Names,
        of: Definition,
        lived: _Lived | None,
        kept: dict[str, _Kept],
        spans: dict[str, Alerted],
    ) -> DetectorView:
        at, span = kept.get(names.name), spans.get(names.arn)
        frequency = lived.frequency if lived is not None else of.frequency
        zone = zone_or_utc(
            [of.timezone, lived.timezone if lived is not None else None, span.timezone if span else None]
        )
        runs = None
        if at is not None:
            executions = at.executions
            runs = self._or(
                None,
                lambda: health.runs_of(
                    executions, names.arn, frequency, zone, of.offset, at.stored.undelivered, self._now
                ),
                names.name,
            )
        return DetectorView(
            name=names.name,
            arn=names.arn,
            frequency=frequency if frequency in FREQUENCIES else None,
            timezone=zone,
            measures=tuple(names.measures),
            aggregations=tuple(of.aggregations.get(one) for one in names.measures),
            dimensions=names.values(),
            combinations=names.combinations(),
            live=lived.live if lived is not None else None,
            live_problem=lived.problem if lived is not None else "",
            runs=runs,
            backtest=lived.backtest if lived is not None else None,
            alerts=Span(span.first, span.last) if span else None,
            clashes=span.clashes if span else 0,
        )

    # ---- faults ----

    def _or(self, otherwise: T, make: Callable[[], T], what: str) -> T:
        """What is made, or something else and a note."""
        try:
            return make()
        except (*_FAULTS, ValueError, LookupError, TypeError, AttributeError, pa.ArrowException) as error:
            self._notes.append(f"{what}: could not be read: {error_line(error)}.")
            return otherwise


@dataclass(slots=True)
class _Lived:
    """What came out for one detector."""

    frequency: str | None
    timezone: str | None
    problem: str = ""
    live: Live | None = None
    backtest: Span | None = None


def _definitions(queried: Sequence[QueriedDetector], kept: dict[str, _Kept]) -> list[Definition]:
    found: dict[str, Definition] = {one.arn: definition_of(one) for one in queried}
    for at in kept.values():
        for arn, one in at.definitions.items():
            found[arn] = together(found.get(arn), one)
        arns = {group.detector_arn for group in at.groups} | {one.detector_arn for one in at.executions}
        if at.tested is not None:
            arns.add(str(at.tested.about.get("detector_arn")))
        for arn in sorted(arns):
            found.setdefault(arn, Definition(arn))
    return [found[arn] for arn in sorted(found, key=lambda arn: (detector_of(arn), arn))]


def _named(of: Collection[str]) -> str:
    return next(iter(of)) if len(of) == 1 else f"{len(of):,} detectors"


def _alone(at: _Kept) -> tuple[str, ...]:
    """Versions of which nobody noted whose they are, where there is one detector of that name only."""
    return tuple(sorted(at.stored.intervals)) if not at.definitions else ()


def _alerted(row: dict[str, Any]) -> Alerted:
    first, last = _epoch(row["first_alert"]), _epoch(row["last_alert"])
    return Alerted(int(row["alerts"]), first, last, row["timezone"], int(row["clashes"]))


def _epoch(moment: datetime) -> int:
    """Epoch seconds of a moment in UTC, as answers have it."""
    return int(np.datetime64(moment, "s").astype(np.int64))


def _sql(name: str) -> str:
    return templates.template(name).sql(templates.DIALECT)


def _no_rows(detector: QueriedDetector) -> str:
    source = detector.source
    assert source is not None
    paths = (*source.historical_data_path_list, *source.templated_path_list)
    return f"source data: no row is found below {paths[0] if paths else '(no path)'}"
