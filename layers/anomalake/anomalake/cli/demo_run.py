"""The run of the demo: a backtest and a live detector on a year of real flights, a lake, queries and the page."""

from __future__ import annotations

import io
import time
from collections import Counter
from collections.abc import Iterable, Sequence
from datetime import UTC, date, datetime
from itertools import groupby
from pathlib import Path
from typing import Any, Final

from rich.console import Console

from anomalake.api import LakeHandle, open_lake
from anomalake.cli.backtest_summary import summary_lines
from anomalake.cli.console import count_bar, steps_of
from anomalake.definitions.detector_file import read_detector
from anomalake.demo import storm
from anomalake.demo.flights import YEAR_END, FlightsData, make_flights
from anomalake.detection.live import LiveDetector
from anomalake.groups.grouping import Group
from anomalake.notify.alert_json import console_url
from anomalake.notify.plain import figure
from anomalake.query import output
from anomalake.records.executions import FAILED, SUCCEEDED
from anomalake.records.groups import group_ids, read_groups
from anomalake.services.backtests.backtest import backtest
from anomalake.services.dashboard import check_complete, make_document, summary_of, write_page
from anomalake.services.detect import count_intervals, live_detector, local_rules
from anomalake.services.lakes import open_writer
from anomalake.services.times import Span

#: The hours of the live run: from a Monday to the next one, with the blizzard between.
FIRST: Final = datetime(2013, 2, 4, tzinfo=storm.ZONE)
LAST: Final = datetime(2013, 2, 11, 23, tzinfo=storm.ZONE)
#: Number of groups that are printed.
MOST_GROUPS: Final = 5

#: Questions, each with the query that answers it, in Athena's dialect.
QUESTIONS: Final = (
    (
        "Which days had the most severe alerts?",
        """\
SELECT date(local_timestamp) AS day, count(*) AS alerts, max(anomaly_score) AS worst_score
FROM alerts WHERE detector = 'flights'
GROUP BY 1 ORDER BY worst_score DESC, day LIMIT 5""",
    ),
    (
        "Which airports and carriers contributed to the alert with the most metrics?",
        """\
SELECT c.local_timestamp, c.dimension_name, c.dimension_value, c.value_contribution AS per_cent
FROM dimension_contributions AS c
JOIN (SELECT alert_event_id, "timestamp" FROM metric_values WHERE detector = 'flights'
      GROUP BY 1, 2 ORDER BY count(*) DESC, 2 LIMIT 1) AS a
  ON c.alert_event_id = a.alert_event_id AND c."timestamp" = a."timestamp"
WHERE c.value_contribution >= 3
ORDER BY c.dimension_name DESC, per_cent DESC, c.dimension_value""",
    ),
    (
        "Alerts of 8 February next to the numbers that they are about:",
        """\
SELECT date_format(local_timestamp, '%d %b %H:%i') AS hour, carrier, origin, CAST(flights AS bigint) AS flights,
       CAST(cancelled AS bigint) AS cancelled, cancelledgroupscore AS score
FROM with_livedata_flights
WHERE date(local_timestamp) = DATE '2013-02-08' AND cancelledgroupscore IS NOT NULL
ORDER BY cancelled DESC, local_timestamp, carrier, origin LIMIT 8""",
    ),
)


def run_demo(
    folder: Path, out: Console, *, last: date = YEAR_END, span: tuple[datetime, datetime] = (FIRST, LAST)
) -> None:
    """Write the data and the lake to a folder, run detection and queries, and print where the results are.

    A second run changes nothing.

    Parameters
    ----------
    last
        Last day of the data.
    span
        First and last hour of the live run.

    Raises
    ------
    DemoDataError, StoreError, QueryError
    """
    started = time.monotonic()
    data = make_flights(folder, last)
    _say(out, f"1. {data.n_rows:,} rows: flights, cancelled ones and delays by hour, carrier and airport of New York.")
    _say(out, f"   January 2013 is the history, {data.history};")
    _say(out, f"   each hour since then has its folder, as in Lookout for Metrics: {data.live}/YYYYMMDD/HHMM")
    lake = folder / "lake"
    _say(out, "\n2. Backtest: learn from the oldest 70 % of all this, test on the rest; the alerts go into the lake.")
    with count_bar() as bar:
        tested = backtest(data.detector, lake=str(lake), progress=steps_of(bar))
    for line in summary_lines(tested, str(lake)):
        _say(out, f"   {line}")
    first, until = (f"{item:%d %b %H:%M}" for item in span)
    _say(out, f"\n3. Live: hour by hour from {first} to {until}, each with the data before it only.")
    live = _run_live(data, lake, span, out)
    handle = open_lake(lake)
    groups = _groups(live)
    _print_storm(groups, live, handle, out)
    _say(out, "\n5. Questions to the lake, in Athena's SQL:")
    for question, sql in QUESTIONS:
        _ask(handle, question, sql, out)
    _write_page(lake, folder / "page.html", groups, out)
    _say(out, f"\nDone in {time.monotonic() - started:.0f} s. The lake is {lake}, the detector {data.detector}.")
    _say(out, "Go on with:")
    _say(out, f"  anomalake serve --lake {lake}")
    _say(out, f'  anomalake query "SHOW TABLES" --lake {lake}')
    _say(out, f"  anomalake detect {data.detector} --lake {lake} --from 2013-02-12T05 --to 2013-02-12T23")
    _say(out, f"  anomalake export --lake {lake} --out {folder / 'tables'}")


def _run_live(data: FlightsData, lake: Path, span: tuple[datetime, datetime], out: Console) -> LiveDetector:
    """Run detection for the hours of a span, and print a summary."""
    detector, writer = read_detector(data.detector), open_writer(str(lake))
    live = live_detector(detector, writer, local_rules(detector, writer, send=False))
    runs = []
    with count_bar() as bar:
        task = bar.add_task("detect", total=count_intervals(detector, Span(first=span[0], last=span[1]), span[1]))
        for execution, _ in live.run_span(*span):
            runs.append(execution)
            bar.update(task, advance=1)
    judged = [run for run in runs if run.status == SUCCEEDED]
    without = sum(element.status == FAILED and not element.rows for element in runs)
    _say(
        out,
        f"     {len(judged):,} hours judged, {without:,} had no data (no flight leaves at night): "
        f"{sum(member.anomalies for member in judged):,} anomalous points of {sum(run.metrics for run in judged):,}",
    )
    for item in (entry for entry in runs if entry.status != SUCCEEDED and entry.rows):
        _say(out, f"     {item.timestamp.isoformat()} {item.status.lower()}: {item.reason}")
    return live


def _groups(live: LiveDetector) -> list[Group]:
    """All groups, sorted by falling score."""
    groups = read_groups(live.store, live.detector.name, group_ids(live.store, live.detector.name))[0]
    return sorted(groups, key=lambda item: (-item.score, item.start, item.measure))


def _print_storm(groups: Sequence[Group], live: LiveDetector, handle: LakeHandle, out: Console) -> None:
    _say(out, f"     {len(groups):,} groups of anomalies; the worst:")
    for group in groups[:MOST_GROUPS]:
        _say(out, f"     {_group_line(group)}")
    _say(out, "\n4. The blizzard of 8 and 9 February 2013: flights cancelled and flown, and what was expected of them;")
    _say(out, "   carriers and airports with anomalies, the worst group's score, alerts (again only when it grows).\n")
    records, _ = live.intervals.read_many(live.intervals.starts())
    _table(out, storm.COLUMNS, storm.hours(records, groups, _alerts(handle)))
    for name, found in groupby(storm.shares(groups, "cancelled"), key=lambda entry: entry.dimension_name):
        shares = [f"{item.dimension_value} {item.value_contribution} %" for item in found]
        _say(out, f"   cancelled by {name}: {', '.join(shares)}")


def _write_page(lake: Path, path: Path, groups: Sequence[Group], out: Console) -> None:
    document, _ = make_document(str(lake))
    written = write_page(document, path)
    check_complete(written)
    _say(out, f"\n6. The page, one file that needs no network ({written.size / 1e6:.1f} MB): {summary_of(document)}.")
    address = path.absolute().as_uri()
    _say(out, f"   Open it in a browser: {address}")
    if groups:
        _say(out, f"   The worst group, as an alert links to it: {console_url(groups[0], address)}")
    _say(out, "   `anomalake serve` shows the same, always new, with buttons for feedback, snoozes and comments.")


def _group_line(group: Group) -> str:
    worst = max(group.intervals, key=lambda entry: entry.score)
    metric, most = worst.affected[0], max(len(interval.affected) for interval in group.intervals)
    first, last = (f"{item.astimezone(storm.ZONE):%d %b %H:%M}" for item in (group.start, group.end))
    return (
        f"{group.score:6.2f}  {first}{'' if last == first else f' to {last}'}  {group.measure}, "
        f"{'1 metric' if most == 1 else f'up to {most} metrics'}: {' '.join(value for _, value in metric.dimensions)}: "
        f"{figure(metric.value)}, expected {figure(metric.expected)}"
    )


def _alerts(handle: LakeHandle) -> Counter[datetime]:
    """Number of alerts in the lake for each interval."""
    _, rows = handle.query_rows("SELECT \"timestamp\", count(*) FROM alerts WHERE detector = 'flights' GROUP BY 1")
    return Counter({start.replace(tzinfo=UTC): number for start, number in rows})


def _ask(handle: LakeHandle, question: str, sql: str, out: Console) -> None:
    _say(out, f"\n{question}")
    _say(out, "\n".join(f"    {line}" for line in sql.splitlines()))
    _table(out, *handle.query_rows(sql))


def _table(out: Console, columns: Sequence[str], rows: Iterable[tuple[Any, ...]]) -> None:
    answer = io.StringIO()
    output.write_table(columns, rows, answer)
    _say(out, answer.getvalue().rstrip())


def _say(out: Console, text: str) -> None:
    out.print(text, soft_wrap=True, markup=False)
