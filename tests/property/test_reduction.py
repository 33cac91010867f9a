"""The reduction of judged series has the same bits, however they are divided."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from anomalake.groups.judged_series import part_of
from anomalake.groups.reduction import (
    SeriesLayout,
    Totals,
    expected_totals,
    merged,
    reduce_series,
    totals_of,
)
from anomalake.model.judgement import Judgement


@given(st.data())
def test_parts_give_the_bits_of_the_whole(data: st.DataObject) -> None:
    n_measures, n_combinations, n_times = (data.draw(st.integers(1, most)) for most in (3, 6, 4))
    layout = SeriesLayout(
        n_measures, np.array(data.draw(st.lists(st.booleans(), min_size=n_combinations, max_size=n_combinations)))
    )
    random = np.random.default_rng(data.draw(st.integers(0, 2**32)))
    shape = (layout.n_series, n_times)

    def numbers() -> np.ndarray:
        made = random.normal(0, 10.0 ** random.integers(-12, 12, shape), shape)
        return np.where(random.random(shape) < 0.2, np.nan, made)

    values, expected, lower, upper = (numbers() for _ in range(4))
    # Equal severities are frequent.
    severity = random.integers(0, 10, shape) * 10.0
    judgement = Judgement(0, expected, lower, upper, severity, severity >= 50, random.random(shape) < 0.1)
    cuts = sorted({0, layout.n_series, *data.draw(st.lists(st.integers(0, layout.n_series), max_size=4))})
    whole = reduce_series(layout, 0, values, judgement)
    parts = [
        reduce_series(layout, begin, values[begin:end], part_of(judgement, begin, end)) for begin, end in pairwise(cuts)
    ]
    joined = merged(parts)
    assert joined.observed == whole.observed
    for name in ("largest", "largest_roll_up"):
        assert getattr(joined, name).tobytes() == getattr(whole, name).tobytes()
    assert {name: array.tobytes() for name, array in joined.points.arrays().items()} == {
        name: array.tobytes() for name, array in whole.points.arrays().items()
    }
    seen = whole.unusual.severity > 0
    for name, array in whole.unusual.arrays().items():
        assert joined.unusual.arrays()[name][seen].tobytes() == array[seen].tobytes()
    columns = np.arange(n_times)[::2]
    largest, of_roll_ups = whole.largest[:, columns], whole.largest_roll_up[:, columns]
    total = totals_of(layout, 0, values, expected, columns, largest)
    added = Totals(np.zeros_like(total.counts), np.zeros_like(total.sums))
    # The last part first: any order will do.
    for begin, end in list(pairwise(cuts))[::-1]:
        added += totals_of(layout, begin, values[begin:end], expected[begin:end], columns, largest)
    sums = expected_totals(total, largest, of_roll_ups)
    assert added.counts.tolist() == total.counts.tolist()
    assert expected_totals(added, largest, of_roll_ups).tobytes() == sums.tobytes()
    leaves = np.isfinite(values) & np.isfinite(expected) & ~np.tile(layout.is_roll_up, n_measures)[:, None]
    exact = (
        np.where(leaves, np.abs(expected), 0.0).reshape(n_measures, n_combinations, n_times)[:, :, columns].sum(axis=1)
    )
    np.testing.assert_allclose(sums, np.maximum(exact, of_roll_ups), rtol=1e-8)
