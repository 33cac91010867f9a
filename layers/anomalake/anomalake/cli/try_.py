"""``anomalake try``."""

from __future__ import annotations

import shutil
import sys
import webbrowser
from pathlib import Path
from typing import Annotated

import typer
from rich.progress import TaskID

from anomalake.cli.console import count_bar, line, stderr, stdout
from anomalake.cli.table_options import (
    Charset,
    Data,
    Decimal,
    Delimiter,
    Dimensions,
    FrequencyName,
    Header,
    Ignored,
    Measures,
    NoDimensions,
    Time,
    TimeFormat,
    Zone,
    choices_of,
)
from anomalake.cli.without_pandas import use_pyarrow_without_pandas

#: File that says that a folder was made by this command, and may be replaced by it.
MARK = "made-by-anomalake-try.txt"


def try_(
    data: Data,
    folder: Annotated[
        Path | None,
        typer.Option("--dir", metavar="DIR", help="Folder to work in. Default: anomalake-try-NAME."),
    ] = None,
    open_: Annotated[bool, typer.Option("--open/--no-open", help="Open the page in the browser.")] = True,
    time: Time = None,
    time_format: TimeFormat = None,
    zone: Zone = None,
    frequency: FrequencyName = None,
    measure: Measures = None,
    dimension: Dimensions = None,
    no_dimensions: NoDimensions = False,
    ignore: Ignored = None,
    delimiter: Delimiter = None,
    charset: Charset = None,
    decimal: Decimal = None,
    header: Header = None,
) -> None:
    """Look at data, backtest them, and open the page with what was found: `init`, `backtest` and `dashboard` in one.

    Works in a folder that can be deleted. Every guess has an option, as of `init`.
    """
    from anomalake.cli.backtest_summary import reason_lines, summary_lines
    from anomalake.cli.reading_summary import reading_lines
    from anomalake.files import write_whole
    from anomalake.services import detector_guess
    from anomalake.services.backtests.backtest import backtest
    from anomalake.services.dashboard import check_complete, make_document, summary_of, write_page

    choices, text = choices_of(
        time,
        time_format,
        zone,
        frequency,
        measure,
        dimension,
        no_dimensions,
        ignore,
        delimiter,
        charset,
        decimal,
        header,
    )
    use_pyarrow_without_pandas()
    console, errors = stdout(), stderr()
    if data == "-":
        place = _folder(folder or Path("anomalake-try-stdin"))
        detector_guess.store_input(sys.stdin.buffer, place / "stdin.data")
        seen = detector_guess.guess_detector(str(place / "stdin.data"), choices, text)
    else:
        # The folder is made after the data were understood, so that a wrong path leaves nothing.
        seen = detector_guess.guess_detector(data, choices, text)
        name = folder or Path(f"anomalake-try-{seen.name}")
        seen.text(name)
        place = _folder(name)
    for report_line in reading_lines(seen):
        line(console, report_line)
    detector, lake, page = place / "detector.yaml", place / "lake", place / "page.html"
    write_whole(detector, seen.text(place).encode())
    with count_bar() as bar:
        tasks: dict[str, TaskID] = {}

        def progress(step: str, done: int, total: int) -> None:
            if step not in tasks:
                tasks[step] = bar.add_task(step)
            bar.update(tasks[step], completed=done, total=total)

        outcome = backtest(detector, lake=str(lake), progress=progress)
    for report_line in summary_lines(outcome, str(lake)):
        line(console, report_line)
    for report_line in reason_lines(outcome):
        line(errors, report_line)
    document, _ = make_document(str(lake))
    written = write_page(document, page, title=seen.name)
    line(console, f"{page}: {summary_of(document)}")
    check_complete(written)
    address = page.absolute().as_uri()
    line(
        console,
        f"All is in {place}, which can be deleted. Change {detector.name} there and run `anomalake backtest`, or",
    )
    line(console, f"open {address}")
    if open_:
        webbrowser.open(address)


def _folder(place: Path) -> Path:
    """Make the folder to work in; one that this command made before is replaced, and that is said."""
    from anomalake.services.times import UsageError

    mark = place / MARK
    if place.exists():
        if not mark.is_file():
            if not place.is_dir() or any(place.iterdir()):
                raise UsageError(
                    f"{place}: is there already, and not made by `anomalake try`; --dir names another folder"
                )
        else:
            line(stdout(), f"{place}: replaces what an earlier `anomalake try` made there")
            shutil.rmtree(place / "lake", ignore_errors=True)
            for name in ("detector.yaml", "page.html", "stdin.data"):
                (place / name).unlink(missing_ok=True)
    place.mkdir(parents=True, exist_ok=True)
    mark.write_text("This folder was made by `anomalake try`, and can be deleted.\n", "utf-8")
    return place
