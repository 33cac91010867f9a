"""Numbers of equal rows."""

from __future__ import annotations

import numpy as np
import pytest

from anomalake.page.numbering import first_of_equal, first_of_equal_rows


@pytest.mark.parametrize("largest", [0, 3, 500, 10**12], ids=str)
@pytest.mark.parametrize("rows", [0, 1, 300])
def test_numbers_that_are_counted_or_sorted_have_the_places_of_sorted_ones(largest: int, rows: int) -> None:
    numbers = np.random.default_rng(rows).integers(0, largest, rows, endpoint=True)
    _, first, place = np.unique(numbers, return_index=True, return_inverse=True)
    for found, expected in zip(first_of_equal(numbers), (first, place), strict=True):
        np.testing.assert_array_equal(found, expected)


def test_equal_rows_have_one_number_in_the_order_of_the_rows() -> None:
    rng = np.random.default_rng(1)
    columns = rng.integers(-3, 3, (3, 200)) * np.array([1, 1, 10**15])[:, None]
    _, first, place = np.unique(columns.T, axis=0, return_index=True, return_inverse=True)
    for found, expected in zip(first_of_equal_rows(*columns), (first, place), strict=True):
        np.testing.assert_array_equal(found, expected)
