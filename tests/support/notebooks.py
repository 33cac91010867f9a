"""Notebooks of the documents: they run from their first cell to their last, in a folder with nothing in it."""

from __future__ import annotations

import re
import tempfile
from pathlib import Path
from typing import Any

import nbformat
import pytest
from jupyter_client.kernelspec import KernelSpecManager
from jupyter_client.manager import AsyncKernelManager
from nbclient import NotebookClient

from tests.support.patience import PATIENCE

ROOT = Path(__file__).parents[2]


class Executed:
    """The cells' outputs, by the cells' ids."""

    def __init__(self, notebook: Any) -> None:
        self.cells = {cell.id: cell for cell in notebook.cells if cell.cell_type == "code"}

    def text(self, cell: str) -> str:
        """What a cell shows or prints."""
        (output,) = self.cells[cell].outputs
        return str(output.text if output.output_type == "stream" else output.data["text/plain"])

    def marks(self, cell: str, kind: str) -> list[str]:
        """Description of the marks of a chart, as a screen reader gets it."""
        (output,) = self.cells[cell].outputs
        picture = output.data["image/svg+xml"]
        return re.findall(rf'aria-label="([^"]*)" role="graphics-symbol" aria-roledescription="{kind}"', picture)

    def check_no_warning(self) -> None:
        """Check that every cell has run and that none has written to standard error."""
        for name, cell in self.cells.items():
            assert cell.execution_count, name
            assert not [
                output.text for output in cell.outputs if output.output_type == "stream" and output.name == "stderr"
            ], name


def execute(path: Path, folder: Path, facts: str) -> Executed:
    """Run a notebook with this interpreter, in a folder; it must leave nothing there.

    Parameters
    ----------
    facts
        Code of a last cell with the id ``facts``, to compare the outputs with what the kernel then has.
    """
    notebook = nbformat.read(path, as_version=4)  # type: ignore[no-untyped-call]
    notebook.cells.append(nbformat.v4.new_code_cell(facts, id="facts"))  # type: ignore[no-untyped-call]
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
        assert list(here.iterdir()) == []
    return Executed(notebook)


def check_stored(path: Path) -> None:
    """Check that a notebook is stored without outputs, counts, and anything of the machine it was written on."""
    text = path.read_text(encoding="utf-8")
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
        assert (path.parent / link).exists(), link
