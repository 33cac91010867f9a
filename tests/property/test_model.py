"""Invariants of judgements for any values."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from anomalake.model import fit, judge
from tests.unit.model.histories import by_steps, learn, metrics, noisy
from tests.unit.model.test_severity import check_judgement

Floats = npt.NDArray[np.float64]

LEARNED, ALL = 60, 80
FINITE = st.floats(allow_nan=False, allow_infinity=False)
ANY = arrays(np.float64, (3, ALL), elements=st.just(np.nan) | st.sampled_from([0.0, 1.0, -1.0]) | FINITE, fill=FINITE)
CHANGES = st.dictionaries(
    st.tuples(st.integers(0, 2), st.integers(LEARNED, ALL - 1)), st.floats(-1e9, 1e9) | st.just(np.nan), max_size=20
)


@settings(max_examples=25)
@given(ANY)
def test_judgements_of_any_numbers_with_gaps_are_valid(values: Floats) -> None:
    model = learn(values, LEARNED)
    check_judgement(judge(model, model.state, metrics(values), LEARNED)[0], values)


@settings(max_examples=25)
@given(st.sampled_from([1e-9, 1.0, 1e9]), CHANGES)
def test_judgements_of_changed_series_are_valid(scale: float, changes: dict[tuple[int, int], float]) -> None:
    values = noisy(3, ALL) * scale
    for (row, column), value in changes.items():
        values[row, column] = value
    model = learn(values, LEARNED)
    check_judgement(judge(model, model.state, metrics(values), LEARNED)[0], values)


@settings(max_examples=20)
@given(CHANGES, st.sets(st.integers(LEARNED + 1, ALL - 1)))
def test_judging_in_steps_is_judging_at_once(changes: dict[tuple[int, int], float], cuts: set[int]) -> None:
    values = noisy(3, ALL)
    for (row, column), value in changes.items():
        values[row, column] = np.clip(value, -1e5, 1e5)
    model = learn(values, LEARNED)
    at_once, _ = judge(model, model.state, metrics(values), LEARNED)
    parts, _ = by_steps(model, values, LEARNED, sorted(cuts))
    for name in ("expected", "lower", "upper", "severity"):
        in_steps = np.hstack([getattr(part, name) for part in parts])
        np.testing.assert_allclose(in_steps, getattr(at_once, name), rtol=1e-5, atol=1e-2)


@settings(max_examples=20)
@given(CHANGES, st.permutations(range(3)))
def test_the_order_of_metrics_has_no_effect(changes: dict[tuple[int, int], float], order: list[int]) -> None:
    values = noisy(3, ALL)
    for (row, column), value in changes.items():
        values[row, column] = value
    names = np.array(["a", "b", "c"])
    model = fit(metrics(values[:, :LEARNED], names=list(names)))
    in_order, reordered = metrics(values, names=list(names)), metrics(values[order], names=list(names[order]))
    expected, actual = (judge(model, model.state, given, LEARNED)[0] for given in (in_order, reordered))
    np.testing.assert_array_equal(actual.severity, expected.severity[order])
    np.testing.assert_array_equal(actual.expected, expected.expected[order])
