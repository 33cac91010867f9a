"""The template as CloudFormation reads it."""

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
    return {name: one["Properties"] for name, one in resources.items() if one["Type"] == kind}


def strings(node: Any) -> list[str]:
    if isinstance(node, dict):
        return [text for one in (*node, *node.values()) for text in strings(one)]
    if isinstance(node, list):
        return [text for one in node for text in strings(one)]
    return [node] if isinstance(node, str) else []


@pytest.mark.parametrize("name", METRIC_SETS)
def test_cfn_lint_finds_nothing(name: str) -> None:
    text = to_yaml(quicksight_template(METRIC_SETS[name]))
    found = cfnlint.api.lint(text, config=cfnlint.api.ManualArgs(regions=["eu-west-1"]))
    assert [str(one) for one in found] == []


def test_cfn_lint_would_find_a_wrong_property() -> None:
    made = quicksight_template(METRIC_SETS["shop"])
    made["Resources"]["Theme"]["Properties"]["Configuration"]["Sheet"]["Tiles"] = {}
    found = cfnlint.api.lint(to_yaml(made), config=cfnlint.api.ManualArgs(regions=["eu-west-1"]))
    assert any("Tiles" in str(one) for one in found)


@pytest.mark.parametrize("name", ["shop", "no dimension", "hostile"])
def test_the_text_is_the_template_and_the_same_each_time(name: str) -> None:
    made = quicksight_template(METRIC_SETS[name])
    text = to_yaml(made)
    assert read(text) == made
    assert text == to_yaml(quicksight_template(METRIC_SETS[name]))
    assert text.isascii()
    assert not re.search(r"(?m)[:-] [&*]\w", text), "CloudFormation reads no aliases"
    assert len(text) < LONGEST_TEMPLATE / 2


@given(
    measures=st.lists(NAMES, min_size=1, max_size=5, unique=True), dimensions=st.lists(NAMES, max_size=5, unique=True)
)
@settings(max_examples=10)
def test_any_names_come_through_as_they_are(measures: list[str], dimensions: list[str]) -> None:
    dimensions = [one for one in dimensions if one not in {*measures, "the time of it"}]
    measures = [one for one in measures if one != "the time of it"] or ["m"]
    made = quicksight_template(metric_set("names", tuple(measures), tuple(d for d in dimensions if d != "m")))
    assert read(to_yaml(made)) == made
    shown = resolved(made)["Dashboard"]["Properties"]["Definition"]
    declared = shown["ParameterDeclarations"][0]["StringParameterDeclaration"]
    assert declared["DefaultValues"]["StaticValues"] == measures


def test_what_looks_like_a_reference_stays_a_name() -> None:
    shown = resolved(quicksight_template(metric_set("o", ("${AWS::AccountId} ${", "${Measure}"), ("${OwnerArn}",))))
    texts = strings(shown["Dashboard"])
    assert {"${AWS::AccountId} ${", "${Measure}", "${OwnerArn}"} <= set(texts)


@pytest.mark.parametrize("name", ["{{resolve:ssm-secure:password}}", "a{{resolve:x", "half \ud800"])
@pytest.mark.parametrize("where", ["measures", "dimensions"])
def test_a_name_that_would_be_resolved_is_refused(name: str, where: str) -> None:
    names: dict[str, Any] = {"measures": ("revenue",), "dimensions": ("platform",)} | {where: (name,)}
    with pytest.raises(QuickSightError) as told:
        quicksight_template(metric_set("orders", **names))
    assert repr(name) in str(told.value)
    assert "\n" not in str(told.value)


def test_no_name_gets_into_an_expression_or_sql_but_as_a_word() -> None:
    made = resolved(quicksight_template(METRIC_SETS["hostile"]))
    for one in of_kind(made, "AWS::QuickSight::DataSet").values():
        ((_, table),) = one["PhysicalTableMap"].items()
        assert re.fullmatch(r"""[\w\s",.()%:'>=-]+""", table["CustomSql"]["SqlQuery"], re.ASCII)
    for one in made["Analysis"]["Properties"]["Definition"]["CalculatedFields"]:
        texts = re.findall(r"'([^']*)'", one["Expression"])
        assert one["Expression"].count("'") == 2 * len(texts)
        assert re.fullmatch(r"[\w\s{}$,.()>=]*", re.sub(r"'[^']*'", "", one["Expression"]), re.ASCII)


def test_a_chart_is_shown_whatever_is_chosen_where_its_measures_name_fits_no_expression() -> None:
    fields = resolved(quicksight_template(metric_set("o", ("it's", "plain"))))["Analysis"]["Properties"]["Definition"]
    by_name = {one["Name"]: one["Expression"] for one in fields["CalculatedFields"]}
    assert by_name["plain live"] == "ifelse(in('plain', ${Measure}), {plain}, NULL)"
    assert [one for name, one in by_name.items() if name.startswith("it_s") and name.endswith("live")] == [
        "{it_s__2x27}"
    ]


def test_long_names_stay_apart() -> None:
    made = resolved(quicksight_template(metric_set("d" * 63, ("x" * 254 + "y", "x" * 255), ("z" * 200, "z" * 201))))
    for one in of_kind(made, "AWS::QuickSight::DataSet").values():
        ((_, table),) = one["PhysicalTableMap"].items()
        names = [column["Name"] for column in table["CustomSql"]["Columns"]]
        assert len(set(names)) == len(names)
        assert max(map(len, names)) <= 127
        assert len(one["Name"]) <= 128


# ---- what is made under which parameters ----


def test_spice_is_refreshed_after_crawls_and_daily() -> None:
    made = resolved(quicksight_template(METRIC_SETS["shop"]), Crawlers="lake-tables,lake-source", AlarmTopicArn="arn")
    sets = of_kind(made, "AWS::QuickSight::DataSet")
    assert {one["ImportMode"] for one in sets.values()} == {"SPICE"}
    assert made["CrawledRule"]["Properties"]["EventPattern"]["detail"] == {
        "state": ["Succeeded"],
        "crawlerName": ["lake-tables", "lake-source"],
    }
    (target,) = made["CrawledRule"]["Properties"]["Targets"]
    assert target["Arn"] == "Refresh"
    tasks = [
        state
        for branch in made["Refresh"]["Properties"]["Definition"]["States"]["Refresh"]["Branches"]
        for state in branch["States"].values()
        if state["Type"] == "Task"
    ]
    ids = [one["DataSetId"] for one in sets.values()]
    assert [task["Parameters"]["DataSetId"] for task in tasks] == ids
    schedules = of_kind(made, "AWS::QuickSight::RefreshSchedule")
    assert [one["DataSetId"] for one in schedules.values()] == ids
    after = [one.get("DependsOn") for one in quicksight_template(METRIC_SETS["shop"])["Resources"].values()]
    assert [one for one in after if one] == [*sets]
    alarms = of_kind(made, "AWS::CloudWatch::Alarm")
    assert {one["Dimensions"][0]["Value"] for one in alarms.values()} == {"Refresh", *ids}
    assert {tuple(one["AlarmActions"]) for one in alarms.values()} == {("arn",)}


def test_the_refresh_may_start_ingestions_of_these_data_sets_and_nothing_else() -> None:
    made = resolved(quicksight_template(METRIC_SETS["shop"]), Crawlers="lake-tables")
    roles = of_kind(made, "AWS::IAM::Role")
    allowed = {name: one["Policies"][0]["PolicyDocument"]["Statement"] for name, one in roles.items()}
    ((refresh,), (crawled,)) = allowed["RefreshRole"], allowed["CrawledRole"]
    assert refresh["Action"] == "quicksight:CreateIngestion"
    assert all("*" not in one.removesuffix("/ingestion/*") for one in refresh["Resource"])
    assert len(refresh["Resource"]) == 6
    assert (crawled["Action"], crawled["Resource"]) == ("states:StartExecution", "Refresh")
    for role in roles.values():
        assert role["AssumeRolePolicyDocument"]["Statement"][0]["Condition"]


def test_spice_without_crawlers_is_refreshed_daily_only() -> None:
    made = resolved(quicksight_template(METRIC_SETS["shop"]))
    assert not {"Refresh", "RefreshRole", "CrawledRule", "CrawledRole", "RefreshFailedAlarm"} & made.keys()
    assert len(of_kind(made, "AWS::QuickSight::RefreshSchedule")) == 3


def test_direct_queries_need_no_refresh() -> None:
    made = resolved(quicksight_template(METRIC_SETS["shop"]), ImportMode="DIRECT_QUERY", Crawlers="lake-tables")
    assert {one["Type"].split("::")[1] for one in made.values()} == {"QuickSight"}
    assert not of_kind(made, "AWS::QuickSight::RefreshSchedule")
    assert "FLOAT" not in json.dumps(made)


def test_a_data_source_that_is_there_is_used() -> None:
    arn = "arn:aws:quicksight:eu-west-1:123456789012:datasource/lake"
    made = resolved(quicksight_template(METRIC_SETS["shop"]), DataSourceArn=arn)
    assert not of_kind(made, "AWS::QuickSight::DataSource")
    for one in of_kind(made, "AWS::QuickSight::DataSet").values():
        assert [table["CustomSql"]["DataSourceArn"] for table in one["PhysicalTableMap"].values()] == [arn]


def test_an_owner_may_change_everything_and_a_viewer_see_the_dashboard() -> None:
    made = resolved(quicksight_template(METRIC_SETS["shop"]), ViewerArn=GROUP)
    for kind in KINDS:
        for one in of_kind(made, f"AWS::QuickSight::{kind}").values():
            owner, *viewers = one["Permissions"]
            assert owner["Principal"] == USER
            assert {f"quicksight:{verb}{kind}" for verb in ("Describe", "Update", "Delete")} <= set(owner["Actions"])
            assert bool(viewers) == (kind in ("Dashboard", "Theme"))
            for viewer in viewers:
                assert viewer["Principal"] == GROUP
                verbs = {re.match(r"quicksight:([A-Z][a-z]+)", action)[1] for action in viewer["Actions"]}  # type: ignore[index]
                assert verbs <= {"Describe", "List", "Query"}
    for viewer in ("", USER):
        alone = resolved(quicksight_template(METRIC_SETS["shop"]), ViewerArn=viewer)
        assert all(len(one["Properties"].get("Permissions", [1])) == 1 for one in alone.values())


def test_ids_hold_the_stacks_name_so_that_detectors_live_side_by_side() -> None:
    for kind in KINDS:
        for one in of_kind(resolved(quicksight_template(METRIC_SETS["hostile"])), f"AWS::QuickSight::{kind}").values():
            assert re.fullmatch(r"shop-quicksight-[a-z]+", one[f"{kind}Id"])


def test_no_reference_stands_for_a_quicksight_resource() -> None:
    """What Ref gives of one is account and id together, which no property takes."""
    made = quicksight_template(METRIC_SETS["shop"])
    ours = {name for name, one in made["Resources"].items() if one["Type"].startswith("AWS::QuickSight::")}
    assert not [one for one in re.findall(r'{"Ref": "(\w+)"}', json.dumps(made)) if one in ours]
    assert not set(re.findall(r"\$\{(\w+)\}", json.dumps(made))) & ours


def test_every_parameter_is_described_checked_shown_and_used() -> None:
    made = quicksight_template(METRIC_SETS["shop"])
    used = json.dumps([made["Resources"], made["Conditions"]])
    groups = made["Metadata"]["AWS::CloudFormation::Interface"]["ParameterGroups"]
    assert sorted(name for group in groups for name in group["Parameters"]) == sorted(made["Parameters"])
    for name, one in made["Parameters"].items():
        assert one["Description"].endswith("."), name
        assert {"AllowedValues", "AllowedPattern", "MinValue"} & one.keys(), name
        assert f'{{"Ref": "{name}"}}' in used or f"${{{name}}}" in used, name
        if "AllowedPattern" in one and "Default" in one:
            assert re.search(one["AllowedPattern"], one["Default"]), name


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
def test_parameters_take_what_they_should(name: str, value: str, passes: bool) -> None:
    pattern = quicksight_template(METRIC_SETS["shop"])["Parameters"][name]["AllowedPattern"]
    assert bool(re.search(pattern, value)) == passes


def test_the_header_deploys_with_parameters_that_there_are() -> None:
    made = quicksight_template(METRIC_SETS["shop"])
    header = "".join(line for line in to_yaml(made).splitlines(keepends=True) if line.startswith("#"))
    named = set(re.findall(r"(\w+)=", header))
    assert named <= made["Parameters"].keys()
    assert {name for name, one in made["Parameters"].items() if "Default" not in one} <= named
    assert "detector shop:" in header


def test_a_template_longer_than_cloudformation_takes_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
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


def test_the_command_does_not_write_over_the_detector_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
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


def test_hostile_names_are_as_many_as_are_told() -> None:
    both: MetricSet = METRIC_SETS["hostile"]
    assert {*both.measures, *both.dimension_list} == set(HOSTILE)
