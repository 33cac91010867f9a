"""The demo: a year of real flights, alerts about its unusual hours, a lake, and questions to it."""

from __future__ import annotations

import io
import time
from pathlib import Path
from typing import Final

from rich.console import Console

from anomalake import maintenance
from anomalake.api import LakeHandle, open_lake
from anomalake.catalog import output
from anomalake.catalog.sources import Measure, Source
from anomalake.demo.flights import FlightsData, make_flights

#: What the demo asks: a question, and the answer's query in Athena's dialect.
QUESTIONS: Final = (
    (
        "Which days had the most cancelled flights that were out of the ordinary?",
        """\
SELECT date(local_timestamp) AS day, count(*) AS unusual_metrics,
       CAST(sum(metric_value) AS bigint) AS cancelled_flights, max(anomaly_score) AS worst_score
FROM metric_values
WHERE detector = 'flights' AND metric_name = 'cancelled'
GROUP BY 1 ORDER BY cancelled_flights DESC LIMIT 5""",
    ),
    (
        "The blizzard of 8 and 9 February 2013: how did it go, hour by hour?",
        """\
SELECT date_format(local_timestamp, '%d %b %H:%i') AS hour, max(anomaly_score) AS score,
       CAST(sum(metric_value) AS bigint) AS cancelled_flights, count(*) AS carriers_and_airports
FROM metric_values
WHERE detector = 'flights' AND metric_name = 'cancelled'
  AND local_timestamp >= TIMESTAMP '2013-02-08 00:00:00' AND local_timestamp < TIMESTAMP '2013-02-10 00:00:00'
GROUP BY local_timestamp ORDER BY local_timestamp LIMIT 20""",
    ),
    (
        "Who bore it? The contribution of each carrier and airport to the worst hour.",
        """\
SELECT c.dimension_name, c.dimension_value, c.value_contribution AS per_cent
FROM dimension_contributions AS c
JOIN (
  SELECT alert_event_id, "timestamp" FROM alerts
  WHERE detector = 'flights' AND metric_name = 'cancelled' ORDER BY anomaly_score DESC, "timestamp" LIMIT 1
) AS worst ON c.alert_event_id = worst.alert_event_id AND c."timestamp" = worst."timestamp"
WHERE c.metric_name = 'cancelled'
ORDER BY c.dimension_name, c.value_contribution DESC, c.dimension_value""",
    ),
    (
        "Anomalies next to the numbers they stand in: B6 at JFK in that blizzard.",
        """\
SELECT date_format(local_timestamp, '%d %b %H:%i') AS hour, CAST(flights AS bigint) AS flights,
       CAST(cancelled AS bigint) AS cancelled, cancelledgroupscore AS cancelled_score,
       flightsgroupscore AS flights_score
FROM with_livedata_flights
WHERE carrier = 'B6' AND origin = 'JFK'
  AND local_timestamp >= TIMESTAMP '2013-02-08 10:00:00' AND local_timestamp < TIMESTAMP '2013-02-08 22:00:00'
ORDER BY local_timestamp""",
    ),
)


def run_demo(folder: Path, out: Console) -> None:
    """Make the data and the lake below a folder, ask it, and say where everything lies; may be run again.

    Raises
    ------
    DemoDataError, SourceError, LakeUriError, StoreError, QueryError
    """
    started = time.monotonic()
    data = make_flights(folder)
    _say(out, f"1. A year of flights from New York: {data.n_rows:,} hourly rows in {data.source_csv}")
    _say(out, f"2. Alerts about its unusual hours: {data.n_records:,} records in {data.alerts[0].parent}")
    lake = folder / "lake"
    summary = maintenance.replay(str(lake), [str(path) for path in data.alerts])
    _say(
        out,
        f"3. Replayed into the lake {lake}: {summary.loaded:,} loaded, {summary.repeated:,} repeated, "
        f"{summary.refused:,} refused",
    )
    handle = open_lake(lake)
    handle.register_source(source_of(data))
    _say(out, "4. Questions to it, in Athena's SQL:")
    for question, sql in QUESTIONS:
        _ask(handle, question, sql, out)
    _say(out, f"\nDone in {time.monotonic() - started:.0f} s. Go on with:")
    _say(out, f'  anomalake query "SHOW TABLES" --lake {lake}')
    _say(out, f"  anomalake export --lake {lake} --out {folder / 'tables'}")


def source_of(data: FlightsData) -> Source:
    """The flights as a metric set of L4M's."""
    return Source(
        detector_arn=data.detector_arn,
        timestamp_column="timestamp",
        timestamp_format=data.timestamp_format,
        timezone=data.timezone,
        frequency="PT1H",
        metric_list=tuple(Measure(one.name, one.aggregation) for one in data.measures),
        dimension_list=data.dimensions,
        historical_data_path_list=(str(data.source_csv.parent.resolve()),),
    )


def _ask(handle: LakeHandle, question: str, sql: str, out: Console) -> None:
    _say(out, f"\n{question}")
    _say(out, "\n".join(f"    {line}" for line in sql.splitlines()))
    answer = io.StringIO()
    output.write_table(*handle.query_rows(sql), answer)
    _say(out, answer.getvalue().rstrip())


def _say(out: Console, text: str) -> None:
    out.print(text, soft_wrap=True, markup=False)
