"""Templates, translated: what changes, and that nothing else does."""

from __future__ import annotations

import difflib
import json
from pathlib import Path
from typing import Any

import pytest
from cfnlint.api import lint
from cfnlint.decode import cfn_yaml
from typer.testing import CliRunner

from anomalake.cli.app import app
from anomalake.cloudformation.references import References, imports
from anomalake.cloudformation.templates import TemplateError, translate_fragment, translate_template
from anomalake.definitions.cloudformation import CUSTOM_ALERT, CUSTOM_DETECTOR
from tests.support.l4m_templates import SHOP, TOPIC, cdk, cdk_text, with_source

FUNCTION = '{Fn::ImportValue: !Sub "${AnomalakeStackName}-ApiFunctionArn"}'
ROLE = '{Fn::ImportValue: !Sub "${AnomalakeStackName}-DetectRoleArn"}'
PARAMETER = (
    "  AnomalakeStackName: {Type: String, Default: anomalake, "
    'Description: "Stack of anomalake, which makes the detectors and alerts of this template."}'
)


def translated(text: str, place: str = "t.yaml") -> str:
    return translate_template(text.encode(), place, imports()).decode()


def changes(before: str, after: str) -> list[str]:
    """Lines that are in one of two texts, without those that ndiff adds for people."""
    lines = difflib.ndiff(before.splitlines(), after.splitlines())
    return [f"{line[0]} {line[2:].strip()}" for line in lines if line[0] in "+-"]


def problems(text: str) -> tuple[str, ...]:
    with pytest.raises(TemplateError) as caught:
        translated(text)
    return caught.value.problems


def test_these_lines_of_a_template_change_and_no_others() -> None:
    flow = "Properties: {AnomalyDetectorArn: !GetAtt ShopDetector.Arn,"
    rest = "AlertSensitivityThreshold: !Ref Threshold, Action: {"
    assert changes(SHOP, translated(SHOP)) == [
        f"+ {PARAMETER.strip()}",
        "- Service:",
        "+ AWS:",
        "- - lookoutmetrics.amazonaws.com  # before its end",
        f"+ - {ROLE}  # before its end",
        f"+ AWS: {ROLE}",
        "- - lookoutmetrics.amazonaws.com",
        '- Type: "AWS::LookoutMetrics::AnomalyDetector"',
        f"+ Type: {CUSTOM_DETECTOR}",
        f"+ ServiceToken: {FUNCTION}",
        "+ ServiceTimeout: 900",
        "- Type: AWS::LookoutMetrics::Alert",
        f"+ Type: {CUSTOM_ALERT}",
        f"- {flow} {rest}",
        f"+ Properties: {{ServiceToken: {FUNCTION}, ServiceTimeout: 900, {flow.partition('{')[2]} {rest}",
    ]


def test_comments_stay_with_what_they_describe() -> None:
    text = translated(SHOP)
    assert f"Parameters:\n{PARAMETER}\n  # Bucket of the data\n  DataBucket:" in text
    assert "      ServiceTimeout: 900\n      # every hour\n      AnomalyDetectorConfig:" in text


L4M, OTHER = "lookoutmetrics.amazonaws.com", "s3.amazonaws.com"


@pytest.mark.parametrize(
    ("services", "kept"),
    [
        (f"\n    # a\n    - {L4M} # gone\n    # b\n    - {OTHER}", f"\n    # a\n    # b\n    - {OTHER}"),
        (f"\n    - {OTHER}\n    # a\n    - {L4M}\n    # b", f"\n    - {OTHER}\n    # a\n    # b"),
        (f"\n    # a\n    -\n      {L4M}\n    # b\n    - {OTHER}", f"\n    # a\n    # b\n    - {OTHER}"),
        (f" [{L4M}, {OTHER}]", f" [{OTHER}]"),
        (f" [\n    {L4M}, # gone\n    # b\n    {OTHER}]", f" [\n    # b\n    {OTHER}]"),
        (f" [\n    {OTHER},\n    {L4M}]", f" [\n    {OTHER}]"),
    ],
)
def test_comments_beside_a_removed_service_stay(services: str, kept: str) -> None:
    text = f"""Resources:
  D: {{Type: AWS::LookoutMetrics::AnomalyDetector, Properties: {{AnomalyDetectorConfig: x}}}}
  R:
   Type: AWS::IAM::Role
   Properties:
    AssumeRolePolicyDocument:
     Statement:
     - Effect: Allow
       Action: sts:AssumeRole
       Principal:
        Service:{services.replace("    ", "         ")}
"""
    after = translated(text)
    assert L4M not in after
    assert kept.replace("    ", "         ") in after
    assert after.count("# b") == text.count("# b")


def test_a_template_without_parameters_gets_them_above_the_comment_of_its_resources() -> None:
    assert changes(TOPIC, translated(TOPIC)) == [
        f"+ Parameters: {{AnomalakeStackName: {PARAMETER.partition(': ')[2]}}}",
        "- Service: lookoutmetrics.amazonaws.com",
        f"+ AWS: {ROLE}",
        "- Type: AWS::LookoutMetrics::Alert",
        f"+ Type: {CUSTOM_ALERT}",
        f"+ ServiceToken: {FUNCTION}",
        "+ ServiceTimeout: 900",
    ]
    assert "}\n# Everything of the alert\nResources:" in translated(TOPIC)


@pytest.mark.parametrize("indent", [None, 1, 4, "\t"])
def test_json_stays_json_and_keeps_its_layout(indent: Any) -> None:
    text = json.dumps(cdk(), indent=indent, ensure_ascii=False)
    after = translated(text)
    assert json.loads(after) == translate_fragment(cdk(), imports())
    if indent is not None:
        untouched = [line for line in text.splitlines() if "lookoutmetrics" not in line.lower()]
        assert [line for line in after.splitlines() if line in untouched][:5] == untouched[:5]
        lead = next(line for line in text.splitlines() if '"AnomalyDetectorConfig"' in line).split('"')[0]
        assert f'\n{lead}"ServiceToken": {{"Fn::ImportValue"' in after


def test_what_the_cdk_synthesises_is_translated() -> None:
    after = translate_fragment(cdk(), References("function", "role"))
    before = cdk()
    role, detector = after["Resources"]["Role1A2B"], after["Resources"]["Detector"]
    [statement] = role["Properties"]["AssumeRolePolicyDocument"]["Statement"]
    assert statement["Principal"] == {"AWS": "role"}
    assert detector["Type"] == CUSTOM_DETECTOR
    assert list(detector["Properties"])[:2] == ["ServiceToken", "ServiceTimeout"]
    assert detector["Properties"] == {
        "ServiceToken": "function", "ServiceTimeout": 900, **before["Resources"]["Detector"]["Properties"],
    }  # fmt: skip
    assert {name: after[name] for name in ("Outputs", "Parameters", "Rules")} == {
        name: before[name] for name in ("Outputs", "Parameters", "Rules")
    }


@pytest.mark.parametrize("text", [SHOP, TOPIC, cdk_text()], ids=["shop", "topic", "cdk"])
def test_a_translated_template_stays_as_it_is(text: str) -> None:
    assert translated(translated(text)) == translated(text)


def test_lines_keep_their_ends() -> None:
    text = SHOP.replace("\n", "\r\n")
    assert translated(text) == translated(SHOP).replace("\n", "\r\n")
    assert translated("\ufeff" + TOPIC) == "\ufeff" + translated(TOPIC)


@pytest.mark.parametrize("text", [SHOP, TOPIC, cdk_text()], ids=["shop", "topic", "cdk"])
def test_cfn_lint_finds_nothing_in_it(text: str) -> None:
    assert {match.rule.id for match in lint(text, regions=["us-east-1"])} == {"E3006"}
    assert lint(translated(text), regions=["us-east-1"]) == []


@pytest.mark.parametrize("source", ["AppFlowConfig", "RDSSourceConfig", "RedshiftSourceConfig", "CloudwatchConfig"])
def test_a_source_that_is_not_supported_is_refused_in_one_line(source: str) -> None:
    assert problems(with_source(source)) == (
        f"t.yaml: line 11: Resources.Detector.Properties.MetricSetList[0].MetricSource.{source}: is not supported; "
        "expected S3SourceConfig or AthenaSourceConfig",
    )


def test_every_problem_is_one_line_with_its_place() -> None:
    text = """\
Resources:
  A:
    Type: AWS::LookoutMetrics::AnomalyDetector
    Properties:
      AnomalyDetectorNme: x
      MetricSetList:
        - MetricSource: !If [Small, {S3SourceConfig: {}}, {AppFlowConfig: {}}]
        - MetricSetName: b
  B: {Type: AWS::LookoutMetrics::Alert}
  C: {Type: AWS::LookoutMetrics::Alert, Properties: !Ref P}
  R:
    Type: AWS::IAM::Role
    Type: AWS::IAM::Role
    Properties:
      AssumeRolePolicyDocument:
        Statement:
          - Principal: {AWS: "*", Service: lookoutmetrics.amazonaws.com}
          - Principal: {Service: [lookoutmetrics.amazonaws.com, lookoutmetrics.amazonaws.com]}
"""
    source = "Resources.A.Properties.MetricSetList[0].MetricSource.Fn::If[2].AppFlowConfig"
    statement = "Resources.R.Properties.AssumeRolePolicyDocument.Statement"
    assert problems(text) == (
        "t.yaml: line 5: Resources.A.Properties.AnomalyDetectorNme: no such property; did you mean "
        "AnomalyDetectorName?",
        "t.yaml: line 5: Resources.A.Properties.AnomalyDetectorConfig: is missing",
        "t.yaml: line 7: Resources.A.Properties.MetricSetList: has 2 members; expected 1",
        f"t.yaml: line 7: {source}: is not supported; expected S3SourceConfig or AthenaSourceConfig",
        "t.yaml: line 9: Resources.B.Properties: is missing; expected the properties of AWS::LookoutMetrics::Alert",
        "t.yaml: line 10: Resources.C.Properties: expected names and values",
        "t.yaml: line 12: Resources.R.Type: is repeated; expected it once",
        f"t.yaml: line 17: {statement}[0].Principal.Service: Lookout for Metrics beside AWS is not translated; "
        "expected the two in statements of their own",
        f"t.yaml: line 18: {statement}[1].Principal.Service: has Lookout for Metrics twice; expected it once",
    )


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("", "t.yaml: is empty; expected a CloudFormation template in YAML or JSON"),
        ("a: [", "t.yaml: line 1: is not YAML: expected the node content, but found '<stream end>'; expected a "
                 "CloudFormation template in YAML or JSON"),
        ("{", "t.yaml: line 1: is not JSON: Expecting property name enclosed in double quotes; expected a "
              "CloudFormation template in YAML or JSON"),
        ("- a", "t.yaml: line 1: Resources: is missing; expected a CloudFormation template"),
        ("? Resources\n: A:\n    Type: AWS::LookoutMetrics::Alert\n    Properties: {AnomalyDetectorArn: x, Action: y}",
         "t.yaml: has a form of YAML that is not translated; expected plain mappings and lists"),
    ],
)  # fmt: skip
def test_what_is_no_template_is_refused(text: str, problem: str) -> None:
    assert problems(text) == (problem,)


def test_a_template_may_not_be_larger_than_cloudformations_limit() -> None:
    with pytest.raises(TemplateError, match=r"^t: has more than 1,000,000 bytes, CloudFormation's limit$"):
        translate_template(b"#" * 1_000_001, "t", imports())


def test_bytes_that_are_no_text_are_refused() -> None:
    with pytest.raises(TemplateError, match=r"^t: is no UTF-8: byte 1; expected YAML or JSON$"):
        translate_template(b"\xff", "t", imports())


def test_resources_of_a_loop_are_translated() -> None:
    text = """\
Transform: AWS::LanguageExtensions
Resources:
  Fn::ForEach::Shops:
    - Shop
    - [de, fr]
    - ${Shop}Detector:
        Type: AWS::LookoutMetrics::AnomalyDetector
        Properties:
          AnomalyDetectorConfig: {AnomalyDetectorFrequency: PT1H}
"""
    assert changes(text, translated(text))[1:] == [
        "- Type: AWS::LookoutMetrics::AnomalyDetector",
        f"+ Type: {CUSTOM_DETECTOR}",
        f"+ ServiceToken: {FUNCTION}",
        "+ ServiceTimeout: 900",
    ]


def test_an_alias_is_translated_once() -> None:
    text = """\
Resources:
  A:
    Type: AWS::LookoutMetrics::AnomalyDetector
    Properties: &same
      AnomalyDetectorConfig: {AnomalyDetectorFrequency: PT1H}
  B:
    Type: AWS::LookoutMetrics::AnomalyDetector
    Properties: *same
"""
    assert translated(text).count("ServiceToken") == 1


def test_a_function_of_lookout_for_metrics_permission_names_the_role() -> None:
    text = """\
Resources:
  Permission:
    Type: AWS::Lambda::Permission
    Properties: {Action: lambda:InvokeFunction, FunctionName: f, Principal: lookoutmetrics.amazonaws.com}
"""
    assert f"Principal: {ROLE}}}" in translated(text)


def run(*arguments: str, given: str = "") -> Any:
    return CliRunner().invoke(app, ["translate", *arguments], input=given)


def test_the_command_writes_to_standard_output_or_to_a_file(tmp_path: Path) -> None:
    template, out = tmp_path / "t.yaml", tmp_path / "new.yaml"
    template.write_text(SHOP)
    assert run(str(template)).output == translated(SHOP)
    assert run("-", given=SHOP).output == translated(SHOP)
    done = run(str(template), "--out", str(out), "--stack", "lake")
    assert (done.exit_code, done.output) == (0, f"{out}\n")
    assert cfn_yaml.load(str(out))["Parameters"]["AnomalakeStackName"]["Default"] == "lake"
    assert run(str(template), "--out", str(template)).exit_code == 0
    assert template.read_text() == translated(SHOP)


def test_the_command_says_when_there_is_nothing_to_translate() -> None:
    done = run("-", given="Resources: {A: {Type: AWS::S3::Bucket}}\n")
    assert done.stdout == "Resources: {A: {Type: AWS::S3::Bucket}}\n"
    assert done.stderr == "anomalake: note: standard input: has nothing of Lookout for Metrics to translate\n"


def test_a_refused_template_is_not_written(tmp_path: Path) -> None:
    template, out = tmp_path / "t.yaml", tmp_path / "new.yaml"
    template.write_text(with_source("AppFlowConfig"))
    done = run(str(template), "--out", str(out))
    assert isinstance(done.exception, TemplateError)
    assert not out.exists()
    missing = run(str(tmp_path / "none.yaml"))
    assert str(missing.exception) == f"{tmp_path / 'none.yaml'}: cannot be read: No such file or directory"
