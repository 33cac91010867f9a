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


def test_a_stored_model_gives_the_judgements_of_its_time(model: Model, expected: Arrays) -> None:
    judgement, _ = judge(model, model.state, metrics_of(model, expected), 0)
    for name in ARRAYS:
        np.testing.assert_allclose(getattr(judgement, name), expected[name], rtol=1e-6, atol=1e-6, err_msg=name)
    assert judgement.is_anomaly.any(axis=1).tolist() == [True, True, True, False]


def test_a_stored_state_gives_the_judgements_of_its_time(model: Model, expected: Arrays) -> None:
    state = State.from_arrays(arrays_of("state.npz"))
    judgement, _ = judge(model, state, metrics_of(model, expected), BEFORE_STATE)
    for name in ARRAYS:
        np.testing.assert_allclose(
            getattr(judgement, name), expected[name][:, BEFORE_STATE:], rtol=1e-6, atol=1e-6, err_msg=name
        )


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
        np.testing.assert_allclose(
            state.to_arrays()[name].astype(float), array.astype(float), rtol=1e-6, atol=1e-6, err_msg=name
        )
