"""What a translated template refers to: the anomalake stack's function and role."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

#: Names of the stack's exports, after its name and a hyphen.
FUNCTION_EXPORT = "ApiFunctionArn"
ROLE_EXPORT = "DetectRoleArn"

#: Parameter that a translated template gets.
PARAMETER = "AnomalakeStackName"
DEFAULT_STACK = "anomalake"


@dataclass(frozen=True, slots=True)
class References:
    """Values for a translated template.

    Attributes
    ----------
    function
        ARN of the function that makes detectors and alerts, or CloudFormation's function that returns it.
    role
        The same for the role of the detectors.
    parameters
        Parameters of the template that `function` and `role` use.
    """

    function: Any
    role: Any
    parameters: Mapping[str, Any] = field(default_factory=dict)


def imports(stack: str = DEFAULT_STACK) -> References:
    """References that import the exports of a stack, whose name is a parameter of the template.

    Parameters
    ----------
    stack
        Default of the parameter.
    """
    parameter = {
        "Type": "String",
        "Default": stack,
        "Description": "Stack of anomalake, which makes the detectors and alerts of this template.",
    }
    return References(
        {"Fn::ImportValue": {"Fn::Sub": f"${{{PARAMETER}}}-{FUNCTION_EXPORT}"}},
        {"Fn::ImportValue": {"Fn::Sub": f"${{{PARAMETER}}}-{ROLE_EXPORT}"}},
        {PARAMETER: parameter},
    )
