"""The packed document, unpacked by a reader of its own."""

from __future__ import annotations

import json
import math
from dataclasses import fields, is_dataclass, replace
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import array_shapes, arrays

from anomalake.page.document import AnomalyCounts, Live, PageDocument, pack
from tests.support import documents

TYPES = {"i4": "<i4", "f4": "<f4", "f8": "<f8"}


def unpack(packed: bytes) -> dict[str, Any]:
    """By the format's description, from front to back."""
    length = int.from_bytes(packed[:4], "little")
    head, body = packed[4 : 4 + length], packed[4 + length :]

    def resolved(value: Any) -> Any:
        if isinstance(value, list):
            return [resolved(entry) for entry in value]
        if not isinstance(value, dict):
            return value
        if "$" in value:
            kind, offset, shape = value["$"]
            count = math.prod(shape)
            return np.frombuffer(body, TYPES[kind], count, offset).reshape(shape)
        return {key: resolved(item) for key, item in value.items()}

    unpacked = resolved(json.loads(head.decode("ascii")))
    assert isinstance(unpacked, dict)
    return unpacked


def assert_same(unpacked: Any, meant: Any, *, single: bool = False) -> None:
    """A record, tuple or array against what was unpacked; `single`: floats in single precision."""
    if is_dataclass(meant):
        names = {item.name for item in fields(meant)} | ({"format"} if isinstance(meant, PageDocument) else set())
        assert set(unpacked) == names
        for field_ in fields(meant):
            assert_same(unpacked[field_.name], getattr(meant, field_.name), single=isinstance(meant, Live))
    elif isinstance(meant, np.ndarray):
        assert unpacked.shape == meant.shape
        as_sent = meant.astype(np.float32) if single and meant.dtype.kind == "f" else meant
        np.testing.assert_array_equal(unpacked, as_sent)
    elif isinstance(meant, tuple):
        assert len(unpacked) == len(meant)
        for a, b in zip(unpacked, meant, strict=True):
            assert_same(a, b, single=single)
    else:
        assert unpacked == meant
        assert type(unpacked) is type(meant)


@pytest.mark.parametrize("kind", ["empty", "one", "fifty", "hostile"])
def test_document_survives(kind: str) -> None:
    document = documents.ALL[kind]()
    unpacked = unpack(pack(document))
    assert unpacked["format"] == 3
    assert_same(unpacked, document)


def test_many_group_intervals_survive() -> None:
    document = documents.many(5_000)
    assert_same(unpack(pack(document)), document)


@pytest.mark.parametrize("kind", documents.ALL)
def test_equal_documents_are_equal_bytes(kind: str) -> None:
    made = documents.many if kind == "many" else documents.ALL[kind]
    assert pack(made(2_000) if kind == "many" else made()) == pack(made(2_000) if kind == "many" else made())


def test_arrays_lie_where_typed_arrays_can_begin() -> None:
    packed = pack(documents.fifty())
    length = int.from_bytes(packed[:4], "little")
    assert (4 + length) % 8 == 0
    assert len(packed) % 8 == 0
    found: list[int] = []

    def offsets(value: dict[str, Any]) -> dict[str, Any]:
        if "$" in value:
            found.append(value["$"][1])
        return value

    json.loads(packed[4 : 4 + length], object_hook=offsets)
    assert len(found) > 100
    assert all(item % 8 == 0 for item in found)


def test_text_is_ascii_so_that_its_length_is_that_of_its_bytes() -> None:
    packed = pack(documents.hostile())
    length = int.from_bytes(packed[:4], "little")
    assert packed[4 : 4 + length].isascii()


def with_counts(numbers: Any) -> PageDocument:
    no = np.zeros(0, np.int64)
    return replace(documents.empty(), counts=AnomalyCounts(no, no, no, no, np.asarray(numbers)))


@pytest.mark.parametrize(
    ("whole", "kind"),
    [([], "i4"), ([2**31 - 1], "i4"), ([-(2**31)], "i4"), ([2**31], "f8"), ([-(2**31) - 1, 0], "f8"), ([2**53], "f8")],
)
def test_whole_numbers_are_as_narrow_as_they_can_be(whole: list[int], kind: str) -> None:
    packed = pack(with_counts(np.array(whole, np.int64)))
    length = int.from_bytes(packed[:4], "little")
    assert json.loads(packed[4 : 4 + length])["counts"]["group_intervals"]["$"][0] == kind
    np.testing.assert_array_equal(unpack(packed)["counts"]["group_intervals"], whole)


def test_unknown_and_infinite_numbers_of_arrays_survive() -> None:
    numbers = np.array([np.nan, np.inf, -np.inf, -0.0, 5e-324, 1.7976931348623157e308])
    unpacked = unpack(pack(with_counts(numbers)))["counts"]["group_intervals"]
    assert unpacked.tobytes() == numbers.tobytes()


def test_number_that_json_lacks_is_refused_outside_of_arrays() -> None:
    with pytest.raises(ValueError, match="JSON"):
        pack(replace(documents.empty(), made_at=math.nan))  # type: ignore[arg-type]


def test_array_that_is_a_view_is_packed_as_it_reads() -> None:
    table = np.arange(24.0).reshape(4, 6)
    for view in (table[::2, ::3], table.T, table[:, ::-1], np.asfortranarray(table)):
        np.testing.assert_array_equal(unpack(pack(with_counts(view)))["counts"]["group_intervals"], view)


@given(
    arrays(
        np.int64, array_shapes(min_dims=1, max_dims=3, min_side=0, max_side=5), elements=st.integers(-(2**53), 2**53)
    )
)
def test_any_whole_numbers_survive(values: Any) -> None:
    np.testing.assert_array_equal(unpack(pack(with_counts(values)))["counts"]["group_intervals"], values)


@given(arrays(np.float64, array_shapes(min_dims=1, max_dims=3, min_side=0, max_side=5)))
def test_any_numbers_survive(values: Any) -> None:
    np.testing.assert_array_equal(unpack(pack(with_counts(values)))["counts"]["group_intervals"], values)


@given(st.lists(st.text()))
def test_any_text_survives(texts: list[str]) -> None:
    unpacked = unpack(pack(replace(documents.empty(), notes=tuple(texts), lake="".join(texts))))
    assert (unpacked["notes"], unpacked["lake"]) == (texts, "".join(texts))
