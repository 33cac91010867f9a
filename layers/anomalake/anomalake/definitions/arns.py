"""Names out of Amazon Resource Names."""

from __future__ import annotations


def detector_of(arn_or_call: str) -> str:
    """The detector's own name, out of its ARN or out of what `detector_names` calls it before it is made safe."""
    if arn_or_call.startswith("arn:"):
        return arn_or_call.rpartition(":")[2]
    return arn_or_call.partition("@")[0]
