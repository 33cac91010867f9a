"""The notebook about data frames runs from its first cell to its last, and each cell shows what its text says."""

from __future__ import annotations

import json
import re
from typing import Any

import pytest

from tests.support.notebooks import ROOT, Executed, check_stored, execute

NOTEBOOK = ROOT / "docs" / "frames.ipynb"

#: Asked behind the last cell: what the kernel then has, to compare the cells' outputs with.
FACTS = """
import json

def told(frame):
    last = frame.groupby("group").last()
    return {id_: [str(row["start"]), str(row["end"]), round(row["score"], 3)] for id_, row in last.iterrows()}

batch = groups[(groups["measure"] == "cancelled") & (groups["start"] < "2013-03-01")]
print(json.dumps({
    "groups": groups[["measure", "start", "alerted", "metrics"]].head(2).astype(str).to_dict("records"),
    "n": [len(result.points), int(result.points["is_anomaly"].sum()), len(groups)],
    "metrics": groups["metrics"].iloc[0].item(),
    "joined": [len(worst), len(cancelled), bool((worst["value"] == worst["cancelled"]).all())],
    "columns": guessed.columns,
    "state": isinstance(state, bytes),
    "live": told(alerted),
    "batch": told(batch),
    "same": again.points.num_rows == len(result.points),
}))
"""


@pytest.fixture(scope="module")
def executed(tmp_path_factory: pytest.TempPathFactory) -> Executed:
    return execute(NOTEBOOK, tmp_path_factory.mktemp("frames"), FACTS)


@pytest.fixture(scope="module")
def facts(executed: Executed) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(executed.text("facts"))
    return found


def test_it_is_stored_as_it_was_written() -> None:
    check_stored(NOTEBOOK)


def test_every_cell_runs_without_a_warning(executed: Executed) -> None:
    executed.check_no_warning()


def test_the_blizzard_is_the_worst(executed: Executed, facts: dict[str, Any]) -> None:
    assert [(one["measure"], one["start"][:10]) for one in facts["groups"]] == [
        ("cancelled", "2013-02-08"), ("cancelled", "2013-02-09"),
    ]  # fmt: skip
    assert {one["alerted"] for one in facts["groups"]} == {"True"}
    n_points, n_anomalies, n_groups = facts["n"]
    assert f"{n_anomalies} anomalies in {n_groups} groups; {n_points:,} points of 9 metrics" in executed.text("find")
    assert "2013-02-08" in executed.text("points")


def test_charts_have_a_line_a_band_and_points(executed: Executed, facts: dict[str, Any]) -> None:
    assert len(executed.marks("plot", "area mark")) == 3
    assert len(executed.marks("plot", "point")) > 10
    assert len(executed.marks("group", "area mark")) == facts["metrics"]


def test_points_are_joined_with_the_frame(facts: dict[str, Any]) -> None:
    n_joined, n_points, is_equal = facts["joined"]
    assert n_joined == n_points > 10
    assert is_equal


def test_the_rest_is_guessed(executed: Executed, facts: dict[str, Any]) -> None:
    assert facts["columns"] == {
        "time": "hour", "measures": {"cancelled": "SUM"}, "dimensions": ["origin"], "frequency": "PT1H",
        "timezone": "UTC",
    }  # fmt: skip
    assert "'origin'" in executed.text("guess")


def test_live_days_have_the_groups_of_the_whole(executed: Executed, facts: dict[str, Any]) -> None:
    assert facts["state"]
    assert int(re.sub(r"\D", "", executed.text("learn"))) > 1_000
    assert len(facts["live"]) >= 2
    assert facts["live"] == facts["batch"]


def test_another_kind_has_the_same(executed: Executed, facts: dict[str, Any]) -> None:
    assert facts["same"]
    assert "start: timestamp" in executed.text("kinds")
