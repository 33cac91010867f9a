"""Output of the commands: results on standard output, notes and progress on standard error."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path

from rich.console import Console
from rich.progress import BarColumn, Progress, ProgressColumn, Task, TaskID, TextColumn
from rich.text import Text

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
    return _bar(_Count())


def steps_of(bar: Progress) -> Callable[[str, int, int], None]:
    """Return a function that shows the steps of some work: name of the step, done and total number of its units."""
    tasks: dict[str, TaskID] = {}

    def progress(step: str, done: int, total: int) -> None:
        if step not in tasks:
            tasks[step] = bar.add_task(step)
        # Nothing is known of the pace of a step before its first units are done.
        bar.update(tasks[step], completed=done, total=total if done else None)

    return progress


@contextmanager
def aside(bar: Progress) -> Iterator[None]:
    """Print lines while a bar is shown: it is taken away meanwhile, from a terminal that has both."""
    if bar.disable:
        yield
        return
    bar.live.transient, before = True, bar.live.transient
    bar.stop()
    try:
        yield
    finally:
        bar.live.transient = before
        bar.start()


class _Count(ProgressColumn):
    """Done and total number of units; nothing before the total is known."""

    def render(self, task: Task) -> Text:
        return Text("" if task.total is None else f"{task.completed:,.0f} of {task.total:,.0f}")


class _TimeLeft(ProgressColumn):
    """Time that is left, or the time that was taken."""

    max_refresh = 0.5

    def render(self, task: Task) -> Text:
        if task.finished:
            return Text(_clock(task.finished_time or 0.0))
        left = task.time_remaining
        return Text(_clock(task.elapsed or 0.0) if left is None else f"{_clock(left)} left")


def _clock(seconds: float) -> str:
    minutes, rest = divmod(int(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02d}:{rest:02d}" if hours else f"{minutes}:{rest:02d}"


def _bar(*columns: ProgressColumn) -> Progress:
    console = stderr()
    return Progress(
        TextColumn("{task.description}"),
        BarColumn(),
        *columns,
        _TimeLeft(),
        console=console,
        disable=not console.is_terminal,
        # Results go to standard output, whatever is shown.
        redirect_stdout=False,
        redirect_stderr=False,
    )
