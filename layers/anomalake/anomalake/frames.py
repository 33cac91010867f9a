"""The Python API for data frames: pandas, Polars, PyArrow tables and DuckDB relations."""

from __future__ import annotations

import json
import os
from collections.abc import Iterable, Mapping, Sequence
from datetime import date, datetime, timedelta
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any
from warnings import warn

from anomalake.definitions.detector import DEFAULT_THRESHOLD
from anomalake.files import path_of, write_whole
from anomalake.local.frames import FrameError
from anomalake.services import frame_anomalies
from anomalake.services.frame_columns import Asked

if TYPE_CHECKING:
    from anomalake.services.frame_anomalies import FrameAnomalies
    from anomalake.sources.reading import ReadReport


def find_anomalies(
    frame: Any,
    *,
    time: str | Sequence[str] | None = None,
    measures: str | Sequence[str] | Mapping[str, str] | None = None,
    dimensions: str | Sequence[str] | None = None,
    frequency: str | timedelta | None = None,
    timezone: str | None = None,
    train: float | str | date | datetime = frame_anomalies.TRAIN,
    threshold: float = DEFAULT_THRESHOLD,
    holidays: Iterable[str | date] = (),
) -> Anomalies:
    """Find anomalies in a data frame: learn from its beginning, and judge the rest.

    It is what `backtest` does with files, and gives the same points and groups. What is not said of the columns is
    guessed, as `anomalake init` does; a warning names guesses that may be wrong, and ``columns`` has all.

    Parameters
    ----------
    frame
        A data frame of pandas or Polars, a PyArrow table, a DuckDB relation, or anything else with Arrow's C stream
        interface. Rows of the same time and dimensions are added up; their order does not matter.
    time
        The column with the time: timestamps, dates, or text such as ``2024-02-17 11:00:00``; several if the time is in
        parts, such as a day and an hour. Default: the index, if it is one of times.
    measures
        A column of numbers, several, or columns with their aggregation functions, as in ``{"price": "AVG"}``: SUM or
        AVG (pandas' ``sum`` and ``mean`` are the same).
    dimensions
        A column whose values tell time series apart, or several; an empty list for none.
    frequency
        Length of an interval: ``PT5M``, ``PT10M``, ``PT15M``, ``PT30M``, ``PT1H``, ``P1D`` or ``P7D``; or pandas'
        ``5min`` … ``h``, ``D``, ``W``, or a timedelta.
    timezone
        Zone of times that have none, and of days. Default: that of the column, else UTC.
    train
        Share of the intervals that is learned from, or a time: what lies before it is learned from, what lies after it
        is judged.
    threshold
        Lowest score of a group that is alerted, 0 to 100.
    holidays
        Days that may be unlike others, in `timezone`.

    Returns
    -------
    Anomalies

    Raises
    ------
    FrameError
        The frame or an argument cannot be used.
    ReadingError, BacktestError
        Too few rows can be read, or there are too few.

    Examples
    --------
    >>> find_anomalies(frame, time="timestamp", measures="revenue", dimensions="shop").groups  # doctest: +SKIP
    """
    asked = Asked(time, measures, dimensions, frequency, timezone)
    found = frame_anomalies.find(frame, asked, train, threshold, holidays)
    _warn(found.report, found.unsure)
    return Anomalies(found)


def learn(
    frame: Any,
    *,
    time: str | Sequence[str] | None = None,
    measures: str | Sequence[str] | Mapping[str, str] | None = None,
    dimensions: str | Sequence[str] | None = None,
    frequency: str | timedelta | None = None,
    timezone: str | None = None,
    threshold: float = DEFAULT_THRESHOLD,
    holidays: Iterable[str | date] = (),
) -> bytes:
    """Learn from a data frame, to judge later rows with `judge`.

    Parameters
    ----------
    frame, time, measures, dimensions, frequency, timezone, threshold, holidays
        As for `find_anomalies`. The last interval must be complete.

    Returns
    -------
    bytes
        What was learned, the *state*. It can be kept in a file, a database or an object store, and has no code in it.

    Raises
    ------
    FrameError, ReadingError

    Examples
    --------
    >>> state = learn(history, time="timestamp", measures="revenue")  # doctest: +SKIP
    >>> result, state = judge(new_rows, state)  # doctest: +SKIP
    """
    asked = Asked(time, measures, dimensions, frequency, timezone)
    state, report, unsure = frame_anomalies.learn(frame, asked, threshold, holidays)
    _warn(report, unsure)
    return state


def judge(frame: Any, state: bytes) -> tuple[Anomalies, bytes]:
    """Judge the rows that follow those that a state knows.

    Judging a frame in parts gives the points and groups of the whole.

    Parameters
    ----------
    frame
        Rows of one interval or more, each complete, with the columns that `learn` was given. Rows of intervals that
        were judged before are not used. Intervals without a row count as not observed.
    state
        What `learn`, or the last call of `judge`, has returned.

    Returns
    -------
    Anomalies, bytes
        The judged points with the groups that begin or continue in them, and the state for the next call.

    Raises
    ------
    FrameError, ReadingError
    CorruptError
        The state is not one, or is that of another version.
    """
    found, after = frame_anomalies.judge_next(frame, state)
    _warn(found.report)
    return Anomalies(found), after


class Anomalies:
    """Judged points of a data frame, and their anomaly groups.

    ``points``, ``groups`` and ``causes`` are data frames of the kind that was given; of DuckDB's, they are relations of
    its default connection.
    """

    def __init__(self, found: FrameAnomalies) -> None:
        self._found = found

    @cached_property
    def points(self) -> Any:
        """The judged points, metric by metric, each by time.

        Columns: the time and the dimensions, under their names and in their types in the frame; ``measure``; ``value``;
        ``expected``, ``lower`` and ``upper``, the range in which a value is no anomaly; ``severity``, 0 to 100;
        ``is_anomaly``, from a severity of 50 on; ``group``, the id of an anomaly's group.

        The time is the start of the interval. ``expected`` is missing where too little is known of a metric, ``lower``
        and ``upper`` are missing there and where that side is open.
        """
        return self._found.points()

    @cached_property
    def groups(self) -> Any:
        """The anomaly groups, by start and measure: anomalous metrics of one measure in successive intervals.

        Columns: ``group``, its id; ``measure``; ``start`` and ``end``, the starts of its first and its last interval;
        ``score``, 0 to 100; ``alerted``, whether the score reaches the threshold; ``metrics``, the number of its
        metrics.
        """
        return self._found.group_frame()

    @cached_property
    def causes(self) -> Any:
        """Root causes of the groups in the judged intervals whose score reaches the threshold.

        A root cause is a combination of dimension values below which metrics are off by a common share. Columns:
        ``group``, ``measure``, the time; ``rank``, 1 for the first cause of the group at that time; the dimensions,
        missing where the cause does not name them; ``share_off``, -0.62 for 62 % less than expected; ``explained``,
        its share in the deviations, 0 to 1; ``gain``, the evidence in nats.

        Raises
        ------
        FrameError
            A dimension or the time has the name of one of these columns.
        """
        return self._found.cause_frame()

    @property
    def columns(self) -> dict[str, Any]:
        """What was said and guessed of the columns: ``find_anomalies(frame, **result.columns)`` gives the same."""
        of = self._found.metric_set
        return {
            "time": list(of.timestamp_columns) if of.joined_timestamp_columns else of.timestamp_column,
            "measures": {measure.metric_name: measure.aggregation_function for measure in of.metric_list},
            "dimensions": list(of.dimension_list),
            "frequency": of.frequency,
            "timezone": of.timezone,
        }

    @property
    def problems(self) -> tuple[str, ...]:
        """What is odd about the rows, a line each: rows that could not be read, the first of them, and others."""
        late = self._found.report.outside
        known = (f"{late:,} rows are of intervals that were judged before, and are not used",) if late else ()
        return (*known, *self._found.report.problems)

    def plot(self, group: str | None = None, *, most: int = 6) -> Chart:
        """Draw the metrics with the worst anomalies.

        Values are a line, the expected range is a band, anomalies are points. A notebook shows the chart;
        ``plot().save("chart.png")`` writes it.

        Parameters
        ----------
        group
            Id of a group, whose metrics are drawn, with the time around it. Default: all groups, the worst first.
        most
            Most metrics that are drawn.

        Raises
        ------
        FrameError
            There is no such group, or no point.
        """
        from anomalake.page.pictures import MOST_METRICS, picture

        if isinstance(most, bool) or not isinstance(most, int) or not 1 <= most <= MOST_METRICS:
            raise FrameError(f"most {most!r}: expected a number from 1 to {MOST_METRICS}")
        found = self._found
        groups = [found_group for found_group in found.groups if group is None or found_group.group_id == group]
        if group is not None and not groups:
            raise FrameError(
                f"group {group!r}: is not one of the {len(found.groups):,} groups; expected the id of one of them"
            )
        if not found.judgement.severity.size:
            raise FrameError("plot: no point was judged")
        return Chart(picture(found.metrics, found.judgement, groups, most))

    def __repr__(self) -> str:
        """Return the numbers of anomalies, groups and points."""
        found = self._found
        judged = found.metrics.flat[:, found.judgement.first :]
        return (
            f"<Anomalies: {int(found.judgement.is_anomaly.sum()):,} anomalies in {len(found.groups):,} groups; "
            f"{int((judged == judged).sum()):,} points of {found.metrics.n_metrics:,} metrics judged>"
        )


class Chart:
    """A chart, which a notebook shows.

    Attributes
    ----------
    spec
        The chart as Vega-Lite, for example for ``altair.Chart.from_dict``.
    """

    def __init__(self, spec: dict[str, Any]) -> None:
        self.spec = spec

    def save(self, path: str | os.PathLike[str]) -> Path:
        """Write the chart as ``.svg``, ``.png`` or, in Vega-Lite, ``.json``.

        Raises
        ------
        FrameError
            The name has another ending.
        FileWriteError
        """
        from anomalake.page.vega import to_png, to_svg

        out = path_of("path", path)
        ending = out.suffix.lower()
        if ending == ".svg":
            body = to_svg(self.spec).encode("utf-8")
        elif ending == ".png":
            body = to_png(self.spec)
        elif ending == ".json":
            body = json.dumps(self.spec, allow_nan=False).encode("ascii")
        else:
            raise FrameError(f"path {str(path)!r}: ends in {ending!r}; expected .svg, .png or .json")
        write_whole(out, body)
        return out

    def _repr_mimebundle_(self, include: Any = None, exclude: Any = None) -> dict[str, str]:
        from anomalake.page.vega import to_svg

        return {"image/svg+xml": to_svg(self.spec), "text/plain": repr(self)}

    def __repr__(self) -> str:
        """Return what the chart shows."""
        return f"<Chart: {self.spec['description']}; save('chart.svg') writes it>"


def _warn(report: ReadReport, unsure: str = "") -> None:
    """Warn of unsure guesses, of rows that could not be read, and of what else is odd; empty cells are usual."""
    if unsure:
        warn(unsure, stacklevel=3)
    usual = f"{report.missing:,} cells of measures"
    problems = [problem for problem in report.problems if not problem.startswith(usual)]
    if problems:
        more = f" (and {len(problems) - 1:,} more, in Anomalies.problems)" if len(problems) > 1 else ""
        warn(f"{report}; {problems[0]}{more}", stacklevel=3)
