"""Any rows, written as CSV or JSON lines with any options, read back to what plain Python makes of them."""

from __future__ import annotations

import csv
import gzip
import io
import json
from collections import defaultdict
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any
from zoneinfo import ZoneInfo

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from anomalake.definitions.detector import Detector, DetectorFileError
from anomalake.definitions.detector_file import parse_detector
from anomalake.definitions.messages import is_marked
from anomalake.model.metrics import Metrics
from anomalake.sources.reading import InsufficientDataError, NoDataError, read_history
from tests.support.source_data import FilesInMemory, detector, request

ZONES = ("UTC", "Europe/Paris", "America/Sao_Paulo", "Asia/Kolkata", "Australia/Lord_Howe")
PATTERNS = {
    "yyyy-MM-dd HH:mm:ss": "%Y-%m-%d %H:%M:%S",
    "yyyyMMddHHmmss": "%Y%m%d%H%M%S",
    "d MMM yyyy hh:mm:ss a": "%d %b %Y %I:%M:%S %p",
    "yyyy-MM-dd'T'HH:mm:ss": "%Y-%m-%dT%H:%M:%S",
}
MINUTES = {"PT5M": 5, "PT10M": 10, "PT15M": 15, "PT30M": 30, "PT1H": 60}
DAYS = {"P1D": 1, "P7D": 7}

texts = st.one_of(
    st.sampled_from(["NA", "007", "", "null", "nan", "a,b", 'a"b', "a\nb", "a\r\nb", " a ", "🎉", "'", "é", "|", "\t"]),
    # Private characters stand for bytes that are not text.
    st.text(st.characters(blacklist_categories=["Cs"], blacklist_characters="\x00"), max_size=6).filter(
        lambda text: not is_marked(text)
    ),
)
numbers = st.one_of(
    st.just(""),
    st.integers(-(10**9), 10**9).map(str),
    st.floats(-1e9, 1e9, allow_nan=False).map(repr),
    st.sampled_from(["1e3", "-0", "+7", ".5", "5.", "1E-2"]),
)
clocks = st.one_of(
    st.datetimes(datetime(2021, 3, 27), datetime(2021, 3, 29)),
    st.datetimes(datetime(2021, 10, 30), datetime(2021, 11, 1)),
).map(lambda item: item.replace(microsecond=0, fold=0))
bad_cells = st.sampled_from([("t", "soon"), ("t", ""), ("v", "x"), ("v", "NaN"), ("w", "1,5"), ("w", "inf")])
rows = st.lists(st.tuples(clocks, texts, texts, numbers, numbers, st.none() | bad_cells), min_size=1, max_size=25)


@st.composite
def csv_options(draw: st.DrawFn) -> dict[str, Any]:
    delimiter = draw(st.sampled_from([",", ";", "\t", "|", " "]))
    header = draw(st.booleans())
    options: dict[str, Any] = {
        "Delimiter": delimiter,
        "QuoteSymbol": draw(st.sampled_from(['"', "'"])),
        "ContainsHeader": header,
        "FileCompression": draw(st.sampled_from(["NONE", "GZIP"])),
        "Charset": draw(st.sampled_from(["UTF-8", "UTF-16", "UTF-8-SIG"])),
    }
    if not header or draw(st.booleans()):
        options["HeaderList"] = draw(st.permutations(["t", "p", "q", "v", "w", "other"]))
    return options


def expected(table: list[dict[str, str]], given: list[Any], zone: str, frequency: str) -> dict[tuple[Any, ...], float]:
    """The oracle: a loop over rows, a dict of lists, zoneinfo."""
    cells: dict[tuple[Any, ...], list[float]] = defaultdict(list)
    without_sums = set()
    for row, (clock, *_, bad) in zip(table, given, strict=True):
        start, second = _start(clock, zone, frequency), _start(clock.replace(fold=1), zone, frequency)
        if start != second and (bad is None or bad[0] != "t"):
            without_sums |= {start, second}
        if bad is not None or start is None:
            continue
        for measure in ("v", "w"):
            if row[measure]:
                cells[(measure, row["p"], row["q"], start)].append(float(row[measure]))
    return {
        key: sum(found) / (len(found) if key[0] == "w" else 1)
        for key, found in cells.items()
        if key[0] == "w" or key[3] not in without_sums
    }


def _start(clock: datetime, zone: str, frequency: str) -> datetime | None:
    instant = clock.replace(tzinfo=ZoneInfo(zone)).astimezone(UTC)
    if instant.astimezone(ZoneInfo(zone)).replace(tzinfo=None) != clock:
        return None
    if frequency in DAYS:
        first = clock.date() - timedelta(days=clock.weekday() % DAYS[frequency])
        day = datetime(first.year, first.month, first.day, tzinfo=ZoneInfo(zone))
        return day.astimezone(UTC).replace(tzinfo=None)
    step = timedelta(minutes=MINUTES[frequency])
    shift = -(ZoneInfo(zone).utcoffset(datetime(2024, 1, 1)) or timedelta()) % step
    utc = instant.replace(tzinfo=None)
    return utc - (utc - datetime(1970, 1, 1) - shift) % step


def observed(metrics: Metrics) -> dict[tuple[Any, ...], float]:
    return {
        (metrics.measures[m], *metrics.combinations[k], metrics.starts[t].item()): metrics.values[m, k, t]
        for m, k, t in np.argwhere(~np.isnan(metrics.values)).tolist()
    }


def check(found: Detector, body: bytes, want: dict[tuple[Any, ...], float], n_rows: int, n_good: int) -> None:
    try:
        metrics, report = read_history(found, FilesInMemory({"/h/a": body}))
    except NoDataError as error:
        assert n_good == 0
        report = error.report
    else:
        assert observed(metrics) == {key: pytest.approx(value, rel=1e-9, abs=1e-6) for key, value in want.items()}
        assert len(set(metrics.combinations)) == len(metrics.combinations)
        assert (metrics.starts[1:] > metrics.starts[:-1]).all()
    assert (report.rows, report.used, report.bad) == (n_rows, n_good, n_rows - n_good)


def as_table(given: list[Any], format_: str) -> list[dict[str, str]]:
    table = []
    for clock, p, q, v, w, bad in given:
        row = {"t": clock.strftime(format_), "p": p, "q": q, "v": v, "w": w, "other": "x"}
        if bad is not None:
            row[bad[0]] = bad[1]
        table.append(row)
    return table


@settings(max_examples=60)
@given(
    rows, csv_options(), st.sampled_from(ZONES), st.sampled_from([*MINUTES, *DAYS]), st.sampled_from(sorted(PATTERNS))
)
def test_csv(given: list[Any], options: dict[str, Any], zone: str, frequency: str, pattern: str) -> None:
    table = as_table(given, PATTERNS[pattern])
    names = options.get("HeaderList") or ["other", "w", "t", "p", "q", "v"]
    out = io.StringIO()
    # Python 3.11 quotes a carriage return only if the line terminator has one.
    has_return = any("\r" in cell for row in table for cell in row.values())
    quoting = csv.QUOTE_ALL if has_return else csv.QUOTE_MINIMAL
    writer = csv.writer(
        out, delimiter=options["Delimiter"], quotechar=options["QuoteSymbol"], lineterminator="\n", quoting=quoting
    )
    if options["ContainsHeader"]:
        writer.writerow(names)
    writer.writerows([row[name] for name in names] for row in table)
    body = out.getvalue().encode(options["Charset"])
    body = gzip.compress(body) if options["FileCompression"] == "GZIP" else body
    found = detector(
        FileFormatDescriptor={"CsvFormatDescriptor": options},
        TimestampColumn={"ColumnName": "t", "ColumnFormat": pattern},
        Timezone=zone, frequency=frequency, MinimumGoodShare=0,
    )  # fmt: skip
    good = sum(bad is None and _start(clock, zone, frequency) is not None for clock, *_, bad in given)
    check(found, body, expected(table, given, zone, frequency), len(table), good)


def written(value: Decimal, decimal: str, thousands: str) -> str:
    """A number with separators, as Python's own formatting makes them."""
    text = f"{value:,}" if thousands else f"{value}"
    return text.translate({ord(","): thousands, ord("."): decimal})


@settings(max_examples=60)
@given(
    st.lists(st.decimals(-(10**15), 10**15, places=3) | st.none(), min_size=1, max_size=20),
    st.sampled_from([(".", ""), (".", ","), (",", ""), (",", "."), (",", " "), (".", "'")]),
    st.sampled_from(["", "{} %", "${}", "{}\u00a0€"]),
    st.integers(0, 3),
    st.integers(0, 19),
)
def test_numbers_with_separators(
    given: list[Decimal | None], separators: tuple[str, str], sign: str, skip: int, bad: int
) -> None:
    """Every value comes out, whether a whole column or its cells are converted."""
    cells = ["?" if value is None else (sign or "{}").format(written(value, *separators)) for value in given]
    if bad < len(cells):
        cells[bad] = "1.2,3.4"
    body = (
        "note;x\n" * skip + "t;p;q;v;w\n" + "".join(f"2021-01-01 12:00:00;{n};x;{c};1\n" for n, c in enumerate(cells))
    )
    options = {"Delimiter": ";", "SkipLines": skip, "DecimalSeparator": separators[0]}
    options["ThousandsSeparator"] = separators[1]
    found = detector(FileFormatDescriptor={"CsvFormatDescriptor": options}, MinimumGoodShare=0)
    want = {
        (measure, str(n), "x", datetime(2021, 1, 1, 12)): float(value) if measure == "v" else 1.0
        for n, value in enumerate(given)
        for measure in ("v", "w")
        if n != bad and value is not None
    }
    want |= {("w", str(n), "x", datetime(2021, 1, 1, 12)): 1.0 for n, value in enumerate(given) if n != bad}
    check(found, body.encode(), want, len(cells), len(cells) - (bad < len(cells)))


@settings(max_examples=50)
@given(rows, st.sampled_from(ZONES), st.sampled_from([*MINUTES, *DAYS]), st.booleans())
def test_json_lines(given: list[Any], zone: str, frequency: str, ascii_only: bool) -> None:
    table = as_table(given, "%Y-%m-%d %H:%M:%S")
    body = "\n".join(json.dumps(row, ensure_ascii=ascii_only) for row in table).encode()
    found = detector(
        FileFormatDescriptor={"JsonFormatDescriptor": {}}, Timezone=zone, frequency=frequency, MinimumGoodShare=0
    )
    good = sum(bad is None and _start(clock, zone, frequency) is not None for clock, *_, bad in given)
    check(found, body, expected(table, given, zone, frequency), len(table), good)


@settings(max_examples=60)
@given(
    st.binary(max_size=200), st.sampled_from(["CsvFormatDescriptor", "JsonFormatDescriptor", "ParquetFormatDescriptor"])
)
def test_any_bytes_are_read_or_refused_in_words(body: bytes, kind: str) -> None:
    found = detector(FileFormatDescriptor={kind: {}}, MinimumGoodShare=0)
    for text in (body, b"t,p,q,v,w\n" + body):
        with pytest.raises((NoDataError, InsufficientDataError)) as caught:
            read_history(found, FilesInMemory({"/h/a": text}))
        assert caught.value.report.used == 0
        assert all(line.isprintable() for line in caught.value.report.problems)


@settings(max_examples=50)
@given(st.data())
def test_a_definition_with_a_part_replaced_is_read_or_refused_in_words(data: st.DataObject) -> None:
    whole = request()
    node: Any = whole
    while True:
        key = data.draw(st.sampled_from(sorted(node) if isinstance(node, dict) else range(len(node))))
        if not (isinstance(node[key], dict | list) and node[key] and data.draw(st.booleans())):
            break
        node = node[key]
    node[key] = data.draw(
        st.recursive(
            st.none() | st.booleans() | st.integers() | st.text(max_size=5),
            lambda inner: st.lists(inner, max_size=2) | st.dictionaries(st.text(max_size=5), inner, max_size=2),
            max_leaves=4,
        )
    )
    try:
        parse_detector(json.dumps(whole), "d.json")
    except DetectorFileError as error:
        assert error.problems
        assert all(line.startswith("d.json") and line.isprintable() for line in error.problems)
