"""Peers that are a few lines of NumPy: what people write themselves before they look for a tool.

Each takes values (series, points) with NaN, the minutes of an interval and the index of the first point to judge, and
returns scores of the points from there on. Parameters come from the points before that one, and a score looks at no
point after its own.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
from numpy.lib.stride_tricks import sliding_window_view

Floats = npt.NDArray[np.float64]

#: Makes a median absolute deviation the standard deviation where the noise is normal.
MAD = 1.4826


def differences(values: Floats, frequency_minutes: int, first_tested: int) -> Floats:
    """Absolute difference to the last value there was, in the deviations of such differences."""
    steps = np.abs(values[:, 1:] - last_known(values)[:, :-1])
    return over(steps[:, first_tested - 1 :], deviation(steps[:, : first_tested - 1]))


def hour_of_week(values: Floats, frequency_minutes: int, first_tested: int) -> Floats:
    """Distance from the median of that hour of the week, in such distances; of the weekday for daily data."""
    slots, slot_of = _slots(values.shape[1], frequency_minutes)
    profile = _profile(values, slots, slot_of, first_tested)
    errors = values - profile[:, slot_of]
    return over(np.abs(errors[:, first_tested:]), deviation(errors[:, :first_tested]))


def recent_median(values: Floats, frequency_minutes: int, first_tested: int) -> Floats:
    """What is left of a value without the hour of the week, less the median of that over the half day before it."""
    slots, slot_of = _slots(values.shape[1], frequency_minutes)
    left = values - _profile(values, slots, slot_of, first_tested)[:, slot_of]
    window = max(5, 12 * 60 // frequency_minutes)
    before = np.concatenate((np.full((len(left), window), np.nan), left[:, :-1]), axis=1)
    moved = np.empty_like(left)
    for begin in range(0, left.shape[1], 1_000):
        part = sliding_window_view(before, window, axis=1)[:, begin : begin + 1_000]
        moved[:, begin : begin + 1_000] = left[:, begin : begin + 1_000] - _median(part)[..., 0]
    return over(np.abs(moved[:, first_tested:]), deviation(moved[:, :first_tested]))


def huber_autoregression(values: Floats, frequency_minutes: int, first_tested: int) -> Floats:
    """The error of a robust linear forecast from lags 1 to 6, a day and a week, in the deviations of such errors."""
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
    """Coefficients (series, features) by reweighting with Huber's 1.345."""
    there = ~np.isnan(target)
    filled = np.where(there, target, 0.0)
    weights = there.astype(np.float64)
    features = inputs.shape[2]
    for _ in range(rounds):
        weighted = inputs * weights[..., None]
        square = np.einsum("stf,stg->sfg", weighted, inputs) / inputs.shape[1]
        square += 1e-6 * (np.trace(square, axis1=1, axis2=2)[:, None, None] + 1e-6) * np.eye(features)
        right = np.einsum("stf,st->sf", weighted, filled) / inputs.shape[1]
        found: Floats = np.linalg.solve(square, right[..., None])[..., 0]
        error = np.abs(target - np.einsum("stf,sf->st", inputs, found))
        spread = np.maximum(MAD * _median(error), 1e-9)
        weights = np.where(there, np.minimum(1.0, 1.345 * spread / np.maximum(error, 1e-12)), 0.0)
    return found


def spectral_residual(values: Floats, frequency_minutes: int, first_tested: int) -> Floats:
    """Spectral residual (Ren et al., KDD 2019), window of 1,440 points, as the paper sets it otherwise.

    The window ends at the point, after which five points are extrapolated; the score is how far the saliency is above
    its mean over the 21 points up to it.
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
            # The point itself is left out, as in the authors' code: what follows a spike is no spike.
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
    left = spectrum / np.maximum(size, 1e-12) * np.exp(height - average)
    return np.abs(np.fft.irfft(left, n=windows.shape[1], axis=1))


def _slots(points: int, minutes: int) -> tuple[int, npt.NDArray[np.intp]]:
    hours = np.arange(points) * minutes // 60
    return (7, hours // 24 % 7) if minutes >= 24 * 60 else (168, hours % 168)


def _profile(values: Floats, slots: int, slot_of: npt.NDArray[np.intp], first_tested: int) -> Floats:
    """Median of each slot, shape (series, slots); of all points where the slot was never seen."""
    learned, slot_of = values[:, :first_tested], slot_of[:first_tested]
    profile = np.concatenate([_median(learned[:, slot_of == slot]) for slot in range(slots)], axis=1)
    return np.where(np.isnan(profile), _median(learned), profile)


def last_known(values: Floats) -> Floats:
    """Values with each gap filled by the last value before it."""
    at = np.where(np.isnan(values), 0, np.arange(values.shape[1]))
    return np.take_along_axis(values, np.maximum.accumulate(at, axis=1), axis=1)


def _median(values: Floats) -> Floats:
    """Along the last axis, which stays, without NaN; NaN where nothing else is."""
    ordered = np.sort(values, axis=-1)
    count = np.sum(~np.isnan(values), axis=-1, keepdims=True)
    low, high = np.maximum(count - 1, 0) // 2, np.minimum(count // 2, max(values.shape[-1] - 1, 0))
    if not values.shape[-1]:
        return np.full((*values.shape[:-1], 1), np.nan)
    ends = (np.take_along_axis(ordered, low, axis=-1), np.take_along_axis(ordered, high, axis=-1))
    middle: Floats = np.where(count > 0, (ends[0] + ends[1]) / 2, np.nan)
    return middle


def deviation(errors: Floats) -> Floats:
    """By the median; where most errors are next to none, half of what it would be by the mean."""
    size = np.abs(errors)
    mean = np.nanmean(np.where(np.isnan(size).all(axis=1, keepdims=True), 0.0, size), axis=1, keepdims=True)
    deviation: Floats = np.fmax(MAD * _median(size), 0.5 * 1.2533 * mean)
    return deviation


def over(distance: Floats, spread: Floats) -> Floats:
    """Distance in units of spread; any distance at all is far where nothing ever moved."""
    return distance / np.maximum(np.where(np.isnan(spread), np.inf, spread), 1e-9)
