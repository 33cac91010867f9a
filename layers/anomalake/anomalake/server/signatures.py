"""The Authorization header of AWS's Signature Version 4: required, but not verified.

There is no secret to verify it with: any key pair is accepted. A browser sends the header to another site only after a
preflight request, which the server refuses, so that no other site can call the API.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Final

_LONGEST: Final = 8_192
_SIGNATURE: Final = re.compile(
    r"AWS4-HMAC-SHA256\s+(?=.*\bSignature=[0-9a-f]{64}\b)(?=.*\bSignedHeaders=[a-z0-9;-]+)"
    r".*\bCredential=(?P<key>[^/\s,]{1,128})/(?P<date>\d{8})/(?P<region>[a-z0-9-]{1,32})/(?P<service>[a-z0-9-]{1,64})"
    r"/aws4_request\b.*"
)


@dataclass(frozen=True, slots=True)
class Scope:
    """What a signature is for.

    Attributes
    ----------
    region, service
        Such as ``us-east-1`` and ``lookoutmetrics``.
    """

    region: str
    service: str


def scope_of(authorization: str | None) -> Scope | None:
    """Return the scope in an Authorization header; None where the request has no signature."""
    if authorization is None or len(authorization) > _LONGEST:
        return None
    match = _SIGNATURE.fullmatch(authorization.strip())
    return Scope(match["region"], match["service"]) if match is not None else None
