"""Root causes as text."""

from __future__ import annotations

from collections.abc import Callable

from anomalake.alerts import Cause


def describe(cause: Cause, show: Callable[[str], str] = str) -> str:
    """Describe a cause: ``carrier UA at EWR: 62 % fewer than expected; explains 71 %``.

    Parameters
    ----------
    show
        Makes a name or value fit for the text.
    """
    return f"{describe_deviation(cause, show)}; explains {100 * cause.explained:.0f} %"


def describe_deviation(cause: Cause, show: Callable[[str], str] = str) -> str:
    """Describe what deviates and by how much: ``carrier UA at EWR: 62 % fewer than expected``."""
    parts = []
    for place, (name, value) in enumerate(cause.dimensions):
        # A value such as EWR needs no name of its dimension; a number does.
        needs_no_name = place > 0 and any(letter.isalpha() for letter in value)
        parts.append(show(value) if needs_no_name else f"{show(name)} {show(value)}")
    where = " at ".join(parts) or "all metrics"
    if cause.share_off is None:
        return f"{where}: nothing was expected"
    return f"{where}: {100 * abs(cause.share_off):,.0f} % {'fewer' if cause.share_off < 0 else 'more'} than expected"
