"""Mutated alerts: each is stored or set aside with a reason, never a crash, and never harm to its neighbours."""

from __future__ import annotations

import copy
import json
from typing import Any

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from anomalake.alerts import AlertDocument, Refusal, read_alert, read_event, read_text
from anomalake.lake.lake import Lake
from anomalake.storage.objects import memory_store
from tests.support import made, oracle

HOSTILE = (
    "../../etc/passwd",
    "a=b/c=d",
    "\n",
    "\r\n",
    "'; DROP TABLE alerts; --",
    '"',
    "<script>alert(1)</script>",
    '=HYPERLINK("x")',
    "\u202eabc",
    "\x00",
    "\ud800",
    "NA",
    "007",
    "",
    "x" * 10_000,
    "%",
    "%2F",
    "{{}}",
    "🙂",
)
scalars = (
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=True)
    | st.text(st.characters(), max_size=20)
    | st.sampled_from(HOSTILE)
)
values = st.recursive(
    scalars,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=5,
)


def paths(value: Any, path: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    inner: list[tuple[Any, Any]] = []
    if isinstance(value, dict):
        inner = list(value.items())
    elif isinstance(value, list):
        inner = list(enumerate(value))
    return [path, *(found for key, item in inner for found in paths(item, (*path, key)))]


@st.composite
def mutated(draw: st.DrawFn) -> Any:
    alert = copy.deepcopy(made.alert(draw(st.integers(0, 50))))
    for _ in range(draw(st.integers(1, 4))):
        *steps, last = draw(st.sampled_from([path for path in paths(alert) if path]))
        at = alert
        for step in steps:
            at = at[step]
        if draw(st.booleans()):
            at[last] = draw(values)
        elif isinstance(at, dict) and draw(st.booleans()):
            at[draw(st.text(max_size=8))] = draw(values)
        else:
            del at[last]
    return alert


@settings(max_examples=150, suppress_health_check=[HealthCheck.too_slow])
@given(mutated())
def test_a_mutated_alert_is_stored_or_set_aside_and_its_neighbours_are_stored(alert: Any) -> None:
    store = memory_store()
    neighbours = [made.alert(100), made.alert(101)]
    batch = [neighbours[0], alert, neighbours[1]]
    receipt = Lake(store, formats=("parquet", "csv")).ingest(
        item for item in read_event(batch) if isinstance(item, AlertDocument)
    )
    assert receipt.failed == ()
    shown = {row[2] for row in oracle.shown_in_tables(store)["alerts"]}
    assert {neighbour["alertEventId"] for neighbour in neighbours} <= shown
    for refused in receipt.refused:
        kept = json.loads(store.get(refused.key))
        assert kept["field"]
        assert kept["expected"]
        assert "\n" not in kept["reason"]
        assert "body" in kept
    for found in store.list(""):
        assert ".." not in found.key
        assert "\n" not in found.key


@settings(max_examples=150)
@given(st.data())
def test_text_with_bytes_changed_is_read_or_refused(data: st.DataObject) -> None:
    text = bytearray(json.dumps(made.alert(data.draw(st.integers(0, 20))), ensure_ascii=False).encode())
    for _ in range(data.draw(st.integers(1, 5))):
        at = data.draw(st.integers(0, len(text) - 1))
        text[at : at + data.draw(st.integers(0, 3))] = data.draw(st.binary(max_size=3))
    for found in read_text(bytes(text), "fuzz"):
        assert isinstance(found, AlertDocument)
        try:
            alert = read_alert(found)
        except Refusal as refusal:
            assert refusal.field
            assert refusal.expected
        else:
            assert len(alert.alert_id) == 32


@settings(max_examples=120)
@given(values)
def test_any_event_is_read_to_its_end(event: Any) -> None:
    for found in read_event(event):
        if isinstance(found, AlertDocument):
            try:
                read_alert(found)
            except Refusal as refusal:
                assert str(refusal)
