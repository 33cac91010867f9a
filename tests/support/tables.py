"""Small tables with the traits of real ones: made here, not copied from data."""

from __future__ import annotations

import gzip
from collections.abc import Callable, Iterable
from datetime import date, datetime, timedelta
from typing import Any

import numpy as np

DAY = timedelta(days=1)
HOUR = timedelta(hours=1)


def times(first: datetime, step: timedelta, number: int) -> list[datetime]:
    """Times with one step between them."""
    return [first + place * step for place in range(number)]


def days(number: int, first: date = date(2021, 1, 4)) -> list[datetime]:
    """Days after each other."""
    return times(datetime(first.year, first.month, first.day), DAY, number)


def months(number: int) -> list[datetime]:
    """First days of months."""
    return [datetime(2000 + place // 12, place % 12 + 1, 1) for place in range(number)]


def csv_of(header: Iterable[str] | None, rows: Iterable[Iterable[Any]], delimiter: str = ",", end: str = "\n") -> bytes:
    """A CSV file without quotes."""
    lines = [delimiter.join(header)] if header is not None else []
    lines += [delimiter.join(map(str, row)) for row in rows]
    return (end.join(lines) + end).encode()


def counts(number: int, seed: int = 1, mean: float = 300.0) -> list[int]:
    """Whole numbers that say nothing."""
    return [int(value) for value in np.random.default_rng(seed).poisson(mean, number)]


def levels(number: int, seed: int = 2) -> list[float]:
    """Numbers with decimals about 20."""
    return [round(float(value), 2) for value in 20 + 5 * np.random.default_rng(seed).standard_normal(number)]


def _german() -> bytes:
    lines = []
    total = dict.fromkeys(("Nord", "Süd", "Land"), 0)
    for place, day in enumerate(days(40)):
        north, south = 50 + place * 3 % 17, 80 + place * 5 % 23
        for number, name, cases in ((1, "Nord", north), (2, "Süd", south), (10, "Land", north + south)):
            total[name] += cases
            rate = f"{cases / 7:.4f}".replace(".", ",")
            lines.append([f"{day:%d.%m.%Y} 00:00:00", name, number, 900_000 * number, cases, total[name], rate])
    header = ["Zeit", "Region", "RegionID", "Einwohner", "AnzahlFälle", "AnzahlFälleSumme", "Inzidenz"]
    return csv_of(header, lines, ";")


def _wide_latin() -> bytes:
    rows = [[f"{day:%d/%m/%Y}", *(counts(1, 10 * place + line)[0] for place in range(4)), ""] for line, day in
            enumerate(days(300))]  # fmt: skip
    text = csv_of(["Date", "Pont Neuf", "Bréhat", "Rue 7", "Quai", "Fermé"], rows, ";", "\r\n").decode()
    return text.encode("iso-8859-1")


def _half_days() -> bytes:
    stamps = times(datetime(2021, 5, 1), HOUR, 400)
    rows = [[f"{stamp:%m/%d/%Y %I:%M:%S %p}", count] for stamp, count in zip(stamps, counts(400), strict=True)]
    return csv_of(["Date", "Riders NB"], rows)


def _weekly_unsorted() -> bytes:
    rows = [
        [name, f"{day.month}/{day.day}/{day.year}", f"${price}", volume]
        for seed, name in enumerate(("AA", "BB", "CC"))
        for day, price, volume in zip(times(datetime(2019, 1, 4), 7 * DAY, 80), levels(80, seed), counts(80, seed),
                                      strict=True)
    ]  # fmt: skip
    return csv_of(["stock", "date", "close", "volume"], rows, end="\r\n")


def _date_and_hour() -> bytes:
    rows = [
        [f"{stamp:%d/%m/%Y}", stamp.hour, count, level, "Holiday" if stamp.weekday() == 6 else "No"]
        for stamp, count, level in zip(times(datetime(2021, 5, 1), HOUR, 500), counts(500), levels(500), strict=True)
    ]
    return csv_of(["Date", "Hour", "Rented bikes", "Temperature(°C)", "Holiday"], rows)


def _three_parts() -> bytes:
    rows = [
        [day.year, day.month, day.day, day.isoweekday(), count]
        for day, count in zip(days(400), counts(400), strict=True)
    ]
    return csv_of(["year", "month", "date_of_month", "day_of_week", "births"], rows)


def _leading_lines() -> bytes:
    body = csv_of(["Week", "tea: (Worldwide)"], [[f"{day:%Y-%m-%d}", count] for day, count in
                  zip(times(datetime(2020, 1, 5), 7 * DAY, 60), counts(60, mean=40), strict=True)])  # fmt: skip
    return b"Category: All categories\n\n" + body


def _quarters() -> bytes:
    rows = [
        [counts(1, 10 * quarter + place, 500 * place)[0], code, 2019 + quarter // 4, quarter % 4 + 1]
        for quarter in range(12)
        for place, code in enumerate(("US", "NA", "EU", "DE", "FR"), 1)
    ]
    return csv_of(["pushes", "iso2_code", "year", "quarter"], rows)


def _months_across() -> bytes:
    header = ["Year", *(f"{datetime(2000, month, 1):%b}" for month in range(1, 13)), "Annual"]
    return csv_of(header, [[1950 + place, *levels(12, place), 20.0] for place in range(30)])


def _offsets() -> bytes:
    first = datetime(2022, 3, 25)
    rows = []
    for place, level in enumerate(levels(300)):
        instant = first + place * HOUR
        offset = 1 if instant < datetime(2022, 3, 27, 1) else 2
        rows.append([f"{instant + offset * HOUR:%Y-%m-%dT%H:%M:%S}+0{offset}:00", level])
    return csv_of(["Time", "Flow [l/s]"], rows)


def _epoch_with_labels() -> bytes:
    rows = [
        [1_472_376_000 + 300 * place, level - 20, int(place in (40, 41))] for place, level in enumerate(levels(600))
    ]
    return csv_of(["timestamp", "value", "label"], rows)


def _json_lines() -> bytes:
    lines = []
    for place, day in enumerate(days(20)):
        for shop in ("north", "south"):
            for item in ("tea", "jam"):
                price = "null" if place % 9 == 3 else f"{10 + place % 5}.50"
                lines.append(
                    f'{{"date": "{day:%Y-%m-%d}", "item": "{item}", "shop": "{shop}", "price": {price}, '
                    f'"currency": "EUR", "note": "checked {place}"}}'
                )
    return ("\n".join(lines) + "\n").encode()


def _no_header() -> bytes:
    rows = [[f"{day:%Y-%m-%d}T00:00:00Z", count] for day, count in zip(days(47), counts(47), strict=True)]
    return csv_of(None, rows)


def _order_lines() -> bytes:
    rows = []
    random = np.random.default_rng(3)
    order = 536_365
    for day in days(9):
        for minute in sorted(random.integers(8 * 60, 18 * 60, 40)):
            order += 1
            stamp = day + timedelta(minutes=int(minute))
            for _ in range(3):
                rows.append([
                    order, f"{stamp.month}/{stamp.day}/{stamp.year} {stamp.hour}:{stamp.minute:02d}",
                    random.integers(-2, 30), f"{random.integers(1, 9)}.95", random.choice(["France", "Spain", "Italy"]),
                ])  # fmt: skip
    return gzip.compress(csv_of(["Invoice", "InvoiceDate", "Quantity", "Price", "Country"], rows))


def _business_days() -> bytes:
    rows = [
        [f"{day.month}/{day.day}/{day.year}", "." if place % 31 == 4 else level]
        for place, (day, level) in enumerate(zip(days(500), levels(500), strict=True))
        if day.weekday() < 5
    ]
    return gzip.compress(csv_of(["Date", "DOIL"], rows, end="\r\n"))


def _dots_and_sentinels() -> bytes:
    rows = [
        [f"{stamp:%d/%m/%Y}", f"{stamp:%H.%M.%S}", str(-200 if place % 50 == 9 else level).replace(".", ","), "", ""]
        for place, (stamp, level) in enumerate(zip(times(datetime(2004, 3, 10), HOUR, 400), levels(400), strict=True))
    ]
    return csv_of(["Date", "Time", "CO(GT)", "", ""], rows, ";")


def _numbered_shops() -> bytes:
    random = np.random.default_rng(5)
    rows = [[f"{day:%Y-%m-%d}", shop, item, random.poisson(20)] for item in (1, 2, 3) for shop in (1, 2) for day in
            days(120)]  # fmt: skip
    return csv_of(["date", "store", "item", "sales"], rows)


def _thousands() -> bytes:
    random = np.random.default_rng(6)
    rows = [
        [f"{day:%b %d, %Y}", f'"{count:,}"']
        for day, count in zip(days(90), random.integers(900, 9_000, 90), strict=True)
    ]
    return b"Day\tVisits\n" + b"".join("\t".join(row).encode() + b"\n" for row in rows)


def _first_of_months() -> bytes:
    rows = [[f"{day.month}/{day.day}/{day.year}", level] for day, level in zip(months(120), levels(120), strict=True)]
    return csv_of(["Date", "rate"], rows)


def _utf_16() -> bytes:
    rows = [[f"{day:%Y-%m-%d}", count] for day, count in zip(days(60), counts(60), strict=True)]
    return csv_of(["Tag", "Bestellungen"], rows, "\t").decode().encode("utf-16")


#: Tables by their trait.
TABLES: dict[str, Callable[[], bytes]] = {
    "decimal comma": _german, "wide": _wide_latin, "half days": _half_days, "weeks": _weekly_unsorted,
    "date and hour": _date_and_hour, "three parts": _three_parts, "leading lines": _leading_lines,
    "quarters": _quarters,
    "months across": _months_across, "offsets": _offsets, "labels": _epoch_with_labels, "JSON lines": _json_lines,
    "no header": _no_header, "order lines": _order_lines, "business days": _business_days,
    "placeholder numbers": _dots_and_sentinels, "numbered shops": _numbered_shops, "thousands": _thousands,
    "first of months": _first_of_months, "UTF-16": _utf_16,
}  # fmt: skip
