"""``anomalake synth``."""

from __future__ import annotations

from datetime import datetime
from enum import Enum
from functools import partial
from pathlib import Path
from typing import Annotated

import typer

from anomalake.cli.console import count_bar, line, stdout, steps_of


class Frequency(str, Enum):
    """Lengths of an interval."""

    PT5M = "PT5M"
    PT10M = "PT10M"
    PT15M = "PT15M"
    PT30M = "PT30M"
    PT1H = "PT1H"
    P1D = "P1D"


def synth(
    folder: Annotated[Path, typer.Argument(metavar="DIR", help="Folder to write to; it is generated.")],
    seed: Annotated[int, typer.Option("--seed", help="The same seed gives the same data.")] = 1,
    hard: Annotated[
        bool,
        typer.Option(
            "--hard", help="Noise, trend, level shifts, holidays, gaps, low counts, slow and small anomalies."
        ),
    ] = False,
    frequency: Annotated[Frequency, typer.Option("--frequency", help="Length of an interval.")] = Frequency.PT1H,
    intervals: Annotated[
        int | None,
        typer.Option(
            "--intervals",
            min=1,
            help="Intervals of history. Default: 12 months of PT1H, 30 days of PT5M, 3 years of P1D.",
        ),
    ] = None,
    series: Annotated[
        int, typer.Option("--series", min=1, help="Combinations of dimension values, each with views and revenue.")
    ] = 21,
    start: Annotated[
        datetime, typer.Option("--start", formats=["%Y-%m-%d"], metavar="DATE", help="First day, UTC.")
    ] = datetime(2023, 1, 1),
    live: Annotated[
        int, typer.Option("--live", min=0, help="Intervals that follow the history, a folder each below live/.")
    ] = 24,
    anomalies: Annotated[bool, typer.Option("--anomalies/--no-anomalies", help="Whether there are any.")] = True,
) -> None:
    """Write labelled e-commerce data, with a detector file ready for `anomalake backtest`.

    DIR/backtest/input.csv, DIR/live/YYYYMMDD/HHMM/….csv, DIR/labels.csv, DIR/detector.yaml.
    """
    from anomalake.synth import ShopSettings, shop, write_shop
    from anomalake.synth.settings import DEFAULT_INTERVALS

    history = DEFAULT_INTERVALS[frequency.value] if intervals is None else intervals
    settings = ShopSettings(
        seed=seed,
        hard=hard,
        frequency=frequency.value,
        intervals=history + live,
        series=series,
        start=start.date(),
        anomalies=anomalies,
    )
    with count_bar() as bar:
        progress = steps_of(bar)
        progress("make", 0, settings.n_intervals)
        generated = shop(settings)
        progress("make", settings.n_intervals, settings.n_intervals)
        written = write_shop(generated, folder, live, partial(progress, "write"))
    n_anomalous = int(generated.labels.sum())
    console = stdout()
    line(
        console,
        f"{settings.n_intervals:,} intervals of {frequency.value} from {settings.start}, "
        f"{generated.metrics.n_metrics:,} metrics, {len(generated.events):,} events, {n_anomalous:,} anomalous points",
    )
    for path in written:
        line(console, str(path))
