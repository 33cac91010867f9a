"""Documents of causes: those of a run's groups that the lake does not have yet (docs/adr/0017)."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace
from datetime import UTC

from anomalake.alerts import GroupCauses, StoredAlert
from anomalake.alerts.causes import causes_text
from anomalake.groups.anomaly_group import Group
from anomalake.lake.cause_rows import CausesKey, CausesState

#: Most characters of a document: a sixth of what a reader accepts.
MOST_CHARACTERS = 1_000_000


def causes_of(groups: Iterable[Group], alerts: Iterable[StoredAlert]) -> list[GroupCauses]:
    """Return the causes of the intervals of groups that have alerts."""
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
    detector_arn: str, groups: Iterable[GroupCauses], states: Mapping[CausesKey, CausesState]
) -> Iterator[str]:
    """Write the documents that state those causes that differ from what the lake has; equal texts for equal arguments.

    Parameters
    ----------
    states
        What the lake has (`cause_rows.read_causes`). An interval that it does not have has no causes.
    """
    changed: dict[str, list[GroupCauses]] = defaultdict(list)
    sequences: dict[str, int] = defaultdict(lambda: 1)
    for group in groups:
        state = states.get((group.anomaly_group_id, group.metric_name, group.timestamp.utc))
        if group.causes != (state.causes if state is not None else ()):
            changed[group.day].append(group)
            sequences[group.day] = max(sequences[group.day], state.sequence + 1 if state is not None else 1)
    # The rows of a document of one day are one file, so it is stored as a whole or not.
    for day, of_day in sorted(changed.items()):
        for part in _parts(detector_arn, sequences[day], of_day):
            yield causes_text(detector_arn, sequences[day], part)


def _parts(detector_arn: str, sequence: int, groups: Iterable[GroupCauses]) -> Iterator[list[GroupCauses]]:
    part: list[GroupCauses] = []
    size = 0
    for group in groups:
        group, characters = _fitting(detector_arn, sequence, group)
        if part and size + characters > MOST_CHARACTERS:
            yield part
            part, size = [], 0
        part.append(group)
        size += characters
    if part:
        yield part


def _fitting(detector_arn: str, sequence: int, group: GroupCauses) -> tuple[GroupCauses, int]:
    """Return a group without those of its causes, the last ones, for which a document has no room; and its size."""
    characters = len(causes_text(detector_arn, sequence, [group]))
    while characters > MOST_CHARACTERS and group.causes:
        group = replace(group, causes=group.causes[:-1])
        characters = len(causes_text(detector_arn, sequence, [group]))
    return group, characters
