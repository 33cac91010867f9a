"""`anomalake detect`, `feedback` and `snooze` on the synthetic shop, with the real model, lake and queries."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from anomalake.cli.app import app
from anomalake.records.executions import FAILED, SUCCEEDED, read_executions
from anomalake.services.feedback import UnknownAnomalyError
from anomalake.storage.objects import open_store

Run = Callable[..., Result]

FIRST, LAST = "2023-03-01T00:00", "2023-03-01T23:00"


@pytest.fixture(scope="module")
def shop(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a shop with 59 days of history and three days of live folders."""
    folder = tmp_path_factory.mktemp("shop")
    done = CliRunner().invoke(
        app, ["synth", str(folder), "--intervals", str(59 * 24), "--live", "72", "--series", "21", "--seed", "4"]
    )
    assert done.exit_code == 0, done.output
    return folder


@pytest.fixture
def run(shop: Path, tmp_path: Path) -> Run:
    def invoke(*arguments: str, lake: str = "lake") -> Result:
        return CliRunner().invoke(app, [*arguments, "--lake", str(tmp_path / lake)], catch_exceptions=False)

    return invoke


def detect(run: Run, shop: Path, *options: str, **more: str) -> list[str]:
    done = run("detect", str(shop / "detector.yaml"), *options, **more)
    assert done.exit_code == 0, done.output
    return [line for line in done.output.splitlines() if line.startswith("2023")]


def rows(run: Run, sql: str) -> list[dict[str, object]]:
    done = run("query", sql, "--format", "json")
    assert done.exit_code == 0, done.output
    result: list[dict[str, object]] = json.loads(done.stdout)
    return result


def test_a_repeated_span_changes_nothing_and_single_intervals_give_the_same_groups(
    run: Run, shop: Path, tmp_path: Path
) -> None:
    lines = detect(run, shop, "--from", FIRST, "--to", LAST)
    assert len(lines) == 24
    assert lines[0].startswith("2023-03-01 00:00 succeeded: 21 rows, 42 metrics, ")
    alerts = rows(run, 'SELECT alert_event_id, metric_name, "timestamp" FROM alerts ORDER BY 1, 3')
    assert len(alerts) == sum(int(line.split(" alerts")[0].rsplit(" ", 1)[1]) for line in lines) > 0
    assert rows(run, "SELECT count(*) AS n FROM live_shop") == [{"n": (59 * 24 + 72) * 21}]
    assert all(line.endswith(" 0 alerts") for line in detect(run, shop, "--from", FIRST, "--to", LAST))
    assert rows(run, 'SELECT alert_event_id, metric_name, "timestamp" FROM alerts ORDER BY 1, 3') == alerts
    # Single runs give the same groups with the same ids.
    detect(run, shop, "--at", FIRST, lake="other")
    detect(run, shop, "--at", "2023-03-01T12:30", lake="other")
    detect(run, shop, "--at", LAST, lake="other")
    stores = [open_store(str(tmp_path / name)) for name in ("lake", "other")]
    kinds = ("/groups/", "/intervals/", "/states/", "/models/")
    ours, theirs = (
        {
            entry.key: store.get(entry.key)
            for entry in store.list("detection")
            if any(kind in entry.key for kind in kinds)
        }
        for store in stores
    )
    assert ours == theirs
    assert {execution.status for execution in read_executions(stores[0], "shop")} == {SUCCEEDED}


def test_an_interval_without_a_folder_fails_with_a_reason_and_exit_code_1(run: Run, shop: Path, tmp_path: Path) -> None:
    copy = tmp_path / "data"
    shutil.copytree(shop, copy)
    shutil.rmtree(copy / "live" / "20230301" / "0100")
    done = run("detect", str(copy / "detector.yaml"), "--from", FIRST, "--to", "2023-03-01T02:00")
    assert done.exit_code == 1
    statuses = [line.split()[2] for line in done.output.splitlines() if line.startswith("2023")]
    assert statuses == ["succeeded:", "failed:", "succeeded:"]
    assert "No datapoint was found at the source location for time interval from 2023-03-01T01:00:00Z" in done.output
    assert [execution.status for execution in read_executions(open_store(str(tmp_path / "lake")), "shop")].count(
        FAILED
    ) == 1


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (("--at", "noon"), "time 'noon': expected one such as"),
        (("--at", FIRST, "--from", FIRST), "--at is given beside --from"),
        (("--to", FIRST), "--to is given without --from"),
    ],
)
def test_contradictory_options_are_refused(run: Run, shop: Path, options: tuple[str, ...], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        run("detect", str(shop / "detector.yaml"), *options)


def test_feedback_and_snoozes_are_recorded(run: Run, shop: Path, tmp_path: Path) -> None:
    detect(run, shop, "--from", FIRST, "--to", LAST)
    (first, *_) = rows(
        run, 'SELECT anomaly_group_id, time_series_id, "timestamp" FROM metric_values ORDER BY 3 LIMIT 1'
    )
    done = run("feedback", "--group", str(first["anomaly_group_id"]), "--no-anomaly")
    assert done.exit_code == 0
    assert "no anomaly" in done.output
    at = str(first["timestamp"])
    done = run("feedback", "--series", str(first["time_series_id"]), "--at", at, "--anomaly", "--detector", "shop")
    assert done.output.strip().endswith(": an anomaly")
    done = run("snooze", "--detector", "shop", "--dimension", "platform=pc_web", "--until", "2023-03-02T00:00Z")
    assert done.output.strip() == "no alerts until 2023-03-02T00:00:00+00:00"
    keys = [entry.key for entry in open_store(str(tmp_path / "lake")).list("detection/detector=shop")]
    assert sum("/feedback/" in key for key in keys) >= 2
    assert sum("/snoozes/" in key for key in keys) == 1


def test_the_causes_of_a_group_are_told(run: Run, shop: Path) -> None:
    detect(run, shop, "--from", FIRST, "--to", LAST)
    groups = rows(run, "SELECT DISTINCT anomaly_group_id AS id, metric_name FROM metric_values ORDER BY 1")
    printed = {str(group["id"]): run("causes", "--group", str(group["id"]), "--format", "json") for group in groups}
    causes = {id_: json.loads(done.stdout) for id_, done in printed.items()}
    assert any(causes.values())
    for id_, found in causes.items():
        for cause in found:
            assert cause["anomaly_group_id"] == id_
            assert cause["dimensions"].keys() <= {"platform", "marketplace"}
            assert 0 <= cause["explained"] <= 1
            assert cause["gain"] > 0
        lines = run("causes", "--group", id_, "--detector", "shop").output.splitlines()
        assert [line.split(": ", 1)[1] for line in lines] == [cause["text"] for cause in found] or not found
    # The relation has those of the intervals with an alert.
    keys = ("detector_arn", "anomaly_group_id", "timestamp", "metric_name")
    names = (*keys, "dimensions", "share_off", "explained", "gain")
    of_relation = rows(run, f'SELECT "rank", {", ".join(map(quoted, names))} FROM causes')
    alerted = {as_told(row) for row in rows(run, 'SELECT DISTINCT anomaly_group_id, "timestamp" FROM alerts')}
    expected = [
        as_told(cause, "rank", *names)
        for found in causes.values()
        for cause in found
        if as_told(cause, "anomaly_group_id", "timestamp") in alerted
    ]
    assert sorted(as_told(row) for row in of_relation) == sorted(expected) != []
    # A repeat gives the same.
    detect(run, shop, "--from", FIRST, "--to", LAST)
    assert {id_: json.loads(run("causes", "--group", id_, "--format", "json").stdout) for id_ in causes} == causes
    again = rows(run, f'SELECT "rank", {", ".join(map(quoted, names))} FROM causes')
    assert sorted(as_told(row) for row in again) == sorted(expected)


def quoted(name: str) -> str:
    return f'"{name}"'


def as_told(row: dict[str, object], *names: str) -> str:
    """Return a row, or those of its fields, as one text; times have one form."""
    at = str(row["timestamp"]).replace("T", " ").removesuffix("Z").removesuffix("+00:00")
    chosen = {name: value for name, value in row.items() if not names or name in names}
    return json.dumps(chosen | {"timestamp": at}, sort_keys=True)


def test_the_causes_of_a_backtest_are_told(run: Run, shop: Path, tmp_path: Path) -> None:
    assert run("backtest", str(shop / "detector.yaml")).exit_code == 0
    (worst,) = rows(run, "SELECT anomaly_group_id AS id FROM alerts ORDER BY anomaly_score DESC, 1 LIMIT 1")
    done = run("causes", "--group", str(worst["id"]))
    assert " than expected; explains " in done.output
    # Of all groups that alert; a second backtest states nothing again.
    found = rows(run, 'SELECT * FROM causes ORDER BY anomaly_group_id, "timestamp", "rank"')
    shown = json.loads(run("causes", "--group", str(worst["id"]), "--format", "json").stdout)
    assert [row["gain"] for row in found if row["anomaly_group_id"] == worst["id"]] == [
        cause["gain"] for cause in shown
    ]
    assert rows(run, "SELECT * FROM causes WHERE anomaly_group_id NOT IN (SELECT anomaly_group_id FROM alerts)") == []
    stored = sorted(entry.key for entry in open_store(str(tmp_path / "lake")).list("originals/causes"))
    assert run("backtest", str(shop / "detector.yaml")).exit_code == 0
    assert sorted(entry.key for entry in open_store(str(tmp_path / "lake")).list("originals/causes")) == stored


def test_a_group_that_is_not_there_is_an_error(run: Run, shop: Path) -> None:
    detect(run, shop, "--at", FIRST)
    with pytest.raises(UnknownAnomalyError, match="anomaly group 'nobody': no detector of the lake has it"):
        run("causes", "--group", "nobody")
