"""Options that say how a table is read, of ``init`` and ``try``."""

from __future__ import annotations

import codecs
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from anomalake.services.detector_guess import TextChoices
    from anomalake.sources.guessing.readings import Choices

Data = Annotated[
    str, typer.Argument(metavar="DATA", help="A file, a folder, s3://BUCKET/PREFIX, or - for standard input.")
]
Time = Annotated[
    list[str] | None, typer.Option("--time", metavar="COLUMN", help="Column of the time; again for its parts.")
]
TimeFormat = Annotated[str | None, typer.Option("--time-format", metavar="PATTERN", help="As in dd/MM/yyyy HH:mm.")]
Zone = Annotated[str | None, typer.Option("--zone", metavar="ZONE", help="As in Europe/Paris. Default: UTC.")]
FrequencyName = Annotated[str | None, typer.Option("--frequency", metavar="DURATION", help="As in PT1H, P1D or P1W.")]
Measures = Annotated[
    list[str] | None, typer.Option("--measure", metavar="COLUMN[=SUM|AVG]", help="A measure; others are then left out.")
]
Dimensions = Annotated[
    list[str] | None, typer.Option("--dimension", metavar="COLUMN", help="A dimension; others are then left out.")
]
NoDimensions = Annotated[bool, typer.Option("--no-dimensions", help="Take no column for a dimension.")]
Ignored = Annotated[list[str] | None, typer.Option("--ignore", metavar="COLUMN", help="A column that is not used.")]
Delimiter = Annotated[str | None, typer.Option("--delimiter", metavar="CHARACTER", help="As in ; or TAB.")]
Charset = Annotated[str | None, typer.Option("--charset", metavar="NAME", help="As in UTF-8 or ISO-8859-1.")]
Decimal = Annotated[str | None, typer.Option("--decimal", metavar="CHARACTER", help="Separator of decimals: . or ,")]
Header = Annotated[bool | None, typer.Option("--header/--no-header", help="Whether a line names the columns.")]


def choices_of(
    time: list[str] | None,
    time_format: str | None,
    zone: str | None,
    frequency: str | None,
    measure: list[str] | None,
    dimension: list[str] | None,
    no_dimensions: bool,
    ignore: list[str] | None,
    delimiter: str | None,
    charset: str | None,
    decimal: str | None,
    header: bool | None,
) -> tuple[Choices, TextChoices]:
    """What the options say; raises `UsageError`."""
    from anomalake.definitions.errors import SourceError
    from anomalake.definitions.metric_set import check_timezone
    from anomalake.services.detector_guess import TextChoices
    from anomalake.services.times import UsageError
    from anomalake.sources.guessing.readings import Choices
    from anomalake.sources.guessing.spacing import is_duration

    if zone is not None:
        try:
            check_timezone(zone)
        except SourceError as error:
            raise UsageError(f"--zone {zone!r}: expected a zone such as Europe/Paris or UTC") from error
    if frequency is not None and not is_duration(frequency):
        raise UsageError(f"--frequency {frequency!r}: expected a duration such as PT5M, PT1H, P1D or P1W")
    if decimal is not None and decimal not in (".", ","):
        raise UsageError(f"--decimal {decimal!r}: expected . or ,")
    delimiter = {"TAB": "\t", "\\t": "\t", "SPACE": " "}.get(delimiter or "", delimiter)
    if delimiter is not None and (len(delimiter) != 1 or not delimiter.isascii() or delimiter in '\r\n\x00"'):
        raise UsageError(f"--delimiter {delimiter!r}: expected one ASCII character, or TAB")
    if charset is not None:
        try:
            codecs.lookup(charset)
        except (LookupError, ValueError) as error:
            raise UsageError(f"--charset {charset!r}: expected one such as UTF-8 or ISO-8859-1") from error
    if dimension and no_dimensions:
        raise UsageError("--no-dimensions: is given beside --dimension; expected one of them")
    sums: list[str] = []
    means: list[str] = []
    measures: list[str] = []
    for option in measure or []:
        column, _, function = option.rpartition("=")
        target = {"SUM": sums, "AVG": means}.get(function.upper()) if column else None
        (measures if target is None else target).append(option if target is None else column)
    choices = Choices(
        time=tuple(time or ()), time_format=time_format, zone=zone, frequency=frequency, sums=tuple(sums),
        means=tuple(means), measures=tuple(measures), ignored=tuple(ignore or ()), decimal=decimal,
        dimensions=() if no_dimensions else tuple(dimension) if dimension else None,
    )  # fmt: skip
    return choices, TextChoices(delimiter, charset, header)
