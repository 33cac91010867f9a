"""The template as YAML that CloudFormation accepts, and its resources, parameters and conditions."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import cfnlint.api
import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from anomalake.definitions.metric_set import MetricSet
from anomalake.quicksight import QuickSightError, quicksight_template, to_yaml
from anomalake.quicksight.template import LONGEST_TEMPLATE
from tests.support.quicksight import GROUP, HOSTILE, USER, Json, metric_set, metric_sets, resolved

METRIC_SETS = metric_sets()
KINDS = ("DataSource", "DataSet", "Theme", "Analysis", "Dashboard")
NAMES = st.text(st.characters(blacklist_categories=("Cs", "Cc")), min_size=1, max_size=255).filter(
    lambda name: "{{resolve:" not in name
)


def read(text: str) -> Any:
    return yaml.load(text, Loader=yaml.CSafeLoader)


def of_kind(resources: dict[str, Json], kind: str) -> dict[str, Json]:
    return {name: item["Properties"] for name, item in resources.items() if item["Type"] == kind}


def strings(node: Any) -> list[str]:
    if isinstance(node, dict):
        return [text for item in (*node, *node.values()) for text in strings(item)]
    if isinstance(node, list):
        return [text for item in node for text in strings(item)]
    return [node] if isinstance(node, str) else []


@pytest.mark.parametrize("name", ["no dimension", "hostile", "twenty by twenty"])
def test_cfn_lint_reports_no_problem(name: str) -> None:
    text = to_yaml(quicksight_template(METRIC_SETS[name]))
    problems = cfnlint.api.lint(text, config=cfnlint.api.ManualArgs(regions=["eu-west-1"]))
    assert [str(item) for item in problems] == []


def test_cfn_lint_reports_an_unknown_property() -> None:
    template = quicksight_template(METRIC_SETS["no dimension"])
    template["Resources"]["Theme"]["Properties"]["Configuration"]["Sheet"]["Tiles"] = {}
    problems = cfnlint.api.lint(to_yaml(template), config=cfnlint.api.ManualArgs(regions=["eu-west-1"]))
    assert any("Tiles" in str(item) for item in problems)


@pytest.mark.parametrize("name", ["shop", "no dimension", "hostile"])
def test_the_yaml_is_the_template_and_always_the_same(name: str) -> None:
    template = quicksight_template(METRIC_SETS[name])
    text = to_yaml(template)
    assert read(text) == template
    assert text == to_yaml(quicksight_template(METRIC_SETS[name]))
    assert text.isascii()
    assert not re.search(r"(?m)[:-] [&*]\w", text), "CloudFormation reads no aliases"
    assert len(text) < LONGEST_TEMPLATE / 2


@given(
    measures=st.lists(NAMES, min_size=1, max_size=5, unique=True), dimensions=st.lists(NAMES, max_size=5, unique=True)
)
@settings(max_examples=10)
def test_any_names_are_unchanged_in_the_template(measures: list[str], dimensions: list[str]) -> None:
    dimensions = [item for item in dimensions if item not in {*measures, "the time of it"}]
    measures = [item for item in measures if item != "the time of it"] or ["m"]
    template = quicksight_template(metric_set("names", tuple(measures), tuple(d for d in dimensions if d != "m")))
    assert read(to_yaml(template)) == template
    shown = resolved(template)["Dashboard"]["Properties"]["Definition"]
    declared = shown["ParameterDeclarations"][0]["StringParameterDeclaration"]
    assert declared["DefaultValues"]["StaticValues"] == measures


def test_names_like_references_are_not_resolved() -> None:
    shown = resolved(quicksight_template(metric_set("o", ("${AWS::AccountId} ${", "${Measure}"), ("${OwnerArn}",))))
    texts = strings(shown["Dashboard"])
    assert {"${AWS::AccountId} ${", "${Measure}", "${OwnerArn}"} <= set(texts)


@pytest.mark.parametrize("name", ["{{resolve:ssm-secure:password}}", "a{{resolve:x", "half \ud800"])
@pytest.mark.parametrize("where", ["measures", "dimensions"])
def test_names_with_dynamic_references_are_refused(name: str, where: str) -> None:
    names: dict[str, Any] = {"measures": ("revenue",), "dimensions": ("platform",)} | {where: (name,)}
    with pytest.raises(QuickSightError) as error:
        quicksight_template(metric_set("orders", **names))
    assert repr(name) in str(error.value)
    assert "\n" not in str(error.value)


def test_expressions_and_sql_contain_only_harmless_characters_of_names() -> None:
    resources = resolved(quicksight_template(METRIC_SETS["hostile"]))
    for item in of_kind(resources, "AWS::QuickSight::DataSet").values():
        ((_, table),) = item["PhysicalTableMap"].items()
        assert re.fullmatch(r"""[\w\s",.()%:'>=-]+""", table["CustomSql"]["SqlQuery"], re.ASCII)
    for item in resources["Analysis"]["Properties"]["Definition"]["CalculatedFields"]:
        texts = re.findall(r"'([^']*)'", item["Expression"])
        assert item["Expression"].count("'") == 2 * len(texts)
        assert re.fullmatch(r"[\w\s{}$,.()>=]*", re.sub(r"'[^']*'", "", item["Expression"]), re.ASCII)


def test_a_measure_whose_name_cannot_be_in_an_expression_is_always_shown() -> None:
    fields = resolved(quicksight_template(metric_set("o", ("it's", "plain"))))["Analysis"]["Properties"]["Definition"]
    by_name = {item["Name"]: item["Expression"] for item in fields["CalculatedFields"]}
    assert by_name["plain live"] == "ifelse(in('plain', ${Measure}), {plain}, NULL)"
    assert [item for name, item in by_name.items() if name.startswith("it_s") and name.endswith("live")] == [
        "{it_s__2x27}"
    ]


def test_long_names_remain_different() -> None:
    resources = resolved(
        quicksight_template(metric_set("d" * 63, ("x" * 254 + "y", "x" * 255), ("z" * 200, "z" * 201)))
    )
    for item in of_kind(resources, "AWS::QuickSight::DataSet").values():
        ((_, table),) = item["PhysicalTableMap"].items()
        names = [column["Name"] for column in table["CustomSql"]["Columns"]]
        assert len(set(names)) == len(names)
        assert max(map(len, names)) <= 127
        assert len(item["Name"]) <= 128


# ---- resources by parameters ----


def test_spice_is_refreshed_after_crawls_and_daily() -> None:
    resources = resolved(
        quicksight_template(METRIC_SETS["shop"]), Crawlers="lake-tables,lake-source", AlarmTopicArn="arn"
    )
    sets = of_kind(resources, "AWS::QuickSight::DataSet")
    assert {item["ImportMode"] for item in sets.values()} == {"SPICE"}
    assert resources["CrawledRule"]["Properties"]["EventPattern"]["detail"] == {
        "state": ["Succeeded"],
        "crawlerName": ["lake-tables", "lake-source"],
    }
    (target,) = resources["CrawledRule"]["Properties"]["Targets"]
    assert target["Arn"] == "Refresh"
    tasks = [
        state
        for branch in resources["Refresh"]["Properties"]["Definition"]["States"]["Refresh"]["Branches"]
        for state in branch["States"].values()
        if state["Type"] == "Task"
    ]
    ids = [item["DataSetId"] for item in sets.values()]
    assert [task["Parameters"]["DataSetId"] for task in tasks] == ids
    schedules = of_kind(resources, "AWS::QuickSight::RefreshSchedule")
    assert [item["DataSetId"] for item in schedules.values()] == ids
    after = [item.get("DependsOn") for item in quicksight_template(METRIC_SETS["shop"])["Resources"].values()]
    assert [item for item in after if item] == [*sets]
    alarms = of_kind(resources, "AWS::CloudWatch::Alarm")
    assert {item["Dimensions"][0]["Value"] for item in alarms.values()} == {"Refresh", *ids}
    assert {tuple(item["AlarmActions"]) for item in alarms.values()} == {("arn",)}


def test_the_refresh_may_only_start_ingestions_of_its_data_sets() -> None:
    resources = resolved(quicksight_template(METRIC_SETS["shop"]), Crawlers="lake-tables")
    roles = of_kind(resources, "AWS::IAM::Role")
    allowed = {name: item["Policies"][0]["PolicyDocument"]["Statement"] for name, item in roles.items()}
    ((refresh,), (crawled,)) = allowed["RefreshRole"], allowed["CrawledRole"]
    assert refresh["Action"] == "quicksight:CreateIngestion"
    assert all("*" not in item.removesuffix("/ingestion/*") for item in refresh["Resource"])
    assert len(refresh["Resource"]) == 6
    assert (crawled["Action"], crawled["Resource"]) == ("states:StartExecution", "Refresh")
    for role in roles.values():
        assert role["AssumeRolePolicyDocument"]["Statement"][0]["Condition"]


def test_spice_without_crawlers_is_refreshed_daily_only() -> None:
    resources = resolved(quicksight_template(METRIC_SETS["shop"]))
    assert not {"Refresh", "RefreshRole", "CrawledRule", "CrawledRole", "RefreshFailedAlarm"} & resources.keys()
    assert len(of_kind(resources, "AWS::QuickSight::RefreshSchedule")) == 3


def test_direct_queries_need_no_refresh() -> None:
    resources = resolved(quicksight_template(METRIC_SETS["shop"]), ImportMode="DIRECT_QUERY", Crawlers="lake-tables")
    assert {item["Type"].split("::")[1] for item in resources.values()} == {"QuickSight"}
    assert not of_kind(resources, "AWS::QuickSight::RefreshSchedule")
    assert "FLOAT" not in json.dumps(resources)


def test_an_existing_data_source_is_used() -> None:
    arn = "arn:aws:quicksight:eu-west-1:123456789012:datasource/lake"
    resources = resolved(quicksight_template(METRIC_SETS["shop"]), DataSourceArn=arn)
    assert not of_kind(resources, "AWS::QuickSight::DataSource")
    for item in of_kind(resources, "AWS::QuickSight::DataSet").values():
        assert [table["CustomSql"]["DataSourceArn"] for table in item["PhysicalTableMap"].values()] == [arn]


def test_an_owner_may_change_everything_and_a_viewer_may_see_the_dashboard() -> None:
    resources = resolved(quicksight_template(METRIC_SETS["shop"]), ViewerArn=GROUP)
    for kind in KINDS:
        for item in of_kind(resources, f"AWS::QuickSight::{kind}").values():
            owner, *viewers = item["Permissions"]
            assert owner["Principal"] == USER
            assert {f"quicksight:{verb}{kind}" for verb in ("Describe", "Update", "Delete")} <= set(owner["Actions"])
            assert bool(viewers) == (kind in ("Dashboard", "Theme"))
            for viewer in viewers:
                assert viewer["Principal"] == GROUP
                verbs = {re.match(r"quicksight:([A-Z][a-z]+)", action)[1] for action in viewer["Actions"]}  # type: ignore[index]
                assert verbs <= {"Describe", "List", "Query"}
    for viewer in ("", USER):
        alone = resolved(quicksight_template(METRIC_SETS["shop"]), ViewerArn=viewer)
        assert all(len(item["Properties"].get("Permissions", [1])) == 1 for item in alone.values())


def test_ids_contain_the_stack_name_so_that_detectors_do_not_clash() -> None:
    for kind in KINDS:
        for item in of_kind(resolved(quicksight_template(METRIC_SETS["hostile"])), f"AWS::QuickSight::{kind}").values():
            assert re.fullmatch(r"shop-quicksight-[a-z]+", item[f"{kind}Id"])


def test_quicksight_resources_are_not_referenced_by_ref() -> None:
    """Ref of a QuickSight resource returns account and id, which no property accepts."""
    template = quicksight_template(METRIC_SETS["shop"])
    ours = {name for name, item in template["Resources"].items() if item["Type"].startswith("AWS::QuickSight::")}
    assert not [item for item in re.findall(r'{"Ref": "(\w+)"}', json.dumps(template)) if item in ours]
    assert not set(re.findall(r"\$\{(\w+)\}", json.dumps(template))) & ours


def test_every_parameter_has_a_description_a_constraint_a_group_and_a_use() -> None:
    template = quicksight_template(METRIC_SETS["shop"])
    used = json.dumps([template["Resources"], template["Conditions"]])
    groups = template["Metadata"]["AWS::CloudFormation::Interface"]["ParameterGroups"]
    assert sorted(name for group in groups for name in group["Parameters"]) == sorted(template["Parameters"])
    for name, item in template["Parameters"].items():
        assert item["Description"].endswith("."), name
        assert {"AllowedValues", "AllowedPattern", "MinValue"} & item.keys(), name
        assert f'{{"Ref": "{name}"}}' in used or f"${{{name}}}" in used, name
        if "AllowedPattern" in item and "Default" in item:
            assert re.search(item["AllowedPattern"], item["Default"]), name


@pytest.mark.parametrize(
    ("name", "value", "passes"),
    [
        ("OwnerArn", USER, True),
        ("OwnerArn", GROUP, True),
        ("OwnerArn", "", False),
        ("OwnerArn", "arn:aws:iam::123456789012:root", False),
        ("ViewerArn", "", True),
        ("DatabaseName", 'x"; DROP', False),
        ("RefreshTime", "24:00", False),
        ("RefreshTime", "23:59", True),
        ("Crawlers", "lake-*", False),
        ("Timezone", "America/Argentina/Buenos_Aires", True),
    ],
)
def test_parameters_accept_valid_values_only(name: str, value: str, passes: bool) -> None:
    pattern = quicksight_template(METRIC_SETS["shop"])["Parameters"][name]["AllowedPattern"]
    assert bool(re.search(pattern, value)) == passes


def test_the_command_in_the_header_has_existing_and_all_required_parameters() -> None:
    template = quicksight_template(METRIC_SETS["shop"])
    header = "".join(line for line in to_yaml(template).splitlines(keepends=True) if line.startswith("#"))
    named = set(re.findall(r"(\w+)=", header))
    assert named <= template["Parameters"].keys()
    assert {name for name, item in template["Parameters"].items() if "Default" not in item} <= named
    assert "detector shop:" in header


def test_a_template_that_is_too_long_for_cloudformation_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("anomalake.quicksight.template.LONGEST_TEMPLATE", 10_000)
    with pytest.raises(QuickSightError, match="expected at most 10,000"):
        to_yaml(quicksight_template(METRIC_SETS["shop"]))


def test_the_command_writes_it_to_a_file_or_to_standard_output(tmp_path: Path) -> None:
    from typer.testing import CliRunner

    from anomalake.cli.app import app
    from tests.support.stack import ROOT

    file = str(ROOT / "detectors" / "shop.yaml")
    expected = to_yaml(quicksight_template(METRIC_SETS["shop"]))
    assert CliRunner().invoke(app, ["quicksight", file, "--out", "-"]).stdout == expected
    done = CliRunner().invoke(app, ["quicksight", file, "--out", str(tmp_path / "shop.yaml")])
    assert done.exit_code == 0
    assert (tmp_path / "shop.yaml").read_text() == expected
    failed = CliRunner().invoke(app, ["quicksight", file, "--out", str(tmp_path / "none" / "shop.yaml")])
    assert "cannot be written" in str(failed.exception)


def test_the_command_does_not_overwrite_the_detector_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from typer.testing import CliRunner

    from anomalake.cli.app import app
    from tests.support.stack import ROOT

    monkeypatch.chdir(tmp_path)
    text = (ROOT / "detectors" / "shop.yaml").read_text()
    (tmp_path / "shop.yaml").write_text(text)
    done = CliRunner().invoke(app, ["quicksight", "shop.yaml", "--out", str(tmp_path / "shop.yaml")])
    assert isinstance(done.exception, QuickSightError)
    assert "is the detector file" in str(done.exception)
    assert (tmp_path / "shop.yaml").read_text() == text


def test_the_hostile_metric_set_has_all_hostile_names() -> None:
    hostile: MetricSet = METRIC_SETS["hostile"]
    assert {*hostile.measures, *hostile.dimension_list} == set(HOSTILE)
