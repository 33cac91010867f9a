"""Conversion of uniform random numbers to ranges."""

from __future__ import annotations

import numpy as np

from anomalake.synth.events import Floats


def spread(drawn: Floats, between: tuple[float, float]) -> Floats:
    """Map numbers from 0 to 1 to a range."""
    return between[0] + (between[1] - between[0]) * drawn


def either(drawn: Floats, first: tuple[float, float], other: tuple[float, float]) -> Floats:
    """Map numbers from 0 to 1 to one range or, half of them, to another."""
    second = drawn >= 0.5
    place = 2 * drawn - second
    return np.where(second, spread(place, other), spread(place, first))


def either_sign(drawn: Floats, between: tuple[float, float]) -> Floats:
    """Map numbers from 0 to 1 to magnitudes of a range, half of them negative."""
    return either(drawn, (-between[0], -between[1]), between)
