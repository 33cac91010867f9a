"""Documents of causes that say what a lake does not have yet of the groups of a run (docs/adr/0017)."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace
from datetime import UTC, datetime

from anomalake.alerts import GroupCauses, StoredAlert
from anomalake.alerts.causes import causes_text
from anomalake.alerts.withdrawals import sequence_after
from anomalake.groups.anomaly_group import Group
from anomalake.lake.cause_rows import CausesKey, CausesState

#: Most characters of a document: a sixth of what a reader accepts.
MOST_CHARACTERS = 1_000_000


def causes_of(groups: Iterable[Group], alerts: Iterable[StoredAlert]) -> list[GroupCauses]:
    """Return the causes of the intervals of groups that alerts tell of."""
    causes = {
        (group.group_id, interval.timestamp.astimezone(UTC)): interval.causes
        for group in groups
        for interval in group.intervals
    }
    found: dict[tuple[str, str, str], GroupCauses] = {}
    for alert in alerts:
        if alert.anomaly_group_id is None or (alert.anomaly_group_id, alert.start) not in causes:
            continue
        of_interval = causes[alert.anomaly_group_id, alert.start]
        stated = GroupCauses(alert.anomaly_group_id, alert.body.metric_name, alert.body.timestamp, of_interval)
        found[stated.key] = stated
    return [found[key] for key in sorted(found)]


def texts_of(
    detector_arn: str, groups: Iterable[GroupCauses], states: Mapping[CausesKey, CausesState], now: datetime
) -> Iterator[str]:
    """Write the documents that state those causes that differ from what the lake has.

    Parameters
    ----------
    states
        What the lake has (`cause_rows.read_causes`). An interval that it does not have has no causes.
    """
    sequence = sequence_after(now, max((state.sequence for state in states.values()), default=None))
    part: list[GroupCauses] = []
    size = 0
    for group in groups:
        state = states.get((group.anomaly_group_id, group.metric_name, group.timestamp.utc))
        if group.causes == (state.causes if state is not None else ()):
            continue
        group, characters = _fitting(detector_arn, sequence, group)
        if part and size + characters > MOST_CHARACTERS:
            yield causes_text(detector_arn, sequence, part)
            part, size = [], 0
        part.append(group)
        size += characters
    if part:
        yield causes_text(detector_arn, sequence, part)


def _fitting(detector_arn: str, sequence: str, group: GroupCauses) -> tuple[GroupCauses, int]:
    """Return a group without those of its causes, the last ones, for which a document has no room; and its size."""
    characters = len(causes_text(detector_arn, sequence, [group]))
    while characters > MOST_CHARACTERS and group.causes:
        group = replace(group, causes=group.causes[:-1])
        characters = len(causes_text(detector_arn, sequence, [group]))
    return group, characters
