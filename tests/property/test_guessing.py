"""Any bytes are read into a reading, or refused with one line; and what is written can be read again."""

from __future__ import annotations

import gzip

import pytest
from hypothesis import given
from hypothesis import strategies as st

from anomalake.definitions.detector_file import parse_detector
from anomalake.errors import AnomalakeError
from anomalake.sources.guessing.detector_text import NotSupportedError, detector_text
from anomalake.sources.guessing.readings import read_columns
from anomalake.sources.guessing.samples import FilePart, read_sample
from tests.support.tables import TABLES

CONTENTS = {name: make() for name, make in TABLES.items()}
cells = st.sampled_from(
    ["2024-01-31", "31.01.2024 10:00", "1/2/2024", "12:30 PM", "1700000000", "", "NA", "1,5", "1.5", "-200", "$3", "x",
     '"', "a\nb", "{", "é", "\ufffd", "1e999", "2024-Q1", "0000-00-00", "9999999999999", "\x7f", "null", "#", " "]
)  # fmt: skip
tables = st.builds(
    lambda rows, delimiter, end: end.join(delimiter.join(row) for row in rows),
    st.lists(st.lists(cells, min_size=1, max_size=5), max_size=12),
    st.sampled_from([",", ";", "\t", "|", " ", "  "]),
    st.sampled_from(["\n", "\r\n", "\r"]),
)


def check(content: bytes) -> None:
    try:
        text, sample = read_sample([FilePart("data", content)])
        reading = read_columns(text, sample)
        body = detector_text(reading, "made", ["data"])
    except AnomalakeError as error:
        assert "\n" not in str(error)
        return
    metric_set = parse_detector(body, "made.yaml").metric_set
    assert {measure.metric_name: measure.aggregation_function for measure in metric_set.metric_list} == reading.measures
    assert metric_set.dimension_list == reading.dimensions
    assert metric_set.timestamp_columns == reading.time.value.columns


@given(st.binary(max_size=400))
def test_any_bytes_are_read_or_refused(content: bytes) -> None:
    check(content)


@given(tables, st.sampled_from(["utf-8", "utf-16", "iso-8859-1"]), st.booleans())
def test_any_cells_are_read_or_refused(text: str, charset: str, packed: bool) -> None:
    content = text.encode(charset, "replace")
    check(gzip.compress(content) if packed else content)


@given(st.data())
def test_any_part_of_a_table_is_read_or_refused(data: st.DataObject) -> None:
    content = CONTENTS[data.draw(st.sampled_from(sorted(CONTENTS)))]
    begin = data.draw(st.integers(0, min(2_000, len(content))))
    check(content[begin : begin + data.draw(st.integers(0, 4_000))])


@pytest.mark.parametrize("name", CONTENTS)
def test_the_file_of_a_table_is_a_detector_file(name: str) -> None:
    text, sample = read_sample([FilePart("data", CONTENTS[name])])
    reading = read_columns(text, sample)
    try:
        body = detector_text(reading, "made", ["data"])
    except NotSupportedError:
        assert reading.frequency.value in ("P1M", "P3M")
        return
    assert parse_detector(body, "made.yaml").metric_set.measures == tuple(reading.measures)
