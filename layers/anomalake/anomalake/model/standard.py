"""Standardisation: metrics of any unit and size on one scale."""

from __future__ import annotations

import numpy as np

from anomalake.model.array_types import BoolArray, Float32Array, FloatArray
from anomalake.model.layout import by_series, strips
from anomalake.model.spread import quantiles_of_series, row_sample

# Scale of a constant metric as a share of its value, and the scale of a constant 0.
_SCALE_OF_CONSTANT, _SCALE_OF_ZERO = 0.01, 1e-9
# Relative differences up to this size are rounding errors of sums in another order.
_ROUNDING_ERROR = 2e-15
# Standardised values are clipped to this size, so that their squares are finite in single precision.
_MOST_STANDARDISED = 1e15
# Values are clipped to this size, so that their differences are finite in double precision.
_MOST_VALUE = 8e307


def standard(raw: FloatArray) -> tuple[FloatArray, FloatArray, BoolArray]:
    """Return center and scale of each metric, and whether it is constant; (S, T) to (S,).

    The center is the median. The scale is the interquartile range, or the standard deviation where that range is 0.
    """
    sample = np.clip(raw[:, row_sample(raw.shape[1])], -_MOST_VALUE, _MOST_VALUE)
    low, center, high = quantiles_of_series(sample, (0.25, 0.5, 0.75))
    width = high - low
    least = _ROUNDING_ERROR * np.abs(center)
    narrow = ~(width > least)
    width[narrow] = _standard_deviation(np.clip(raw[narrow], -_MOST_VALUE, _MOST_VALUE), center[narrow])
    constant = ~(width > least)
    scale_of_constant = np.maximum(np.abs(center) * _SCALE_OF_CONSTANT, _SCALE_OF_ZERO)
    return center, np.where(constant, scale_of_constant, width), constant


def _standard_deviation(values: FloatArray, center: FloatArray) -> FloatArray:
    deviation = np.where(np.isnan(values), 0.0, (values.T - center).T)
    # Divide by the largest deviation first: squares of very large and very small numbers leave double precision.
    largest = np.abs(deviation).max(axis=1, initial=0.0)
    unit = np.where(largest > 0, largest, 1.0)[:, None]
    n_observed = np.maximum((~np.isnan(values)).sum(axis=1), 1)
    result: FloatArray = largest * np.sqrt(((deviation / unit) ** 2).sum(axis=1) / n_observed)
    return result


def standardised(
    raw: FloatArray, center: FloatArray, scale: FloatArray, out: Float32Array | None = None
) -> Float32Array:
    """Return ``(raw - center) / scale``, (S, T) to (T, S); NaN where nothing was observed. It is written to `out`."""
    result = np.empty(raw.shape[::-1], np.float32) if out is None else out
    for strip in strips(len(raw)):
        values = np.clip(raw[strip], -_MOST_VALUE, _MOST_VALUE)
        values -= center[strip, None]
        with np.errstate(over="ignore"):
            values /= scale[strip, None]
        result[:, strip] = np.clip(values, -_MOST_STANDARDISED, _MOST_STANDARDISED, out=values).astype(np.float32).T
    return result


def in_units(
    values: Float32Array, center: FloatArray, scale: FloatArray, least: FloatArray, out: FloatArray | None = None
) -> FloatArray:
    """Return standardised values in the unit of the measure, at least `least`; (T, S) to (S, T), or in `out`."""
    units = by_series(values, np.empty(values.shape[::-1]) if out is None else out)
    with np.errstate(over="ignore"):
        units *= scale[:, None]
        units += center[:, None]
    # Few values are out of bounds: a comparison takes a fraction of the time of clipping.
    bounds = np.maximum(least, -_MOST_VALUE)[:, None]
    is_low, is_high = units < bounds, units > _MOST_VALUE
    if is_low.any():
        np.copyto(units, bounds, where=is_low)
    if is_high.any():
        units[is_high] = _MOST_VALUE
    return units
