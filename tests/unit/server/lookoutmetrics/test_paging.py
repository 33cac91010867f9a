"""Pages and their tokens."""

from __future__ import annotations

import base64
import json
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from anomalake.definitions.resource_errors import InvalidRequestError
from anomalake.server.lookoutmetrics.paging import (
    DEFAULT_SIZE,
    LONGEST_TOKEN,
    make_token,
    page,
    page_size,
    read_token,
)

NOW = datetime(2026, 3, 4, 5, 6, 7, 891_011, tzinfo=UTC)
QUERY = {"operation": "ListAlerts", "AnomalyDetectorArn": "arn:aws:x", "SensitivityThreshold": 50}


def _pages(items: list[str], size: int, *, descending: bool = False) -> list[list[str]]:
    pages, token = [], None
    while True:
        members = {"MaxResults": size} if token is None else {"MaxResults": size, "NextToken": token}
        shown, token = page(items, members, str, {**QUERY, **members}, NOW, descending=descending)
        pages.append(shown)
        if token is None:
            return pages


@given(items=st.sets(st.text(st.characters(codec="utf-8"), max_size=20), max_size=30), size=st.integers(1, 12))
def test_pages_have_every_item_once_and_in_order(items: set[str], size: int) -> None:
    for descending in (False, True):
        ordered = sorted(items, reverse=descending)
        pages = _pages(ordered, size, descending=descending)
        assert [item for shown in pages for item in shown] == ordered
        assert all(len(shown) == size for shown in pages[:-1])


def test_a_page_has_a_hundred_items_without_a_size() -> None:
    items = [f"{number:04}" for number in range(101)]
    shown, token = page(items, {}, str, QUERY, NOW)
    assert (shown, page_size({})) == (items[:100], DEFAULT_SIZE)
    assert page(items, {"NextToken": token}, str, QUERY, NOW) == (["0100"], None)


def test_items_that_come_and_go_do_not_repeat_or_hide_others() -> None:
    shown, token = page(["b", "c", "d", "e"], {"MaxResults": 2}, str, QUERY, NOW)
    assert shown == ["b", "c"]
    assert page(["a", "d", "e"], {"NextToken": token}, str, QUERY, NOW) == (["d", "e"], None)


def test_the_longest_key_fits() -> None:
    key = "\U0001f600" * 500
    token = make_token(key, QUERY, NOW)
    assert len(token) <= LONGEST_TOKEN
    assert read_token({"NextToken": token}, QUERY, NOW) == key


def test_a_token_expires_after_a_day() -> None:
    token = make_token("k", QUERY, NOW)
    assert read_token({"NextToken": token}, QUERY, NOW + timedelta(hours=23, minutes=59)) == "k"
    with pytest.raises(InvalidRequestError, match="has expired") as caught:
        read_token({"NextToken": token}, QUERY, NOW + timedelta(hours=24, seconds=2))
    assert caught.value.fields[0][0] == "NextToken"
    assert caught.value.reason == "FIELD_VALIDATION_FAILED"


@pytest.mark.parametrize(
    "query",
    [{**QUERY, "operation": "ListMetricSets"}, {**QUERY, "SensitivityThreshold": 51}, {"operation": "ListAlerts"}],
)
def test_a_token_of_another_query_is_refused(query: dict[str, object]) -> None:
    with pytest.raises(InvalidRequestError, match="another request"):
        read_token({"NextToken": make_token("k", QUERY, NOW)}, query, NOW)


def _token(fields: object) -> str:
    return base64.urlsafe_b64encode(json.dumps(fields).encode()).decode()


DIGEST = json.loads(base64.urlsafe_b64decode(make_token("k", QUERY, NOW)))["query"]


@pytest.mark.parametrize(
    "token",
    [
        "x",
        "é",
        "====",
        _token(None),
        _token([]),
        _token({}),
        _token({"last": 1, "query": DIGEST, "at": int(NOW.timestamp())}),
        _token({"last": "k", "query": DIGEST, "at": 1e300}),
        _token({"last": "k", "query": DIGEST, "at": "now"}),
        _token({"last": "k", "query": DIGEST, "at": float("nan")}),
        base64.urlsafe_b64encode(b"[" * 2_000).decode(),
        base64.urlsafe_b64encode(b"\xff").decode(),
    ],
)
def test_other_texts_are_refused(token: str) -> None:
    with pytest.raises(InvalidRequestError):
        read_token({"NextToken": token}, QUERY, NOW)


@given(token=st.text(min_size=1, max_size=60))
def test_any_text_is_refused(token: str) -> None:
    with pytest.raises(InvalidRequestError):
        read_token({"NextToken": token}, QUERY, NOW)
