"""Questions about what is unsure."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
import typer

from anomalake.cli.init_questions import ask
from anomalake.sources.guessing.readings import NO_CHOICES, TableReading, read_columns
from anomalake.sources.guessing.samples import FilePart, read_sample
from tests.support.tables import TABLES


def reading(name: str) -> TableReading:
    return read_columns(*read_sample([FilePart("table", TABLES[name]())]))


def answers(monkeypatch: pytest.MonkeyPatch, *given: str) -> Iterator[str]:
    """Give answers to the questions; an empty one takes the default, as the return key does."""
    left = iter(given)
    monkeypatch.setattr(typer, "prompt", lambda question, default: next(left) or default)
    return left


def test_only_what_is_unsure_is_asked_and_every_answer_is_taken(monkeypatch: pytest.MonkeyPatch) -> None:
    left = answers(monkeypatch, "When", "", "", "Paris", "Europe/Paris", "hourly", "PT1H", "measure", "", "d")
    found = reading("order lines")
    choices = ask(found, NO_CHOICES)
    assert list(left) == []
    assert (choices.time, choices.time_format) == (("InvoiceDate",), "M/d/yyyy H:mm")
    assert (choices.zone, choices.frequency) == ("Europe/Paris", "PT1H")
    assert choices.dimensions == ("Country",)
    assert (choices.sums, choices.means) == (("Quantity",), ("Price",))


def test_nothing_is_asked_where_all_is_sure(monkeypatch: pytest.MonkeyPatch) -> None:
    answers(monkeypatch)
    assert ask(reading("three parts"), NO_CHOICES) == NO_CHOICES
