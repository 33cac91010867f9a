"""Figures with their targets, and the files of results: `results.json` for programs, `RESULTS.md` for people."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import date
from pathlib import Path
from typing import Any

FOLDER = Path(__file__).parent
RESULTS = FOLDER / "results.json"
REPORT = FOLDER / "RESULTS.md"


@dataclass(frozen=True, slots=True)
class Bound:
    """Target of a figure: at least (``>=``), at most (``<=``) or below (``<``) a limit."""

    relation: str
    limit: float

    def holds(self, measured: float) -> bool:
        """Return whether a figure meets the target."""
        return {
            ">=": measured >= self.limit,
            "<=": measured <= self.limit,
            "<": measured < self.limit,
        }[self.relation]

    def __str__(self) -> str:
        return f"{self.relation} {format_number(self.limit)}"


@dataclass(frozen=True, slots=True)
class Figure:
    """One measured figure.

    Attributes
    ----------
    name
        What was measured.
    measured, unit
        The figure.
    wanted
        The target; None for a figure that only explains another.
    against
        Method of measurement, and what the figure is compared with.
    """

    name: str
    measured: float
    unit: str
    wanted: Bound | None = None
    against: str = ""

    @property
    def met(self) -> bool | None:
        """Whether the figure meets its target; None without a target."""
        return None if self.wanted is None else self.wanted.holds(self.measured)

    def __str__(self) -> str:
        wanted = "" if self.wanted is None else f" (wanted {self.wanted}: {'met' if self.met else 'NOT MET'})"
        return f"{self.name}: {format_number(self.measured)} {self.unit}{wanted}"


@dataclass(frozen=True, slots=True)
class Table:
    """Table of figures without targets.

    Attributes
    ----------
    name
        Title.
    header, rows
        Cells as text.
    """

    name: str
    header: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]

    @property
    def met(self) -> bool | None:
        """None: a table has no target."""
        return None

    def __str__(self) -> str:
        widths = [max(len(row[k]) for row in (self.header, *self.rows)) for k in range(len(self.header))]
        lines = ("  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)) for row in self.rows)
        head = "  ".join(cell.ljust(width) for cell, width in zip(self.header, widths, strict=True))
        return "\n  ".join((self.name, head, *lines))


def format_number(number: float) -> str:
    """Return a number as text with three or four significant digits."""
    if abs(number) >= 1_000:
        return f"{number:,.0f}"
    if float(number).is_integer():
        return f"{number:.0f}"
    return f"{number:.3g}"


def save_figures(
    name: str,
    figures: Sequence[Figure | Table],
    machine: Mapping[str, str],
    order: Sequence[str],
    results: Path = RESULTS,
    report: Path = REPORT,
) -> None:
    """Write the figures of a benchmark to the results, and keep those of the others.

    Parameters
    ----------
    name
        Name of the benchmark.
    order
        All benchmarks in the order of the report; results of others are deleted.
    """
    saved: dict[str, Any] = json.loads(results.read_text(encoding="utf-8")) if results.exists() else {}
    saved[name] = {
        "date": date.today().isoformat(),
        "machine": dict(machine),
        "figures": [
            {**asdict(figure), "wanted": str(figure.wanted) if figure.wanted else None, "met": figure.met}
            for figure in figures
            if isinstance(figure, Figure)
        ],
    }
    tables = [asdict(figure) for figure in figures if isinstance(figure, Table)]
    if tables:
        saved[name]["tables"] = tables
    saved = {benchmark: saved[benchmark] for benchmark in order if benchmark in saved}
    results.write_text(json.dumps(saved, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")
    report.write_text(_report(saved), encoding="utf-8")


def _report(saved: Mapping[str, Any]) -> str:
    lines = ["# Benchmarks", "", "Written by `python -m benchmarks` (`make bench`); do not edit it by hand.", ""]
    machines: list[dict[str, str]] = []
    for run in saved.values():
        if run["machine"] not in machines:
            machines.append(run["machine"])
    for machine in machines:
        runs = {name: run for name, run in saved.items() if run["machine"] == machine}
        lines += [
            f"## Measured {' and '.join(sorted({run['date'] for run in runs.values()}))}",
            "",
            "| benchmark | figure | measured | target | met | method and comparison |",
            "| --- | --- | ---: | ---: | --- | --- |",
        ]
        for name, run in runs.items():
            for figure in run["figures"]:
                cells = (
                    name,
                    figure["name"],
                    f"{format_number(figure['measured'])} {figure['unit']}",
                    figure["wanted"] or "",
                    {True: "yes", False: "**no**", None: ""}[figure["met"]],
                    figure["against"],
                )
                lines.append("| " + " | ".join(cell.replace("|", "\\|") for cell in cells) + " |")
        for name, run in runs.items():
            for table in run.get("tables", ()):
                lines += ["", f"{name}: {table['name']}", "", "| " + " | ".join(table["header"]) + " |"]
                lines += ["| " + " | ".join("---" if k < 2 else "---:" for k in range(len(table["header"]))) + " |"]
                lines += ["| " + " | ".join(cell.replace("|", "\\|") for cell in row) + " |" for row in table["rows"]]
        lines += ["", "On:", ""]
        lines += [f"- {what}: {value}" for what, value in machine.items()]
        lines.append("")
    return "\n".join(lines)
