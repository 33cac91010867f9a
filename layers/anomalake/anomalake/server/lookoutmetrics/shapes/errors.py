"""The errors of the API, with their HTTP statuses."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from anomalake.server.lookoutmetrics.shapes.kinds import ListOf, Shape, Structure, Text

_MESSAGE: Final[Mapping[str, Shape]] = {"Message": Text("Message")}
_RESOURCE: Final[Mapping[str, Shape]] = {
    **_MESSAGE,
    "ResourceId": Text("ResourceId"),
    "ResourceType": Text("ResourceType"),
}


@dataclass(frozen=True)
class ErrorShape:
    """An error: its HTTP status and its body."""

    status: int
    body: Structure

    @property
    def name(self) -> str:
        """The name of the error."""
        return self.body.name


def _error(name: str, status: int, members: Mapping[str, Shape]) -> ErrorShape:
    return ErrorShape(status, Structure(name, members, ("Message",)))


VALIDATION: Final = _error(
    "ValidationException",
    400,
    {
        **_MESSAGE,
        "Reason": Text(
            "ValidationExceptionReason", enum=("UNKNOWN_OPERATION", "CANNOT_PARSE", "FIELD_VALIDATION_FAILED", "OTHER")
        ),
        "Fields": ListOf(
            "ValidationExceptionFieldList",
            Structure("ValidationExceptionField", {"Name": Text("FieldName"), **_MESSAGE}, ("Name", "Message")),
        ),
    },
)
NOT_FOUND: Final = _error("ResourceNotFoundException", 400, _RESOURCE)
ACCESS_DENIED: Final = _error("AccessDeniedException", 403, _MESSAGE)
CONFLICT: Final = _error("ConflictException", 409, _RESOURCE)
QUOTA_EXCEEDED: Final = _error(
    "ServiceQuotaExceededException",
    402,
    {**_RESOURCE, "QuotaCode": Text("QuotaCode"), "ServiceCode": Text("ServiceCode")},
)
TOO_MANY_REQUESTS: Final = _error("TooManyRequestsException", 429, _MESSAGE)
INTERNAL: Final = _error("InternalServerException", 500, _MESSAGE)

#: Errors by the letter that the table of operations has for them.
BY_LETTER: Final[Mapping[str, ErrorShape]] = {
    "V": VALIDATION,
    "N": NOT_FOUND,
    "A": ACCESS_DENIED,
    "C": CONFLICT,
    "Q": QUOTA_EXCEEDED,
    "T": TOO_MANY_REQUESTS,
    "I": INTERNAL,
}
