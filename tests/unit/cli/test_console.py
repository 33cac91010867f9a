"""Bars of the commands: the time that is left, counts, and lines beside them."""

from __future__ import annotations

import io
import sys

import pytest
from rich.console import Console
from rich.progress import Progress

from anomalake.cli import console
from anomalake.cli.console import aside, count_bar, percent_bar, steps_of


class Terminal(io.StringIO):
    """A terminal, as far as rich asks."""

    def isatty(self) -> bool:
        return True


@pytest.fixture
def terminal(monkeypatch: pytest.MonkeyPatch) -> Terminal:
    shown = Terminal()
    monkeypatch.setattr(console, "stderr", lambda: Console(file=shown, force_terminal=True, width=100))
    return shown


def text_of(bar: Progress) -> str:
    plain = Console(width=100, file=io.StringIO(), record=True)
    plain.print(bar)
    return plain.export_text()


@pytest.mark.parametrize("make", [count_bar, percent_bar])
def test_a_bar_shows_the_time_that_is_left_and_at_the_end_the_time_that_was_taken(
    make: object, terminal: Terminal
) -> None:
    bar: Progress = make()  # type: ignore[operator]
    now = 0.0
    bar.get_time = lambda: now
    task = bar.add_task("replay", total=100, unit="alerts", done=0)
    assert "left" not in text_of(bar)
    for done in (10, 20, 30):
        now = done * 3.0
        bar.update(task, completed=done)
    assert "3:30 left" in text_of(bar)
    now = 5_000.0
    bar.update(task, completed=100)
    now = 6_000.0
    assert "1:23:20" in text_of(bar)
    assert "left" not in text_of(bar)


def test_the_steps_of_some_work_are_bars_with_counts(terminal: Terminal) -> None:
    bar = count_bar()
    progress = steps_of(bar)
    progress("train", 0, 700)
    assert "train" in text_of(bar)
    assert "of 700" not in text_of(bar)
    progress("train", 700, 700)
    progress("test", 1_500, 3_000)
    assert "700 of 700" in text_of(bar)
    assert "1,500 of 3,000" in text_of(bar)


def test_lines_are_printed_while_the_bar_is_away(terminal: Terminal) -> None:
    with count_bar() as bar:
        bar.add_task("detect", total=10)
        bar.refresh()
        with aside(bar):
            before = len(terminal.getvalue())
            assert not bar.live.is_started
            terminal.write("a line\n")
        assert bar.live.is_started
        # Nothing is drawn between the bar that was taken away and the line.
        assert terminal.getvalue()[before:].startswith("a line\n")
    assert "detect" in terminal.getvalue()[before:]


def test_nothing_is_shown_where_standard_error_is_no_terminal(capsys: pytest.CaptureFixture[str]) -> None:
    with count_bar() as bar:
        steps_of(bar)("train", 1, 2)
        with aside(bar):
            print("a line", file=sys.stderr)
    assert capsys.readouterr() == ("", "a line\n")
