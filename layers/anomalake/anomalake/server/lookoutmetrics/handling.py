"""The contract of operation handlers."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from anomalake.services.workspace import Workspace

#: Members of a request or an answer, under their names in the API. A time is a `datetime`; the protocol writes it as
#: epoch seconds. A `TimestampString` is a text (`anomalake.server.lookoutmetrics.times`).
Members = Mapping[str, Any]

#: Carries out one operation: takes valid members, returns the members of the answer, and raises the errors of
#: `anomalake.definitions.resource_errors`. The protocol checks members against the table of operations before.
Handler = Callable[[Workspace, Members], dict[str, Any]]
