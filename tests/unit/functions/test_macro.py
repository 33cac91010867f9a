"""The macro: CloudFormation's requests and the answers to them."""

from __future__ import annotations

import json
import sys
from typing import Any

import pytest

from anomalake.cloudformation.references import References
from anomalake.cloudformation.templates import translate_fragment
from functions.macro.app import handler
from tests.support.l4m_templates import cdk, with_source
from tests.support.stack import ROOT, template
from tests.unit.functions.test_imports import run

API = "arn:aws:lambda:eu-west-1:123456789012:function:anomalake-api"
ROLE = "arn:aws:iam::123456789012:role/anomalake-Roles-DetectRole"


@pytest.fixture(autouse=True)
def environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ANOMALAKE_API", API)
    monkeypatch.setenv("ANOMALAKE_DETECT_ROLE", ROLE)


def event(fragment: Any, **more: Any) -> dict[str, Any]:
    return {
        "region": "eu-west-1", "accountId": "123456789012", "transformId": "123456789012::anomalake", "params": {},
        "requestId": "7e1c", "templateParameterValues": {"Threshold": "70"}, "fragment": fragment, **more,
    }  # fmt: skip


def test_a_template_comes_back_translated() -> None:
    answer = handler(event(cdk()), None)
    assert answer == {
        "requestId": "7e1c", "status": "success", "fragment": translate_fragment(cdk(), References(API, ROLE)),
    }  # fmt: skip
    detector = answer["fragment"]["Resources"]["Detector"]
    assert detector["Properties"]["ServiceToken"] == API
    assert "AnomalakeStackName" not in answer["fragment"]["Parameters"]
    json.dumps(answer)


def test_a_template_without_lookout_for_metrics_comes_back_as_it_is() -> None:
    fragment = {"Resources": {"Bucket": {"Type": "AWS::S3::Bucket"}}}
    assert handler(event(fragment), None)["fragment"] == fragment


def test_what_cannot_be_translated_fails_with_its_places(tmp_path: Any, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "t.yaml"
    path.write_text(with_source("AppFlowConfig"))
    answer = handler(event(template(path)), None)
    message = (
        "template: Resources.Detector.Properties.MetricSetList[0].MetricSource.AppFlowConfig: is not supported; "
        "expected S3SourceConfig or AthenaSourceConfig"
    )
    assert answer == {"requestId": "7e1c", "status": "failure", "errorMessage": message}
    logged = json.loads(capsys.readouterr().out)
    assert (logged["level"], logged["errorMessage"]) == ("ERROR", message)


@pytest.mark.parametrize(
    ("fragment", "message"),
    [
        ({"Properties": {}}, "template: Resources: is missing; expected a CloudFormation template"),
        (["x"], "template: line 1: Resources: is missing; expected a CloudFormation template"),
        (None, "template: line 1: Resources: is missing; expected a CloudFormation template"),
    ],
    ids=["part", "list", "nothing"],
)
def test_a_part_of_a_template_is_refused(fragment: Any, message: str) -> None:
    """`Fn::Transform` in a resource gives the macro its siblings only."""
    assert handler(event(fragment), None)["errorMessage"] == message


def test_an_environment_that_is_wrong_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("ANOMALAKE_API")
    answer = handler(event(cdk()), None)
    assert answer["errorMessage"] == "ANOMALAKE_API: is not set: expected the ARN of a function"


def test_the_function_needs_the_package_and_the_standard_library_only() -> None:
    allowed = {*sys.stdlib_module_names, "anomalake", "functions", "boto3", "botocore"}
    program = f"""
import importlib.abc, sys
class NotInTheLayer(importlib.abc.MetaPathFinder):
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] not in {allowed}:
            raise ModuleNotFoundError(name)
sys.meta_path.insert(0, NotInTheLayer())
sys.modules["yaml"] = None
from functions.macro.app import handler
import json, os
os.environ |= {{"ANOMALAKE_API": "{API}", "ANOMALAKE_DETECT_ROLE": "{ROLE}"}}
print(json.dumps(handler(json.loads(sys.stdin.read()), None)))
"""
    assert run(program, json.dumps(event(cdk())))["status"] == "success"


def resources() -> dict[str, Any]:
    found: dict[str, Any] = template(ROOT / "template-macro.yaml")["Resources"]
    return found


def test_the_stack_gives_the_function_its_environment_and_no_more() -> None:
    variables = resources()["MacroFunction"]["Properties"]["Environment"]["Variables"]
    imported = {name: value["Fn::ImportValue"]["Fn::Sub"] for name, value in variables.items()}
    assert imported == {
        "ANOMALAKE_API": "${AnomalakeStackName}-ApiFunctionArn",
        "ANOMALAKE_DETECT_ROLE": "${AnomalakeStackName}-DetectRoleArn",
    }
    exports = [output.get("Export", {}).get("Name") for output in template()["Outputs"].values()]
    assert {"Fn::Sub": "${AWS::StackName}-DetectRoleArn"} in exports


def test_the_function_may_write_its_log_only() -> None:
    found = resources()
    [policy] = found["MacroRole"]["Properties"]["Policies"]
    [statement] = policy["PolicyDocument"]["Statement"]
    assert statement["Action"] == ["logs:CreateLogStream", "logs:PutLogEvents"]
    name = found["MacroLogGroup"]["Properties"]["LogGroupName"]["Fn::Sub"]
    assert statement["Resource"]["Fn::Sub"].endswith(f":log-group:{name}:*")
    assert "ManagedPolicyArns" not in found["MacroRole"]["Properties"]
