"""The stored form of models and states: stored files give the judgements of their time, or are refused.

The files in `stored/` are a daily model of two measures, one of them a low count, with a holiday (`model.npz`), the
state after 14 more days (`state.npz`), and the values of those days and 16 more, with their judgements
(`judgement.npz`). Those in `stored/without_holidays/` have no months, holidays,
pauses and ramps. Those in `stored/version_1/`
are a model and a state of version 1, which had no runs and no width.
"""

from __future__ import annotations

import io
import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pytest

from anomalake.model import Model, ModelError, State, fit, judge
from anomalake.model.metrics import Metrics
from anomalake.records.codecs import arrays_from_bytes
from tests.unit.model.histories import LEARNED, eventful, metrics, usual_model

STORED = Path(__file__).parent / "stored"
#: Days that the stored state has seen after the history.
BEFORE_STATE = 14
ARRAYS = ("expected", "lower", "upper", "severity")

Arrays = dict[str, npt.NDArray[np.generic]]


def arrays_of(name: str) -> Arrays:
    return arrays_from_bytes((STORED / name).read_bytes())[0]


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
    """Each row is equal up to the rounding of float32, which differs between processors (measured: 1.4e-7)."""
    actual, expected = np.atleast_1d(actual).astype(float), np.atleast_1d(expected).astype(float)
    assert actual.shape == expected.shape
    tolerance = 1e-5 * np.abs(expected).max(axis=-1, keepdims=True)
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


def test_a_model_and_a_state_without_months_holidays_pauses_and_ramps_judge_on(model: Model, expected: Arrays) -> None:
    before = Model.from_arrays(arrays_of("without_holidays/model.npz"))
    state = State.from_arrays(arrays_of("without_holidays/state.npz"))
    judgement, after = judge(before, state, metrics_of(model, expected), BEFORE_STATE)
    # The anomaly of the first series is a week after the state.
    assert judgement.is_anomaly[0].any()
    assert np.isfinite(judgement.expected).all()
    written = after.to_arrays()
    assert {name: array.shape for name, array in written.items()} == {
        name: array.shape for name, array in arrays_of("state.npz").items()
    }


def test_a_model_and_a_state_of_version_1_are_refused_in_one_line() -> None:
    with pytest.raises(ModelError, match=r"^model of version 1: expected 2$"):
        Model.from_arrays(arrays_of("version_1/model.npz"))
    with pytest.raises(ModelError, match=r"^state: 'profile'; expected the arrays of a model's state$"):
        State.from_arrays(arrays_of("version_1/state.npz"))


def write_and_read(arrays: Arrays) -> Arrays:
    """Write arrays as NumPy's file format and read them, without pickles."""
    file = io.BytesIO()
    np.savez(file, **arrays)  # type: ignore[arg-type]
    file.seek(0)
    with np.load(file, allow_pickle=False) as stored:
        return {name: stored[name] for name in stored.files}


def test_a_model_is_equal_after_writing_and_reading() -> None:
    values = eventful()
    holiday = metrics(values).starts[960].item().date()
    names = ['qu"ote', "ünï🙂", "new\nline"]
    history = metrics(values[:, :LEARNED], names=names)
    model = fit(history, holidays=[holiday])
    read = Model.from_arrays(write_and_read(model.to_arrays()))
    for name in (
        "frequency", "timezone", "holidays", "measures", "dimension_names", "combinations", "seasonal_periods"
    ):  # fmt: skip
        assert getattr(read, name) == getattr(model, name)
    assert read.combinations == history.combinations
    judgement, state = judge(model, model.state, metrics(values, names=names), LEARNED)
    read_judgement, read_state = judge(read, read.state, metrics(values, names=names), LEARNED)
    for name in ARRAYS:
        np.testing.assert_array_equal(getattr(judgement, name), getattr(read_judgement, name))
    read_again = State.from_arrays(write_and_read(read_state.to_arrays()))
    for name, array in state.to_arrays().items():
        np.testing.assert_array_equal(read_again.to_arrays()[name], array)


def test_a_model_or_a_state_with_a_missing_array_is_refused() -> None:
    model = usual_model()
    for arrays, read in (
        (model.to_arrays(), Model.from_arrays),
        (model.state.to_arrays(), State.from_arrays),
    ):
        # Models of before there were pauses of counts and ramps have no arrays of them.
        for missing in set(arrays) - {"count_pause", "count_longest", "deviations", "state_deviations"}:
            rest = {name: array for name, array in arrays.items() if name != missing}
            with pytest.raises(ModelError, match=r"expected the arrays of a model") as error:
                read(rest)
            assert missing.removeprefix("state_").split("_")[-1] in str(error.value)
            assert "\n" not in str(error.value)


def with_fields(**changes: object) -> Callable[[Arrays], None]:
    """Return a function that changes fields of a model's JSON text."""

    def change(arrays: Arrays) -> None:
        description = json.loads(arrays["named"].tobytes()) | changes
        arrays["named"] = np.frombuffer(json.dumps(description).encode(), np.uint8)

    return change


def with_invalid_text(arrays: Arrays) -> None:
    arrays["named"] = np.frombuffer(b"\xff{", np.uint8)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (with_fields(version=0), r"^model of version 0: expected \d+$"),
        (with_fields(holidays=["yesterday"]), r"^model: .*yesterday"),
        (with_fields(measures=None), r"^model: "),
        (with_invalid_text, r"^model: "),
    ],
    ids=["version", "date", "type", "invalid text"],
)
def test_invalid_arrays_are_refused(change: Callable[[Arrays], None], message: str) -> None:
    arrays = usual_model().to_arrays()
    change(arrays)
    with pytest.raises(ModelError, match=message):
        Model.from_arrays(arrays)
