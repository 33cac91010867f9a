"""Due intervals: each active detector's interval is run once, after its end and the offset."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

from anomalake.aws.detector_files import DetectorFiles
from anomalake.records.executions import SUCCEEDED, Execution, write_execution
from anomalake.services.due_intervals import DueDetectors
from anomalake.storage.objects import memory_store
from anomalake.storage.store import ObjectStore, StoredObject
from tests.support.definitions import Api
from tests.support.stores import WrappedStore

ARN = "arn:aws:lookoutmetrics:us-east-1:000000000000:AnomalyDetector:shop"
#: Ten minutes after the hour.
NOW = datetime(2026, 11, 27, 10, 10, tzinfo=UTC)


def definition(name: str = "shop", offset: int = 0, frequency: str = "PT1H") -> bytes:
    source = {
        "S3SourceConfig": {
            "TemplatedPathList": ["s3://bucket/{{yyyyMMdd}}/{{HHmm}}"],
            "FileFormatDescriptor": {"CsvFormatDescriptor": {}},
        }
    }
    metric_set: dict[str, Any] = {
        "Offset": offset,
        "MetricSource": source,
        "MetricList": [{"MetricName": "views", "AggregationFunction": "SUM"}],
        "TimestampColumn": {"ColumnName": "t", "ColumnFormat": "yyyy-MM-dd HH:mm"},
    }
    config = {"AnomalyDetectorFrequency": frequency}
    fields = {"AnomalyDetectorName": name, "AnomalyDetectorConfig": config, "MetricSet": metric_set}
    return json.dumps(fields).encode("ascii")


@dataclass
class Folder:
    """Detector files, a lake and a clock."""

    files: ObjectStore = field(default_factory=memory_store)
    lake: ObjectStore = field(default_factory=memory_store)
    time: datetime = NOW

    def due(self) -> DueDetectors:
        files = DetectorFiles("detectors", "us-east-1", "000000000000", self.files)
        return DueDetectors(self.lake, files, lambda: self.time)


def test_an_interval_is_due_once_after_its_end() -> None:
    folder = Folder()
    due = folder.due()
    assert due.names() == []
    folder.files.put("shop.json", definition())
    folder.time += timedelta(seconds=30)
    assert due.names() == ["shop"]
    assert due.names() == []
    folder.time = NOW + timedelta(minutes=49, seconds=59)
    assert due.names() == []
    folder.time = NOW + timedelta(minutes=50)
    assert due.names() == ["shop"]
    assert due.names() == []


def test_the_offset_is_waited_for() -> None:
    folder = Folder()
    folder.files.put("shop.json", definition(offset=1_200))
    due = folder.due()
    assert due.names() == ["shop"]
    folder.time = NOW + timedelta(minutes=10)
    assert due.names() == ["shop"]
    folder.time = NOW + timedelta(minutes=69)
    assert due.names() == []


def test_what_an_earlier_server_has_run_is_not_due() -> None:
    folder = Folder()
    folder.files.put("shop.json", definition())
    run = Execution(ARN, NOW.replace(hour=9, minute=0), SUCCEEDED, run_id="a", started_at=NOW)
    write_execution(folder.lake, "shop", run)
    due = folder.due()
    assert due.names() == []
    folder.time += timedelta(hours=1)
    assert due.names() == ["shop"]


def test_a_run_that_has_failed_is_tried_twice_again() -> None:
    folder = Folder()
    folder.files.put("shop.json", definition())
    due = folder.due()
    assert due.names() == ["shop"]
    tried = []
    due.failed("shop")
    for minute in range(12):
        folder.time = NOW + timedelta(minutes=minute)
        if due.names():
            tried.append(minute)
            due.failed("shop")
    assert tried == [1, 3]
    folder.time = NOW + timedelta(hours=1)
    assert due.names() == ["shop"]
    due.failed("shop")
    folder.time += timedelta(minutes=1)
    assert due.names() == ["shop"]


def test_a_deleted_file_ends_it_and_an_invalid_one_is_told_once() -> None:
    folder = Folder()
    folder.files.put("shop.json", definition())
    folder.files.put("broken.json", b"{")
    due = folder.due()
    assert due.names() == ["shop"]
    (problem,) = due.problems()
    assert "broken.json" in problem
    folder.files.delete(["shop.json"])
    folder.time += timedelta(hours=1)
    assert due.names() == []
    assert due.problems() == []


def test_a_changed_file_is_read_again() -> None:
    folder = Folder()
    folder.files.put("shop.json", definition(frequency="P1D"))
    due = folder.due()
    assert due.names() == ["shop"]
    folder.files.put("shop.json", definition(frequency="PT5M"))
    folder.time += timedelta(seconds=1)
    assert due.names() == []
    due.forget("shop")
    assert due.names() == ["shop"]
    folder.files.put("shop.json", definition(frequency="P1D"))
    folder.time += timedelta(minutes=6)
    assert due.names() == ["shop"]
    folder.time += timedelta(minutes=5)
    assert due.names() == []


def test_a_change_during_a_look_is_not_lost() -> None:
    """An operation of the API writes a file and says so while the names are looked for in another thread."""
    folder = Folder()
    for name in ("one", "two"):
        folder.files.put(f"{name}.json", definition(name))
    activated: list[str] = []

    class Activating(WrappedStore):
        def _before(self, call: str) -> None:
            if not activated:
                activated.append("new")
                due.forget("one")

        def list(self, *arguments: Any) -> Iterator[StoredObject]:
            found = list(super().list(*arguments))
            if not folder.files.exists("new.json"):
                folder.files.put("new.json", definition("new"))
                due.forget("new")
            return iter(found)

    files = DetectorFiles("detectors", "us-east-1", "000000000000", Activating(folder.files))
    due = DueDetectors(Activating(folder.lake), files, lambda: folder.time)
    assert due.names() == ["one", "two"]
    assert "new" in due.names()


def test_a_change_while_due_names_are_computed() -> None:
    folder = Folder()
    for name in ("one", "two", "three"):
        folder.files.put(f"{name}.json", definition(name))

    class Forgetting(WrappedStore):
        def _before(self, call: str) -> None:
            due.forget("two")

    files = DetectorFiles("detectors", "us-east-1", "000000000000", folder.files)
    due = DueDetectors(Forgetting(folder.lake), files, lambda: folder.time)
    assert sorted(due.names()) == ["one", "three", "two"]


def test_a_detector_that_is_activated_again_in_the_same_interval_runs_at_once() -> None:
    api = Api()
    arn = api.create_whole()
    due = DueDetectors(api.store, api.workspace.files, api.now)

    def run(status: str) -> None:
        """The latest interval is run, as `detect` does."""
        at = api.now()
        start = at.replace(minute=0, second=0) - timedelta(hours=1)
        write_execution(api.store, "shop", Execution(arn, start, status, "", at.isoformat(), at, at))

    for restarted in (False, True):
        api("ActivateAnomalyDetector", AnomalyDetectorArn=arn)
        due.forget("shop")
        if restarted:
            # The server was killed before it began.
            due = DueDetectors(api.store, api.workspace.files, api.now)
        assert api.status(arn) == "ACTIVATING"
        assert due.names() == ["shop"]
        run(SUCCEEDED)
        assert api.status(arn) == "ACTIVE"
        assert due.names() == []
        api("DeactivateAnomalyDetector", AnomalyDetectorArn=arn)
    # A torn record stops no other detector.
    api("ActivateAnomalyDetector", AnomalyDetectorArn=arn)
    for entry in list(api.store.list("definitions/detector=shop")):
        api.store.put(entry.key, b"{")
    api.files.put("other.json", definition("other"))
    assert "other" in DueDetectors(api.store, api.workspace.files, api.now).names()
