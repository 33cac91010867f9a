"""Change the definition of a detector, and its file with it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

from anomalake.definitions.resource_errors import ResourceConflictError
from anomalake.records.definitions import DetectorDefinition, change_definition
from anomalake.services.definitions.lookup import adopt_detector, find_detector
from anomalake.services.definitions.statuses import IN_USE, status_of
from anomalake.services.workspace import Workspace

#: The longest reason of a failure that is kept.
LONGEST_REASON = 2_000


def change_detector(
    workspace: Workspace, name: str, change: Callable[[DetectorDefinition | None], DetectorDefinition]
) -> DetectorDefinition:
    """Change the newest definition of a detector, then write or delete its file.

    Parameters
    ----------
    change
        Returns the new definition; it is called again if another change was faster, and refuses the change by raising.
        It gets None, or a deleted definition, where there is no detector (`lookup.with_arn` refuses these).

    Raises
    ------
    InvalidRequestError
        The detector has only a file, and it cannot be read.
    RecordInputError
        The name is invalid.
    RecordError, StoreError
    """
    adopt_detector(workspace, name)
    changed = change_definition(workspace.store, name, change)
    find_detector(workspace, name)
    return changed


def is_in_use(workspace: Workspace, definition: DetectorDefinition) -> bool:
    """Whether a detector runs or is about to, so that only its description and offset may change."""
    return status_of(workspace.store, definition).status in IN_USE


def conflict(definition: DetectorDefinition, message: str) -> ResourceConflictError:
    """Return the error of an operation that a detector does not allow."""
    return ResourceConflictError(f"detector {definition.name!r}: {message}", definition.arn, "AnomalyDetector")


def record_failure(workspace: Workspace, wanted: DetectorDefinition, reason: str) -> None:
    """Record why a wanted state could not be reached, unless another one is wanted by now."""

    def change(current: DetectorDefinition | None) -> DetectorDefinition:
        assert current is not None
        if (current.wanted, current.wanted_since) != (wanted.wanted, wanted.wanted_since):
            return current
        return replace(current, failure=reason[:LONGEST_REASON] or "unknown")

    change_definition(workspace.store, wanted.name, change)
