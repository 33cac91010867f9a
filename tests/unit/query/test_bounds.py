"""Bounds on partitions never exclude one that a condition needs."""

from __future__ import annotations

from datetime import date

import pytest
from sqlglot import exp

from anomalake.query.bounds import ALL, Bounds, bounds_of
from anomalake.query.trino.dialect import parse


def of(condition: str) -> Bounds:
    (query,) = parse(f"SELECT * FROM r WHERE {condition}")
    return bounds_of(query.args["where"].this, lambda node: node.name.lower() if isinstance(node, exp.Column) else None)


D = date.fromisoformat


@pytest.mark.parametrize(
    ("condition", "first", "last"),
    [
        ("timestamp >= TIMESTAMP '2021-02-14 04:00:00'", "2021-02-14", None),
        ("timestamp > TIMESTAMP '2021-02-14 04:00:00.123'", "2021-02-14", None),
        ("timestamp < TIMESTAMP '2021-02-14 00:00:00'", None, "2021-02-13"),
        ("timestamp < TIMESTAMP '2021-02-14 00:00:01'", None, "2021-02-14"),
        ("timestamp <= DATE '2021-02-14'", None, "2021-02-14"),
        ("timestamp = TIMESTAMP '2021-02-14 04:00'", "2021-02-14", "2021-02-14"),
        ("TIMESTAMP '2021-02-14 04:00:00' <= timestamp", "2021-02-14", None),
        ("timestamp < TIMESTAMP '2021-02-14 00:30:00 UTC'", None, "2021-02-14"),
        ("timestamp < from_iso8601_timestamp('2021-02-14T00:30:00+02:00')", None, "2021-02-13"),
        ("timestamp BETWEEN DATE '2021-02-01' AND DATE '2021-02-07'", "2021-02-01", "2021-02-07"),
        ("day = '2021-02-14'", "2021-02-14", "2021-02-14"),
        ("day IN ('2021-02-14', '2021-02-16')", "2021-02-14", "2021-02-16"),
        ("date(timestamp) <= DATE '2021-02-14'", None, "2021-02-14"),
        ("date_trunc('day', timestamp) = TIMESTAMP '2021-02-14 00:00:00'", "2021-02-14", "2021-02-14"),
        ("local_timestamp = TIMESTAMP '2021-02-14 04:00:00'", "2021-02-13", "2021-02-15"),
        ("(timestamp > DATE '2021-02-14' OR timestamp > DATE '2021-02-10')", "2021-02-10", None),
        (
            "timestamp > DATE '2021-02-14' AND timestamp < DATE '2021-02-16' AND anomaly_score > 5",
            "2021-02-14",
            "2021-02-15",
        ),
    ],
)
def test_bounds_on_days(condition: str, first: str | None, last: str | None) -> None:
    assert of(condition) == Bounds(None, D(first) if first else None, D(last) if last else None)


@pytest.mark.parametrize(
    "condition",
    [
        "NOT timestamp > DATE '2021-02-14'",
        "timestamp <> DATE '2021-02-14'",
        "timestamp > DATE '2021-02-14' OR anomaly_score > 5",
        "timestamp > TIMESTAMP '2021-02-14 04:00:00 Europe/Paris'",
        "timestamp > now()",
        "timestamp > DATE '2021-02-14' - INTERVAL '1' DAY",
        "day >= '2021-02'",
        "date_trunc('month', timestamp) = DATE '2021-02-01'",
        "date(timestamp) = TIMESTAMP '2021-02-14 04:00:00'",
        "detector LIKE 'a%'",
        "detector = lower('A')",
        "detector IN (SELECT 'a')",
        "timestamp IS NULL",
        "CASE WHEN timestamp > DATE '2021-02-14' THEN true END",
    ],
)
def test_conditions_that_set_no_bounds(condition: str) -> None:
    assert of(condition) == ALL


def test_bounds_on_detectors() -> None:
    assert of("detector = 'a'").detectors == {"a"}
    assert of("'a' = detector").detectors == {"a"}
    assert of("detector IN ('a', 'b') AND detector <> 'c'").detectors == {"a", "b"}
    assert of("detector = 'a' OR detector = 'b'").detectors == {"a", "b"}
    assert of("detector = 'a' AND detector = 'b'").detectors == set()
    assert of("detector = 'a' OR timestamp > DATE '2021-02-14'") == ALL


def test_bounds_are_written_as_a_condition() -> None:
    bounds = Bounds(frozenset({"b", "a'"}), D("2021-02-01"), D("2021-02-07"))
    condition = bounds.condition()
    assert condition is not None
    assert condition.sql("athena") == "detector IN ('a''', 'b') AND day >= '2021-02-01' AND day <= '2021-02-07'"
    assert bounds.holds_detector("b")
    assert bounds.holds_day("2021-02-07")
    assert not bounds.holds_day("2021-02-08")
    assert not bounds.holds_detector("c")
    assert ALL.condition() is None
    no_detector = Bounds(frozenset()).condition()
    assert no_detector is not None
    assert no_detector.sql("athena") == "detector IN (NULL)"


def test_widening_does_not_exceed_the_calendar() -> None:
    assert Bounds(first=date.min, last=date.max).widened() == ALL
