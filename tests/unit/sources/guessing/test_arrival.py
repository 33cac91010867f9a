"""The offset, from when files were written."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from anomalake.sources.guessing.arrival import offset_of

END = datetime(2021, 1, 1, tzinfo=UTC)
HOUR = timedelta(hours=1)


def arrivals(number: int, *seconds: int) -> list[tuple[datetime, datetime]]:
    return [
        (END + place * HOUR, END + place * HOUR + timedelta(seconds=seconds[place % len(seconds)]))
        for place in range(number)
    ]


def test_the_latest_file_decides() -> None:
    guess = offset_of(arrivals(24, 30, 95, 61))
    assert (guess.value, guess.is_sure) == (120, True)
    assert offset_of(arrivals(24, -30, -5)).value == 0
    assert not offset_of(arrivals(4, 30, 95, 61)).is_sure


def test_files_that_were_written_together_tell_nothing() -> None:
    together = [(END + place * HOUR, END + timedelta(days=3, seconds=place)) for place in range(48)]
    guess = offset_of(together)
    assert (guess.value, guess.is_sure) == (0, False)
    assert "at one time" in guess.evidence


def test_unlikely_delays_are_doubtful() -> None:
    assert not offset_of(arrivals(24, 6 * 86_400)).is_sure
    assert offset_of(arrivals(24, 6 * 86_400)).value == 432_000
    assert not offset_of(arrivals(24, -5 * 3_600)).is_sure


def test_few_intervals_tell_nothing() -> None:
    assert offset_of([]).value is None
    assert offset_of(arrivals(1, 5) * 20).value is None
