"""Rules that the template keeps: each fails with the name of what breaks it."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from itertools import chain
from typing import Any

import pyarrow as pa
import pytest

from anomalake.aws import environment
from anomalake.definitions.detector_file import read_detector
from anomalake.lake.layout import TABLES
from anomalake.lake.rows import SCHEMA
from anomalake.quicksight import quicksight_template
from tests.support.stack import ROOT, system, template

TEMPLATE = system()
RESOURCES: dict[str, dict[str, Any]] = TEMPLATE["Resources"]
FUNCTIONS = {name: one["Properties"] for name, one in RESOURCES.items() if one["Type"] == "AWS::Serverless::Function"}
SHARED: dict[str, Any] = TEMPLATE["Globals"]["Function"]["Environment"]["Variables"]
QUEUES = {name: one["Properties"] for name, one in RESOURCES.items() if one["Type"] == "AWS::SQS::Queue"}
ALARMS = {name: one["Properties"] for name, one in RESOURCES.items() if one["Type"] == "AWS::CloudWatch::Alarm"}
RULES = {name: one["Properties"] for name, one in RESOURCES.items() if one["Type"] == "AWS::Events::Rule"}


def every(node: Any) -> Iterator[Any]:
    """A node and all below it."""
    yield node
    children = node.values() if isinstance(node, dict) else node if isinstance(node, list) else ()
    for child in children:
        yield from every(child)


def listed(value: Any) -> list[Any]:
    return value if isinstance(value, list) else [value]


def statements(kind: str) -> Iterator[tuple[str, dict[str, Any]]]:
    for name, one in RESOURCES.items():
        if one["Type"] == kind:
            for node in every(one["Properties"]):
                if isinstance(node, dict) and node.get("Effect") == "Allow":
                    yield name, node


def named(reference: Any) -> str:
    """The resource that a Ref or GetAtt names."""
    target = reference.get("Ref") or reference["Fn::GetAtt"]
    return str(target[0] if isinstance(target, list) else target)


def sources() -> Iterator[tuple[str, dict[str, Any], dict[str, Any]]]:
    """Every queue that feeds a function: function, its properties, the source's."""
    for name, function in FUNCTIONS.items():
        for event in function.get("Events", {}).values():
            assert event["Type"] == "SQS", f"{name}: {event['Type']}: give this kind of source a rule of its own here"
            yield name, function, event["Properties"]


@pytest.mark.parametrize("name", FUNCTIONS)
def test_a_function_has_its_own_log_group_with_retention(name: str) -> None:
    group = RESOURCES[named(FUNCTIONS[name]["LoggingConfig"]["LogGroup"])]
    assert group["Type"] == "AWS::Logs::LogGroup"
    assert group["Properties"]["RetentionInDays"] == {"Ref": "LogRetentionDays"}
    users = [one for one in FUNCTIONS.values() if one["LoggingConfig"] == FUNCTIONS[name]["LoggingConfig"]]
    assert len(users) == 1


@pytest.mark.parametrize("name", FUNCTIONS)
def test_a_function_has_a_destination_for_failed_asynchronous_invocations(name: str) -> None:
    if name == "CrawlFunction":
        # Only its queue calls it: it is never invoked asynchronously.
        assert list(FUNCTIONS[name]["Events"]) == ["Changes"]
        return
    destination = FUNCTIONS[name]["EventInvokeConfig"]["DestinationConfig"]["OnFailure"]
    role = RESOURCES[named(FUNCTIONS[name]["Role"])]
    action = {"SQS": "sqs:SendMessage", "SNS": "sns:Publish"}[destination["Type"]]
    granted = [one for one in every(role) if isinstance(one, dict) and action in listed(one.get("Action"))]
    assert destination["Destination"] in [one["Resource"] for one in granted]


@pytest.mark.parametrize("name", FUNCTIONS)
@pytest.mark.parametrize("metric", ["Errors", "Throttles"])
def test_a_function_has_alarms(name: str, metric: str) -> None:
    dimension = {"Name": "FunctionName", "Value": FUNCTIONS[name]["FunctionName"]}
    found = [one for one in ALARMS.values() if one["MetricName"] == metric and dimension in one["Dimensions"]]
    assert len(found) == 1


def test_every_alarm_reaches_the_alarm_topic_and_is_quiet_without_data() -> None:
    for name, alarm in ALARMS.items():
        assert alarm["AlarmActions"] == [{"Ref": "AlarmTopic"}], name
        assert alarm["TreatMissingData"] == "notBreaching", name


@pytest.mark.parametrize(
    "metric",
    [
        "RecordsSetAside", "RecordsFailed", "AlertClashes", "PartitionsPending",
        "ExecutionsFailed", "Undelivered", "DetectorFilesRefused",
    ],
)  # fmt: skip
def test_what_the_functions_count_as_trouble_is_alarmed_on(metric: str) -> None:
    (alarm,) = [one for one in ALARMS.values() if one["MetricName"] == metric]
    assert (
        alarm["Namespace"]
        == TEMPLATE["Globals"]["Function"]["Environment"]["Variables"]["POWERTOOLS_METRICS_NAMESPACE"]
    )
    (dimension,) = alarm["Dimensions"]
    services = {
        one["Environment"]["Variables"]["POWERTOOLS_SERVICE_NAME"]["Fn::Sub"]: name for name, one in FUNCTIONS.items()
    }
    name = services[dimension["Value"]["Fn::Sub"]]
    app = (ROOT / FUNCTIONS[name]["CodeUri"] / "app.py").read_text()
    assert f'count("{metric}"' in app


@pytest.mark.parametrize("name", [name for name, _, _ in sources()])
def test_a_queue_that_feeds_a_function_gives_it_time_and_has_a_dead_letter_queue(name: str) -> None:
    ((_, function, source),) = [one for one in sources() if one[0] == name]
    queue = QUEUES[named(source["Queue"])]
    window = source["MaximumBatchingWindowInSeconds"]
    if isinstance(window, dict):
        window = TEMPLATE["Parameters"][window["Ref"]]["MaxValue"]
    assert queue["VisibilityTimeout"] >= 6 * function["Timeout"] + window
    assert queue["RedrivePolicy"]["maxReceiveCount"] >= 5
    dead = named(queue["RedrivePolicy"]["deadLetterTargetArn"])
    assert QUEUES[dead]["MessageRetentionPeriod"] == 14 * 24 * 3600
    assert source["FunctionResponseTypes"] == ["ReportBatchItemFailures"]
    assert source["BatchSize"] <= 10 or window >= 1


def test_every_queue_for_failures_is_alarmed_on() -> None:
    fed = {named(source["Queue"]) for _, _, source in sources()}
    watched = {
        named(dimension["Value"])
        for alarm in ALARMS.values()
        for dimension in alarm["Dimensions"]
        if alarm["MetricName"] == "ApproximateNumberOfMessagesVisible"
    }
    assert watched == set(QUEUES) - fed
    aged = {
        named(dimension["Value"])
        for alarm in ALARMS.values()
        for dimension in alarm["Dimensions"]
        if alarm["MetricName"] == "ApproximateAgeOfOldestMessage"
    }
    assert aged == fed


def test_every_queue_is_encrypted_by_its_own_key_or_sqss_and_takes_tls_only() -> None:
    policies = [one["Properties"] for one in RESOURCES.values() if one["Type"] == "AWS::SQS::QueuePolicy"]
    guarded = set()
    for policy in policies:
        for statement in every(policy):
            if isinstance(statement, dict) and statement.get("Effect") == "Deny":
                assert statement["Condition"] == {"Bool": {"aws:SecureTransport": "false"}}
                guarded |= {named(one) for one in listed(statement["Resource"])}
    assert guarded == set(QUEUES)
    for name, queue in QUEUES.items():
        assert queue["SqsManagedSseEnabled"] == {"Fn::If": ["Key", {"Ref": "AWS::NoValue"}, True]}, name
        assert queue["KmsMasterKeyId"] == {"Fn::If": ["Key", {"Ref": "KmsKeyArn"}, {"Ref": "AWS::NoValue"}]}, name


def test_every_target_of_a_rule_has_a_place_for_what_could_not_be_delivered() -> None:
    for name, rule in RULES.items():
        for target in rule["Targets"]:
            kind = RESOURCES[named(target["Arn"])]["Type"]
            if kind == "AWS::SQS::Queue" or "DeadLetterConfig" in target:
                assert named(target["DeadLetterConfig"]["Arn"]) in QUEUES, name
            else:
                # A nightly run and a message to people: the next one comes by itself.
                assert name in ("CompactRule", "CrawlFailedRule")


def test_every_rule_may_send_to_its_queue_and_nobody_else_may() -> None:
    allowed: dict[str, set[str]] = {}
    for _, statement in statements("AWS::SQS::QueuePolicy"):
        assert statement["Action"] == "sqs:SendMessage"
        assert list(statement["Principal"]) == ["Service"]
        arns = [
            one for one in every(statement["Condition"]) if isinstance(one, dict) and {"Ref", "Fn::GetAtt"} & one.keys()
        ]
        for queue in listed(statement["Resource"]):
            allowed.setdefault(named(queue), set()).update(named(one) for one in arns)
    needed: dict[str, set[str]] = {}
    for name, rule in RULES.items():
        for target in rule["Targets"]:
            for queue in (target["Arn"], target.get("DeadLetterConfig", {}).get("Arn")):
                if queue and RESOURCES[named(queue)]["Type"] == "AWS::SQS::Queue":
                    needed.setdefault(named(queue), set()).add(name)
    for queue in ("IngestQueue", "FailureQueue"):
        needed[queue].add("AlertsTopic")
    assert {name: {one for one in who if one != "AWS::NoValue"} for name, who in allowed.items()} == needed


def test_no_role_may_do_everything_or_anything_to_everything() -> None:
    for name, statement in statements("AWS::IAM::Role"):
        for action in listed(statement["Action"]):
            assert "*" not in action, f"{name}: {action}"
        if "*" in listed(statement.get("Resource", [])):
            # X-Ray allows no less.
            assert all(one.startswith("xray:") for one in listed(statement["Action"])), f"{name}: {statement['Action']}"
    for name, one in RESOURCES.items():
        assert "ManagedPolicyArns" not in one.get("Properties", {}), name


def test_no_role_may_delete_alerts_but_compacts_and_detects_its_own_old_states() -> None:
    may = {
        name: statement["Resource"]
        for name, statement in statements("AWS::IAM::Role")
        if "s3:DeleteObject" in listed(statement["Action"])
    }
    assert may.keys() == {"CompactRole", "DetectRole"}
    assert may["DetectRole"] == {"Fn::Sub": "${Bucket.Arn}/lake/detection/*"}


def test_only_schedule_may_change_schedules_and_only_the_stacks_and_pass_only_their_role() -> None:
    found = {
        (name, action): statement
        for name, statement in statements("AWS::IAM::Role")
        for action in listed(statement["Action"])
        if action.startswith(("scheduler:", "iam:"))
    }
    assert {name for name, _ in found} == {"ScheduleRole"}
    for (_, action), statement in found.items():
        if action == "iam:PassRole":
            assert statement["Resource"] == {"Fn::GetAtt": ["InvokeDetectRole", "Arn"]}
            assert statement["Condition"] == {"StringEquals": {"iam:PassedToService": "scheduler.amazonaws.com"}}
        else:
            group = RESOURCES["ScheduleGroup"]["Properties"]["Name"]["Fn::Sub"]
            assert statement["Resource"]["Fn::Sub"].endswith(f":schedule/{group}/*")
    (invoke,) = [one for name, one in statements("AWS::IAM::Role") if name == "InvokeDetectRole" and "Resource" in one]
    assert invoke["Action"] == "lambda:InvokeFunction"
    assert invoke["Resource"]["Fn::Sub"].endswith(f":function:{FUNCTIONS['DetectFunction']['FunctionName']['Fn::Sub']}")
    trust = RESOURCES["InvokeDetectRole"]["Properties"]["AssumeRolePolicyDocument"]["Statement"][0]
    assert set(trust["Condition"]["StringEquals"]) == {"aws:SourceAccount", "aws:SourceArn"}


def test_what_detect_writes_is_what_its_role_lets_it_write() -> None:
    (written,) = [
        {one["Fn::Sub"].split("/lake/")[1] for one in statement["Resource"]}
        for name, statement in statements("AWS::IAM::Role")
        if name == "DetectRole" and statement["Action"] == "s3:PutObject"
    ]
    assert written == {"detection/*", "sources/*"}


def test_people_are_told_up_to_five_at_each_topic() -> None:
    for kind, topic, protocol in (("Email", "LongTextTopic", "email"), ("Phone", "ShortTextTopic", "sms")):
        for number in range(5):
            one = RESOURCES[f"{kind}Subscription{number + 1}"]
            assert one["Condition"] == f"{kind}{number + 1}"
            assert one["Properties"] == {
                "TopicArn": {"Ref": topic},
                "Protocol": protocol,
                "Endpoint": {"Fn::Select": [number, {"Ref": f"Alert{kind}s"}]},
            }
            condition = json.dumps(TEMPLATE["Conditions"][f"{kind}{number + 1}"])
            assert f'"Fn::Select": [{number},' in condition
            assert f'"Ref": "Alert{kind}s"' in condition


NESTED_FILES = {
    name: one["Properties"]["TemplateURL"]
    for name, one in template()["Resources"].items()
    if one["Type"] == "AWS::CloudFormation::Stack" and isinstance(one["Properties"]["TemplateURL"], str)
}
NESTED = {name: template(ROOT / file) for name, file in NESTED_FILES.items()}


def test_nested_stacks_have_stateless_resources_without_fixed_names_only() -> None:
    assert set(NESTED) == {"Roles", "Alarms"}
    for stack in NESTED.values():
        for name, one in stack["Resources"].items():
            assert one["Type"] in ("AWS::IAM::Role", "AWS::CloudWatch::Alarm"), name
            assert not {"RoleName", "AlarmName"} & one["Properties"].keys(), name


def test_nested_stacks_use_the_names_that_the_root_gives() -> None:
    given = {"${AWS::StackName}"}
    for one in RESOURCES.values():
        for key in ("FunctionName", "LogGroupName", "Name"):
            match one.get("Properties", {}).get(key):
                case {"Fn::Sub": name}:
                    given.add(name)
    used = {
        name
        for stack in NESTED.values()
        for text in every([RESOURCES[name]["Properties"] for name in stack["Resources"]])
        if isinstance(text, str)
        for name in re.findall(r"(?:/anomalake/)?\$\{AWS::StackName\}(?:[/-]\w+)?", text)
    }
    assert len(used) > 10
    assert used <= given


def test_every_template_is_checked() -> None:
    files = {"template.yaml", *(f"templates/{path.name}" for path in (ROOT / "templates").iterdir())}
    assert files == {"template.yaml", *NESTED_FILES.values()}
    checkov = (ROOT / ".checkov.yaml").read_text("utf-8")
    assert files == set(re.findall(r"^  - (\S+\.yaml)$", checkov, re.MULTILINE))
    assert "cfn-lint template.yaml templates/*.yaml" in (ROOT / "Makefile").read_text("utf-8")


def test_every_function_has_a_role_of_its_own() -> None:
    roles = [named(one["Role"]) for one in FUNCTIONS.values()]
    assert len(set(roles)) == len(roles)


def test_the_bucket_is_closed_encrypted_versioned_and_kept() -> None:
    bucket = RESOURCES["Bucket"]
    assert bucket["DeletionPolicy"].startswith("Retain")
    assert bucket["UpdateReplacePolicy"] == "Retain"
    assert set(bucket["Properties"]["PublicAccessBlockConfiguration"].values()) == {True}
    assert bucket["Properties"]["VersioningConfiguration"] == {"Status": "Enabled"}
    assert "BucketEncryption" in bucket["Properties"]
    denied = [
        one
        for one in every(RESOURCES["BucketPolicy"])
        if isinstance(one, dict) and one.get("Condition") == {"Bool": {"aws:SecureTransport": "false"}}
    ]
    assert denied[0]["Effect"] == "Deny"
    assert denied[0]["Principal"] == "*"


def test_a_crawl_can_neither_change_nor_delete_the_declared_tables() -> None:
    crawler = RESOURCES["TablesCrawler"]["Properties"]
    assert list(crawler["Targets"]) == ["CatalogTargets"]
    assert crawler["SchemaChangePolicy"] == {"UpdateBehavior": "LOG", "DeleteBehavior": "LOG"}
    for name in ("TablesCrawler", "SourceCrawler"):
        properties = RESOURCES[name]["Properties"]
        assert properties["SchemaChangePolicy"]["DeleteBehavior"] == "LOG"
        texts = listed(properties["Configuration"])
        if isinstance(texts[0], dict):
            texts = texts[0]["Fn::If"][1:]
        for text in texts:
            configuration = json.loads(text)
            assert configuration["CrawlerOutput"]["Partitions"] == {"AddOrUpdateBehavior": "InheritFromTable"}
            assert configuration["Grouping"] == {"TableGroupingPolicy": "CombineCompatibleSchemas"}
    assert RESOURCES["SourceCrawler"]["Properties"]["TablePrefix"] != "source_", (
        "that is where the views' own tables are"
    )


def glue_type(type_: pa.DataType) -> str:
    if pa.types.is_list(type_):
        return f"array<{glue_type(type_.value_type)}>"
    if pa.types.is_map(type_):
        return f"map<{glue_type(type_.key_type)},{glue_type(type_.item_type)}>"
    if pa.types.is_struct(type_):
        return f"struct<{','.join(f'{one.name}:{glue_type(one.type)}' for one in type_)}>"
    if pa.types.is_decimal(type_):
        return f"decimal({type_.precision},{type_.scale})"
    return {"string": "string", "double": "double", "int64": "bigint", "timestamp[us]": "timestamp"}[str(type_)]


def test_the_declared_tables_have_the_columns_that_are_written() -> None:
    parquet = RESOURCES["AlertRows"]["Properties"]["TableInput"]
    csv = RESOURCES["AlertRowsCsv"]["Properties"]["TableInput"]
    columns = [(one["Name"], one["Type"]) for one in parquet["StorageDescriptor"]["Columns"]]
    assert columns == [(field.name, glue_type(field.type)) for field in SCHEMA]
    assert csv["StorageDescriptor"]["Columns"] == [{"Name": name, "Type": "string"} for name in SCHEMA.names]
    for table, (folder, _) in zip((parquet, csv), TABLES.values(), strict=True):
        assert [one["Name"] for one in table["PartitionKeys"]] == ["detector", "day"]
        assert f"tables/{table['Name']}" == folder
        assert table["StorageDescriptor"]["Location"] == {"Fn::Sub": f"s3://${{Bucket}}/lake/{folder}/"}


def test_queries_answers_go_to_an_enforced_encrypted_place() -> None:
    configuration = RESOURCES["Workgroup"]["Properties"]["WorkGroupConfiguration"]
    assert configuration["EnforceWorkGroupConfiguration"] is True
    assert configuration["ResultConfiguration"]["OutputLocation"] == {"Fn::Sub": "s3://${Bucket}/athena-results/"}
    assert "EncryptionConfiguration" in configuration["ResultConfiguration"]


def test_glue_athena_and_quicksight_are_in_the_part_that_can_be_left_out() -> None:
    apart = {"Analytics", "Parquet", "Csv", "Source", "QuickSight", "QuickSightDashboard"}
    for name, one in RESOURCES.items():
        if one["Type"].startswith(("AWS::Glue::", "AWS::Athena::", "AWS::QuickSight::", "AWS::CloudFormation::Stack")):
            assert one["Condition"] in apart, name
    # ... and nothing outside of it leans on it, but where a condition says so.
    inside = {name for name, one in RESOURCES.items() if one.get("Condition") in apart}
    for name in RESOURCES.keys() - inside:
        assert not unconditional(RESOURCES[name]) & inside, name


def test_the_nested_quicksight_template_gets_the_parameters_that_it_has() -> None:
    nested = RESOURCES["QuickSightStack"]
    made = quicksight_template(read_detector(ROOT / "detectors" / "shop.yaml").metric_set)
    given = nested["Properties"]["Parameters"]
    assert given.keys() <= made["Parameters"].keys()
    assert {name for name, one in made["Parameters"].items() if "Default" not in one} <= given.keys()
    assert (
        TEMPLATE["Parameters"]["QuickSightImportMode"]["AllowedValues"]
        == (made["Parameters"]["ImportMode"]["AllowedValues"])
    )
    for name in ("QuickSightPrincipalArn", "QuickSightViewerArn"):
        assert TEMPLATE["Parameters"][name]["AllowedPattern"] == made["Parameters"]["ViewerArn"]["AllowedPattern"]
    # Its data sets read the views, and its refresh hears of every crawler.
    assert nested["DependsOn"] == "Views"
    crawlers = {name for name, one in RESOURCES.items() if one["Type"] == "AWS::Glue::Crawler"}
    assert crawlers <= {one["Ref"] for one in every(given["Crawlers"]) if isinstance(one, dict) and "Ref" in one}
    assert TEMPLATE["Outputs"]["QuickSightDashboardUrl"]["Value"] == {
        "Fn::GetAtt": ["QuickSightStack", "Outputs.DashboardUrl"]
    }
    assert "DashboardUrl" in made["Outputs"]


def test_detection_can_be_left_out_whole() -> None:
    apart = {"Detection", *(f"{kind}{number}" for kind in ("Email", "Phone") for number in range(1, 6))}
    inside = {name for name, one in RESOURCES.items() if one.get("Condition") in apart}
    assert {"DetectFunction", "ScheduleFunction", "ScheduleGroup", "DetectionDependencies", "LongTextTopic"} <= inside
    for name in RESOURCES.keys() - inside:
        assert not unconditional(RESOURCES[name]) & inside, name


def unconditional(node: Any) -> set[str]:
    if isinstance(node, dict):
        if "Fn::If" in node:
            return set()
        found = {named(node)} if node.keys() & {"Ref", "Fn::GetAtt"} and len(node) == 1 else set()
        return found.union(*(unconditional(one) for one in node.values()))
    return set().union(*(unconditional(one) for one in node)) if isinstance(node, list) else set()


MODELS = {
    "IngestFunction": environment.IngestEnvironment,
    "CompactFunction": environment.CompactEnvironment,
    "CrawlFunction": environment.CrawlEnvironment,
    "CatalogFunction": environment.CatalogEnvironment,
    "DetectFunction": environment.DetectEnvironment,
    "ScheduleFunction": environment.ScheduleEnvironment,
}


@pytest.mark.parametrize("name", FUNCTIONS)
def test_a_functions_environment_passes_its_own_check(name: str) -> None:
    values = {
        "ANOMALAKE_LAKE": "s3://stack-bucket-1/lake",
        "ANOMALAKE_FORMATS": "parquet",
        "ANOMALAKE_DATABASE": "anomalake",
        "ANOMALAKE_WORKGROUP": "anomalake-dev",
        "ANOMALAKE_CRAWLERS": "anomalake-tables=s3://stack-bucket-1/lake/partitions/",
        "ANOMALAKE_DETECTORS": "s3://stack-bucket-1/detectors",
        "ANOMALAKE_ACCOUNT": "123456789012",
        "ANOMALAKE_INGEST": "arn:aws:lambda:eu-west-1:123456789012:function:anomalake-ingest",
        "ANOMALAKE_LONG_TEXT_TOPIC": "arn:aws:sns:eu-west-1:123456789012:anomalake-LongTextTopic-1",
        "ANOMALAKE_SHORT_TEXT_TOPIC": "arn:aws:sns:eu-west-1:123456789012:anomalake-ShortTextTopic-1",
        "ANOMALAKE_ALERT_THRESHOLD": "70",
        "ANOMALAKE_SCHEDULE_GROUP": "anomalake-detectors",
        "ANOMALAKE_SCHEDULE_ROLE": "arn:aws:iam::123456789012:role/anomalake-InvokeDetectRole-1",
        "ANOMALAKE_DETECT": "arn:aws:lambda:eu-west-1:123456789012:function:anomalake-detect",
    }
    given = {*SHARED, *FUNCTIONS[name]["Environment"]["Variables"]}
    read = MODELS[name].read({key: value for key, value in values.items() if key in given})
    assert getattr(read, "lake", "s3://stack-bucket-1/lake") == "s3://stack-bucket-1/lake"
    assert getattr(read, "detectors", "s3://stack-bucket-1/detectors") == "s3://stack-bucket-1/detectors"
    assert getattr(read, "account", "123456789012") == "123456789012"


@pytest.mark.parametrize("name", FUNCTIONS)
def test_a_function_is_thin(name: str) -> None:
    lines = (ROOT / FUNCTIONS[name]["CodeUri"] / "app.py").read_text().splitlines()
    assert len(lines) <= 110


def test_every_parameter_is_described_checked_and_used() -> None:
    used = {
        one["Ref"]
        for one in every([RESOURCES, TEMPLATE["Conditions"], TEMPLATE["Globals"]])
        if isinstance(one, dict) and "Ref" in one
    }
    texts = " ".join(one for one in every(RESOURCES) if isinstance(one, str))
    shown = list(
        chain.from_iterable(
            group["Parameters"] for group in TEMPLATE["Metadata"]["AWS::CloudFormation::Interface"]["ParameterGroups"]
        )
    )
    assert sorted(shown) == sorted(TEMPLATE["Parameters"])
    for name, one in TEMPLATE["Parameters"].items():
        assert one["Description"].endswith("."), name
        assert {"AllowedValues", "AllowedPattern", "MinValue"} & one.keys(), f"{name}: takes anything"
        assert name in used or f"${{{name}}}" in texts, f"{name}: is not used"
        if "AllowedPattern" in one:
            assert re.search(one["AllowedPattern"], str(one["Default"])), f"{name}: its default does not pass"
            assert "ConstraintDescription" in one, name


@pytest.mark.parametrize(
    ("name", "value", "passes"),
    [
        ("SourcePrefix", "ecommerce/live/", True),
        ("SourcePrefix", "lake/tables/", False),
        ("SourcePrefix", "athena-results/", False),
        ("SourcePrefix", "no-slash", False),
        ("SourcePrefix", "/root/", False),
        ("SenderService", "lookoutmetrics.amazonaws.com", True),
        ("SenderService", "evil.example.com", False),
        ("SenderRole", "arn:aws:iam::123456789012:role/path/sender", True),
        ("SenderRole", "*", False),
        ("KmsKeyArn", "arn:aws:kms:eu-west-1:123456789012:key/1234abcd-12ab", True),
        ("KmsKeyArn", "alias/mine", False),
        ("DatabaseName", "has-dash", False),
        ("QuickSightTemplateKey", "quicksight/shop-2.yaml", True),
        ("QuickSightTemplateKey", "lake/tables/x", False),
        ("QuickSightTemplateKey", "quicksight/a b", False),
        ("QuickSightPrincipalArn", "arn:aws:quicksight:eu-west-1:123456789012:group/default/readers", True),
        ("QuickSightPrincipalArn", "arn:aws:iam::123456789012:root", False),
        ("AlarmEmail", "a@b.example", True),
        ("AlarmEmail", "a b", False),
        ("AlertEmails", "a@b.example", True),
        ("AlertEmails", "a", False),
        ("AlertPhones", "+4912345678", True),
        ("AlertPhones", "012345", False),
        ("AlertTargetArns", "arn:aws:sns:eu-west-1:123456789012:anomalies", True),
        ("AlertTargetArns", "arn:aws:lambda:eu-west-1:123456789012:function:tell", True),
        ("AlertTargetArns", "*", False),
        ("AlertTargetArns", "arn:aws:s3:::bucket", False),
    ],
)
def test_parameters_take_what_they_should(name: str, value: str, passes: bool) -> None:
    assert bool(re.search(TEMPLATE["Parameters"][name]["AllowedPattern"], value)) == passes


def test_outputs_are_described() -> None:
    for name, one in TEMPLATE["Outputs"].items():
        assert one["Description"], name


def test_every_function_declares_the_runtime_that_the_layers_are_built_for() -> None:
    assert TEMPLATE["Globals"]["Function"]["Runtime"] == "python3.13"
    for one in RESOURCES.values():
        if one["Type"] == "AWS::Serverless::LayerVersion":
            assert one["Properties"]["CompatibleRuntimes"] == ["python3.13"]
