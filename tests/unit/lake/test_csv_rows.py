"""Cells of CSV: any text survives, and none ends a cell or a line or is a formula."""

from __future__ import annotations

from urllib.parse import unquote

from hypothesis import example, given
from hypothesis import strategies as st

from anomalake.lake.csv_rows import encode

UNSAFE = {*map(chr, range(0x20)), *'\x7f"\\%,+'}


@given(st.text(st.sampled_from([*sorted(UNSAFE), *"=-@aé🙂 2C"]), min_size=1, max_size=20))
@example("=1+1")
@example("@SUM(A1)")
@example("-2-3")
@example("%2C,%")
def test_a_text_survives_as_a_harmless_cell(text: str) -> None:
    cell = encode(text)
    assert not (UNSAFE - {"%"}).intersection(cell)
    assert not cell.startswith(("=", "-", "@"))
    assert unquote(cell) == text
    assert len(cell) == len(text) + 2 * (sum(map(text.count, UNSAFE)) + text.startswith(("=", "-", "@")))


def test_null_and_the_empty_text_differ() -> None:
    assert (encode(None), encode("")) == ("", "%")
