"""The same is said however a span is cut, whatever else is judged with it, and after the model was kept."""

from __future__ import annotations

import io
import json
import os
from collections.abc import Callable
from dataclasses import replace
from itertools import pairwise

import numpy as np
import numpy.typing as npt
import pytest
from threadpoolctl import threadpool_limits

from anomalake.model import Model, ModelError, State, chunks, fit, judge
from anomalake.model.chunks import bounds_of, in_chunks
from anomalake.model.judgement import Judgement
from anomalake.model.metrics import Metrics
from tests.unit.model.histories import ALL, LEARNED, by_steps, judged, learn, metrics, noisy, usual_model

Arrays = dict[str, npt.NDArray[np.generic]]
SAID = ("expected", "lower", "upper", "severity")


def eventful(series: int = 3) -> npt.NDArray[np.float64]:
    """Series with gaps, spikes and a shift after the history."""
    values = noisy(series)
    values[:, 900:905] = np.nan
    values[:, 950] += 200
    values[:, 1000:1010] *= 0.3
    values[:, 1050:] += 70
    return values


def are_same(one: Judgement, other: Judgement, rows: object = slice(None)) -> None:
    for name in SAID:
        np.testing.assert_allclose(getattr(other, name), getattr(one, name)[rows], rtol=1e-5, atol=0.01)  # type: ignore[index]


@pytest.mark.parametrize(
    "cuts", [[841], [900, 905], [951, 1000, 1100], list(range(LEARNED + 1, ALL))], ids=["1", "2", "3", "every"]
)
def test_blocks_give_what_the_whole_gives(cuts: list[int]) -> None:
    values, model = eventful(), usual_model()
    whole, end = judge(model, model.state, metrics(values), LEARNED)
    parts, last = by_steps(model, values, LEARNED, cuts)
    for name in SAID:
        joined = np.hstack([getattr(one, name) for one in parts])
        np.testing.assert_array_equal(joined, getattr(whole, name))
    assert last.next_start == end.next_start
    for name, array in end.filtered.to_arrays().items():
        np.testing.assert_array_equal(last.to_arrays()[name], array)


def test_a_metric_is_judged_for_itself() -> None:
    values = eventful(6)
    values[4:] = np.nan
    whole = judged(values)
    are_same(whole, judged(values[2:3]), slice(2, 3))


def test_many_metrics_in_parts_give_what_they_give_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    values = eventful(20)
    whole = judged(values)
    monkeypatch.setattr(chunks, "BLOCK", 16)
    are_same(whole, judged(values))


def test_the_number_of_processes_changes_no_bit(monkeypatch: pytest.MonkeyPatch) -> None:
    values = eventful(40)
    monkeypatch.setattr(chunks, "BLOCK", 16)
    alone, alone_said = learn(values), judged(values)
    monkeypatch.setattr(chunks, "_MANY", 1)
    for cores in (2, 3):
        monkeypatch.setattr(chunks, "_cores", lambda cores=cores: cores)
        shared, shared_said = learn(values), judged(values)
        for name, array in alone.to_arrays().items():
            np.testing.assert_array_equal(shared.to_arrays()[name], array, name)
        for name in SAID:
            np.testing.assert_array_equal(getattr(shared_said, name), getattr(alone_said, name), name)


def test_the_number_of_threads_of_blas_changes_no_bit() -> None:
    values = eventful(20)
    with threadpool_limits(1, "blas"):
        alone, alone_said = learn(values), judged(values)
    with threadpool_limits(4, "blas"):
        threaded, threaded_said = learn(values), judged(values)
    for name, array in alone.to_arrays().items():
        np.testing.assert_array_equal(threaded.to_arrays()[name], array, name)
    for name in SAID:
        np.testing.assert_array_equal(getattr(threaded_said, name), getattr(alone_said, name), name)


def test_blocks_depend_on_the_series_index_and_the_intervals_only() -> None:
    for n_times, size in ((1, 1024), (2_496, 1024), (8_064, 256), (105_120, 16), (10**9, 16)):
        few, many = bounds_of(2_000, n_times), bounds_of(5_000, n_times)
        assert few[:-1] == many[: len(few) - 1]
        assert {end - first for first, end in many[:-1]} == {size}


def test_parts_follow_each_other_and_leave_nothing_out() -> None:
    for n in (0, 1, 15, 16, 17, 5000):
        bounds = in_chunks(lambda first, end: (first, end), n, 10_000)
        assert bounds[0][0] == 0
        assert bounds[-1][1] == n
        assert all(one[1] == other[0] for one, other in pairwise(bounds))


def test_metrics_may_come_in_any_order_be_new_or_missing() -> None:
    values, model = eventful(), usual_model()
    whole = judged(values, model=model)
    names = ["0002", "new", "0000"]  # 0001 is missing
    rows = np.vstack([values[2], values[0] * 1000, values[0]])
    mixed, state = judge(model, model.state, metrics(rows, names=names), LEARNED)
    for name in SAID:
        np.testing.assert_allclose(getattr(mixed, name)[[0, 2]], getattr(whole, name)[[2, 0]], rtol=1e-6)
    assert np.isnan(mixed.expected[1]).all()
    assert (mixed.severity[1] == 0).all()
    gone = values.copy()
    gone[1, LEARNED:] = np.nan
    _, as_if_unobserved = judge(model, model.state, metrics(gone), LEARNED)
    for name, array in as_if_unobserved.to_arrays().items():
        np.testing.assert_array_equal(state.to_arrays()[name], array)


def test_measures_and_dimensions_are_known_by_their_names() -> None:
    values = np.vstack([noisy(2, seed=1), noisy(2, seed=2) * 10])
    grid = metrics(values).starts
    combinations = (("a", None), ("a", "b"))
    first = Metrics("PT1H", "UTC", grid, ("views", "revenue"), ("x", "y"), combinations, values.reshape(2, 2, -1))
    turned = Metrics(
        "PT1H",
        "UTC",
        grid,
        ("revenue", "views"),
        ("y", "x"),
        (("b", "a"), (None, "a")),
        values.reshape(2, 2, -1)[::-1, ::-1],
    )
    model = learn_all(first)
    one, other = (judge(model, model.state, of, LEARNED)[0] for of in (first, turned))
    are_same(one, other, slice(None, None, -1))


def learn_all(given: Metrics) -> Model:
    return fit(replace(given, starts=given.starts[:LEARNED], values=given.values[:, :, :LEARNED]))


def kept(arrays: Arrays) -> Arrays:
    """Arrays written and read as a file of NumPy's, without pickles."""
    file = io.BytesIO()
    np.savez(file, **arrays)  # type: ignore[arg-type]
    file.seek(0)
    with np.load(file, allow_pickle=False) as read:
        return {name: read[name] for name in read.files}


def test_a_kept_model_says_the_same() -> None:
    values = eventful()
    holiday = metrics(values).starts[960].item().date()
    names = ['qu"ote', "ünï🙂", "new\nline"]
    given = metrics(values[:, :LEARNED], names=names)
    model = fit(given, holidays=[holiday])
    back = Model.from_arrays(kept(model.to_arrays()))
    for name in ("frequency", "timezone", "holidays", "measures", "dimension_names", "combinations", "rhythms"):
        assert getattr(back, name) == getattr(model, name)
    assert back.combinations == given.combinations
    one, one_state = judge(model, model.state, metrics(values, names=names), LEARNED)
    other, other_state = judge(back, back.state, metrics(values, names=names), LEARNED)
    for name in SAID:
        np.testing.assert_array_equal(getattr(one, name), getattr(other, name))
    again = State.from_arrays(kept(other_state.to_arrays()))
    for name, array in one_state.to_arrays().items():
        np.testing.assert_array_equal(again.to_arrays()[name], array)


def test_a_model_and_a_state_without_one_of_their_arrays_are_refused() -> None:
    model = usual_model()
    for arrays, read in (
        (model.to_arrays(), Model.from_arrays),
        (model.state.to_arrays(), State.from_arrays),
    ):
        for name in arrays:
            rest = {other: array for other, array in arrays.items() if other != name}
            with pytest.raises(ModelError, match=r"expected the arrays of a model") as error:
                read(rest)
            assert name.removeprefix("state_").split("_")[-1] in str(error.value)
            assert "\n" not in str(error.value)


def renamed(**changes: object) -> Callable[[Arrays], None]:
    def change(arrays: Arrays) -> None:
        named = json.loads(arrays["named"].tobytes()) | changes
        arrays["named"] = np.frombuffer(json.dumps(named).encode(), np.uint8)

    return change


def scrambled(arrays: Arrays) -> None:
    arrays["named"] = np.frombuffer(b"\xff{", np.uint8)


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (renamed(version=0), r"^model of version 0: expected \d+$"),
        (renamed(holidays=["yesterday"]), r"^model: .*yesterday"),
        (renamed(measures=None), r"^model: "),
        (scrambled, r"^model: "),
    ],
    ids=["version", "date", "type", "no text"],
)
def test_arrays_of_something_else_are_refused(change: Callable[[Arrays], None], said: str) -> None:
    arrays = usual_model().to_arrays()
    change(arrays)
    with pytest.raises(ModelError, match=said):
        Model.from_arrays(arrays)


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


def test_many_series_are_shared_out_among_processes(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(chunks, "_MANY", 1)
    monkeypatch.setattr(chunks, "BLOCK", 16)
    monkeypatch.setattr(chunks, "_cores", lambda: 3)
    parent = os.getpid()
    found = chunks.in_chunks(lambda first, end: (first, end, os.getpid()), 100, 10)
    assert [one[:2] for one in found] == [(at, min(at + 16, 100)) for at in range(0, 100, 16)]
    assert len({one[2] for one in found}) == 3
    assert found[0][2] == parent


def test_the_work_of_a_process_that_dies_is_made_up_for(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(chunks, "_MANY", 1)
    monkeypatch.setattr(chunks, "BLOCK", 16)
    monkeypatch.setattr(chunks, "_cores", lambda: 2)
    parent = os.getpid()

    def work(first: int, end: int) -> int:
        if os.getpid() != parent:
            os._exit(1)
        return first

    assert chunks.in_chunks(work, 64, 10) == [0, 16, 32, 48]


def test_what_the_work_raises_is_raised(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(chunks, "_MANY", 1)
    monkeypatch.setattr(chunks, "BLOCK", 16)
    monkeypatch.setattr(chunks, "_cores", lambda: 2)

    def work(first: int, end: int) -> int:
        if first >= 32:
            raise ValueError(f"series {first}")
        return first

    with pytest.raises(ValueError, match="series 32"):
        chunks.in_chunks(work, 64, 10)
