"""Layouts of arrays of many series."""

from __future__ import annotations

import numpy as np
import pytest

from anomalake.model.layout import STRIP, Buffers, by_series, strips


@pytest.mark.parametrize("shape", [(1, 5), (3, 300), (40, 1), (40, STRIP), (40, 2 * STRIP + 3), (40, 0)])
def test_the_layout_by_series_is_the_transpose(shape: tuple[int, int]) -> None:
    values = np.arange(shape[0] * shape[1], dtype=np.float32).reshape(shape)
    assert by_series(values).flags.c_contiguous
    np.testing.assert_array_equal(by_series(values), values.T)
    out = np.zeros((shape[1], 2, shape[0]), np.float32)
    by_series(values, out[:, 1])
    np.testing.assert_array_equal(out[:, 1], values.T)
    assert not out[:, 0].any()


def test_strips_are_consecutive_and_complete() -> None:
    numbers = np.arange(2 * STRIP + 3)
    parts = [numbers[strip] for strip in strips(len(numbers))]
    assert [len(part) for part in parts] == [STRIP, STRIP, 3]
    np.testing.assert_array_equal(np.concatenate(parts), numbers)
    assert list(strips(0)) == []


def test_a_buffer_is_used_again_in_any_shape_that_it_holds() -> None:
    buffers = Buffers()
    first = buffers.get("z", 4, 6)
    assert np.may_share_memory(buffers.get("z", 3, 5), first)
    assert not np.may_share_memory(buffers.get("sigma", 4, 6), first)
    larger = buffers.get("z", 5, 6)
    assert larger.shape == (5, 6)
    assert not np.may_share_memory(larger, first)
