"""Records of live detection: they survive writing and reading, and damage is detected."""

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
from anomalake.records.codecs import arrays_from_bytes, arrays_to_bytes
from anomalake.records.errors import CorruptError, RecordError
from anomalake.records.executions import Execution, read_executions, write_execution
from anomalake.records.intervals import from_parquet, metrics_of, to_parquet
from anomalake.records.keys import parse_stamp, stamp
from anomalake.records.metric_sets import metric_set_keys, read_metric_sets
from anomalake.records.models import ModelStore
from anomalake.services.sources import register_source
from anomalake.storage.objects import memory_store
from tests.support.live import ARN, START, detector, hour
from tests.support.source_data import FilesInMemory

DIMENSION_VALUES = st.one_of(
    st.none(), st.text(max_size=8), st.sampled_from(["NA", "007", "", "a/b", "../x", "\x00", "é\n", '"'])
)


def metrics(combinations: list[tuple[str | None, ...]], values: np.ndarray, start: datetime = START) -> Metrics:
    starts = np.datetime64(start.replace(tzinfo=None), "s") + np.arange(values.shape[2]) * np.timedelta64(3600, "s")
    names = tuple(f"d{number}" for number in range(len(combinations[0]))) if combinations else ("d0",)
    measures = tuple(f"m{number}" for number in range(values.shape[0]))
    return Metrics("PT1H", "UTC", starts, measures, names, tuple(combinations), values)


@given(st.lists(st.tuples(DIMENSION_VALUES, DIMENSION_VALUES), min_size=1, max_size=6, unique=True), st.data())
def test_an_interval_keeps_every_value_and_name(
    combinations: list[tuple[str | None, ...]], data: st.DataObject
) -> None:
    shape = (2, len(combinations), 1)
    values = data.draw(npst.arrays(np.float64, shape, elements=st.floats(allow_infinity=False, width=64)))
    written = metrics(combinations, values)
    array = np.full((written.n_metrics, 1), 1.5)
    judgement = Judgement(0, array, array, array, array * 40, array > 1)
    record = from_parquet(to_parquet(START, written, judgement, ["group"]))
    assert (record.start, record.open_groups) == (START, ("group",))
    assert set(record.table["severity"].to_pylist()) == {60.0}
    read = metrics_of([record], written.starts)
    assert read is not None
    assert set(read.combinations) == set(combinations)
    for k, combination in enumerate(combinations):
        np.testing.assert_array_equal(read.values[:, read.combinations.index(combination)], values[:, k])


def test_an_interval_may_have_no_metrics_or_no_dimensions() -> None:
    empty = metrics([], np.empty((1, 0, 1)))
    read = metrics_of([from_parquet(to_parquet(START, empty, None))], empty.starts)
    assert read is not None
    assert read.values.shape == (1, 0, 1)
    single = Metrics("PT1H", "UTC", empty.starts, ("v",), (), ((),), np.array([[[3.0]]]))
    read = metrics_of([from_parquet(to_parquet(START, single, None))], single.starts)
    assert read is not None
    assert (read.combinations, read.values.tolist()) == (((),), [[[3.0]]])


@given(st.integers(0, 10**6), st.integers(1, 255))
def test_every_changed_byte_of_an_archive_is_detected(at: int, change: int) -> None:
    body = bytearray(arrays_to_bytes({"a": np.arange(40.0), "names": np.array(["x", "yé"])}, {"k": 1}))
    body[at % len(body)] ^= change
    with pytest.raises(CorruptError):
        arrays_from_bytes(bytes(body))


@given(st.binary(max_size=200))
def test_other_bytes_are_refused(body: bytes) -> None:
    for read in (arrays_from_bytes, from_parquet):
        with pytest.raises(CorruptError, match=r"lake/x: .*bytes: .*expected"):
            read(body, "lake/x")


@pytest.mark.parametrize(
    "array",
    [
        np.array(1.5),
        np.zeros((0, 3)),
        np.asfortranarray(np.arange(6.0).reshape(2, 3)),
        np.array(["", "é"]),
        np.array(["2024-01-01"], "datetime64[s]"),
        np.array([True, False]),
        np.arange(3, dtype=">i4"),
    ],
    ids=lambda array: f"{array.dtype}{array.shape}",
)
def test_an_array_of_any_type_and_shape_survives_and_can_be_changed(array: np.ndarray) -> None:
    arrays, about = arrays_from_bytes(arrays_to_bytes({"a": array}, {"k": 1}))
    assert about == {"k": 1}
    np.testing.assert_array_equal(arrays["a"], array)
    assert (arrays["a"].dtype, arrays["a"].shape) == (array.dtype, array.shape)
    assert arrays["a"].flags.writeable


def test_equal_arrays_have_equal_bytes() -> None:
    arrays = {"a": np.arange(4.0), "b": np.array(["x"])}
    assert arrays_to_bytes(arrays, {"k": 1}) == arrays_to_bytes(dict(arrays), {"k": 1})


def test_a_history_survives() -> None:
    models = ModelStore(memory_store(), "shop", "v")
    written = metrics([("a", None), ("é", "\x00")], np.array([[[1.5, np.nan], [2.0, 3.0]]]))
    models.write_history(START, written)
    read = models.read_history(START)
    assert read is not None
    assert (read.combinations, read.dimension_names) == (written.combinations, written.dimension_names)
    np.testing.assert_array_equal(read.values, written.values)
    np.testing.assert_array_equal(read.starts, written.starts)
    assert models.read_history(hour(1)) is None


def test_a_history_or_state_of_another_kind_is_corrupt() -> None:
    store = memory_store()
    models = ModelStore(store, "shop", "v")
    for kind, read in (("histories", models.read_history), ("states", models.read_state)):
        key = f"detection/detector=shop/version=v/{kind}/20260303T000000Z.npz"
        store.put(key, arrays_to_bytes({"other": np.arange(2.0)}, {}))
        with pytest.raises(CorruptError, match=rf"memory:///{key}: .*expected the"):
            read(START)


def test_later_parts_take_precedence_and_gaps_stay() -> None:
    first = metrics([("a",), ("b",)], np.array([[[1.0, 2.0], [3.0, np.nan]]]))
    second = metrics([("a",), ("c",)], np.array([[[9.0], [7.0]]]), START + timedelta(hours=1))
    grid = metrics([("x",)], np.zeros((1, 1, 4))).starts
    joined = join([first, second], grid)
    assert joined.combinations == (("a",), ("b",), ("c",))
    expected = [[1.0, 9.0, np.nan, np.nan], [3.0, np.nan, np.nan, np.nan], [np.nan, 7.0, np.nan, np.nan]]
    np.testing.assert_array_equal(joined.values[0], expected)
    assert between(joined, 1, 2).values[:, :, 0].tolist()[0][0] == 9.0


instants = st.datetimes(datetime(1970, 1, 1), datetime(2199, 1, 1), timezones=st.just(UTC)).map(
    lambda instant: instant.replace(microsecond=0)
)


@given(instants, instants)
def test_stamps_survive_and_sort_by_time(first: datetime, second: datetime) -> None:
    assert parse_stamp(stamp(first)) == first
    assert (stamp(first) < stamp(second)) == (first < second)


@given(instants, st.text(max_size=20), st.lists(st.text(max_size=10), max_size=3))
def test_an_execution_survives(at: datetime, reason: str, warnings: list[str]) -> None:
    store = memory_store()
    execution = Execution(ARN, at, "FAILED", reason, "run", at, None, at, "v", 1, 2, 3, 4, 5, 6, 7, tuple(warnings))
    write_execution(store, "shop", execution)
    assert list(read_executions(store, "shop")) == [execution]
    assert list(read_executions(store, "shop", at)) == [execution]


@pytest.mark.parametrize(
    ("body", "reason"),
    [
        (b"[]", "expected the fields of an execution"),
        (b"{", "Expecting property name"),
        (b'{"detector_arn": "a", "timestamp": "2026-03-03", "status": "FAILED"}', "expected a time with its zone"),
    ],
)
def test_the_error_of_an_invalid_execution_names_its_key(body: bytes, reason: str) -> None:
    store = memory_store()
    store.put("detection/detector=shop/executions/20260303T000000Z/x.json", body)
    with pytest.raises(RecordError, match=rf"memory:///detection/detector=shop/.*x\.json: .*{reason}"):
        list(read_executions(store, "shop"))


def test_the_source_is_registered_once_with_the_columns_of_its_files() -> None:
    store = memory_store()
    metric_set = detector(templated_path_list=("s3://data/live/{{yyyyMMdd}}/{{HHmm}}",)).metric_set
    files = FilesInMemory({})
    with pytest.raises(SourceError, match="no file of the interval"):
        register_source(store, metric_set, START, files)
    files.files["s3://data/live/20260303/0000/a.csv"] = b"timestamp,country,views,other\n"
    register_source(store, metric_set, START, files)
    (source,) = read_metric_sets(store, metric_set_keys(store)["shop"])
    assert isinstance(source.file_format, CsvFormat)
    assert source.file_format.header_list == ("timestamp", "country", "views", "other")
    opened = len(files.opened)
    register_source(store, metric_set, START, files)
    assert len(files.opened) == opened


def test_a_line_break_in_the_beginning_of_a_file_is_said_at_registration() -> None:
    store, lines = memory_store(), list[str]()
    metric_set = detector(templated_path_list=("s3://data/live/{{yyyyMMdd}}/{{HHmm}}",)).metric_set
    name = "s3://data/live/20260303/0000/a.csv"
    files = FilesInMemory({name: b'timestamp,country,views\n2026-03-03 00:00:00,it,1\n2026-03-03 00:00:00,"u\ns",1\n'})
    register_source(store, metric_set, START, files, lines.append)
    (line,) = lines
    assert line.startswith(f"{name}: line 3: a quoted cell has a line break; Athena ends the row there")
    assert metric_set_keys(store)["shop"]
    without = FilesInMemory({name: b'timestamp,country,views\n2026-03-03 00:00:00,"it",1\n'})
    register_source(memory_store(), metric_set, START, without, lines.append)
    assert len(lines) == 1
