"""The history of a live detector that tasks read: the models, histories and results of one process, bit for bit."""

from __future__ import annotations

import json
import pickle
import random
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from anomalake.definitions.detector import Detector
from anomalake.definitions.detector_file import read_detector
from anomalake.detection import backtest, distributed_history, distributed_reading
from anomalake.model import blocks
from anomalake.records.executions import FAILED, LEARNING, SUCCEEDED, Execution
from anomalake.records.models import HistoryBlocks, ModelStore
from anomalake.records.versions import version_of
from anomalake.records.work import WORK
from anomalake.services import detect as live
from anomalake.services.detect import detect
from anomalake.services.engines import Engine
from anomalake.services.times import Span
from anomalake.storage.objects import open_store
from anomalake.tasks import InProcess, Task, TaskError, TaskRunner
from tests.support.lakes import content
from tests.support.task_runners import Unlucky

#: A Thursday.
FIRST = datetime(2026, 1, 1, tzinfo=UTC)
DAYS = 60
PAGES = 30
DETECTOR: dict[str, Any] = {
    "AnomalyDetectorName": "shop",
    "AnomalyDetectorConfig": {"AnomalyDetectorFrequency": "P1D"},
    "Holidays": ["2026-01-14", "2026-01-28"],
    "QuietWindows": [{"Days": ["Tuesday"]}],
    "MetricSet": {
        "MetricSetName": "shop",
        "MetricSetFrequency": "P1D",
        "TimestampColumn": {"ColumnName": "time", "ColumnFormat": "yyyy-MM-dd HH:mm:ss"},
        "DimensionList": ["page", "country"],
        "MetricList": [
            {"MetricName": "views", "AggregationFunction": "SUM"},
            {"MetricName": "seconds", "AggregationFunction": "AVG"},
        ],
        "MetricSource": {
            "S3SourceConfig": {
                "HistoricalDataPathList": ["data"],
                "FileFormatDescriptor": {"CsvFormatDescriptor": {"ContainsHeader": True}},
            }
        },
    },
}


class Pickled:
    """Runs tasks in this process, as they come out of a pickle; each twice, the last first."""

    def __init__(self) -> None:
        self.kinds: set[str] = set()

    def run(self, task: Task, n_tasks: int) -> Iterator[tuple[int, bytes]]:
        self.kinds |= {type(task).__name__} if n_tasks else set()
        for number in reversed(range(n_tasks)):
            first = pickle.loads(pickle.dumps(task))(number)
            assert pickle.loads(pickle.dumps(task))(number) == first
            yield number, first


@pytest.fixture(autouse=True)
def small(monkeypatch: pytest.MonkeyPatch) -> None:
    """Make many tasks, runs and blocks of little data, of which some have series of two measures."""
    monkeypatch.setattr(distributed_reading, "TASK_BYTES", 60_000)
    monkeypatch.setattr(distributed_reading, "_RUN_SUMS", 1_500)
    monkeypatch.setattr(distributed_history, "_TASK_INTERVALS", 2)
    for module in (blocks, backtest, distributed_reading):
        monkeypatch.setattr(module, "BLOCK", 50)


def day(number: int) -> datetime:
    return FIRST + timedelta(days=number)


def write(folder: Path, detector: dict[str, Any] = DETECTOR) -> Detector:
    """Write a source whose rows of a day are in several files; some pages begin later, and some values are off."""
    made = random.Random(3)
    files: list[list[str]] = [[] for _ in range(5)]
    for at in range(DAYS):
        for page in range(PAGES):
            for country in ("de", "fr", ""):
                if page % 7 == 3 and at < 33:
                    continue
                for _ in range(made.randint(0, 3)):
                    amount = 3 if at in (30, 36) and page == 8 else made.uniform(90, 110)
                    text = made.choice(["", f"{made.uniform(1, 9):.3f}"])
                    row = f"{day(at).date()} {made.randint(3, 23):02d}:00:00,p{page:02d},{country},{amount:.4f},{text}"
                    files[made.randrange(5)].append(row)
    # No alert can have their sum.
    files[2] += [f"{day(9).date()} 0{hour}:00:00,p02,fr,9e17,1" for hour in (4, 5)]
    # A combination that is only in days which no model learns from.
    files[0].append("2019-05-05 04:00:00,old,,1,1")
    (folder / "data").mkdir(parents=True, exist_ok=True)
    for number, rows in enumerate(files):
        (folder / "data" / f"{number}.csv").write_text("\n".join(["time,page,country,views,seconds", *rows, ""]))
    (folder / "detector.json").write_text(json.dumps(detector))
    return read_detector(folder / "detector.json")


def late(folder: Path) -> None:
    """Change the source of days that were run, and of days that models have learned from."""
    with (folder / "data" / "4.csv").open("a") as out:
        out.writelines(f"{day(at).date()} 05:00:00,p01,de,77,7\n" for at in (12, 29, 30, 31, 35))


def run(detector: Detector, lake: Path, runner: TaskRunner | None, *days: int) -> list[Execution]:
    """Run the intervals of some days, of which the next is the end of a span."""
    engine = Engine(runner) if runner is not None else None
    span = Span(first=day(days[0]), last=day(days[-1]))
    return [done.execution for done in detect(detector, str(lake), span, engine=engine)]


def models_of(detector: Detector, lake: Path) -> ModelStore:
    return ModelStore(open_store(str(lake)), detector.name, version_of(detector.metric_set))


def without(found: dict[str, bytes], *parts: str) -> dict[str, bytes]:
    return {key: body for key, body in found.items() if not any(part in key for part in (*parts, "columns/"))}


def histories(detector: Detector, lake: Path, newest: int = 3) -> list[Any]:
    """Return the newest stored histories with their values."""
    models, found = models_of(detector, lake), []
    for start in models.history_starts()[-newest:]:
        history = models.read_history(start)
        assert history is not None
        names = (history.measures, history.dimension_names, history.combinations, history.starts.tolist())
        found.append((start, *names, history.values.tobytes()))
    return found


def results(detector: Detector, lake: Path) -> tuple[dict[str, bytes], list[Any]]:
    """Return all that a lake has but models and states, which one process does not have in blocks."""
    kinds = ("/models/", "/states/", "/histories/")
    return without(content(lake), *kinds), histories(detector, lake)


#: Four fits; the source is read for the first three, as days before them were never run, and for the state before the
#: first day of the last span.
SPANS = ((29, 30), (35, 36), (38, 46))


def run_all(folder: Path, lake: Path, runner: TaskRunner | None) -> list[Execution]:
    """Run all days on a new source, which changes after the first of them."""
    detector = write(folder)
    done = run(detector, lake, runner, *SPANS[0])
    late(folder)
    for span in SPANS[1:]:
        done += run(detector, lake, runner, *span)
    return done


@pytest.fixture
def expected(tmp_path: Path) -> tuple[Detector, Path]:
    """Return the detector, whose source has changed, and the lake of one process."""
    run_all(tmp_path / "shop", tmp_path / "process", None)
    return read_detector(tmp_path / "shop" / "detector.json"), tmp_path / "process"


def warnings(done: list[Execution]) -> list[tuple[str, tuple[str, ...]]]:
    return [(one.status, one.warnings) for one in done]


def test_models_and_results_are_those_of_one_process(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    tasks = Pickled()
    runners: dict[str, TaskRunner | None] = {"process": None, "driver": InProcess(), "tasks": tasks}
    shop, lakes = tmp_path / "shop", {name: tmp_path / name for name in runners}
    done: dict[str, list[Execution]] = {}
    read_source, n_read = distributed_history.read_source, []
    monkeypatch.setattr(distributed_history, "read_source", lambda *given: (n_read.append(1), read_source(*given))[1])
    for name, runner in runners.items():
        # The driver's models and states are blocks, and the values that they were fitted to were in its memory.
        with monkeypatch.context() as patched:
            if name == "driver":
                patched.setattr(live, "can_read_by_tasks", lambda of: False)
            done[name] = run_all(shop, lakes[name], runner)
        assert [one.status for one in done[name]] == [SUCCEEDED] * 13
        assert warnings(done[name]) == warnings(done["process"])
    detector = read_detector(shop / "detector.json")
    assert sum(one.groups for one in done["tasks"]) > 1
    assert len(n_read) == 4
    assert results(detector, lakes["tasks"]) == results(detector, lakes["process"])
    blocked = [without(content(lakes[name]), "/histories/") for name in ("driver", "tasks")]
    assert blocked[0] == blocked[1]
    models = models_of(detector, lakes["tasks"])
    kept = models.history_starts()
    assert len(kept) == 3
    assert sum("/blocks/models/" in key for key in blocked[1]) == 3 * 4
    assert all(isinstance(models.find_history(start), HistoryBlocks) for start in kept)
    # Blocks of the history that is deleted are deleted too.
    names = {path.parent.name for path in lakes["tasks"].rglob("blocks/histories/*/*.npz")}
    assert names == {f"{start:%Y%m%dT%H%M%SZ}" for start in kept}
    assert tasks.kinds >= {"ReadTask", "IntervalsTask", "DivideTask", "JoinTask", "SinceTask", "StoreTask"}
    assert not list(open_store(str(lakes["tasks"])).list(WORK))


@pytest.mark.parametrize("left", [1, 8, 14, 25, 33])
def test_a_run_that_ends_between_tasks_is_repeated_with_the_same_results(
    expected: tuple[Detector, Path], tmp_path: Path, left: int
) -> None:
    detector, process = expected
    write(tmp_path / "shop")
    with pytest.raises(TaskError):
        run(detector, tmp_path / "tasks", Unlucky(left), *SPANS[0])
    assert not list(open_store(str(tmp_path / "tasks")).list(WORK))
    run_all(tmp_path / "shop", tmp_path / "tasks", InProcess())
    assert results(detector, tmp_path / "tasks") == results(detector, process)


def test_engines_can_be_changed_at_any_time(expected: tuple[Detector, Path], tmp_path: Path) -> None:
    detector, process = expected
    write(tmp_path / "shop")
    lake, runners = tmp_path / "mixed", (None, InProcess(), None, InProcess())
    run(detector, lake, None, *SPANS[0])
    late(tmp_path / "shop")
    for runner, span in zip(runners[1:], ((35, 36), (38, 40), (41, 46)), strict=True):
        run(detector, lake, runner, *span)
    assert results(detector, lake) == results(detector, process)
    found = [models_of(detector, lake).find_history(start) for start in models_of(detector, lake).history_starts()]
    assert [isinstance(history, HistoryBlocks) for history in found] == [True, False, True]


@pytest.mark.parametrize("is_damaged", [True, False])
def test_without_a_block_of_a_history_an_earlier_history_is_used(
    expected: tuple[Detector, Path], tmp_path: Path, is_damaged: bool
) -> None:
    detector, _ = expected
    lakes = tmp_path / "process", tmp_path / "tasks"
    run_all(tmp_path / "shop", lakes[1], InProcess())
    block = sorted(lakes[1].rglob("blocks/histories/*/*.npz"))[-3]
    whole = sorted(lakes[0].rglob("histories/*.npz"))[-1]
    whole.write_bytes(whole.read_bytes()[:-9])
    if is_damaged:
        block.write_bytes(block.read_bytes()[:-9])
        with pytest.raises(TaskError, match="1 blocks cannot be read"):
            run(detector, lakes[1], InProcess(), 53, 53)
    else:
        block.unlink()
    done = [run(detector, lake, runner, 53, 54) for lake, runner in zip(lakes, (None, InProcess()), strict=True)]
    named = [[line for line in of[0].warnings if "an earlier history is used" in line] for of in done]
    assert [len(lines) for lines in named] == [1, 1]
    assert "1 of 4 blocks are lost" in named[1][0]
    assert warnings(done[1])[1:] == warnings(done[0])[1:]
    assert histories(detector, lakes[1], 1) == histories(detector, lakes[0], 1)
    intervals = [{key: body for key, body in content(lake).items() if "/intervals/" in key} for lake in lakes]
    assert intervals[0] == intervals[1]


def test_a_corrupt_interval_is_not_observed(expected: tuple[Detector, Path], tmp_path: Path) -> None:
    detector, process = expected
    lakes = process, tmp_path / "tasks"
    run_all(tmp_path / "shop", lakes[1], InProcess())
    done = []
    for lake, runner in zip(lakes, (None, InProcess()), strict=True):
        record = next(iter(lake.rglob(f"intervals/{day(46):%Y%m%dT%H%M%SZ}.parquet")))
        record.write_bytes(record.read_bytes()[:-9])
        done.append(warnings(run(detector, lake, runner, 47, 54)))
    texts = [[line.rpartition("intervals/")[2] for _, lines in of for line in lines] for of in done]
    assert texts[0] == texts[1]
    assert sum("expected an interval as anomalake writes it" in line for line in texts[0]) > 0
    assert results(detector, lakes[1]) == results(detector, lakes[0])


def test_a_source_that_cannot_be_read_and_too_short_a_history(tmp_path: Path) -> None:
    detector = write(tmp_path / "shop")
    lakes = tmp_path / "process", tmp_path / "tasks"

    def outcomes(*days: int) -> list[list[tuple[str, str, tuple[str, ...]]]]:
        found = []
        for lake, runner in zip(lakes, (None, InProcess()), strict=True):
            done = run(detector, lake, runner, *days)
            found.append([(one.status, one.reason or "", one.warnings) for one in done])
        return found

    of_process, of_tasks = outcomes(9, 10)
    assert {status for status, *_ in of_process} == {LEARNING}
    assert of_tasks == of_process
    outcomes(30, 30)
    strict = replace(detector, metric_set=replace(detector.metric_set, minimum_good_share=1.0))
    assert strict.metric_set != detector.metric_set
    for file in (tmp_path / "shop" / "data").iterdir():
        lines = [line for line in file.read_text().splitlines() if day(35).date().isoformat() in line]
        file.write_text("\n".join(["time,page,country,views,seconds", *lines, *["bad,p01,de,1,1"] * 2_000, ""]))
    of_process, of_tasks = outcomes(35, 35)
    assert of_tasks == of_process
    assert of_process[0][0] == FAILED
