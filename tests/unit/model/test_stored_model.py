"""Models and states in lakes stay readable: files that an earlier version wrote give the judgements of that version.

`stored/` holds a daily model of two measures, one of them a low count, with a holiday (`model.npz`), the state after 14
more days (`state.npz`), and the values of those days and 16 more, with their judgements (`judgement.npz`).
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import numpy.typing as npt
import pytest

from anomalake.model import Model, State, judge
from anomalake.model.metrics import Metrics
from anomalake.records.arrays import from_bytes

STORED = Path(__file__).parent / "stored"
#: Days that the stored state has seen after the history.
BEFORE_STATE = 14
ARRAYS = ("expected", "lower", "upper", "severity")

Arrays = dict[str, npt.NDArray[np.generic]]


def arrays_of(name: str) -> Arrays:
    return from_bytes((STORED / name).read_bytes())[0]


@pytest.fixture(scope="module")
def model() -> Model:
    return Model.from_arrays(arrays_of("model.npz"))


@pytest.fixture(scope="module")
def expected() -> Arrays:
    return arrays_of("judgement.npz")


def metrics_of(model: Model, expected: Arrays, end: int | None = None) -> Metrics:
    starts = expected["starts"].astype("datetime64[s]")[:end]
    names = (model.measures, model.dimension_names, model.combinations)
    return Metrics(model.frequency, model.timezone, starts, *names, expected["values"].astype(float)[:, :, :end])


def assert_close(actual: npt.NDArray[np.generic], expected: npt.NDArray[np.generic], name: str) -> None:
    """Each row is equal but for a millionth of its largest value: processors round float32 differently."""
    actual, expected = np.atleast_1d(actual).astype(float), np.atleast_1d(expected).astype(float)
    assert actual.shape == expected.shape
    tolerance = 1e-6 * np.abs(expected).max(axis=-1, keepdims=True)
    assert (np.abs(actual - expected) <= tolerance).all(), name


def test_a_stored_model_gives_the_judgements_of_its_time(model: Model, expected: Arrays) -> None:
    judgement, _ = judge(model, model.state, metrics_of(model, expected), 0)
    for name in ARRAYS:
        assert_close(getattr(judgement, name), expected[name], name)
    assert judgement.is_anomaly.any(axis=1).tolist() == [True, True, True, False]


def test_a_stored_state_gives_the_judgements_of_its_time(model: Model, expected: Arrays) -> None:
    state = State.from_arrays(arrays_of("state.npz"))
    judgement, _ = judge(model, state, metrics_of(model, expected), BEFORE_STATE)
    for name in ARRAYS:
        assert_close(getattr(judgement, name), expected[name][:, BEFORE_STATE:], name)


def test_models_and_states_are_written_as_they_were(model: Model) -> None:
    state = State.from_arrays(arrays_of("state.npz"))
    for written, name in ((model.to_arrays(), "model.npz"), (state.to_arrays(), "state.npz")):
        stored = arrays_of(name)
        assert list(written) == list(stored)
        for key, array in stored.items():
            assert written[key].dtype == array.dtype
            np.testing.assert_array_equal(written[key], array, err_msg=key)


def test_judging_with_a_stored_model_leads_to_the_stored_state(model: Model, expected: Arrays) -> None:
    _, state = judge(model, model.state, metrics_of(model, expected, BEFORE_STATE), 0)
    for name, array in arrays_of("state.npz").items():
        assert_close(state.to_arrays()[name], array, name)
