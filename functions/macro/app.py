"""Handler of the function macro: CloudFormation transforms a template with `Transform: anomalake`."""

from __future__ import annotations

import json
import os
from typing import Any

from anomalake.aws.environment import MacroEnvironment
from anomalake.cloudformation.macro import answer_macro
from anomalake.cloudformation.references import References


def handler(event: Any, context: object) -> dict[str, Any]:
    """Entry point of the function. It has no layer with dependencies, so it writes its log itself."""
    answer = answer_macro(event, _references)
    shown = {name: answer.get(name) for name in ("requestId", "status", "errorMessage")}
    print(json.dumps({"level": "INFO" if answer["status"] == "success" else "ERROR", "message": "template", **shown}))
    return answer


def _references() -> References:
    environment = MacroEnvironment.read(os.environ)
    return References(environment.api, environment.role)
