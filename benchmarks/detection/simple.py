"""Simple methods in a few lines of NumPy, as people write them themselves.

Each function takes values (series, points) with NaN, the minutes of an interval and the index of the first judged
point, and returns the scores from that point on. Parameters are estimated from the points before it, and a score does
not depend on later points.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
from numpy.lib.stride_tricks import sliding_window_view

Floats = npt.NDArray[np.float64]

#: Standard deviation of a normal distribution in units of its median absolute deviation.
MAD = 1.4826


def differences(values: Floats, frequency_minutes: int, first_tested: int) -> Floats:
    """Absolute difference from the last observed value, in standard deviations of such differences."""
    steps = np.abs(values[:, 1:] - last_known(values)[:, :-1])
    return over(steps[:, first_tested - 1 :], deviation(steps[:, : first_tested - 1]))


def hour_of_week(values: Floats, frequency_minutes: int, first_tested: int) -> Floats:
    """Distance from the median of the hour of the week (of the weekday for daily data), in standard deviations."""
    slots, slot_of = _slots(values.shape[1], frequency_minutes)
    profile = _profile(values, slots, slot_of, first_tested)
    errors = values - profile[:, slot_of]
    return over(np.abs(errors[:, first_tested:]), deviation(errors[:, :first_tested]))


def recent_median(values: Floats, frequency_minutes: int, first_tested: int) -> Floats:
    """Residual from the hour of the week minus its median over the previous half day, in standard deviations."""
    slots, slot_of = _slots(values.shape[1], frequency_minutes)
    residuals = values - _profile(values, slots, slot_of, first_tested)[:, slot_of]
    window = max(5, 12 * 60 // frequency_minutes)
    before = np.concatenate((np.full((len(residuals), window), np.nan), residuals[:, :-1]), axis=1)
    moved = np.empty_like(residuals)
    for begin in range(0, residuals.shape[1], 1_000):
        part = sliding_window_view(before, window, axis=1)[:, begin : begin + 1_000]
        moved[:, begin : begin + 1_000] = residuals[:, begin : begin + 1_000] - _median(part)[..., 0]
    return over(np.abs(moved[:, first_tested:]), deviation(moved[:, :first_tested]))


def huber_autoregression(values: Floats, frequency_minutes: int, first_tested: int) -> Floats:
    """Error of a robust linear forecast from lags 1 to 6, a day and a week, in standard deviations of such errors."""
    per_day = max(1, 24 * 60 // frequency_minutes)
    lags = sorted({*range(1, 7), per_day, 7 * per_day})
    lags = [lag for lag in lags if lag <= first_tested // 2]
    known = last_known(values)
    known = np.where(np.isnan(known), _median(values[:, :first_tested]), known)
    middle = _median(known[:, :first_tested])
    width = deviation(known[:, :first_tested] - middle)
    width[width < 1e-9] = 1.0
    scaled, known = (values - middle) / width, (known - middle) / width
    begin = lags[-1]
    inputs = np.stack(
        [known[:, begin - lag : values.shape[1] - lag] for lag in lags] + [np.ones_like(known[:, begin:])], axis=2
    )
    target = scaled[:, begin:]
    count = first_tested - begin
    error = np.abs(target - np.einsum("stf,sf->st", inputs, _huber(inputs[:, :count], target[:, :count])))
    return over(error[:, count:], deviation(error[:, :count]))


def _huber(inputs: Floats, target: Floats, rounds: int = 20) -> Floats:
    """Return coefficients (series, features) by iterative reweighting with Huber's constant 1.345."""
    observed = ~np.isnan(target)
    filled = np.where(observed, target, 0.0)
    weights = observed.astype(np.float64)
    features = inputs.shape[2]
    for _ in range(rounds):
        weighted = inputs * weights[..., None]
        square = np.einsum("stf,stg->sfg", weighted, inputs) / inputs.shape[1]
        square += 1e-6 * (np.trace(square, axis1=1, axis2=2)[:, None, None] + 1e-6) * np.eye(features)
        right = np.einsum("stf,st->sf", weighted, filled) / inputs.shape[1]
        coefficients: Floats = np.linalg.solve(square, right[..., None])[..., 0]
        error = np.abs(target - np.einsum("stf,sf->st", inputs, coefficients))
        spread = np.maximum(MAD * _median(error), 1e-9)
        weights = np.where(observed, np.minimum(1.0, 1.345 * spread / np.maximum(error, 1e-12)), 0.0)
    return coefficients


def spectral_residual(values: Floats, frequency_minutes: int, first_tested: int) -> Floats:
    """Spectral residual (Ren et al., KDD 2019), window of 1,440 points, other parameters as in the paper.

    The window ends at the judged point and is extrapolated by five points. The score is the relative distance of the
    saliency from its mean over the last 100 points.
    """
    window, beyond, back, slope_over = 1_440, 5, 100, 5
    known = last_known(values)
    known = np.where(np.isnan(known), _median(values[:, :first_tested]), known)
    window = min(window, first_tested + 1)
    scores = np.empty_like(values[:, first_tested:])
    ends = np.arange(first_tested, values.shape[1])
    for s, series in enumerate(known):
        windows = sliding_window_view(series, window)
        for begin in range(0, len(ends), 512):
            part = windows[ends[begin : begin + 512] - window + 1]
            # The extrapolation leaves out the judged point, as in the authors' code.
            before = part[:, -2 - slope_over : -1]
            slopes = (before[:, -1:] - before[:, :-1]) / np.arange(slope_over, 0, -1)
            next_point = before[:, 1:2] + np.sum(slopes, axis=1, keepdims=True)
            salient = _saliency(np.concatenate((part, np.repeat(next_point, beyond, axis=1)), axis=1))[:, :window]
            local = np.mean(salient[:, -back:], axis=1)
            scores[s, begin : begin + 512] = (salient[:, -1] - local) / np.maximum(local, 1e-12)
    scores[np.isnan(values[:, first_tested:])] = np.nan
    return scores


def _saliency(windows: Floats) -> Floats:
    spectrum = np.fft.rfft(windows, axis=1)
    size = np.abs(spectrum)
    height = np.log(np.maximum(size, 1e-12))
    padded = np.concatenate((height[:, 1:2], height, height[:, -2:-1]), axis=1)
    average = (padded[:, :-2] + padded[:, 1:-1] + padded[:, 2:]) / 3
    residual = spectrum / np.maximum(size, 1e-12) * np.exp(height - average)
    return np.abs(np.fft.irfft(residual, n=windows.shape[1], axis=1))


def _slots(points: int, minutes: int) -> tuple[int, npt.NDArray[np.intp]]:
    hours = np.arange(points) * minutes // 60
    return (7, hours // 24 % 7) if minutes >= 24 * 60 else (168, hours % 168)


def _profile(values: Floats, slots: int, slot_of: npt.NDArray[np.intp], first_tested: int) -> Floats:
    """Return the median of each slot, shape (series, slots); the median of all points for a slot without values."""
    learned, slot_of = values[:, :first_tested], slot_of[:first_tested]
    profile = np.concatenate([_median(learned[:, slot_of == slot]) for slot in range(slots)], axis=1)
    return np.where(np.isnan(profile), _median(learned), profile)


def last_known(values: Floats) -> Floats:
    """Return values with gaps filled by the last value before."""
    at = np.where(np.isnan(values), 0, np.arange(values.shape[1]))
    return np.take_along_axis(values, np.maximum.accumulate(at, axis=1), axis=1)


def _median(values: Floats) -> Floats:
    """Return the median along the last axis, which is kept; NaN values are left out."""
    ordered = np.sort(values, axis=-1)
    count = np.sum(~np.isnan(values), axis=-1, keepdims=True)
    low, high = np.maximum(count - 1, 0) // 2, np.minimum(count // 2, max(values.shape[-1] - 1, 0))
    if not values.shape[-1]:
        return np.full((*values.shape[:-1], 1), np.nan)
    ends = (np.take_along_axis(ordered, low, axis=-1), np.take_along_axis(ordered, high, axis=-1))
    middle: Floats = np.where(count > 0, (ends[0] + ends[1]) / 2, np.nan)
    return middle


def deviation(errors: Floats) -> Floats:
    """Return the standard deviation by the median, or half of that by the mean where the median is almost 0."""
    size = np.abs(errors)
    mean = np.nanmean(np.where(np.isnan(size).all(axis=1, keepdims=True), 0.0, size), axis=1, keepdims=True)
    deviation: Floats = np.fmax(MAD * _median(size), 0.5 * 1.2533 * mean)
    return deviation


def over(distance: Floats, spread: Floats) -> Floats:
    """Return distances in units of spread, of which the least is 1e-9."""
    return distance / np.maximum(np.where(np.isnan(spread), np.inf, spread), 1e-9)
