"""Errors of operations on resources: detectors, metric sets, alerts, anomaly groups and what belongs to them.

They have the content of Lookout for Metrics' errors. The HTTP API writes them in that service's form.
"""

from __future__ import annotations

from typing import Literal

from anomalake.errors import AnomalakeError

ResourceType = Literal["AnomalyDetector", "MetricSet", "Alert", "AnomalyGroup", "TimeSeries"]
Reason = Literal["UNKNOWN_OPERATION", "CANNOT_PARSE", "FIELD_VALIDATION_FAILED", "OTHER"]


class InvalidRequestError(AnomalakeError, ValueError):
    """A request that cannot be carried out as it is (ValidationException).

    Parameters
    ----------
    message
        One line: what is wrong, and what was expected.
    fields
        Invalid fields, each with its path (``MetricList[0].MetricName``) and its message.
    reason
        Default: FIELD_VALIDATION_FAILED with fields, OTHER without.
    """

    def __init__(self, message: str, fields: tuple[tuple[str, str], ...] = (), reason: Reason | None = None) -> None:
        super().__init__(message)
        self.fields = fields
        self.reason: Reason = reason or ("FIELD_VALIDATION_FAILED" if fields else "OTHER")


class ResourceError(AnomalakeError, ValueError):
    """Base of errors that name a resource.

    Parameters
    ----------
    message
        One line.
    resource_id
        ARN or id of the resource, as the caller gave it.
    resource_type
        Its type.
    """

    def __init__(self, message: str, resource_id: str, resource_type: ResourceType) -> None:
        super().__init__(message)
        self.resource_id = resource_id
        self.resource_type = resource_type


class ResourceNotFoundError(ResourceError):
    """There is no such resource (ResourceNotFoundException)."""


class ResourceConflictError(ResourceError):
    """The resource exists already, or its status does not allow the operation (ConflictException)."""


class QuotaExceededError(ResourceError):
    """There are as many resources as are allowed (ServiceQuotaExceededException)."""


class AccessRefusedError(AnomalakeError):
    """The source data or the target of an alert are outside of what the server may use (AccessDeniedException)."""
