"""Anomalies in data frames: those of a backtest, in every kind of frame, in one go and live."""

from __future__ import annotations

import io
import json
import pickle
import subprocess
import sys
import warnings
import zipfile
from collections.abc import Callable, Iterator
from datetime import date, datetime, timedelta
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import duckdb
import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

import anomalake
from anomalake import FrameError
from anomalake.records.codecs import arrays_from_bytes, arrays_to_bytes
from anomalake.records.errors import CorruptError
from anomalake.sources.reading import InsufficientDataError
from anomalake.synth import ShopSettings, shop, write_shop

SETTINGS = ShopSettings(seed=5, hard=True, intervals=1_000, series=6, start=date(2024, 1, 1))
COLUMNS: dict[str, Any] = {
    "holidays": SETTINGS.holidays,
    "time": "timestamp", "measures": ["views", "revenue"], "dimensions": ["platform", "marketplace"],
}  # fmt: skip
POINTS = ["measure", "value", "expected", "lower", "upper", "severity", "is_anomaly", "group"]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A hard shop of 1,000 hours, with gaps; its detector is named as that of data frames."""
    folder = tmp_path_factory.mktemp("shop")
    write_shop(shop(SETTINGS), folder)
    detector = folder / "detector.yaml"
    detector.write_text(detector.read_text().replace("AnomalyDetectorName: hard-shop", "AnomalyDetectorName: frame"))
    return folder


@pytest.fixture(scope="module")
def frame(folder: Path) -> pd.DataFrame:
    return pd.read_csv(folder / "backtest" / "input.csv", parse_dates=["timestamp"])


@pytest.fixture(scope="module")
def result(frame: pd.DataFrame) -> anomalake.Anomalies:
    return anomalake.find_anomalies(frame, **COLUMNS)


def hourly(n: int = 400, start: str = "2024-01-01", seed: int = 1, step: int = 3_600) -> pd.DataFrame:
    """A series with a daily pattern and one spike, near its end."""
    values = 100 + 20 * np.sin(np.arange(n) * 2 * np.pi * step / 86_400) + np.random.default_rng(seed).normal(size=n)
    values[-20] = 400
    return pd.DataFrame({"t": pd.date_range(start, periods=n, freq=f"{step}s"), "v": values})


# ---- the points and groups of a backtest ----


def test_points_and_groups_are_those_of_the_command(folder: Path, result: anomalake.Anomalies, tmp_path: Path) -> None:
    scores = tmp_path / "scores.parquet"
    command = [sys.executable, "-m", "anomalake", "backtest", str(folder / "detector.yaml"), "--scores", str(scores)]
    done = subprocess.run([*command, "--format", "json"], capture_output=True, check=True)
    report = json.loads(done.stdout)
    tested = pq.read_table(scores).to_pandas(maps_as_pydicts="strict")
    points = result.points
    assert len(points) == report["points"]["tested"] == len(tested) > 3_000
    assert points["is_anomaly"].sum() == report["points"]["anomalous"] > 20
    for name in POINTS[:-1]:
        pd.testing.assert_series_equal(points[name], tested[name], check_dtype=False, check_exact=True)
    assert (points["timestamp"] == tested["timestamp"].dt.tz_localize(None)).all()
    dimensions = pd.DataFrame(tested["dimensions"].tolist())
    for name in ("platform", "marketplace"):
        assert points[name].tolist() == dimensions[name].tolist()
    groups = result.groups
    assert list(groups.columns) == ["group", "measure", "start", "end", "score", "alerted", "metrics"]
    of_command = pd.DataFrame(report["groups"])
    assert len(groups) == len(of_command) > 5
    for name in ("group", "measure", "score", "metrics"):
        assert groups[name].tolist() == of_command[name].tolist()
    for name in ("start", "end"):
        assert (groups[name] == pd.to_datetime(of_command[name]).dt.tz_localize(None)).all()


def test_each_anomaly_has_its_group_and_no_other_point_has_one(result: anomalake.Anomalies) -> None:
    points, groups = result.points, result.groups
    assert list(points.columns) == ["timestamp", "platform", "marketplace", *POINTS]
    assert (points["group"].notna() == points["is_anomaly"]).all()
    joined = points[points["is_anomaly"]].merge(groups, on="group", suffixes=("", "_of_group"))
    assert len(joined) == points["is_anomaly"].sum()
    assert (joined["measure"] == joined["measure_of_group"]).all()
    assert joined["timestamp"].between(joined["start"], joined["end"]).all()
    n_metrics = joined.groupby("group")[["platform", "marketplace"]].apply(lambda part: len(part.drop_duplicates()))
    assert n_metrics.to_dict() == dict(zip(groups["group"], groups["metrics"], strict=True))
    worst = joined.groupby("group")["severity"].max()
    assert set(worst.index) == set(groups["group"])


def test_the_points_can_be_joined_with_the_frame(frame: pd.DataFrame, result: anomalake.Anomalies) -> None:
    views = result.points[result.points["measure"] == "views"]
    joined = frame.merge(views, on=["timestamp", "platform", "marketplace"])
    assert len(joined) == len(views)
    assert (joined["views"] == joined["value"]).all()


def test_groups_from_the_threshold_on_are_alerted(frame: pd.DataFrame, result: anomalake.Anomalies) -> None:
    assert (result.groups["alerted"] == (result.groups["score"] >= 70)).all()
    scores = sorted(set(result.groups["score"]))
    threshold = scores[len(scores) // 2]
    other = anomalake.find_anomalies(frame, **COLUMNS, threshold=threshold).groups
    assert other["alerted"].tolist() == (other["score"] >= threshold).tolist()
    assert other["alerted"].nunique() == 2


# ---- kinds of frames ----


KINDS: dict[str, tuple[Callable[[pd.DataFrame], Any], type]] = {
    "pandas": (lambda frame: frame, pd.DataFrame),
    "pandas with an index": (lambda frame: frame.set_index("timestamp"), pd.DataFrame),
    "polars": (pl.from_pandas, pl.DataFrame),
    "pyarrow": (pa.Table.from_pandas, pa.Table),
    "duckdb": (lambda frame: duckdb.from_df(frame), duckdb.DuckDBPyRelation),
    "a part of a pyarrow table": (lambda frame: pa.RecordBatch.from_pandas(frame), pa.Table),
}


@pytest.mark.parametrize("kind", KINDS)
def test_every_kind_of_frame_gives_the_same_in_its_kind(
    kind: str, frame: pd.DataFrame, result: anomalake.Anomalies
) -> None:
    make, type_ = KINDS[kind]
    found = anomalake.find_anomalies(make(frame), **COLUMNS)
    for got, wanted in ((found.points, result.points), (found.groups, result.groups)):
        assert type(got) is type_
        plain = got if type_ is pd.DataFrame else got.df() if kind == "duckdb" else got.to_pandas()
        pd.testing.assert_frame_equal(plain, wanted, check_dtype=False)


def test_another_library_with_arrows_interface_gives_a_pyarrow_table(frame: pd.DataFrame) -> None:
    class Other:
        def __init__(self, table: pa.Table) -> None:
            self.table = table

        def __arrow_c_stream__(self, requested_schema: object = None) -> object:
            return self.table.__arrow_c_stream__(requested_schema)

    found = anomalake.find_anomalies(Other(pa.Table.from_pandas(frame)), **COLUMNS)
    assert isinstance(found.points, pa.Table)


def test_a_relation_of_a_connection_is_read_with_its_query(frame: pd.DataFrame) -> None:
    connection = duckdb.connect()
    connection.register("shop", frame)
    relation = connection.sql('SELECT "timestamp" AS "when ""it"" was", views AS "the views" FROM shop')
    with pytest.warns(UserWarning, match="duplicates"):
        found = anomalake.find_anomalies(relation, time='when "it" was', measures="the views")
    assert found.points.columns == ['when "it" was', *POINTS]
    assert found.points.aggregate("count(*)").fetchall() == [(300,)]


def test_no_library_of_frames_is_imported() -> None:
    code = """
import sys
class Refused:
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] in ("pandas", "polars", "duckdb", "altair", "matplotlib"):
            raise ModuleNotFoundError(name)
sys.meta_path.insert(0, Refused())
import numpy, pyarrow, anomalake
times = pyarrow.array(numpy.datetime64("2024-01-01", "s") + numpy.arange(500) * 3600)
frame = pyarrow.table({"t": times, "v": numpy.arange(500) % 24 * 1.0})
found = anomalake.find_anomalies(frame, time="t", measures="v")
assert found.points.num_rows == 150 and found.groups.num_rows == 0
assert found.plot()._repr_mimebundle_()["image/svg+xml"].startswith("<svg")
"""
    subprocess.run([sys.executable, "-c", code], check=True)


def test_a_series_with_an_index_of_times_is_enough() -> None:
    series = hourly().set_index("t")["v"]
    found = anomalake.find_anomalies(series, measures="v")
    assert list(found.points.columns) == ["t", *POINTS]
    assert found.points.loc[found.points["is_anomaly"], "value"].tolist() == [400]
    series.index.name = None
    assert list(anomalake.find_anomalies(series, measures="v").points.columns) == ["time", *POINTS]


# ---- columns ----


def test_measures_are_added_up_or_averaged() -> None:
    frame = hourly()
    twice = pd.concat([frame, frame.assign(v=frame["v"] + 2)])

    def values(measures: Any) -> np.ndarray[Any, Any]:
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            return anomalake.find_anomalies(twice, time="t", measures=measures).points["value"].to_numpy()

    tested = frame["v"].to_numpy()[280:]
    for measures in ({"v": "SUM"}, {"v": "sum"}):
        np.testing.assert_allclose(values(measures), 2 * tested + 2)
    for measures in ({"v": "AVG"}, {"v": "mean"}):
        np.testing.assert_allclose(values(measures), tested + 1)


def test_columns_that_are_not_named_have_no_effect() -> None:
    frame = hourly().assign(what=[{1}, "x"] * 200)
    assert anomalake.find_anomalies(frame, time="t", measures="v").points["is_anomaly"].sum() == 1


@pytest.mark.parametrize(
    "values",
    [
        ["a", "b"],
        [1, 20],
        [True, False],
        [date(2024, 1, 1), date(2024, 1, 2)],
        [0.5, 1.5],
        ["a", None],
        ["", "é,\n\"'="],
    ],
)
def test_dimensions_keep_their_values_and_types(values: list[Any]) -> None:
    parts = [hourly(seed=seed).assign(which=pd.Series([value] * 400)) for seed, value in enumerate(values)]
    table = pa.concat_tables([pa.Table.from_pandas(part) for part in parts], promote_options="default")
    found = anomalake.find_anomalies(table, time="t", measures="v", dimensions="which")
    assert found.points.schema.field("which").type == pa.array([value for value in values if value is not None]).type
    assert set(found.points["which"].to_pylist()) == set(values)


def test_categories_are_dimensions() -> None:
    frame = pd.concat([hourly(seed=seed).assign(which=name) for seed, name in enumerate("ab")])
    frame["which"] = frame["which"].astype("category")
    for made in (frame, pl.from_pandas(frame)):
        assert "at" in str(made["which"].dtype)
        points = anomalake.find_anomalies(made, time="t", measures="v", dimensions=["which"]).points
        assert set(points["which"]) == {"a", "b"}


def test_missing_values_are_no_values_and_no_warning() -> None:
    frame = hourly()
    frame.loc[[300, 301], "v"] = np.nan
    for made in (
        frame,
        pl.from_pandas(frame, nan_to_null=False),
        pa.table({name: frame[name].to_numpy() for name in "tv"}),
    ):
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            found = anomalake.find_anomalies(made, time="t", measures="v")
        assert len(found.points) == 120 - 2
        assert found.problems == (
            "2 cells of measures are empty or mean no value; those measures are left out of their rows",
        )


def test_rows_that_cannot_be_read_are_told() -> None:
    frame = hourly().astype({"v": object})
    frame["v"] = frame["v"].map(str)
    frame.loc[7, "v"] = "many"
    with pytest.warns(UserWarning, match=r"1 bad; frame: line 8: column 'v' 'many': expected a number") as told:
        found = anomalake.find_anomalies(frame, time="t", measures="v")
    assert told[0].filename == __file__
    assert len(found.points) == 120
    frame.loc[10:99, "v"] = "many"
    with pytest.raises(InsufficientDataError, match=r"frame: 91 of 400 rows are bad.*'many'"):
        anomalake.find_anomalies(frame, time="t", measures="v")


# ---- times ----


@pytest.mark.parametrize("zone", [None, "UTC", "Europe/Paris", "Asia/Kolkata"])
@pytest.mark.parametrize("unit", ["s", "ms", "us", "ns"])
def test_times_keep_their_zone_and_their_unit(zone: str | None, unit: str) -> None:
    frame = hourly(start="2024-03-20")
    frame["t"] = (
        frame["t"]
        .dt.tz_localize("UTC")
        .dt.tz_convert(zone)
        .astype(f"datetime64[{unit}, {zone}]" if zone else f"datetime64[{unit}]")
    )
    found = anomalake.find_anomalies(frame, time="t", measures="v")
    assert found.points["t"].dtype == frame["t"].dtype
    assert found.groups["start"].dtype == frame["t"].dtype
    [spike] = found.points.loc[found.points["is_anomaly"], "t"]
    # An hour of Kolkata begins at half past in UTC.
    assert spike == frame["t"].iloc[-20].floor("h") == found.groups["start"].iloc[0] == found.groups["end"].iloc[0]


def test_times_without_a_zone_are_in_the_given_one() -> None:
    """An hour of Kolkata begins at half past in UTC; a day of New York ends with its midnight."""
    frame = hourly(n=24 * 420, start="2023-01-01")
    frame["t"] = frame["t"] + pd.Timedelta(minutes=10)
    # The clocks of New York skip this time.
    frame = frame[frame["t"] != "2023-03-12 02:10"]
    found = anomalake.find_anomalies(frame, time="t", measures="v", timezone="Asia/Kolkata", train="2024-02-20")
    assert found.points["t"].iloc[0] == pd.Timestamp("2024-02-20 00:00")
    assert set(found.points["t"].dt.minute) == {0}
    daily = anomalake.find_anomalies(
        frame, time="t", measures={"v": "SUM"}, frequency="P1D", timezone="America/New_York"
    )
    assert set(daily.points["t"].dt.hour) == {0}
    expected = frame.groupby(frame["t"].dt.normalize())["v"].sum()
    np.testing.assert_allclose(daily.points["value"], expected[daily.points["t"]])


def test_days_of_a_column_with_a_zone_begin_at_its_midnight() -> None:
    frame = hourly(n=24 * 420, start="2023-01-01")
    frame["t"] = frame["t"].dt.tz_localize("UTC").dt.tz_convert("America/New_York")
    points = anomalake.find_anomalies(frame, time="t", measures="v", frequency="D").points
    assert set(points["t"].dt.hour) == {0}
    assert set(points["t"].dt.tz_convert("UTC").dt.hour) == {4, 5}


def test_dates_are_days() -> None:
    days = pa.array([date(2020, 1, 6) + timedelta(days=number) for number in range(400)])
    values = np.random.default_rng(2).normal(100, 1, 400)
    values[390] = 300
    found = anomalake.find_anomalies(pa.table({"day": days, "v": values}), time="day", measures="v")
    assert found.points.schema.field("day").type == pa.date32()
    assert found.groups["start"].to_pylist() == [date(2020, 1, 6) + timedelta(days=390)]


@pytest.mark.parametrize(
    ("format_", "zone"),
    [
        ("%Y-%m-%d %H:%M:%S", None),
        ("%Y-%m-%dT%H:%M:%SZ", "UTC"),
        ("%Y-%m-%dT%H:%M", None),
        ("%Y-%m-%d %H:%M:%S+02:00", "UTC"),
    ],
)
def test_times_may_be_text(format_: str, zone: str | None) -> None:
    frame = hourly().assign(t=lambda frame: frame["t"].dt.strftime(format_))
    points = anomalake.find_anomalies(frame, time="t", measures="v").points
    assert str(getattr(points["t"].dtype, "tz", None)) == str(zone)
    [spike] = points.loc[points["is_anomaly"], "t"]
    shift = timedelta(hours=2) if "+02" in format_ else timedelta()
    assert spike.tz_localize(None) == hourly()["t"].iloc[-20] - shift


@pytest.mark.parametrize(
    ("step", "names"),
    [
        (300, ["PT5M", "5min", timedelta(minutes=5)]), (600, ["PT10M", "10min"]), (900, ["PT15M", "15min"]),
        (1_800, ["PT30M", "30min", pd.Timedelta("30min")]), (3_600, ["PT1H", "h", "1h", "H"]), (86_400, ["P1D", "D"]),
        (7 * 86_400, ["P7D", "W"]),
    ],
)  # fmt: skip
def test_the_frequency_is_that_of_the_times(step: int, names: list[Any]) -> None:
    frame = hourly(n=600, start="2018-01-01", step=step).drop(index=[5, 6, 77, 200])
    guessed = anomalake.find_anomalies(frame, time="t", measures="v").points
    assert guessed["t"].diff().median() == pd.Timedelta(seconds=step)
    for name in names:
        pd.testing.assert_frame_equal(
            guessed, anomalake.find_anomalies(frame, time="t", measures="v", frequency=name).points
        )


# ---- guesses ----


def test_all_is_guessed_as_init_does(folder: Path, frame: pd.DataFrame, result: anomalake.Anomalies) -> None:
    command = [sys.executable, "-m", "anomalake", "init", str(folder / "backtest" / "input.csv"), "--yes"]
    done = subprocess.run([*command, "--format", "json"], capture_output=True, check=True)
    reading = json.loads(done.stdout)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        found = anomalake.find_anomalies(frame, holidays=SETTINGS.holidays)
    assert found.columns == {
        "time": reading["time"],
        "measures": reading["measures"],
        "dimensions": reading["dimensions"],
        "frequency": reading["frequency"],
        "timezone": "UTC",
    }
    # A column with one value tells nothing apart.
    assert set(result.points.columns) - set(found.points.columns) <= {"platform", "marketplace"}
    pd.testing.assert_frame_equal(found.points, result.points[found.points.columns], check_like=True)
    again = anomalake.find_anomalies(frame, **result.columns, holidays=SETTINGS.holidays)
    pd.testing.assert_frame_equal(again.points, result.points)


def test_what_may_be_wrong_is_told() -> None:
    frame = hourly().rename(columns={"v": "thing"})
    with pytest.warns(UserWarning, match=r"guessed, and perhaps wrong: measures=\{'thing': 'AVG'\}$") as told:
        found = anomalake.find_anomalies(frame)
    assert told[0].filename == __file__
    assert found.columns["measures"] == {"thing": "AVG"}
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        anomalake.find_anomalies(frame, measures={"thing": "AVG"})
        anomalake.find_anomalies(frame.rename(columns={"thing": "temperature"}))


def test_the_index_is_the_time() -> None:
    frame = hourly().assign(created_at=pd.Timestamp("2020-01-01"), sales=7).set_index("t")
    assert anomalake.find_anomalies(frame, measures={"v": "SUM"}).columns["time"] == "t"


def test_the_time_may_be_in_several_columns(folder: Path) -> None:
    frame = hourly().assign(day=lambda frame: frame["t"].dt.strftime("%Y-%m-%d"), hour=lambda frame: frame["t"].dt.hour)
    whole = anomalake.find_anomalies(frame, time="t", measures={"v": "SUM"}, dimensions=[])
    for times in (None, ["day", "hour"]):
        found = anomalake.find_anomalies(frame.drop(columns="t"), time=times, measures={"v": "SUM"}, dimensions=[])
        assert found.columns["time"] == ["day", "hour"]
        pd.testing.assert_frame_equal(found.points.rename(columns={"time": "t"}), whole.points)


def test_a_wide_frame_has_a_measure_for_each_column() -> None:
    frame = hourly().rename(columns={"v": "paris"}).assign(rome=hourly(seed=2)["v"], oslo=hourly(seed=3)["v"])
    with pytest.warns(UserWarning, match="guessed"):
        found = anomalake.find_anomalies(frame)
    assert list(found.columns["measures"]) == ["paris", "rome", "oslo"]
    assert found.columns["dimensions"] == []
    assert set(found.points["measure"]) == {"paris", "rome", "oslo"}


# ---- what is learned from ----


@pytest.mark.parametrize(
    "train",
    [
        0.8, np.float64(0.8), "2024-01-14T08:00", "2024-01-14 08:00:00Z", datetime(2024, 1, 14, 7, 0, 1),
        pd.Timestamp("2024-01-14 08:00"), np.datetime64("2024-01-14T08:00"),
        datetime(2024, 1, 14, 9, tzinfo=ZoneInfo("Europe/Paris")),
    ],
)  # fmt: skip
def test_what_lies_before_is_learned_from_and_what_lies_after_is_judged(train: Any) -> None:
    points = anomalake.find_anomalies(hourly(), time="t", measures="v", train=train).points
    assert points["t"].iloc[0] == pd.Timestamp("2024-01-14 08:00")
    assert len(points) == 80


def test_a_share_is_exact() -> None:
    """0.7 of 330 is 231, though the float 0.7 times 330 is less."""
    assert int(0.7 * 330) == 230
    assert len(anomalake.find_anomalies(hourly(330), time="t", measures="v").points) == 330 - 231


# ---- live ----


def parts_of(frame: pd.DataFrame, every: timedelta) -> Iterator[pd.DataFrame]:
    for _, part in frame.groupby((frame["timestamp"] - frame["timestamp"].min()) // every):
        yield part


@pytest.mark.parametrize("hours", [7, 300])
def test_judging_in_parts_is_judging_the_whole(hours: int, frame: pd.DataFrame, result: anomalake.Anomalies) -> None:
    split = result.points["timestamp"].min()
    whole = anomalake.find_anomalies(frame, **COLUMNS, train=split)
    pd.testing.assert_frame_equal(whole.points, result.points)
    state = anomalake.learn(frame[frame["timestamp"] < split], **COLUMNS)
    new = frame[frame["timestamp"] >= split]
    points, groups = [], {}
    for part in parts_of(new, timedelta(hours=hours)):
        assert isinstance(state, bytes)
        judged, state = anomalake.judge(part, state)
        points.append(judged.points)
        groups.update({row["group"]: row for row in judged.groups.to_dict("records")})
    keys = ["measure", "platform", "marketplace", "timestamp"]
    live = pd.concat(points).sort_values(keys).reset_index(drop=True)
    batch = result.points.sort_values(keys).reset_index(drop=True)
    pd.testing.assert_frame_equal(live, batch, check_exact=False, rtol=1e-6, atol=1e-6)
    assert live["is_anomaly"].sum() > 0
    wanted = {row["group"]: row for row in result.groups.to_dict("records")}
    assert groups == {id_: {**row, "score": pytest.approx(row["score"], abs=1e-4)} for id_, row in wanted.items()}
    # Groups that last are in several parts.
    assert hours == 300 or (result.groups["end"] - result.groups["start"]).max() > timedelta(hours=hours)


@pytest.mark.parametrize("step", [300, 1_800, 86_400, 7 * 86_400])
def test_judging_in_parts_is_judging_the_whole_at_every_frequency(step: int) -> None:
    frame = hourly(n=600, start="2012-01-02", step=step)
    columns: dict[str, Any] = {"time": "t", "measures": {"v": "SUM"}, "dimensions": []}
    whole = anomalake.find_anomalies(frame, **columns)
    split = len(frame) - len(whole.points)
    state = anomalake.learn(frame[:split], **columns)
    points, groups = [], {}
    for first in range(split, len(frame), 45):
        judged, state = anomalake.judge(frame[first : first + 45], state)
        points.append(judged.points)
        groups.update({row["group"]: row for row in judged.groups.to_dict("records")})
    live = pd.concat(points, ignore_index=True)
    pd.testing.assert_frame_equal(live, whole.points, check_exact=False, rtol=1e-6, atol=1e-6)
    assert live["is_anomaly"].sum() > 0
    assert set(groups) == set(whole.groups["group"])


def test_intervals_without_rows_count_as_not_observed(frame: pd.DataFrame, result: anomalake.Anomalies) -> None:
    split = result.points["timestamp"].min()
    gap = frame["timestamp"].between(split + timedelta(hours=20), split + timedelta(hours=40))
    frame = frame[~gap]
    whole = anomalake.find_anomalies(frame, **COLUMNS, train=split).points
    state = anomalake.learn(frame[frame["timestamp"] < split], **COLUMNS)
    first, state = anomalake.judge(frame[frame["timestamp"].between(split, split + timedelta(hours=30))], state)
    second, _ = anomalake.judge(frame[frame["timestamp"] > split + timedelta(hours=30)], state)
    keys = ["measure", "platform", "marketplace", "timestamp"]
    live = pd.concat([first.points, second.points]).sort_values(keys).reset_index(drop=True)
    pd.testing.assert_frame_equal(live, whole.sort_values(keys).reset_index(drop=True), rtol=1e-6, atol=1e-6)


def test_rows_that_were_judged_before_are_not_used_again() -> None:
    frame = hourly()
    state = anomalake.learn(frame[:350], time="t", measures="v")
    judged, after = anomalake.judge(frame[340:], state)
    assert judged.points["t"].tolist() == frame["t"][350:].tolist()
    assert judged.problems == ("10 rows are of intervals that were judged before, and are not used",)
    again, same = anomalake.judge(frame[340:], after)
    assert (len(again.points), len(again.groups), same) == (0, 0, after)
    assert list(again.points.columns) == list(judged.points.columns)
    empty, same = anomalake.judge(frame[:0], after)
    assert (len(empty.points), same) == (0, after)
    with pytest.raises(FrameError, match="plot: no point was judged"):
        empty.plot()


def test_the_same_rows_give_the_same_bytes() -> None:
    frame = hourly()
    states = {anomalake.learn(frame[:350], time="t", measures="v") for _ in range(2)}
    assert len(states) == 1
    state = states.pop()
    assert len({anomalake.judge(frame[350:], state)[1] for _ in range(2)}) == 1


def test_a_metric_that_is_new_is_not_judged(frame: pd.DataFrame) -> None:
    state = anomalake.learn(frame[frame["timestamp"] < "2024-01-30"], **COLUMNS)
    rows = frame[frame["timestamp"].between("2024-01-30", "2024-01-30 05:00")]
    judged, _ = anomalake.judge(pd.concat([rows, rows.assign(platform="new")]), state)
    is_new = judged.points["platform"] == "new"
    assert is_new.any()
    assert judged.points.loc[is_new, "expected"].isna().all()
    assert judged.points.loc[~is_new, "expected"].notna().all()


def test_the_state_knows_zone_frequency_and_threshold() -> None:
    frame = hourly(n=24 * 400, start="2023-04-01")[lambda frame: frame["t"] != "2024-03-10 02:00"]
    columns: dict[str, Any] = {
        "time": "t",
        "measures": {"v": "AVG"},
        "frequency": "P1D",
        "timezone": "America/New_York",
    }
    state = anomalake.learn(frame[frame["t"] < "2024-04-15"], **columns, threshold=0)
    judged, _ = anomalake.judge(pl.from_pandas(frame[frame["t"] >= "2024-04-15"]), state)
    whole = anomalake.find_anomalies(frame, **columns, train="2024-04-15").points
    assert isinstance(judged.points, pl.DataFrame)
    assert judged.points["t"].to_list() == whole["t"].tolist()
    np.testing.assert_allclose(judged.points["value"].to_numpy(), whole["value"])
    assert judged.groups["alerted"].to_list() == [True] * len(judged.groups)


# ---- bytes that are no state ----


@pytest.fixture(scope="module")
def state() -> bytes:
    return anomalake.learn(hourly()[:350], time="t", measures="v")


def changed(state: bytes, **about: Any) -> bytes:
    arrays, known = arrays_from_bytes(state)
    return arrays_to_bytes(arrays, {**known, **about})


def in_zone(state: bytes, name: str) -> dict[str, Any]:
    return {**arrays_from_bytes(state)[1]["metric_set"], "Timezone": name}


def without_array(state: bytes) -> bytes:
    arrays, about = arrays_from_bytes(state)
    del arrays["beta"]
    return arrays_to_bytes(arrays, about)


def of_another_size(state: bytes) -> bytes:
    arrays, about = arrays_from_bytes(state)
    return arrays_to_bytes({**arrays, "center": np.zeros(7)}, about)


def archive(name: str, body: bytes, compression: int = zipfile.ZIP_STORED) -> bytes:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", compression) as made:
        made.writestr(name, body)
    return out.getvalue()


def array_bytes(array: Any, shape: tuple[int, ...] | None = None) -> bytes:
    out = io.BytesIO()
    np.save(out, array, allow_pickle=True)
    body = out.getvalue()
    return body if shape is None else body.replace(b"(1,), }", f"{shape}, }}".encode()[: len("(1,), }")])


def huge() -> bytes:
    """An array of a few bytes that says it has 10^12 numbers."""
    out = io.BytesIO()
    np.lib.format.write_array_header_1_0(out, {"descr": "<f8", "fortran_order": False, "shape": (10**12,)})
    return archive("beta.npy", out.getvalue() + b"\0" * 64)


class Evil:
    def __reduce__(self) -> tuple[Any, tuple[str]]:
        return (pytest.fail, ("a pickle was read",))


BROKEN: dict[str, tuple[Callable[[bytes], Any], str]] = {
    "text": (lambda state: "state", "is of the type str"),
    "nothing": (lambda state: b"", "expected the bytes that learn or judge have returned"),
    "cut": (lambda state: state[:-100], "expected the bytes"),
    "a flipped bit": (lambda state: state[:200] + bytes([state[200] ^ 1]) + state[201:], "expected"),
    "a pickle": (lambda state: pickle.dumps(Evil()), "expected the bytes"),
    "an archive with a pickle": (
        lambda state: archive("a.npy", array_bytes(np.array([Evil()], dtype=object))), "array of objects"
    ),
    "compressed": (lambda state: archive("a.npy", b"\0" * 10**7, zipfile.ZIP_DEFLATED), "compressed"),
    "huge": (lambda state: huge(), r"array 'beta\.npy' of the shape \(1000000000000,\)"),
    "a later version": (lambda state: changed(state, version=2), "is of version 2; expected 1: learn again"),
    "another format": (lambda state: changed(state, format="x"), "without a state"),
    "a zone that is none": (lambda state: changed(state, metric_set=in_zone(state, "Mars")), "Mars"),
    "groups that are none": (lambda state: changed(state, groups=[{}]), "expected"),
    "a time that is none": (lambda state: changed(state, last=10**30), "expected"),
    "without an array": (without_array, "learn again"),
    "with an array of another size": (of_another_size, "learn again"),
}  # fmt: skip


@pytest.mark.parametrize("name", BROKEN)
def test_bytes_that_are_no_state_are_refused_in_one_line(name: str, state: bytes) -> None:
    break_, said = BROKEN[name]
    with pytest.raises(CorruptError, match=said) as refused:
        anomalake.judge(hourly()[350:], break_(state))
    assert str(refused.value).startswith("state: ")
    assert "\n" not in str(refused.value)


OTHERS: dict[str, Callable[[Any], Any]] = {
    "of another size": lambda array: np.zeros(7),
    "text": lambda array: np.array(["x"]),
    "a number": lambda array: np.array(3.5),
    "empty": lambda array: np.zeros(0),
    "with more axes": lambda array: np.zeros((3, *array.shape)),
    "not a number": lambda array: np.full(array.shape, np.nan),
    "huge numbers": lambda array: np.full(array.shape, 2**62),
}


@pytest.mark.parametrize("name", OTHERS)
@pytest.mark.filterwarnings("ignore::RuntimeWarning")
def test_an_array_in_the_place_of_another_is_refused_or_harmless(name: str, state: bytes) -> None:
    arrays, about = arrays_from_bytes(state)
    rows = hourly()[350:353]
    refused = 0
    for array in arrays:
        body = arrays_to_bytes({**arrays, array: OTHERS[name](arrays[array])}, about)
        try:
            judged, _ = anomalake.judge(rows, body)
            assert len(judged.points) == len(rows)
        except CorruptError as error:
            refused += 1
            assert str(error).startswith("state: ")
            assert "\n" not in str(error)
    assert refused > 0


@pytest.mark.parametrize("value", [None, "x", [], {}, -(10**9), 1e308, [[]], {"a": 1}])
def test_another_value_in_the_description_is_refused(value: Any, state: bytes) -> None:
    for name in ("format", "version", "metric_set", "threshold", "last", "groups"):
        if name == "groups" and value in ([], {}):
            continue
        with pytest.raises(anomalake.AnomalakeError) as refused:
            anomalake.judge(hourly()[350:], changed(state, **{name: value}))
        assert "\n" not in str(refused.value)


def test_rows_long_after_a_state_are_refused(state: bytes) -> None:
    with pytest.raises(FrameError, match=r"frame: ends .* after the state; learn again from newer rows"):
        anomalake.judge(hourly(start="2034-01-01"), state)


# ---- one line for each mistake ----


def converted(convert: Callable[[Any], Any]) -> pd.DataFrame:
    return hourly().assign(t=lambda frame: convert(frame["t"]))


MISTAKES: list[tuple[dict[str, Any], str]] = [
    ({"frame": "data.csv"}, "frame: a builtins.str; expected a pandas, Polars or PyArrow table.*backtest` reads files"),
    ({"frame": [{"t": 1}]}, "frame: a builtins.list; expected a pandas"),
    ({"frame": pl.LazyFrame({"t": [1]})}, r"frame: a polars\.\S*LazyFrame; expected .*frame\.collect\(\)"),
    ({"frame": pd.DataFrame([[1, 2]], columns=["t", "t"])}, "frame: .*(Duplicate|more than one) column"),
    ({"time": "T"}, "time 'T': the frame has no such column; it has 't', 'v'"),
    ({"time": 7}, "time 7: expected a column's name"),
    ({"time": "v", "measures": "t"}, "time: column 'v': no times that are known; expected ones such as 2024-01-31"),
    ({"time": []}, "time: none is given"),
    ({"frame": hourly()[["v"]], "time": None}, "frame: has one column, 'v', and no times"),
    ({"frame": hourly()[["t"]], "measures": None}, "measures: no column has numbers"),
    (
        {
            "frame": pd.DataFrame({"id": ["a", "b"], **{str(year): [1.5, 2.5] for year in range(1990, 2020)}}),
            "time": None,
            "measures": None,
        },
        "frame: time runs across the columns.*a row for each time, as pandas.melt makes",
    ),
    ({"measures": []}, "measures: none is given"),
    ({"measures": "x"}, "measures 'x': the frame has no such column"),
    ({"measures": 7}, "measures 7: expected a column's name"),
    ({"measures": ["v", 7]}, "measures 7: expected a column's name"),
    ({"measures": {"v": "MAX"}}, "measures 'v': 'MAX'; expected SUM or AVG"),
    ({"measures": {"v": max}}, "measures 'v': .*; expected SUM or AVG"),
    ({"measures": ["v", "v"]}, "measures 'v': is among the measures too"),
    ({"measures": "t"}, "measures 't': is the time too"),
    ({"dimensions": "v"}, "dimensions 'v': is among the measures too"),
    ({"dimensions": "group", "frame": hourly().assign(group="a")}, "dimensions 'group': is a column of the result too"),
    ({"dimensions": ["no"]}, "dimensions 'no': the frame has no such column"),
    ({"frequency": "2h"}, "frequency '2h': expected one of PT5M, PT10M, "),
    ({"frequency": timedelta(hours=2)}, "frequency .*: expected one of PT5M"),
    ({"frame": hourly(step=31 * 86_400)}, "frequency: rows are P1M apart, and a detector has intervals of PT5M"),
    ({"timezone": "Mars"}, "timezone 'Mars': expected the name of a zone, such as Europe/Paris"),
    (
        {"frame": converted(lambda t: t.dt.tz_localize("+02:00"))},
        r"time 't': is in the zone '\+02:00'",
    ),
    ({"train": 0}, "train 0: expected a share between 0 and 1, or a time"),
    ({"train": 1.0}, "train 1.0: expected a share"),
    ({"train": float("nan")}, "train nan: expected a share"),
    ({"train": True}, "train True: expected a share"),
    ({"train": pd.NaT}, "train NaT: expected a share"),
    ({"train": "noon"}, "train 'noon': expected a share between 0 and 1, or a time such as"),
    ({"train": "2030-01-01"}, "train '2030-01-01': expected a time after 2024-01-01 00:00 and up to 2024-01-17 15:00"),
    (
        {"train": 0.05},
        "frame: no metric has more than 20 values to learn from, in 20 intervals of PT1H; expected at least",
    ),
    ({"frame": hourly()[:60]}, "frame: "),
    ({"frame": hourly()[:0], "frequency": "PT1H"}, "frame"),
    ({"threshold": 101}, "threshold 101: expected a score from 0 to 100"),
    ({"frame": hourly().assign(v=True)}, "measures 'v': has the type bool and no numbers; expected numbers"),
    (
        {"frame": hourly().assign(v=True), "measures": {"v": "SUM"}, "dimensions": [], "frequency": "h"},
        "frame: column 'v' has the type bool; expected a number",
    ),
    ({"frame": hourly().assign(v="many")}, "measures 'v': has the type string and no numbers; expected numbers"),
    (
        {"frame": converted(lambda t: t.dt.to_period("h"))},
        "time 't': has the type .*period.*; expected timestamps",
    ),
    ({"holidays": "2024-12-25"}, "holidays '2024-12-25': expected several days"),
    ({"holidays": ["Christmas"]}, "holidays 'Christmas': expected a day, such as 2024-12-25"),
    ({"holidays": [7]}, "holidays 7: expected a day"),
    ({"frame": hourly().assign(t="yesterday")}, "time: column 't': no times that are known"),
]


@pytest.mark.parametrize(("arguments", "said"), MISTAKES, ids=[said for _, said in MISTAKES])
def test_a_mistake_is_one_line_that_names_the_argument(arguments: dict[str, Any], said: str) -> None:
    call: dict[str, Any] = {"frame": hourly(), "time": "t", "measures": "v", **arguments}
    with pytest.raises(anomalake.AnomalakeError, match=said) as refused:
        anomalake.find_anomalies(call.pop("frame"), **call)
    assert isinstance(refused.value, ValueError)
    assert "\n" not in str(refused.value)


def test_a_frame_that_lacks_a_column_of_the_state_is_refused(state: bytes) -> None:
    with pytest.raises(FrameError, match="frame 'v': the frame has no such column"):
        anomalake.judge(hourly()[350:].rename(columns={"v": "w"}), state)


# ---- charts ----


def marks(chart: anomalake.Chart, kind: str) -> int:
    svg = chart._repr_mimebundle_()["image/svg+xml"]
    return svg.count(f'role="graphics-symbol" aria-roledescription="{kind}"')


def test_the_worst_metrics_are_drawn(result: anomalake.Anomalies) -> None:
    chart = result.plot(most=3)
    worst = result.groups.sort_values("score", ascending=False)["group"].iloc[0]
    points = result.points[result.points["group"] == worst]
    labels = chart.spec["facet"]["row"]["sort"]
    assert len(labels) == 3
    first = points.sort_values("severity", ascending=False).iloc[0]
    assert labels[0] == f"{first['measure']}, platform={first['platform']}, marketplace={first['marketplace']}"
    assert marks(chart, "line mark") == 2 * marks(chart, "area mark") == 6
    assert marks(chart, "point") >= len(points[points["measure"] == first["measure"]]) > 0


def test_the_metrics_of_a_group_are_drawn_with_the_time_around_it(result: anomalake.Anomalies) -> None:
    group = result.groups.sort_values("metrics").iloc[-1]
    chart = result.plot(group["group"])
    assert len(chart.spec["facet"]["row"]["sort"]) == min(6, group["metrics"])
    drawn = pd.to_datetime(pd.DataFrame(chart.spec["data"]["values"])["t"]).dt.tz_localize(None)
    assert drawn.min() < group["start"] <= group["end"] <= drawn.max()
    assert drawn.max() - drawn.min() < timedelta(days=10)
    with pytest.raises(FrameError, match="group 'no-such': is not one of the"):
        result.plot("no-such")
    with pytest.raises(FrameError, match="most 0: expected a number from 1 to 50"):
        result.plot(most=0)


def test_a_result_without_anomalies_is_drawn_too() -> None:
    frame = hourly().assign(v=lambda frame: frame.index % 24)
    found = anomalake.find_anomalies(frame, time="t", measures="v")
    assert len(found.groups) == 0
    assert list(found.groups.columns) == ["group", "measure", "start", "end", "score", "alerted", "metrics"]
    assert (marks(found.plot(), "line mark"), marks(found.plot(), "point")) == (2, 0)


def test_a_long_result_is_drawn_around_its_worst_anomaly() -> None:
    frame = hourly(n=8_000, step=300)
    frame.loc[7_000, "v"] = 200
    chart = anomalake.find_anomalies(frame, time="t", measures="v").plot()
    drawn = pd.to_datetime(pd.DataFrame(chart.spec["data"]["values"])["t"]).dt.tz_localize(None)
    assert len(drawn) == 2_000
    assert frame["t"].iloc[-20] in set(drawn)


def test_charts_are_files(result: anomalake.Anomalies, tmp_path: Path) -> None:
    chart = result.plot(most=1)
    assert chart.save(tmp_path / "a.svg").read_text(encoding="utf-8").startswith("<svg")
    assert chart.save(str(tmp_path / "a.PNG")).read_bytes().startswith(b"\x89PNG")
    assert json.loads(chart.save(tmp_path / "a.json").read_text()) == chart.spec
    with pytest.raises(FrameError, match=r"path .*a\.pdf': ends in '\.pdf'; expected \.svg, \.png or \.json"):
        chart.save(tmp_path / "a.pdf")
    assert "1 metrics" in repr(chart)


def test_names_are_text_in_a_chart() -> None:
    hostile = "</svg><script>alert(1)</script>{{x}} ${y}"
    frame = hourly().assign(d=hostile).rename(columns={"v": "a.b[0]"})
    chart = anomalake.find_anomalies(frame, time="t", measures="a.b[0]", dimensions="d").plot()
    svg = chart._repr_mimebundle_()["image/svg+xml"]
    assert "<script" not in svg
    assert "&lt;script&gt;" in svg


def test_a_result_tells_its_numbers(result: anomalake.Anomalies) -> None:
    n_anomalies, n_groups = result.points["is_anomaly"].sum(), len(result.groups)
    assert repr(result).startswith(f"<Anomalies: {n_anomalies} anomalies in {n_groups} groups; ")
    assert f"{len(result.points):,} points of 12 metrics" in repr(result)
