"""Times of the API, as L4M's samples read them."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta, timezone

import pytest

from anomalake.server.lookoutmetrics.times import epoch_seconds, parse_timestamp_text, timestamp_text

NOON = datetime(2021, 2, 17, 11, tzinfo=UTC)


def test_a_text_has_no_seconds_and_its_zone_in_brackets() -> None:
    assert timestamp_text(NOON) == "2021-02-17T11:00Z[UTC]"
    assert timestamp_text(NOON.astimezone(timezone(timedelta(hours=-8)))) == "2021-02-17T11:00Z[UTC]"
    assert timestamp_text(NOON.replace(second=9)) == "2021-02-17T11:00Z[UTC]"


def test_a_text_is_read_as_the_samples_read_it() -> None:
    text = timestamp_text(NOON)
    assert datetime.strptime(text[: text.index("[")], "%Y-%m-%dT%H:%MZ") == NOON.replace(tzinfo=None)
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\dZ\[(\w+)\]", text)


@pytest.mark.parametrize(
    "text",
    ["2021-02-17T11:00Z[UTC]", "2021-02-17T11:00:00Z", "2021-02-17T11:00Z", "2021-02-17T12:00:00+01:00[Europe/Paris]"],
)
def test_texts_with_and_without_seconds_are_read(text: str) -> None:
    assert parse_timestamp_text(text) == NOON


@pytest.mark.parametrize("text", ["", "2021-02-17", "2021-02-17T11:00", "2021-13-17T11:00Z", "now", "1613559600"])
def test_texts_that_name_no_instant_are_refused(text: str) -> None:
    with pytest.raises(ValueError):  # noqa: PT011 (the text is the message)
        parse_timestamp_text(text)


def test_epoch_seconds_have_milliseconds() -> None:
    assert epoch_seconds(datetime(2021, 2, 10, 22, 5, 28, 528_400, tzinfo=UTC)) == 1612994728.528
    assert repr(epoch_seconds(datetime(2021, 2, 10, 22, 5, 28, tzinfo=UTC))) == "1612994728"
