"""``anomalake feedback`` and ``anomalake snooze``."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Annotated

import typer

from anomalake.cli.console import line, stdout
from anomalake.cli.options import LakeUri
from anomalake.cli.user import user_name
from anomalake.services.times import UsageError, instant_of


def feedback(
    lake: LakeUri,
    is_anomaly: Annotated[bool, typer.Option("--anomaly/--no-anomaly", help="Whether it was an anomaly.")],
    group: Annotated[
        str | None, typer.Option("--group", metavar="ID", help="An anomaly group (anomaly_group_id).")
    ] = None,
    series: Annotated[str | None, typer.Option("--series", metavar="ID", help="A metric (time_series_id).")] = None,
    at: Annotated[
        str | None, typer.Option("--at", metavar="T", help="Start of the interval, UTC unless it has a zone.")
    ] = None,
    detector: Annotated[
        str | None, typer.Option("--detector", metavar="NAME", help="Required if the lake has several.")
    ] = None,
) -> None:
    """Record whether an affected metric, or each of a group, was an anomaly.

    Later scores of similar points take it into account: the same metric, with a deviation in the same direction at a
    similar time of day, then needs more (or less) to be an anomaly. The latest feedback counts.
    """
    from anomalake.services.feedback import give_feedback, line_of
    from anomalake.storage.objects import open_store

    recorded = give_feedback(
        open_store(lake, create=False), detector=detector, group_id=group, series_id=series,
        at=instant_of(at) if at is not None else None, is_anomaly=is_anomaly, now=datetime.now(UTC), by=user_name(),
    )  # fmt: skip
    console = stdout()
    for feedback in recorded:
        line(console, line_of(feedback))


def snooze(
    lake: LakeUri,
    detector: Annotated[str, typer.Option("--detector", metavar="NAME", help="The detector.")],
    until: Annotated[
        str, typer.Option("--until", metavar="T", help="No alerts about intervals before T; UTC unless it has a zone.")
    ],
    group: Annotated[str | None, typer.Option("--group", metavar="ID", help="An anomaly group.")] = None,
    series: Annotated[str | None, typer.Option("--series", metavar="ID", help="A metric (time_series_id).")] = None,
    measure: Annotated[str | None, typer.Option("--measure", metavar="NAME", help="All metrics of a measure.")] = None,
    dimension: Annotated[
        list[str] | None,
        typer.Option("--dimension", metavar="NAME=VALUE", help="Metrics with this value; may be repeated."),
    ] = None,
) -> None:
    """Send no alerts about a group or about some metrics until a time. Anomalies are still found and recorded."""
    from anomalake.records.snoozes import Snooze
    from anomalake.services.feedback import line_of_snooze
    from anomalake.services.feedback import snooze as write
    from anomalake.storage.objects import open_store

    pairs = tuple(_pair(text) for text in dimension or ())
    wanted = Snooze(instant_of(until), group, series, measure, pairs, given_at=datetime.now(UTC), given_by=user_name())
    write(open_store(lake, create=False), detector, wanted)
    line(stdout(), line_of_snooze(wanted))


def _pair(text: str) -> tuple[str, str]:
    name, equals, value = text.partition("=")
    if not equals or not name:
        raise UsageError(f"--dimension {text!r}: expected NAME=VALUE")
    return name, value
