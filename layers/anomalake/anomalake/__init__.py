"""anomalake finds anomalies in KPIs, and turns anomaly alerts into tables that Athena and QuickSight query.

`open_lake` opens a lake for queries: ``anomalake.open_lake("./lake").query("SELECT * FROM metric_values")``.
`backtest` and `detect` find anomalies and write their alerts to a lake. `find_anomalies` finds those in a data frame,
and `learn` and `judge` do so live. `root_causes` finds the dimension values that explain deviations in a data frame.
Every error derives from `AnomalakeError`.
docs/tour.ipynb shows them in use.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from anomalake.api import LakeHandle, backtest, detect, open_lake, root_causes
    from anomalake.definitions.detector import Detector, DetectorFileError
    from anomalake.definitions.detector_file import read_detector
    from anomalake.definitions.errors import SourceError
    from anomalake.definitions.metric_set import CsvFormat, JsonLinesFormat, Measure, MetricSet, ParquetFormat
    from anomalake.errors import AnomalakeError, MissingExtraError
    from anomalake.frames import Anomalies, Chart, find_anomalies, judge, learn
    from anomalake.lake.bulk import Summary
    from anomalake.lake.compaction import Compaction
    from anomalake.lake.settings import SettingsError
    from anomalake.local.frames import FrameError
    from anomalake.query.errors import QueryError
    from anomalake.records.executions import Execution
    from anomalake.records.feedback import Feedback
    from anomalake.services.backtests.backtest import BacktestOutcome
    from anomalake.services.feedback import UnknownAnomalyError
    from anomalake.services.times import UsageError
    from anomalake.storage.objects import LakeUriError
    from anomalake.storage.store import StoreError

    __version__: str

__all__ = [
    # Lakes
    "open_lake",
    "LakeHandle",
    "Summary",
    "Compaction",
    # Detection
    "backtest",
    "BacktestOutcome",
    "detect",
    "Execution",
    "Feedback",
    # Data frames
    "find_anomalies",
    "learn",
    "judge",
    "Anomalies",
    "Chart",
    "root_causes",
    # Definitions
    "read_detector",
    "Detector",
    "MetricSet",
    "Measure",
    "CsvFormat",
    "JsonLinesFormat",
    "ParquetFormat",
    # Errors
    "AnomalakeError",
    "DetectorFileError",
    "FrameError",
    "LakeUriError",
    "MissingExtraError",
    "QueryError",
    "SettingsError",
    "SourceError",
    "StoreError",
    "UnknownAnomalyError",
    "UsageError",
    "__version__",
]

_MODULES = {
    "open_lake": "api",
    "LakeHandle": "api",
    "Summary": "lake.bulk",
    "Compaction": "lake.compaction",
    "backtest": "api",
    "BacktestOutcome": "services.backtests.backtest",
    "detect": "api",
    "Execution": "records.executions",
    "Feedback": "records.feedback",
    "find_anomalies": "frames",
    "learn": "frames",
    "judge": "frames",
    "Anomalies": "frames",
    "Chart": "frames",
    "root_causes": "api",
    "read_detector": "definitions.detector_file",
    "Detector": "definitions.detector",
    "MetricSet": "definitions.metric_set",
    "Measure": "definitions.metric_set",
    "CsvFormat": "definitions.metric_set",
    "JsonLinesFormat": "definitions.metric_set",
    "ParquetFormat": "definitions.metric_set",
    "AnomalakeError": "errors",
    "DetectorFileError": "definitions.detector",
    "FrameError": "local.frames",
    "LakeUriError": "storage.objects",
    "MissingExtraError": "errors",
    "QueryError": "query.errors",
    "SettingsError": "lake.settings",
    "SourceError": "definitions.errors",
    "StoreError": "storage.store",
    "UnknownAnomalyError": "services.feedback",
    "UsageError": "services.times",
}


def __getattr__(name: str) -> Any:
    # Imported on first use: the alert's path imports this package, and must not import query engines.
    if name == "__version__":
        return _version()
    if name in _MODULES:
        from importlib import import_module

        return getattr(import_module(f"anomalake.{_MODULES[name]}"), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})


def _version() -> str:
    from importlib.metadata import PackageNotFoundError, version

    try:
        return version("anomalake")
    except PackageNotFoundError:
        # A Lambda layer holds the package without its metadata.
        return "unknown"
