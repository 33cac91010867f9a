"""A template with Lookout for Metrics' types: translated, deployed onto an emulator, updated and deleted.

The emulator calls custom resources as CloudFormation does. It has no macros, so the test calls the macro's function.
"""

from __future__ import annotations

import io
import json
import pickle
import sys
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import boto3
import pytest

from tests.support.l4m_templates import SHOP
from tests.support.lookoutmetrics_api import FakeApi
from tests.support.stack import REGION, ROOT, build, deploy, emulator, template, tool, until

pytestmark = [
    pytest.mark.e2e,
    pytest.mark.slow,
    pytest.mark.timeout(3_600),
    pytest.mark.skipif(sys.version_info[:2] != (3, 13), reason="the emulator runs functions with this Python"),
    pytest.mark.skipif(tool("sam") is None, reason="sam is not installed"),
]

#: The function that the stack of anomalake exports, in front of a stand-in for the API that is kept in a file.
API_FUNCTION = """
import pickle, sys
from datetime import timedelta
from pathlib import Path
sys.path[:0] = {paths}
from anomalake.aws.lookoutmetrics_resource import respond
from tests.support.lookoutmetrics_api import FakeApi

def handler(event, context):
    file = Path({file!r})
    _, partition, _, region, account, *_ = event["StackId"].split(":", 5)
    new = FakeApi(f"arn:{{partition}}:lookoutmetrics:{{region}}:{{account}}")
    api = pickle.loads(file.read_bytes()) if file.exists() else new
    respond(event, api, lambda: timedelta(milliseconds=context.get_remaining_time_in_millis()))
    file.write_bytes(pickle.dumps(api))
"""

#: What the stack of anomalake exports.
EXPORTS = {
    "Resources": {"Topic": {"Type": "AWS::SNS::Topic"}},
    "Parameters": {"Function": {"Type": "String"}},
    "Outputs": {
        "Api": {"Value": {"Ref": "Function"}, "Export": {"Name": "lake-ApiFunctionArn"}},
        "Role": {"Value": "arn:aws:iam::000000000000:role/detect", "Export": {"Name": "lake-DetectRoleArn"}},
    },
}


class Cloud:
    """The emulator, with the stack of anomalake and the macro's."""

    def __init__(self, endpoint: str, folder: Path) -> None:
        self._file = folder / "api"
        self.cloudformation = boto3.client("cloudformation", endpoint_url=endpoint, region_name=REGION)
        functions = boto3.client("lambda", endpoint_url=endpoint, region_name=REGION)
        code = API_FUNCTION.format(paths=[str(ROOT), str(ROOT / "layers" / "anomalake")], file=str(self._file))
        packed = io.BytesIO()
        with zipfile.ZipFile(packed, "w") as file:
            file.writestr("index.py", code)
        function = functions.create_function(
            FunctionName="lake-api", Runtime="python3.13", Handler="index.handler", Timeout=60,
            Role="arn:aws:iam::000000000000:role/api", Code={"ZipFile": packed.getvalue()},
        )["FunctionArn"]  # fmt: skip
        self.deploy("lake", EXPORTS, Function=function)
        deploy(build(folder / "macro", "template-macro.yaml"), endpoint, "macro", AnomalakeStackName="lake")
        self._functions = functions

    def transform(self, fragment: dict[str, Any]) -> dict[str, Any]:
        """What the macro makes of a template."""
        event = json.dumps({"requestId": "1", "fragment": fragment, "templateParameterValues": {}})
        answer = json.loads(self._functions.invoke(FunctionName="macro-macro", Payload=event)["Payload"].read())
        assert answer["status"] == "success", answer
        transformed: dict[str, Any] = answer["fragment"]
        return transformed

    def deploy(self, stack: str, body: dict[str, Any], **parameters: str) -> dict[str, str]:
        """Create or update a stack, and return its outputs, or its status where it failed."""
        listed = [one["StackName"] for one in self.cloudformation.describe_stacks()["Stacks"]]
        call = self.cloudformation.update_stack if stack in listed else self.cloudformation.create_stack
        given = [{"ParameterKey": name, "ParameterValue": value} for name, value in parameters.items()]
        call(StackName=stack, TemplateBody=json.dumps(body), Parameters=given, Capabilities=["CAPABILITY_IAM"])

        def ended() -> Any:
            [found] = self.cloudformation.describe_stacks(StackName=stack)["Stacks"]
            return found if not found["StackStatus"].endswith("IN_PROGRESS") else None

        found = until(ended, f"stack {stack} does not end")
        outputs = {output["OutputKey"]: output["OutputValue"] for output in found.get("Outputs", [])}
        return {"status": found["StackStatus"], **outputs}

    def delete(self, stack: str) -> None:
        """Delete a stack."""
        self.cloudformation.delete_stack(StackName=stack)
        until(lambda: not self.api().detectors, "the stack keeps its detector")

    def api(self) -> FakeApi:
        """The stand-in for the API, as the function has left it."""
        found: FakeApi = pickle.loads(self._file.read_bytes())
        return found


@pytest.fixture(scope="module")
def cloud(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cloud]:
    folder = tmp_path_factory.mktemp("templates")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("AWS_ACCESS_KEY_ID", "test")
        patch.setenv("AWS_SECRET_ACCESS_KEY", "test")  # pragma: allowlist secret
        with emulator(folder / "log") as endpoint:
            yield Cloud(endpoint, folder)


def shop(folder: Path) -> dict[str, Any]:
    """The shop's template with long forms, without the retention of its detector."""
    (folder / "shop.yaml").write_text(SHOP)
    found = template(folder / "shop.yaml")
    found["Resources"]["ShopDetector"].pop("DeletionPolicy")
    return json.loads(json.dumps(found))  # type: ignore[no-any-return]


def test_a_transformed_template_is_deployed_updated_and_deleted(cloud: Cloud, tmp_path: Path) -> None:
    body = cloud.transform(shop(tmp_path))
    first = cloud.deploy("kpi", body, DataBucket="data", Threshold="70")
    api = cloud.api()
    assert first["status"] == "CREATE_COMPLETE"
    assert (list(api.detectors), list(api.alerts)) == ([first["Detector"]], [first["Alert"]])
    assert api.alerts[first["Alert"]]["AnomalyDetectorArn"] == first["Detector"]
    assert api.alerts[first["Alert"]]["AlertSensitivityThreshold"] == 70
    [metric_set] = api.metric_sets[first["Detector"]].values()
    source = metric_set["MetricSource"]["S3SourceConfig"]
    assert (metric_set["Offset"], source["HistoricalDataPathList"]) == (300, ["s3://data/backtest/"])

    assert cloud.deploy("kpi", body, DataBucket="data", Threshold="20") == {**first, "status": "UPDATE_COMPLETE"}
    assert cloud.api().alerts[first["Alert"]]["AlertSensitivityThreshold"] == 20

    body["Resources"]["ShopDetector"]["Properties"]["MetricSetList"][0]["MetricSetName"] = "other"
    second = cloud.deploy("kpi", body, DataBucket="data", Threshold="20")
    assert second["Detector"] != first["Detector"]
    assert cloud.api().alerts[second["Alert"]]["AnomalyDetectorArn"] == second["Detector"]

    # The emulator leaves what was replaced; CloudFormation would have deleted it.
    left = cloud.api()
    left._gone(first["Detector"])
    cloud._file.write_bytes(pickle.dumps(left))
    cloud.delete("kpi")
    assert cloud.api().alerts == {}


def test_a_stack_that_is_refused_does_not_hang_and_leaves_nothing(cloud: Cloud, tmp_path: Path) -> None:
    body = cloud.transform(shop(tmp_path))
    body["Resources"]["ShopDetector"]["Properties"]["MetricSetList"][0]["Offset"] = "soon"
    assert cloud.deploy("refused", body, DataBucket="data")["status"] == "ROLLBACK_COMPLETE"
    assert cloud.api().detectors == {}
    events = cloud.cloudformation.describe_stack_events(StackName="refused")["StackEvents"]
    reasons = [event.get("ResourceStatusReason", "") for event in events]
    assert "InvalidRequestError: MetricSetList[0].Offset: 'soon': expected a whole number" in reasons
