"""The answer to CloudFormation's request to a macro."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from anomalake.cloudformation.references import References
from anomalake.cloudformation.templates import translate_fragment
from anomalake.errors import problems_of


def answer_macro(event: Mapping[str, Any], references: Callable[[], References]) -> dict[str, Any]:
    """Return the response to a request; every error is a response too, because CloudFormation shows its message.

    Parameters
    ----------
    event
        The request: requestId, fragment and others.
    references
        Returns what the translated template refers to.
    """
    answer = {"requestId": event.get("requestId")}
    try:
        return answer | {"status": "success", "fragment": translate_fragment(event.get("fragment"), references())}
    except Exception as error:
        return answer | {"status": "failure", "errorMessage": "; ".join(problems_of(error))}
