"""The quality of a detector's data: of its last backtest, and of its latest live intervals."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from anomalake.definitions.resource_errors import ResourceNotFoundError
from anomalake.records.data_quality import DataQuality, read_backtest_quality, summed
from anomalake.records.errors import RecordError
from anomalake.services.definitions import detector_by_arn
from anomalake.services.definitions.known_detectors import known
from anomalake.services.interval_executions import last_executions, read_executions_of
from anomalake.services.workspace import Workspace

#: The latest live intervals whose quality is returned.
MOST_INTERVALS: Final = 24


@dataclass(frozen=True, slots=True)
class DetectorQuality:
    """The quality of a detector's data.

    Attributes
    ----------
    metric_set_arn
        MetricSetArn; None if there is no metric set.
    parts
        The latest live intervals together, then each of them, newest first, then the last backtest.
    """

    metric_set_arn: str | None
    parts: tuple[DataQuality, ...]


def data_quality_of(workspace: Workspace, arn: str, metric_set_arn: str | None = None) -> DetectorQuality:
    """Return the quality of a detector's data.

    Parameters
    ----------
    metric_set_arn
        The metric set that is asked of. Default: that of the detector.

    Raises
    ------
    ResourceNotFoundError
        There is no such detector, or it has no such metric set.
    StoreError
    """
    definition = detector_by_arn(workspace, arn)
    detector = known(definition)
    own = definition.metric_set.arn if definition.metric_set is not None else None
    if metric_set_arn is not None and metric_set_arn != own:
        message = f"MetricSetArn {metric_set_arn}: the detector has no such metric set"
        raise ResourceNotFoundError(message, metric_set_arn, "MetricSet")
    keys = list(last_executions(workspace, detector, MOST_INTERVALS).values())
    executions = read_executions_of(workspace, detector, keys)
    live = [execution.quality for execution in executions if execution.quality is not None]
    try:
        tested = read_backtest_quality(workspace.store, detector.name)
    except RecordError:
        tested = None
    return DetectorQuality(own, (*([summed(live)] if live else []), *live, *([tested] if tested is not None else [])))
