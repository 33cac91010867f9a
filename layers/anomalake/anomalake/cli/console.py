"""Output of the commands: results on standard output, notes and progress on standard error."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn

#: Lines of reasons that a command prints.
MOST_REASONS = 10


def stdout() -> Console:
    """Console of standard output, without syntax highlighting."""
    return Console(highlight=False)


def stderr() -> Console:
    """Console of standard error, without syntax highlighting."""
    return Console(stderr=True, highlight=False)


def line(console: Console, text: str) -> None:
    """Print one line as it is: not wrapped, without markup."""
    console.print(text, soft_wrap=True, markup=False)


def note(text: str) -> None:
    """Print a note on standard error."""
    line(stderr(), f"anomalake: note: {text}")


def note_missing_lake(lake: str) -> None:
    """Print a note if a lake's folder does not exist."""
    if lake.strip() and "://" not in lake and not Path(lake).exists():
        note(f"there is nothing at {lake} yet")


def print_reasons(reasons: Iterable[str], *last: str) -> None:
    """Print the first reasons on standard error, the number of the others, and some last lines."""
    console, lines = stderr(), list(reasons)
    for reason in lines[:MOST_REASONS]:
        line(console, f"  {reason}")
    if len(lines) > MOST_REASONS:
        line(console, f"  … and {len(lines) - MOST_REASONS:,} more")
    for text in last:
        line(console, f"  {text}")


def percent_bar() -> Progress:
    """A progress bar in per cent, with the number of units done; hidden unless standard error is a terminal."""
    return _bar(
        TextColumn("{task.percentage:>3.0f}%"),
        TextColumn("{task.fields[done]:,} {task.fields[unit]}"),
    )


def count_bar() -> Progress:
    """A progress bar with counts; hidden unless standard error is a terminal."""
    return _bar(TextColumn("{task.completed:,} of {task.total:,}"))


def _bar(*columns: TextColumn) -> Progress:
    console = stderr()
    return Progress(
        TextColumn("{task.description}"),
        BarColumn(),
        *columns,
        TimeElapsedColumn(),
        console=console,
        disable=not console.is_terminal,
    )
