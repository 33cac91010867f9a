"""CloudFormation templates with L4M's types, read as detector files."""

from __future__ import annotations

import json
from typing import Any

import pytest
import yaml

from anomalake.cloudformation.references import imports
from anomalake.cloudformation.templates import translate_fragment
from anomalake.definitions.detector import AlertRule, Detector, DetectorFileError, LambdaAction
from anomalake.definitions.detector_file import parse_detector
from tests.support.source_data import request

ARN = "arn:aws:lookoutmetrics:us-east-1:000000000000"
FUNCTION = "arn:aws:lambda:us-east-1:123456789012:function:f"


def properties() -> dict[str, Any]:
    """The resource's properties of the detector of `request`."""
    whole = request()
    return {
        "AnomalyDetectorName": "shop",
        "AnomalyDetectorConfig": whole["AnomalyDetectorConfig"],
        "KmsKeyArn": {"Fn::GetAtt": ["Key", "Arn"]},
        "MetricSetList": [whole["MetricSet"]],
    }


def template(**resources: Any) -> dict[str, Any]:
    return {
        "AWSTemplateFormatVersion": "2010-09-09",
        "Parameters": {"Bucket": {"Type": "String"}},
        "Resources": {"Bucket": {"Type": "AWS::S3::Bucket"}, **resources},
    }


def detector_resource(**changes: Any) -> dict[str, Any]:
    return {"Type": "AWS::LookoutMetrics::AnomalyDetector", "Properties": {**properties(), **changes}}


def alert_resource(**changes: Any) -> dict[str, Any]:
    given = {
        "AlertName": "mine",
        "AlertSensitivityThreshold": 60,
        "AnomalyDetectorArn": {"Ref": "Detector"},
        "Action": {"LambdaConfiguration": {"LambdaArn": FUNCTION, "RoleArn": {"Fn::GetAtt": ["Role", "Arn"]}}},
    }
    return {"Type": "AWS::LookoutMetrics::Alert", "DependsOn": "Bucket", "Properties": {**given, **changes}}


def parse(document: dict[str, Any] | str) -> Detector:
    return parse_detector(document if isinstance(document, str) else json.dumps(document), "t.json")


def problems(document: dict[str, Any] | str) -> tuple[str, ...]:
    with pytest.raises(DetectorFileError) as caught:
        parse(document)
    return caught.value.problems


def test_a_template_is_the_detector_of_its_properties_with_its_alerts() -> None:
    found = parse(template(Detector=detector_resource(), Alert=alert_resource()))
    plain = parse(request())
    assert found.metric_set == plain.metric_set
    assert (found.name, found.arn, found.frequency) == (plain.name, plain.arn, plain.frequency)
    assert found.alerts == (
        AlertRule(name="mine", arn=f"{ARN}:Alert:mine", threshold=60, action=LambdaAction(FUNCTION)),
    )


def test_yaml_with_short_functions_is_the_same() -> None:
    text = yaml.safe_dump(template(Detector=detector_resource(), Alert=alert_resource()))
    text = text.replace("AnomalyDetectorArn:\n        Ref: Detector", "AnomalyDetectorArn: !Ref Detector")
    text = text.replace("KmsKeyArn:\n        Fn::GetAtt:\n        - Key\n        - Arn", "KmsKeyArn: !GetAtt Key.Arn")
    assert "!Ref" in text
    assert "!GetAtt" in text
    assert parse(text) == parse(template(Detector=detector_resource(), Alert=alert_resource()))


def test_a_translated_template_is_the_same_detector() -> None:
    body = template(Detector=detector_resource(), Alert=alert_resource())
    assert parse(translate_fragment(body, imports())) == parse(body)


def test_a_resource_alone_is_read_too() -> None:
    assert parse(detector_resource()).metric_set == parse(request()).metric_set


def test_a_missing_name_is_the_logical_id() -> None:
    unnamed, alert = detector_resource(), alert_resource()
    del unnamed["Properties"]["AnomalyDetectorName"], alert["Properties"]["AlertName"]
    found = parse(template(SalesDetector=unnamed, SalesAlert=alert))
    assert found.arn == f"{ARN}:AnomalyDetector:SalesDetector"
    assert [rule.name for rule in found.alerts] == ["SalesAlert"]


def test_several_detectors_are_refused_in_one_line_with_their_names() -> None:
    assert problems(template(A=detector_resource(), B=detector_resource())) == (
        "t.json: has 2 resources of type AWS::LookoutMetrics::AnomalyDetector: A, B; a file has one detector; "
        "expected L4M's fields in YAML or JSON",
    )
    assert problems(template(Alert=alert_resource())) == (
        "t.json: has no AWS::LookoutMetrics::AnomalyDetector; a file has one detector; "
        "expected L4M's fields in YAML or JSON",
    )


def test_a_function_in_a_field_that_is_read_is_told_with_its_line() -> None:
    text = yaml.safe_dump(template(Detector=detector_resource(), Alert=alert_resource()))
    text = text.replace(f"LambdaArn: {FUNCTION}", "LambdaArn: !GetAtt Function.Arn")
    line = next(number for number, part in enumerate(text.splitlines(), 1) if "!GetAtt Function" in part)
    assert problems(text) == (
        f"t.json: line {line}: Alerts[0].Action.LambdaConfiguration.LambdaArn: Fn::GetAtt, which is not evaluated "
        "here: expected a function's ARN",
    )


def test_an_alert_of_another_detector_is_told() -> None:
    own, other = f"{ARN}:AnomalyDetector:shop", f"{ARN}:AnomalyDetector:other"
    alert = alert_resource(AnomalyDetectorArn=other)
    assert problems(template(Detector=detector_resource(AnomalyDetectorArn=own), Alert=alert)) == (
        f"t.json: Alerts[0].AnomalyDetectorArn: {other!r}: expected {own}, as before in this file",
    )


@pytest.mark.parametrize(
    "document",
    [
        {"Resources": []},
        {"Resources": {"A": "x", "B": {"Type": ["AWS::LookoutMetrics::AnomalyDetector"]}}},
        {"Resources": {"A": {"Type": "AWS::LookoutMetrics::AnomalyDetector"}}},
        {"Resources": {"A": {"Type": "AWS::LookoutMetrics::AnomalyDetector", "Properties": [1]}}},
        {"Type": "AWS::LookoutMetrics::AnomalyDetector", "Properties": None},
        template(Detector=detector_resource(), Alert={"Type": "AWS::LookoutMetrics::Alert", "Properties": "x"}),
    ],
    ids=["list", "other", "empty", "no fields", "null", "alert"],
)  # fmt: skip
def test_odd_templates_are_refused(document: dict[str, Any]) -> None:
    assert all(problem.startswith("t.json: ") for problem in problems(document))
