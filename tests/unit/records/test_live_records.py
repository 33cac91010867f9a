"""What live detection keeps in the lake: it comes back as it was, or is known for damaged."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as npst

from anomalake.definitions.errors import SourceError
from anomalake.definitions.metric_set import CsvFormat
from anomalake.model.judgement import Judgement
from anomalake.model.metrics import Metrics, between, join
from anomalake.records.arrays import CorruptError, from_bytes, to_bytes
from anomalake.records.executions import (
    Execution,
    RecordError,
    detector_folder,
    parse_stamp,
    read_executions,
    stamp,
    write_execution,
)
from anomalake.records.intervals import from_parquet, metrics_of, to_parquet
from anomalake.records.metric_sets import read_sources, source_keys
from anomalake.records.states import StateStore
from anomalake.services.source_registration import register_source
from anomalake.storage.objects import memory_store
from tests.support.live import ARN, START, detector, hour
from tests.support.source_data import FilesInMemory

ODD = st.one_of(st.none(), st.text(max_size=8), st.sampled_from(["NA", "007", "", "a/b", "../x", "\x00", "é\n", '"']))


def metrics(combinations: list[tuple[str | None, ...]], values: np.ndarray, start: datetime = START) -> Metrics:
    starts = np.datetime64(start.replace(tzinfo=None), "s") + np.arange(values.shape[2]) * np.timedelta64(3600, "s")
    names = tuple(f"d{number}" for number in range(len(combinations[0]))) if combinations else ("d0",)
    measures = tuple(f"m{number}" for number in range(values.shape[0]))
    return Metrics("PT1H", "UTC", starts, measures, names, tuple(combinations), values)


@given(st.lists(st.tuples(ODD, ODD), min_size=1, max_size=6, unique=True), st.data())
def test_an_interval_comes_back_with_every_value_and_name(
    combinations: list[tuple[str | None, ...]], data: st.DataObject
) -> None:
    shape = (2, len(combinations), 1)
    values = data.draw(npst.arrays(np.float64, shape, elements=st.floats(allow_infinity=False, width=64)))
    given_metrics = metrics(combinations, values)
    one = np.full((given_metrics.n_metrics, 1), 1.5)
    judgement = Judgement(0, one, one, one, one * 40, one > 1)
    record = from_parquet(to_parquet(START, given_metrics, judgement, ["group"]))
    assert (record.start, record.open_groups) == (START, ("group",))
    assert set(record.table["severity"].to_pylist()) == {60.0}
    found = metrics_of([record], given_metrics.starts)
    assert found is not None
    assert set(found.combinations) == set(combinations)
    for k, combination in enumerate(combinations):
        np.testing.assert_array_equal(found.values[:, found.combinations.index(combination)], values[:, k])


def test_an_interval_without_metrics_and_one_without_dimensions_come_back() -> None:
    nothing = metrics([], np.empty((1, 0, 1)))
    record = from_parquet(to_parquet(START, nothing, None))
    found = metrics_of([record], nothing.starts)
    assert found is not None
    assert found.values.shape == (1, 0, 1)
    one = Metrics("PT1H", "UTC", nothing.starts, ("v",), (), ((),), np.array([[[3.0]]]))
    found = metrics_of([from_parquet(to_parquet(START, one, None))], one.starts)
    assert found is not None
    assert (found.combinations, found.values.tolist()) == (((),), [[[3.0]]])


@given(st.integers(0, 10**6), st.integers(1, 255))
def test_every_changed_byte_is_noticed(at: int, how: int) -> None:
    body = bytearray(to_bytes({"a": np.arange(40.0), "names": np.array(["x", "yé"])}, {"k": 1}))
    body[at % len(body)] ^= how
    with pytest.raises(CorruptError):
        from_bytes(bytes(body))


@given(st.binary(max_size=200))
def test_what_nobody_wrote_is_refused(body: bytes) -> None:
    for read in (from_bytes, from_parquet):
        with pytest.raises(CorruptError, match=r"bytes: .*expected"):
            read(body)


def test_the_same_arrays_are_the_same_bytes() -> None:
    arrays = {"a": np.arange(4.0), "b": np.array(["x"])}
    assert to_bytes(arrays, {"k": 1}) == to_bytes(dict(arrays), {"k": 1})


def test_a_history_comes_back() -> None:
    states = StateStore(memory_store(), "shop", "v")
    given_metrics = metrics([("a", None), ("é", "\x00")], np.array([[[1.5, np.nan], [2.0, 3.0]]]))
    states.put_history(START, given_metrics)
    found = states.history(START)
    assert found is not None
    assert (found.combinations, found.dimension_names) == (given_metrics.combinations, given_metrics.dimension_names)
    np.testing.assert_array_equal(found.values, given_metrics.values)
    np.testing.assert_array_equal(found.starts, given_metrics.starts)
    assert states.history(hour(1)) is None


def test_later_parts_go_before_earlier_ones_and_gaps_stay() -> None:
    first = metrics([("a",), ("b",)], np.array([[[1.0, 2.0], [3.0, np.nan]]]))
    second = metrics([("a",), ("c",)], np.array([[[9.0], [7.0]]]), START + timedelta(hours=1))
    grid = metrics([("x",)], np.zeros((1, 1, 4))).starts
    found = join([first, second], grid)
    assert found.combinations == (("a",), ("b",), ("c",))
    expected = [[1.0, 9.0, np.nan, np.nan], [3.0, np.nan, np.nan, np.nan], [np.nan, 7.0, np.nan, np.nan]]
    np.testing.assert_array_equal(found.values[0], expected)
    assert between(found, 1, 2).values[:, :, 0].tolist()[0][0] == 9.0


instants = st.datetimes(datetime(1970, 1, 1), datetime(2199, 1, 1), timezones=st.just(UTC)).map(
    lambda one: one.replace(microsecond=0)
)


@given(instants, instants)
def test_stamps_sort_by_time_and_come_back(one: datetime, other: datetime) -> None:
    assert parse_stamp(stamp(one)) == one
    assert (stamp(one) < stamp(other)) == (one < other)


@given(instants, st.text(max_size=20), st.lists(st.text(max_size=10), max_size=3))
def test_an_execution_comes_back(at: datetime, reason: str, warnings: list[str]) -> None:
    store = memory_store()
    one = Execution(ARN, at, "FAILED", reason, "run", at, None, at, "v", 1, 2, 3, 4, 5, 6, 7, tuple(warnings))
    write_execution(store, "shop", one)
    assert list(read_executions(store, "shop")) == [one]
    assert list(read_executions(store, "shop", at)) == [one]


def test_an_execution_that_cannot_be_read_says_where() -> None:
    store = memory_store()
    store.put("detection/detector=shop/executions/20260303T000000Z/x.json", b"[]")
    with pytest.raises(RecordError, match=r"x\.json: .*expected the fields of an execution"):
        list(read_executions(store, "shop"))


@pytest.mark.parametrize("name", ["", "../shop", "a/b", "a b", "x" * 64, "é"])
def test_no_name_leaves_its_folder(name: str) -> None:
    with pytest.raises(ValueError, match="expected 1 to 63"):
        detector_folder(name)


def test_the_source_is_registered_once_with_the_columns_of_its_files() -> None:
    store = memory_store()
    metric_set = detector(templated_path_list=("s3://data/live/{{yyyyMMdd}}/{{HHmm}}",)).metric_set
    files = FilesInMemory({})
    with pytest.raises(SourceError, match="no file of the interval"):
        register_source(store, metric_set, START, files)
    files.files["s3://data/live/20260303/0000/a.csv"] = b"timestamp,country,views,other\n"
    register_source(store, metric_set, START, files)
    (source,) = read_sources(store, source_keys(store)["shop"])
    assert isinstance(source.file_format, CsvFormat)
    assert source.file_format.header_list == ("timestamp", "country", "views", "other")
    opened = len(files.opened)
    register_source(store, metric_set, START, files)
    assert len(files.opened) == opened
