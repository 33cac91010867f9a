"""Names in Amazon Resource Names."""

from __future__ import annotations


def detector_of(arn_or_call: str) -> str:
    """Name of a detector, from its ARN or from a name that `detector_names` derived from the ARN."""
    if arn_or_call.startswith("arn:"):
        return arn_or_call.rpartition(":")[2]
    return arn_or_call.partition("@")[0]
