"""Sensitivity: what a level and a number mean, and how a file says them."""

from __future__ import annotations

import json
import math
import re
from pathlib import Path
from typing import Any

import pytest

from anomalake.definitions.detector import DetectorFileError
from anomalake.definitions.detector_file import parse_detector
from anomalake.definitions.sensitivity import PER_METRICS, Level, Sensitivity, decision_of, most_false_groups
from anomalake.frequencies import FREQUENCIES
from tests.support.source_data import detector, request

ROOT = Path(__file__).parents[3]


def read(sensitivity: Any, frequency: str = "PT1H") -> Sensitivity:
    fields = {**request(frequency=frequency), "Sensitivity": sensitivity}
    return parse_detector(json.dumps(fields), "d.yaml").sensitivity


def test_a_number_is_that_of_points_beyond_the_decision() -> None:
    # 100 metrics have 16,800 points in a week of hours, on two sides.
    assert decision_of(33.6, "PT1H") == pytest.approx(3)
    assert decision_of(3.36, "PT1H") == pytest.approx(4)
    assert decision_of(33.6, "PT5M") == pytest.approx(3 + math.log10(12))
    assert decision_of(1.4, "P1D") == pytest.approx(3)


def test_medium_is_the_decision_of_the_model() -> None:
    assert detector().sensitivity == "medium"
    decisions = [decision_of(level, "PT1H") for level in ("high", "medium", "low")]
    medium = FREQUENCIES["PT1H"].decision
    assert decisions == [medium - 0.5, medium, medium + 1]


def test_the_document_tells_the_numbers_of_the_levels() -> None:
    document = (ROOT / "docs" / "detector-file.md").read_text("utf-8")
    levels: tuple[Level, ...] = ("low", "medium", "high")
    for level in levels:
        (row,) = re.findall(rf"^\| `{level}` \| (.+) \|$", document, re.MULTILINE)
        expected = []
        for frequency in FREQUENCIES:
            points = PER_METRICS * 7 * 86_400 / FREQUENCIES[frequency].seconds
            expected.append(2 * points * 10 ** -decision_of(level, frequency))
        assert [float(cell) for cell in row.split(" | ")] == [float(f"{number:.2g}") for number in expected]


def test_sensitivities_of_a_file() -> None:
    assert [read(given) for given in ("low", "high", 5, "0.5", 1e-3)] == ["low", "high", 5.0, 0.5, 0.001]
    assert read(most_false_groups("PT5M"), "PT5M") == 4032


@pytest.mark.parametrize(
    ("given", "frequency", "expected"),
    [
        ("Low", "PT1H", "'Low': expected low, medium, high, or a number from 0.001 to 336 (100 metrics, a week)"),
        (337, "PT1H", "'337': expected low, medium, high, or a number from 0.001 to 336 (100 metrics, a week)"),
        (15, "P1D", "'15': expected low, medium, high, or a number from 0.001 to 14 (100 metrics, a week)"),
        (0, "PT1H", "'0': expected low, medium, high, or a number"),
        ("nan", "PT1H", "'nan': expected low, medium, high, or a number"),
        ([], "PT1H", "a list: expected low, medium, high, or a number"),
    ],
)
def test_a_mistake_is_told(given: Any, frequency: str, expected: str) -> None:
    with pytest.raises(DetectorFileError) as caught:
        read(given, frequency)
    assert caught.value.problems[0].startswith(f"d.yaml: Sensitivity: {expected}")
