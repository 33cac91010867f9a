"""Every frequency is known wherever frequencies have their own values."""

from __future__ import annotations

import re
from importlib import resources

import pytest

from anomalake.frequencies import FREQUENCIES
from anomalake.quicksight.definition import _GRANULARITY
from anomalake.quicksight.template import _DAYS_SHOWN
from anomalake.synth.settings import DEFAULT_INTERVALS


@pytest.mark.parametrize("name", list(FREQUENCIES))
def test_a_name_is_its_length_in_iso_8601(name: str) -> None:
    found = re.fullmatch(r"P(?:([0-9]+)D|T(?:([0-9]+)H|([0-9]+)M))", name)
    assert found is not None
    days, hours, minutes = (int(part or 0) for part in found.groups())
    assert FREQUENCIES[name].seconds == days * 86_400 + hours * 3_600 + minutes * 60
    assert FREQUENCIES[name].days == days


@pytest.mark.parametrize("name", [name for name, frequency in FREQUENCIES.items() if not frequency.days])
def test_a_day_and_a_week_have_as_many_phases_as_intervals(name: str) -> None:
    frequency = FREQUENCIES[name]
    assert frequency.day_length * frequency.seconds == 86_400
    assert (frequency.week_length, frequency.level_memory) == (7 * frequency.day_length, frequency.day_length)


def test_every_frequency_is_known_everywhere() -> None:
    assert set(_GRANULARITY) == set(_DAYS_SHOWN) == set(FREQUENCIES)
    assert set(DEFAULT_INTERVALS) == set(FREQUENCIES) - {"P7D"}
    script = (resources.files("anomalake") / "page" / "assets" / "text.js").read_text("utf-8")
    known = re.findall(r'\["(P\w+)", (\d+)\]', script)
    assert known == [(name, str(frequency.seconds)) for name, frequency in FREQUENCIES.items()]
