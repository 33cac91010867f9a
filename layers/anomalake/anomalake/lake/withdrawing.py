"""Withdrawal of the results of a run that are no longer results, and reinstatement of those that are again (ADR 10)."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from anomalake.alerts import AlertBody
from anomalake.alerts.withdrawals import sequence_after, withdrawal_text
from anomalake.lake.withdrawal_rows import AlertState

#: Most alerts that one document names: a document has a fifth of the bytes that a reader accepts.
MOST_NAMED = 2_000

States = Mapping[tuple[str, str], AlertState]


@dataclass(frozen=True, slots=True)
class Change:
    """What differs between the alerts in force and the results of a run.

    Attributes
    ----------
    withdrawn
        Bodies that are in force and are no longer results.
    reinstated
        Results that are withdrawn.
    """

    withdrawn: tuple[AlertBody, ...]
    reinstated: tuple[AlertBody, ...]

    def __bool__(self) -> bool:
        return bool(self.withdrawn or self.reinstated)

    def texts(self, detector_arn: str, reason: str, now: datetime, states: States) -> Iterator[str]:
        """Write the documents that make the change."""
        latest = max((state.sequence for state in states.values()), default=None)
        sequence = sequence_after(now, latest)
        for part in _parts(self.withdrawn):
            yield withdrawal_text(detector_arn, sequence, reason, withdrawn=part)
        for part in _parts(self.reinstated):
            yield withdrawal_text(detector_arn, sequence, reason, reinstated=part)


def change_of(earlier: Iterable[AlertBody], results: Iterable[AlertBody], states: States) -> Change:
    """Compare the earlier alerts of a run with its results.

    Parameters
    ----------
    states
        State of the bodies that documents name (`withdrawal_rows.read_states`).
    """
    before, now = {body.key: body for body in earlier}, {body.key: body for body in results}

    def is_withdrawn(key: tuple[str, str]) -> bool:
        return key in states and states[key].is_withdrawn

    return Change(
        tuple(body for key, body in sorted(before.items()) if key not in now and not is_withdrawn(key)),
        tuple(body for key, body in sorted(now.items()) if is_withdrawn(key)),
    )


def _parts(bodies: Sequence[AlertBody]) -> Iterator[Sequence[AlertBody]]:
    for first in range(0, len(bodies), MOST_NAMED):
        yield bodies[first : first + MOST_NAMED]
