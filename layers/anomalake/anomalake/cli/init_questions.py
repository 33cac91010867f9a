"""Questions about what is unsure, to a person at a terminal."""

from __future__ import annotations

from dataclasses import replace

import typer

from anomalake.definitions.errors import SourceError
from anomalake.definitions.messages import printable
from anomalake.definitions.metric_set import check_timezone
from anomalake.sources.guessing.readings import Choices, TableReading
from anomalake.sources.guessing.spacing import is_duration, seconds_of

#: Most columns that are asked about.
MOST_ASKED = 20
_ROLES = ("SUM", "AVG", "dimension", "ignored")


def ask(reading: TableReading, choices: Choices) -> Choices:
    """Ask about each unsure guess; an empty answer takes it. Return what is known then."""
    time = reading.time.value
    if not reading.time.is_sure and not choices.time:
        choices = replace(choices, time=(_column("Column of the time", time.columns[0], reading.columns),))
        if time.pattern and not choices.time_format and choices.time == time.columns[:1]:
            answer = str(typer.prompt(f"Format of the time, such as {time.pattern}", default=time.pattern))
            choices = replace(choices, time_format=answer)
    if reading.zone.value is None and choices.zone is None and seconds_of(reading.frequency.value) < 86_400:
        choices = replace(choices, zone=_zone())
    if not reading.frequency.is_sure and not choices.frequency:
        choices = replace(choices, frequency=_frequency(reading.frequency.value))
    return _ask_about_columns(reading, choices)


def _column(question: str, default: str, columns: tuple[str, ...]) -> str:
    while True:
        answer = str(typer.prompt(question, default=default))
        if answer in columns:
            return answer
        typer.echo(f"  expected one of {', '.join(map(printable, columns[:30]))}")


def _zone() -> str:
    while True:
        answer = str(typer.prompt("The data do not say their zone. Zone, such as Europe/Paris", default="UTC"))
        try:
            check_timezone(answer)
        except SourceError as error:
            typer.echo(f"  {error}")
            continue
        return answer


def _frequency(default: str) -> str:
    while True:
        answer = str(typer.prompt("Frequency, such as PT1H or P1D", default=default))
        if is_duration(answer):
            return answer
        typer.echo("  expected a duration such as PT5M, PT1H, P1D or P1W")


def _ask_about_columns(reading: TableReading, choices: Choices) -> Choices:
    doubtful = [role for role in reading.roles if not role.role.is_sure][:MOST_ASKED]
    if not doubtful:
        return choices
    answers = {role.name: role.role.value for role in reading.roles}
    typer.echo("What these columns are: SUM or AVG of a measure, dimension, or ignored; return takes the guess.")
    for role in doubtful:
        answers[role.name] = _role(f"  {printable(role.name)}, which {role.role.evidence}", role.role.value)
    chosen = {role: tuple(name for name, given in answers.items() if given == role) for role in _ROLES}
    return replace(
        choices, sums=chosen["SUM"], means=chosen["AVG"], measures=(), dimensions=chosen["dimension"],
        ignored=chosen["ignored"],
    )  # fmt: skip


def _role(question: str, default: str) -> str:
    short = {role[0].casefold(): role for role in _ROLES} | {role.casefold(): role for role in _ROLES}
    while True:
        answer = short.get(str(typer.prompt(question, default=default)).strip().casefold())
        if answer is not None:
            return answer
        typer.echo(f"  expected one of {', '.join(_ROLES)}")
