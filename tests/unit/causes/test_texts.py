"""The words of a root cause."""

from __future__ import annotations

import pytest

from anomalake.alerts import Cause
from anomalake.causes.texts import describe, describe_deviation
from anomalake.notify.plain import quoted


@pytest.mark.parametrize(
    ("dimensions", "share_off", "text"),
    [
        ((("carrier", "UA"), ("origin", "EWR")), -0.62, "carrier UA at EWR: 62 % fewer than expected"),
        ((("carrier", "UA"),), 2.5, "carrier UA: 250 % more than expected"),
        ((("store", "12"), ("register", "3")), -1.0, "store 12 at register 3: 100 % fewer than expected"),
        ((), 12.345, "all metrics: 1,234 % more than expected"),
        ((("shop", "new"),), None, "shop new: nothing was expected"),
    ],
)
def test_a_cause_in_words(dimensions: tuple[tuple[str, str], ...], share_off: float | None, text: str) -> None:
    cause = Cause(dimensions, share_off, 0.712, 40.0)
    assert describe_deviation(cause) == text
    assert describe(cause) == f"{text}; explains 71 %"


def test_hostile_names_are_shown_as_the_text_wants_them() -> None:
    cause = Cause((("a\nb", "x\u202ey"), ("c", "p, q")), -0.5, 1.0, 1.0)
    assert describe(cause, quoted) == '"a\\u000ab" "x\\u202ey" at "p, q": 50 % fewer than expected; explains 100 %'
