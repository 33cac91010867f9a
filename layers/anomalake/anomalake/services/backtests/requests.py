"""The backtests that definitions of detectors ask for."""

from __future__ import annotations

from functools import partial
from typing import Final

from anomalake.aws.detector_files import DetectorFile, DetectorFiles
from anomalake.definitions.detector import Detector, DetectorFileError
from anomalake.records.definitions import DetectorDefinition, list_definitions, read_definition
from anomalake.services.backtests.jobs import BacktestRequest
from anomalake.services.definitions.documents import detector_text
from anomalake.storage.store import ObjectStore

#: The tag of a detector whose backtests call the functions and topics of its alerts, and its value.
SEND_TAG: Final = ("anomalake:BacktestAlerts", "send")


def backtest_request(store: ObjectStore, files: DetectorFiles, name: str) -> BacktestRequest | None:
    """Return the backtest that a detector's definition asks for; None where it asks for none.

    Parameters
    ----------
    store
        The lake.
    files
        The detector files, for relative paths of source data.
    name
        Name of the detector.

    Raises
    ------
    RecordError, StoreError
    """
    definition = read_definition(store, name)
    if definition is None or not _is_asked_for(definition):
        return None
    return _request(definition, files)


def backtest_requests(store: ObjectStore, files: DetectorFiles) -> dict[str, BacktestRequest]:
    """Return all backtests that definitions ask for, by name of the detector; raises `RecordError`, `StoreError`."""
    return {
        definition.name: _request(definition, files)
        for definition in list_definitions(store)
        if _is_asked_for(definition)
    }


def _is_asked_for(definition: DetectorDefinition) -> bool:
    return definition.wanted == "BACK_TEST" and bool(definition.backtest)


def _request(definition: DetectorDefinition, files: DetectorFiles) -> BacktestRequest:
    calling = [alert.changed_at for alert in definition.alerts if alert.fields.get("Action")]
    return BacktestRequest(
        definition.backtest,
        partial(_detector, definition, files),
        sends=definition.tags.get(SEND_TAG[0]) == SEND_TAG[1],
        alerted_at=max(calling, default=None),
    )


def _detector(definition: DetectorDefinition, files: DetectorFiles) -> Detector:
    """Read the detector of a definition; raises `DetectorFileError`."""
    if definition.metric_set is None:
        raise DetectorFileError((f"detector {definition.name}: has no metric set; expected one",))
    return files.parse(DetectorFile(definition.name, f"detector {definition.name}", detector_text(definition)))
