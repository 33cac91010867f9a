"""Detectors and source files for tests: a place in memory, and a detector by its options."""

from __future__ import annotations

import io
import json
from collections.abc import Iterator, Mapping
from typing import Any

from anomalake.definitions.detector import Detector
from anomalake.definitions.detector_file import parse_detector
from anomalake.sources.ports import SourceFile, is_hidden
from anomalake.storage.store import StoreError


class FilesInMemory:
    """`SourceFiles` over a dict of names and bytes."""

    def __init__(self, files: Mapping[str, bytes]) -> None:
        self.files = dict(files)
        self.opened: list[str] = []

    def list(self, folder: str, *, recursive: bool = False) -> list[SourceFile]:
        folder = folder.rstrip("/")
        if recursive:
            below = [file for file in self.walk(f"{folder}/") if not is_hidden(file.name.removeprefix(folder)[1:])]
            return sorted(below, key=lambda file: file.name)
        return [
            SourceFile(name, len(body))
            for name, body in sorted(self.files.items())
            if name == folder or name.rpartition("/")[0] == folder
        ]

    def walk(self, folder: str) -> Iterator[SourceFile]:
        return (SourceFile(name, len(body)) for name, body in self.files.items() if name.startswith(folder))

    def folders(self, folder: str) -> list[str]:
        root = f"{folder.rstrip('/')}/"
        names = {name.removeprefix(root).partition("/") for name in self.files if name.startswith(root)}
        return sorted({first for first, slash, _ in names if slash and not is_hidden(first)})

    def open(self, name: str) -> io.BytesIO:
        self.opened.append(name)
        if name not in self.files:
            raise StoreError(f"{name}: is gone")
        return io.BytesIO(self.files[name])


def request(**changes: Any) -> dict[str, Any]:
    """A definition: hourly, measures v (SUM) and w (AVG), dimensions p and q; ``changes`` go into its metric set."""
    source = {
        "HistoricalDataPathList": ["/h"],
        "TemplatedPathList": ["/l/{{yyyyMMdd}}/{{HHmm}}"],
        "FileFormatDescriptor": changes.pop("FileFormatDescriptor", {"CsvFormatDescriptor": {}}),
    }
    frequency = changes.pop("frequency", "PT1H")
    return {
        "AnomalyDetectorName": "shop",
        "AnomalyDetectorConfig": {"AnomalyDetectorFrequency": frequency},
        "MetricSet": {
            "MetricSetName": "rows",
            "MetricList": [
                {"MetricName": "v", "AggregationFunction": "SUM"},
                {"MetricName": "w", "AggregationFunction": "AVG"},
            ],
            "DimensionList": ["p", "q"],
            "TimestampColumn": {"ColumnName": "t", "ColumnFormat": "yyyy-MM-dd HH:mm:ss"},
            "MetricSource": {"S3SourceConfig": source},
            **changes,
        },
    }


def detector(**changes: Any) -> Detector:
    """`request`, read."""
    return parse_detector(json.dumps(request(**changes)), "detector.json")
