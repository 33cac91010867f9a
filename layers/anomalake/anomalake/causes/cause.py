"""A root cause by names, and its words."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Cause:
    """A combination of dimension values below which metrics are off by a common share.

    Attributes
    ----------
    dimensions
        Pairs of name and value; empty: the measure as a whole.
    share_off
        ``actual / expected - 1``, four decimals: -0.62 is 62 % less; None where nothing was expected.
    explained
        Its share in the deviations in its direction that are not noise, 0 to 1, four decimals.
    gain
        Evidence in nats, less the cost of naming it and a margin; two decimals.
    """

    dimensions: tuple[tuple[str, str], ...]
    share_off: float | None
    explained: float
    gain: float


def words(cause: Cause, show: Callable[[str], str] = str) -> str:
    """A cause in words: ``carrier UA at EWR: 62 % fewer than expected; explains 71 %``.

    Parameters
    ----------
    show
        Makes a name or value fit for the text.
    """
    return f"{what_is_off(cause, show)}; explains {100 * cause.explained:.0f} %"


def what_is_off(cause: Cause, show: Callable[[str], str] = str) -> str:
    """What is off and by how much: ``carrier UA at EWR: 62 % fewer than expected``."""
    parts = []
    for place, (name, value) in enumerate(cause.dimensions):
        # A value such as EWR tells what it is; a number does not.
        tells = place > 0 and any(letter.isalpha() for letter in value)
        parts.append(show(value) if tells else f"{show(name)} {show(value)}")
    where = " at ".join(parts) or "all metrics"
    if cause.share_off is None:
        return f"{where}: nothing was expected"
    return f"{where}: {100 * abs(cause.share_off):,.0f} % {'fewer' if cause.share_off < 0 else 'more'} than expected"
