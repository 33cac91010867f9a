"""`root_causes`: data frames of any library go in, and the same kind comes out."""

from __future__ import annotations

import math
from importlib import import_module
from typing import Any

import numpy as np
import pyarrow as pa
import pytest

from anomalake import FrameError, root_causes
from anomalake.local.frames import read_frame

COLUMNS = {"dimensions": ["carrier", "origin"], "lower": "lower", "upper": "upper"}


def flights(**changes: float) -> pa.Table:
    """Return flights by carrier and origin, those of some carriers or of carrier and origin times a number."""
    rng = np.random.default_rng(5)
    pairs = [
        (carrier, origin) for carrier in ("AA", "B6", "DL", "EV", "MQ", "UA", "US") for origin in ("EWR", "JFK", "LGA")
    ]
    expected = 400 * rng.lognormal(0, 0.6, len(pairs))
    times = [changes.get(f"{carrier}_{origin}", changes.get(carrier, 1.0)) for carrier, origin in pairs]
    actual = np.round(expected * times * (1 + 0.05 * rng.standard_normal(len(pairs))))
    return pa.table(
        {
            "carrier": [carrier for carrier, _ in pairs],
            "origin": [origin for _, origin in pairs],
            "actual": actual.astype(np.int64),
            "expected": expected,
            "lower": expected * 0.8,
            "upper": expected * 1.2,
        }
    )


def as_kind(table: pa.Table, kind: str) -> Any:
    library = import_module(kind)
    if kind == "pandas":
        return table.to_pandas()
    return table if kind == "pyarrow" else library.from_arrow(table)


@pytest.mark.parametrize("kind", ["pandas", "polars", "pyarrow", "duckdb"])
def test_the_answer_is_a_frame_of_the_same_kind(kind: str) -> None:
    frame = as_kind(flights(UA_EWR=0.38, DL=2.0), kind)
    causes = root_causes(frame, **COLUMNS)
    assert type(causes) is type(frame)
    rows = read_frame(causes).table.to_pylist()
    assert [(row["carrier"], row["origin"]) for row in sorted(rows, key=lambda row: row["carrier"])] == [
        ("DL", None),
        ("UA", "EWR"),
    ]
    assert [row["rank"] for row in rows] == [1, 2]
    of_ua = next(row for row in rows if row["carrier"] == "UA")
    assert of_ua["share_off"] == pytest.approx(-0.62, abs=0.05)
    assert of_ua["explained"] == pytest.approx(1)
    assert of_ua["gain"] > 0
    assert list(rows[0]) == ["rank", "carrier", "origin", "share_off", "explained", "gain"]


def test_noise_gives_an_empty_frame_with_the_same_columns() -> None:
    causes = root_causes(flights(), **COLUMNS)
    assert causes.num_rows == 0
    assert causes.column_names == ["rank", "carrier", "origin", "share_off", "explained", "gain"]
    assert causes.schema.field("carrier").type == pa.string()


def test_ranges_may_be_left_out() -> None:
    causes = root_causes(flights(UA_EWR=0.2), dimensions=["carrier", "origin"])
    assert causes.select(["carrier", "origin"]).to_pylist() == [{"carrier": "UA", "origin": "EWR"}]


def test_dimension_values_keep_their_type_and_their_form() -> None:
    table = flights(UA=0.3)
    is_ua = pa.array([carrier == "UA" for carrier in table.column("carrier").to_pylist()])
    names = pa.array(["007" if ua else "=1+1" for ua in is_ua.to_pylist()])
    table = table.append_column("is_ua", is_ua).append_column("code", names)
    assert root_causes(table, dimensions="code").column("code").to_pylist() == ["007"]
    assert root_causes(table, dimensions="is_ua").column("is_ua").to_pylist() == [True]


def test_rows_without_a_dimension_value_are_not_named() -> None:
    table = flights(UA=0.3)
    carriers = [None if carrier == "UA" else carrier for carrier in table.column("carrier").to_pylist()]
    table = table.set_column(0, "carrier", pa.array(carriers))
    causes = root_causes(table, **COLUMNS)
    assert "UA" not in causes.column("carrier").to_pylist()


def test_what_was_not_expected_at_all_is_infinitely_off() -> None:
    table = flights()
    is_us = np.array([carrier == "US" for carrier in table.column("carrier").to_pylist()])
    columns = {name: np.where(is_us, 0.0, table.column(name).to_numpy()) for name in ("expected", "lower")}
    columns["upper"] = np.where(is_us, 2.0, table.column("upper").to_numpy())
    for name, values in columns.items():
        table = table.set_column(table.column_names.index(name), name, pa.array(values))
    causes = root_causes(table, **COLUMNS)
    assert causes.to_pylist()[0]["carrier"] == "US"
    assert causes.to_pylist()[0]["share_off"] == math.inf


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"dimensions": ["airline"]}, "dimensions 'airline': the frame has no such column"),
        ({"dimensions": ["carrier"], "actual": "value"}, "actual 'value': the frame has no such column"),
        (
            {"dimensions": ["carrier"], "expected": "origin"},
            "expected 'origin': the column has the type string; expected",
        ),
        ({"dimensions": ["carrier", "carrier"]}, "dimensions 'carrier': is named twice"),
        ({"dimensions": ["rank"]}, "dimensions 'rank': a column of the result has this name"),
        ({"dimensions": [f"d{k}" for k in range(21)]}, "dimensions: 21 columns; expected at most 20"),
    ],
)
def test_a_wrong_argument_is_named(arguments: dict[str, Any], message: str) -> None:
    with pytest.raises(FrameError, match=message.replace("(", r"\(")):
        root_causes(flights(), **arguments)


def test_what_is_no_frame_is_told() -> None:
    with pytest.raises(FrameError, match=r"frame: a builtins\.list; expected a pandas, Polars or PyArrow table"):
        root_causes([1, 2], dimensions=["carrier"])
