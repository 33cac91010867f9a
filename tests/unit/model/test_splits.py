"""Judgements do not depend on the steps, the blocks, or the other metrics that are judged at the same time."""

from __future__ import annotations

import sys
from dataclasses import replace

import numpy as np
import numpy.typing as npt
import pytest
from threadpoolctl import threadpool_info, threadpool_limits

from anomalake.model import ModelError, blocks, fit, judge
from anomalake.model.judgement import Judgement
from anomalake.model.metrics import Metrics
from tests.unit.model.histories import ALL, LEARNED, by_steps, eventful, judged, learn, metrics, noisy, usual_model

ARRAYS = ("expected", "lower", "upper", "severity")
# The package has a function of the module's name.
fits = sys.modules["anomalake.model.fit"]


def assert_close(actual: Judgement, expected: Judgement, rows: object = slice(None)) -> None:
    for name in ARRAYS:
        np.testing.assert_allclose(getattr(actual, name), getattr(expected, name)[rows], rtol=1e-5, atol=0.01)  # type: ignore[index]


@pytest.mark.parametrize(
    "cuts", [[841], [900, 905], [951, 1000, 1100], list(range(LEARNED + 1, ALL))], ids=["1", "2", "3", "every"]
)
def test_judging_in_steps_is_judging_at_once(cuts: list[int]) -> None:
    values, model = eventful(), usual_model()
    at_once, end = judge(model, model.state, metrics(values), LEARNED)
    parts, last = by_steps(model, values, LEARNED, cuts)
    for name in ARRAYS:
        in_steps = np.hstack([getattr(part, name) for part in parts])
        np.testing.assert_array_equal(in_steps, getattr(at_once, name))
    for name, array in end.to_arrays().items():
        np.testing.assert_array_equal(last.to_arrays()[name], array)


def test_each_metric_is_judged_independently() -> None:
    values = eventful(6)
    values[4:] = np.nan
    assert_close(judged(values[2:3]), judged(values), slice(2, 3))


def test_smaller_blocks_give_the_same_judgement(monkeypatch: pytest.MonkeyPatch) -> None:
    values = eventful(20)
    in_one_block = judged(values)
    monkeypatch.setattr(blocks, "BLOCK", 16)
    assert_close(judged(values), in_one_block)


def arrays_of(values: npt.NDArray[np.float64]) -> dict[str, npt.NDArray[np.generic]]:
    """Return all arrays of a model and of its judgement."""
    judgement = judged(values)
    return {**learn(values).to_arrays(), **{name: getattr(judgement, name) for name in ARRAYS}}


def test_the_number_of_processes_changes_no_bit(monkeypatch: pytest.MonkeyPatch) -> None:
    values = eventful(40)
    monkeypatch.setattr(blocks, "BLOCK", 16)
    in_one_process = arrays_of(values)
    monkeypatch.setattr(blocks, "_PARALLEL_FROM", 1)
    for cores in (2, 3):
        monkeypatch.setattr(blocks, "_available_cores", lambda cores=cores: cores)
        in_processes = arrays_of(values)
        for name, array in in_one_process.items():
            np.testing.assert_array_equal(in_processes[name], array, name)


def test_the_number_of_blocks_that_are_computed_at_once_changes_no_bit(monkeypatch: pytest.MonkeyPatch) -> None:
    values = np.tile(eventful(6), (45, 1)) * np.linspace(1, 2, 270)[:, None]
    for module in (blocks, fits):
        monkeypatch.setattr(module, "BLOCK", 128)
    monkeypatch.setattr(blocks, "_AT_ONCE", 1)
    one_by_one = arrays_of(values)
    monkeypatch.setattr(blocks, "_AT_ONCE", 4)
    at_once = arrays_of(values)
    for name, array in one_by_one.items():
        np.testing.assert_array_equal(at_once[name], array, name)


def test_the_number_of_threads_of_blas_changes_no_bit() -> None:
    values = eventful(20)
    with threadpool_limits(1, "blas"):
        in_one_thread = arrays_of(values)
    with threadpool_limits(4, "blas"):
        in_four_threads = arrays_of(values)
    for name, array in in_one_thread.items():
        np.testing.assert_array_equal(in_four_threads[name], array, name)


def threads_of_blas() -> list[int]:
    return [library["num_threads"] for library in threadpool_info() if library["user_api"] == "blas"]


def test_blas_has_one_thread_during_the_work_and_as_many_as_before_afterwards() -> None:
    with threadpool_limits(2, "blas"):
        before = threads_of_blas()
        assert blocks.in_blocks(lambda first, end: threads_of_blas(), 3, 3) == [[1] * len(before)]
        assert threads_of_blas() == before


def test_metrics_may_be_in_another_order_new_or_missing() -> None:
    values, model = eventful(), usual_model()
    all_metrics = judged(values, model=model)
    names = ["0002", "new", "0000"]  # 0001 is missing
    rows = np.vstack([values[2], values[0] * 1000, values[0]])
    mixed, state = judge(model, model.state, metrics(rows, names=names), LEARNED)
    for name in ARRAYS:
        np.testing.assert_allclose(getattr(mixed, name)[[0, 2]], getattr(all_metrics, name)[[2, 0]], rtol=1e-6)
    assert np.isnan(mixed.expected[1]).all()
    assert (mixed.severity[1] == 0).all()
    unobserved = values.copy()
    unobserved[1, LEARNED:] = np.nan
    _, as_if_unobserved = judge(model, model.state, metrics(unobserved), LEARNED)
    for name, array in as_if_unobserved.to_arrays().items():
        np.testing.assert_array_equal(state.to_arrays()[name], array)


def test_measures_and_dimensions_are_identified_by_name() -> None:
    values = np.vstack([noisy(2, seed=1), noisy(2, seed=2) * 10]).reshape(2, 2, -1)
    grid = metrics(values[0]).starts
    ordered = Metrics("PT1H", "UTC", grid, ("views", "revenue"), ("x", "y"), (("a", None), ("a", "b")), values)
    reversed_metrics = Metrics(
        "PT1H", "UTC", grid, ("revenue", "views"), ("y", "x"), (("b", "a"), (None, "a")), values[::-1, ::-1]
    )
    history = replace(ordered, starts=grid[:LEARNED], values=values[:, :, :LEARNED])
    model = fit(history)
    expected, actual = (judge(model, model.state, given, LEARNED)[0] for given in (ordered, reversed_metrics))
    assert_close(actual, expected, slice(None, None, -1))


def test_metrics_that_the_model_cannot_judge_are_refused() -> None:
    values, model = noisy(3), usual_model()
    with pytest.raises(ModelError, match=r"^metrics are PT5M in UTC; the model was fitted on PT1H in UTC$"):
        judge(model, model.state, metrics(values, "PT5M"), LEARNED)
    with pytest.raises(ModelError, match=r"^metrics are PT1H in Europe/Paris; .* PT1H in UTC$"):
        judge(model, model.state, metrics(values, timezone="Europe/Paris"), LEARNED)
    _, later = judge(model, model.state, metrics(values[:, :900]), LEARNED)
    with pytest.raises(ModelError, match=r"^interval 2024-02-07T11:00:00Z is before 2024-02-07T12:00:00Z"):
        judge(model, later, metrics(values), 899)
    with pytest.raises(ModelError, match=r"^state is of 2 metrics; the model was fitted on 3$"):
        judge(model, learn(values[:2]).state, metrics(values), LEARNED)
