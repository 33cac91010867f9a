"""The tour runs from its first cell to its last, and each cell shows what its text says."""

from __future__ import annotations

import json
import re
from typing import Any

import pytest

from tests.support.notebooks import ROOT, Executed, check_stored, execute

TOUR = ROOT / "docs" / "tour.ipynb"

#: Asked behind the last cell: what the kernel then has, to compare the cells' outputs with.
FACTS = """
import json

print(json.dumps({
    "points": int(drawn["anomaly"].notna().sum()),
    "metrics": sorted(set(drawn["metric"])),
    "band": int(drawn["upper"].notna().sum()),
    "of_the_group": len(affected),
    "first": str(affected["timestamp"].min()),
    "last": str(affected["timestamp"].max()),
    "shares": len(shares),
    "sums": shares.groupby(["timestamp", "dimension_name"])["value_contribution"].sum().unique().tolist(),
    "values": int(lake.query("SELECT count(*) AS n FROM metric_values")["n"].iloc[0]),
    "listed": len(anomalies),
    "live": [[str(run.timestamp), run.status, run.delivered] for run in runs],
    "alerted": len(alerted),
    "said": len(feedback),
    "page": page.read_text(encoding="utf-8")[:15],
    "files": sorted(file.name for file in files if file.is_file()),
}))
"""


@pytest.fixture(scope="module")
def executed(tmp_path_factory: pytest.TempPathFactory) -> Executed:
    return execute(TOUR, tmp_path_factory.mktemp("tour"), FACTS)


@pytest.fixture(scope="module")
def facts(executed: Executed) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(executed.text("facts"))
    return found


def test_it_is_stored_as_it_was_written() -> None:
    check_stored(TOUR)


@pytest.mark.slow
def test_every_cell_runs_without_a_warning(executed: Executed) -> None:
    executed.check_no_warning()


@pytest.mark.slow
def test_the_backtest_fills_the_lake(executed: Executed) -> None:
    found = re.match(r"(\d+) anomaly groups, (\d+) alerts", executed.text("backtest"))
    assert found is not None
    assert 5 < int(found[1]) < int(found[2])
    good = [int(share) for share in re.findall(r"(\d+)%", executed.text("backtest"))]
    assert min(good) >= 50
    for relation in ("anomalies", "anomalies_shop", "with_livedata_shop", "with_dimensioncontributions_shop"):
        assert f"'{relation}'" in executed.text("relations")
    for cell in ("alerts", "metric-values", "with-livedata"):
        assert executed.text(cell).strip().splitlines()[-1].startswith("4 "), cell


@pytest.mark.slow
def test_the_worst_group_is_drawn(executed: Executed, facts: dict[str, Any]) -> None:
    (start,) = re.findall(r"group_start +(.+)", executed.text("worst"))
    (end,) = re.findall(r"group_end +(.+)", executed.text("worst"))
    assert (start, end) == (facts["first"], facts["last"])
    points = executed.marks("picture", "point")
    assert len(points) == facts["points"] >= facts["of_the_group"] > 1
    assert all(re.search(r"anomaly: \d", point) for point in points)
    # One line and one area a metric: a range was expected.
    assert len(executed.marks("picture", "line mark")) == len(executed.marks("picture", "area mark")) > 0
    assert len(executed.marks("picture", "line mark")) == len(facts["metrics"])
    assert facts["band"] > 24
    bars = executed.marks("shares", "bar")
    assert len(bars) == facts["shares"] > 1
    assert facts["sums"] == [100]


@pytest.mark.slow
def test_a_day_is_judged_live(executed: Executed, facts: dict[str, Any]) -> None:
    live = facts["live"]
    assert [status for _, status, _ in live] == ["SUCCEEDED"] * 24
    assert facts["alerted"] >= sum(alerts for _, _, alerts in live) > 0
    assert "SUCCEEDED" in executed.text("live-day")
    assert executed.text("feedback").count("False") == facts["said"] > 0
    assert "True" not in executed.text("feedback")


@pytest.mark.slow
def test_all_is_written_as_files(executed: Executed, facts: dict[str, Any]) -> None:
    wanted = {"anomalies.csv", "anomalies_shop.csv", "with_livedata_shop.csv", "with_dimensioncontributions_shop.csv"}
    assert wanted <= set(facts["files"])
    assert all(name in executed.text("export") for name in facts["files"])
    assert facts["listed"] == facts["values"] > 0
    assert facts["page"].lower() == "<!doctype html>"
    assert float(re.findall(r"([\d.]+) MB", executed.text("page"))[0]) > 0.1
