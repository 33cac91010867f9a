"""The tour runs from its first cell to its last, and each cell shows what its text says."""

from __future__ import annotations

import json
import re
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import nbformat
import pytest
from jupyter_client.kernelspec import KernelSpecManager
from jupyter_client.manager import AsyncKernelManager
from nbclient import NotebookClient

from tests.support.patience import PATIENCE

ROOT = Path(__file__).parents[3]
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


class Executed:
    """The cells' outputs, by the cells' ids."""

    def __init__(self, notebook: Any) -> None:
        self.cells = {cell.id: cell for cell in notebook.cells if cell.cell_type == "code"}
        self.facts: dict[str, Any] = json.loads(self.cells["facts"].outputs[0].text)

    def text(self, cell: str) -> str:
        """What a cell shows or prints."""
        (output,) = self.cells[cell].outputs
        return str(output.text if output.output_type == "stream" else output.data["text/plain"])

    def marks(self, cell: str, kind: str) -> list[str]:
        """Description of the marks of a chart, as a screen reader gets it."""
        (output,) = self.cells[cell].outputs
        picture = output.data["image/svg+xml"]
        return re.findall(rf'aria-label="([^"]*)" role="graphics-symbol" aria-roledescription="{kind}"', picture)


@pytest.fixture(scope="module")
def executed(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Executed]:
    """The tour, run by this interpreter, in a folder and a home where there is nothing."""
    folder = tmp_path_factory.mktemp("tour")
    notebook = nbformat.read(TOUR, as_version=4)  # type: ignore[no-untyped-call]
    notebook.cells.append(nbformat.v4.new_code_cell(FACTS, id="facts"))  # type: ignore[no-untyped-call]
    with tempfile.TemporaryDirectory() as short, pytest.MonkeyPatch.context() as patch:

        class OwnKernel(AsyncKernelManager):
            """This interpreter's kernel, wherever others lie; on Unix sockets, whose paths have to be short."""

            def __init__(self, **options: Any) -> None:
                specs = KernelSpecManager(kernel_dirs=[])
                where = {"transport": "ipc", "ip": f"{short}/k", "connection_file": f"{short}/k.json"}
                super().__init__(kernel_spec_manager=specs, **where, **options)

        for name in ("HOME", "IPYTHONDIR", "JUPYTER_CONFIG_DIR", "JUPYTER_DATA_DIR", "JUPYTER_RUNTIME_DIR"):
            patch.setenv(name, str(folder / "home"))
        patch.setenv("PYTHONPATH", str(ROOT / "layers" / "anomalake"))
        here = folder / "here"
        here.mkdir()
        client = NotebookClient(
            notebook, kernel_manager_class=OwnKernel, timeout=PATIENCE, resources={"metadata": {"path": str(here)}}
        )
        client.execute()
        yield Executed(notebook)
        assert list(here.iterdir()) == []


def test_it_is_stored_as_it_was_written() -> None:
    """No outputs, no counts, nothing of the machine it was written on."""
    text = TOUR.read_text(encoding="utf-8")
    notebook = nbformat.reads(text, as_version=4)  # type: ignore[no-untyped-call]
    nbformat.validate(notebook)
    assert notebook.metadata == {
        "kernelspec": {"display_name": "Python 3", "language": "python", "name": "python3"},
        "language_info": {"name": "python"},
    }
    for cell in notebook.cells:
        assert cell.metadata == {}
        if cell.cell_type == "code":
            assert cell.outputs == []
            assert cell.execution_count is None
    for link in re.findall(r"\]\(([^)]+)\)", text):
        assert (TOUR.parent / link).exists(), link


@pytest.mark.slow
def test_every_cell_runs_without_a_warning(executed: Executed) -> None:
    for name, cell in executed.cells.items():
        assert cell.execution_count, name
        assert not [
            output.text for output in cell.outputs if output.output_type == "stream" and output.name == "stderr"
        ], name


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
def test_the_worst_group_is_drawn(executed: Executed) -> None:
    facts = executed.facts
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
def test_a_day_is_judged_live(executed: Executed) -> None:
    live = executed.facts["live"]
    assert [status for _, status, _ in live] == ["SUCCEEDED"] * 24
    assert executed.facts["alerted"] >= sum(alerts for _, _, alerts in live) > 0
    assert "SUCCEEDED" in executed.text("live-day")
    assert executed.text("feedback").count("False") == executed.facts["said"] > 0
    assert "True" not in executed.text("feedback")


@pytest.mark.slow
def test_all_is_written_as_files(executed: Executed) -> None:
    facts = executed.facts
    wanted = {"anomalies.csv", "anomalies_shop.csv", "with_livedata_shop.csv", "with_dimensioncontributions_shop.csv"}
    assert wanted <= set(facts["files"])
    assert all(name in executed.text("export") for name in facts["files"])
    assert facts["listed"] == facts["values"] > 0
    assert facts["page"].lower() == "<!doctype html>"
    assert float(re.findall(r"([\d.]+) MB", executed.text("page"))[0]) > 0.1
