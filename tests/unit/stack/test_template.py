"""Rules for the template and its nested stacks."""

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
from anomalake.glue_job import VARIABLES
from anomalake.lake import cause_rows, withdrawal_rows
from anomalake.lake.layout import CAUSES, FILES, TABLES, WITHDRAWALS
from anomalake.lake.rows import SCHEMA
from anomalake.quicksight import quicksight_template
from anomalake.services.job_files import job_files
from tests.support.stack import ROOT, system, template

TEMPLATE = system()
STACKS: dict[str, dict[str, Any]] = {
    name: resource
    for name, resource in template()["Resources"].items()
    if resource["Type"] == "AWS::CloudFormation::Stack" and isinstance(resource["Properties"]["TemplateURL"], str)
}
NESTED = {name: template(ROOT / stack["Properties"]["TemplateURL"]) for name, stack in STACKS.items()}
RESOURCES: dict[str, dict[str, Any]] = TEMPLATE["Resources"]
FUNCTIONS = {
    name: resource["Properties"]
    for name, resource in RESOURCES.items()
    if resource["Type"] == "AWS::Serverless::Function"
}
SHARED: dict[str, Any] = TEMPLATE["Globals"]["Function"]["Environment"]["Variables"]
QUEUES = {name: resource["Properties"] for name, resource in RESOURCES.items() if resource["Type"] == "AWS::SQS::Queue"}
ALARMS = {
    name: resource["Properties"] for name, resource in RESOURCES.items() if resource["Type"] == "AWS::CloudWatch::Alarm"
}
RULES = {
    name: resource["Properties"] for name, resource in RESOURCES.items() if resource["Type"] == "AWS::Events::Rule"
}


def nodes(node: Any) -> Iterator[Any]:
    """Return a node and all nodes below it."""
    yield node
    children = node.values() if isinstance(node, dict) else node if isinstance(node, list) else ()
    for child in children:
        yield from nodes(child)


def listed(value: Any) -> list[Any]:
    return value if isinstance(value, list) else [value]


def statements(kind: str) -> Iterator[tuple[str, dict[str, Any]]]:
    for name, resource in RESOURCES.items():
        if resource["Type"] == kind:
            for node in nodes(resource["Properties"]):
                if isinstance(node, dict) and node.get("Effect") == "Allow":
                    yield name, node


def named(reference: Any) -> str:
    """Return the resource that a Ref or GetAtt names."""
    target = reference.get("Ref") or reference["Fn::GetAtt"]
    return str(target[0] if isinstance(target, list) else target)


def sources() -> Iterator[tuple[str, dict[str, Any], dict[str, Any]]]:
    """Return every event source of a function: name and properties of the function, properties of the source."""
    for name, function in FUNCTIONS.items():
        for event in function.get("Events", {}).values():
            assert event["Type"] == "SQS", (
                f"{name}: {event['Type']}: expected a queue; add the rules for another source here"
            )
            yield name, function, event["Properties"]


@pytest.mark.parametrize("name", FUNCTIONS)
def test_a_function_has_its_own_log_group_with_retention(name: str) -> None:
    group = RESOURCES[named(FUNCTIONS[name]["LoggingConfig"]["LogGroup"])]
    assert group["Type"] == "AWS::Logs::LogGroup"
    assert group["Properties"]["RetentionInDays"] == {"Ref": "LogRetentionDays"}
    users = [
        function for function in FUNCTIONS.values() if function["LoggingConfig"] == FUNCTIONS[name]["LoggingConfig"]
    ]
    assert len(users) == 1


@pytest.mark.parametrize("name", FUNCTIONS)
def test_a_function_has_a_destination_for_failed_asynchronous_invocations(name: str) -> None:
    if name == "CrawlFunction":
        # It is invoked by its queue only, never asynchronously.
        assert list(FUNCTIONS[name]["Events"]) == ["Changes"]
        return
    destination = FUNCTIONS[name]["EventInvokeConfig"]["DestinationConfig"]["OnFailure"]
    role = RESOURCES[named(FUNCTIONS[name]["Role"])]
    action = {"SQS": "sqs:SendMessage", "SNS": "sns:Publish"}[destination["Type"]]
    granted = [node for node in nodes(role) if isinstance(node, dict) and action in listed(node.get("Action"))]
    assert destination["Destination"] in [statement["Resource"] for statement in granted]


@pytest.mark.parametrize("name", FUNCTIONS)
@pytest.mark.parametrize("metric", ["Errors", "Throttles"])
def test_a_function_has_alarms(name: str, metric: str) -> None:
    dimension = {"Name": "FunctionName", "Value": FUNCTIONS[name]["FunctionName"]}
    found = [alarm for alarm in ALARMS.values() if alarm["MetricName"] == metric and dimension in alarm["Dimensions"]]
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
def test_each_error_metric_of_the_functions_has_an_alarm(metric: str) -> None:
    (alarm,) = [alarm for alarm in ALARMS.values() if alarm["MetricName"] == metric]
    assert (
        alarm["Namespace"]
        == TEMPLATE["Globals"]["Function"]["Environment"]["Variables"]["POWERTOOLS_METRICS_NAMESPACE"]
    )
    (dimension,) = alarm["Dimensions"]
    services = {
        function["Environment"]["Variables"]["POWERTOOLS_SERVICE_NAME"]["Fn::Sub"]: name
        for name, function in FUNCTIONS.items()
    }
    name = services[dimension["Value"]["Fn::Sub"]]
    app = (ROOT / FUNCTIONS[name]["CodeUri"] / "app.py").read_text()
    assert f'count("{metric}"' in app


@pytest.mark.parametrize("name", [name for name, _, _ in sources()])
def test_the_queue_of_a_function_has_a_sufficient_timeout_and_a_dead_letter_queue(name: str) -> None:
    ((_, function, source),) = [source for source in sources() if source[0] == name]
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


def test_every_queue_has_an_alarm() -> None:
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


def test_every_queue_is_encrypted_and_requires_tls() -> None:
    policies = [
        resource["Properties"] for resource in RESOURCES.values() if resource["Type"] == "AWS::SQS::QueuePolicy"
    ]
    guarded = set()
    for policy in policies:
        for statement in nodes(policy):
            if isinstance(statement, dict) and statement.get("Effect") == "Deny":
                assert statement["Condition"] == {"Bool": {"aws:SecureTransport": "false"}}
                guarded |= {named(reference) for reference in listed(statement["Resource"])}
    assert guarded == set(QUEUES)
    for name, queue in QUEUES.items():
        assert queue["SqsManagedSseEnabled"] == {"Fn::If": ["Key", {"Ref": "AWS::NoValue"}, True]}, name
        assert queue["KmsMasterKeyId"] == {"Fn::If": ["Key", {"Ref": "KmsKeyArn"}, {"Ref": "AWS::NoValue"}]}, name


def test_every_target_of_a_rule_has_a_dead_letter_queue() -> None:
    for name, rule in RULES.items():
        for target in rule["Targets"]:
            kind = RESOURCES[named(target["Arn"])]["Type"]
            if kind == "AWS::SQS::Queue" or "DeadLetterConfig" in target:
                assert named(target["DeadLetterConfig"]["Arn"]) in QUEUES, name
            else:
                # A nightly run and a notification: a lost one is repeated by the next.
                assert name in ("CompactRule", "CrawlFailedRule", "DetectJobFailedRule")


def test_only_the_rules_and_the_topic_of_a_queue_may_send_to_it() -> None:
    allowed: dict[str, set[str]] = {}
    for _, statement in statements("AWS::SQS::QueuePolicy"):
        assert statement["Action"] == "sqs:SendMessage"
        assert list(statement["Principal"]) == ["Service"]
        arns = [
            reference
            for reference in nodes(statement["Condition"])
            if isinstance(reference, dict) and {"Ref", "Fn::GetAtt"} & reference.keys()
        ]
        for queue in listed(statement["Resource"]):
            allowed.setdefault(named(queue), set()).update(named(reference) for reference in arns)
    needed: dict[str, set[str]] = {}
    for name, rule in RULES.items():
        for target in rule["Targets"]:
            for queue in (target["Arn"], target.get("DeadLetterConfig", {}).get("Arn")):
                if queue and RESOURCES[named(queue)]["Type"] == "AWS::SQS::Queue":
                    needed.setdefault(named(queue), set()).add(name)
    for queue in ("IngestQueue", "FailureQueue"):
        needed[queue].add("AlertsTopic")
    assert {queue: senders - {"AWS::NoValue"} for queue, senders in allowed.items()} == needed


def test_no_role_allows_all_actions_or_all_resources() -> None:
    for name, statement in statements("AWS::IAM::Role"):
        for action in listed(statement["Action"]):
            assert "*" not in action, f"{name}: {action}"
        if "*" in listed(statement.get("Resource", [])):
            # X-Ray actions do not support resource-level permissions.
            assert all(action.startswith("xray:") for action in listed(statement["Action"])), (
                f"{name}: {statement['Action']}"
            )
    for name, resource in RESOURCES.items():
        assert "ManagedPolicyArns" not in resource.get("Properties", {}), name


def test_only_six_roles_may_delete_objects() -> None:
    may = {
        name: {arn["Fn::Sub"].removeprefix("${Bucket.Arn}/") for arn in listed(statement["Resource"])}
        for name, statement in statements("AWS::IAM::Role")
        if "s3:DeleteObject" in listed(statement["Action"])
    }
    assert may == {
        "CompactRole": {"lake/tables/*", "lake/superseded/*"},
        "DetectRole": {"lake/detection/*"},
        "DetectJobRole": {"lake/detection/*"},
        "CatalogRole": {"lake/catalog/*"},
        "ApiRole": {"lake/definitions/*", "lake/alert-names/*", "lake/detection/*", "detectors/*"},
        "BacktestRole": {"lake/detection/*"},
    }


def test_the_api_may_write_definitions_records_and_detector_files_only() -> None:
    (written,) = [
        {arn["Fn::Sub"].removeprefix("${Bucket.Arn}/") for arn in statement["Resource"]}
        for name, statement in statements("AWS::IAM::Role")
        if name == "ApiRole" and statement["Action"] == "s3:PutObject"
    ]
    assert written == {"lake/definitions/*", "lake/alert-names/*", "lake/detection/*", "detectors/*"}


def test_only_signed_requests_reach_the_api() -> None:
    assert FUNCTIONS["ApiFunction"]["FunctionUrlConfig"]["AuthType"] == "AWS_IAM"
    assert [name for name, function in FUNCTIONS.items() if "FunctionUrlConfig" in function] == ["ApiFunction"]
    granted = [
        resource["Properties"] for resource in RESOURCES.values() if resource["Type"] == "AWS::Lambda::Permission"
    ]
    assert "ApiFunction" not in {named(permission["FunctionName"]) for permission in granted}


def test_the_api_reads_the_buckets_and_names_the_targets_of_the_parameters_only() -> None:
    variables = FUNCTIONS["ApiFunction"]["Environment"]["Variables"]
    assert variables["ANOMALAKE_SOURCES"] == {
        "Fn::If": ["OwnSource", {"Ref": "Bucket"}, {"Fn::Sub": "${Bucket},${SourceBucket}"}]
    }
    assert variables["ANOMALAKE_TARGETS"] == {"Fn::Join": [",", {"Ref": "AlertTargetArns"}]}


def test_only_schedule_may_change_the_schedules_and_pass_their_role() -> None:
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
    (invoke,) = [
        statement
        for name, statement in statements("AWS::IAM::Role")
        if name == "InvokeDetectRole" and "Resource" in statement
    ]
    assert invoke["Action"] == "lambda:InvokeFunction"
    assert invoke["Resource"]["Fn::Sub"].endswith(f":function:{FUNCTIONS['DetectFunction']['FunctionName']['Fn::Sub']}")
    trust = RESOURCES["InvokeDetectRole"]["Properties"]["AssumeRolePolicyDocument"]["Statement"][0]
    assert set(trust["Condition"]["StringEquals"]) == {"aws:SourceAccount", "aws:SourceArn"}


@pytest.mark.parametrize("role", ["DetectRole", "DetectJobRole"])
def test_detect_may_write_detection_records_and_sources_only(role: str) -> None:
    (written,) = [
        {arn["Fn::Sub"].split("/lake/")[1] for arn in statement["Resource"]}
        for name, statement in statements("AWS::IAM::Role")
        if name == role and statement["Action"] == "s3:PutObject"
    ]
    assert written == {"detection/*", "sources/*"}


def test_the_catalog_may_write_settings_partitions_and_columns_only() -> None:
    (written,) = [
        {arn["Fn::Sub"].split("/lake/")[1] for arn in statement["Resource"]}
        for name, statement in statements("AWS::IAM::Role")
        if name == "CatalogRole" and statement["Action"] == "s3:PutObject"
    ]
    assert written == {"lake.json", "partitions/*", "columns/*"}


def test_detect_reads_the_databases_of_the_parameters_only() -> None:
    arn = "arn:${AWS::Partition}:glue:${AWS::Region}:${AWS::AccountId}"
    absent = {"Ref": "AWS::NoValue"}
    (resources,) = [
        statement["Resource"]
        for name, statement in statements("AWS::IAM::Role")
        if name == "DetectRole" and "glue:GetTable" in listed(statement["Action"])
    ]
    assert resources == [
        {"Fn::Sub": f"{arn}:catalog"},
        {"Fn::Sub": f"{arn}:database/${{DatabaseName}}"},
        {"Fn::Sub": f"{arn}:table/${{DatabaseName}}/*"},
        {"Fn::If": ["OtherDatabases", {"Fn::Sub": f"{arn}:database/${{SourceDatabases}}"}, absent]},
        {"Fn::If": ["OtherDatabases", {"Fn::Sub": f"{arn}:table/${{SourceDatabases}}/*"}, absent]},
    ]


def test_no_role_reads_every_glue_table_by_default() -> None:
    for name, statement in statements("AWS::IAM::Role"):
        for node in nodes(statement.get("Resource", [])):
            if isinstance(node, str) and ":glue:" in node:
                assert not node.endswith((":database/*", ":table/*")), f"{name}: {node}"
    assert TEMPLATE["Parameters"]["SourceDatabases"]["Default"] == ""


def test_the_key_encrypts_every_topic() -> None:
    topics = [resource for resource in RESOURCES.values() if resource["Type"] == "AWS::SNS::Topic"]
    assert len(topics) == 4
    for topic in topics:
        expected = {"Fn::If": ["Key", {"Ref": "KmsKeyArn"}, {"Ref": "AWS::NoValue"}]}
        assert topic["Properties"]["KmsMasterKeyId"] == expected


def test_every_role_that_sends_to_a_topic_or_queue_may_use_the_key() -> None:
    sends = ("sns:Publish", "sqs:SendMessage", "sqs:ReceiveMessage")
    senders = {name for name, item in statements("AWS::IAM::Role") if set(sends) & set(listed(item["Action"]))}
    may = {
        name
        for name, item in statements("AWS::IAM::Role")
        if set(listed(item["Action"])) == {"kms:Decrypt", "kms:GenerateDataKey"}
    }
    assert senders <= may


def test_no_queue_takes_all_of_the_accounts_concurrency() -> None:
    limits = {name: source["ScalingConfig"]["MaximumConcurrency"] for name, _, source in sources()}
    assert limits == {"IngestFunction": {"Ref": "IngestConcurrency"}, "CrawlFunction": 2, "CatalogFunction": 2}
    # A new account has ten.
    assert 2 <= int(TEMPLATE["Parameters"]["IngestConcurrency"]["Default"]) <= 5
    assert not [name for name, function in FUNCTIONS.items() if "ReservedConcurrentExecutions" in function]


def test_each_notification_topic_has_up_to_five_subscriptions() -> None:
    for kind, topic, protocol in (("Email", "LongTextTopic", "email"), ("Phone", "ShortTextTopic", "sms")):
        for number in range(5):
            subscription = RESOURCES[f"{kind}Subscription{number + 1}"]
            assert subscription["Condition"] == f"{kind}{number + 1}"
            assert subscription["Properties"] == {
                "TopicArn": {"Ref": topic},
                "Protocol": protocol,
                "Endpoint": {"Fn::Select": [number, {"Ref": f"Alert{kind}s"}]},
            }
            condition = json.dumps(TEMPLATE["Conditions"][f"{kind}{number + 1}"])
            assert f'"Fn::Select": [{number},' in condition
            assert f'"Ref": "Alert{kind}s"' in condition


def test_nested_stacks_have_stateless_resources_without_fixed_names_only() -> None:
    assert set(NESTED) == {"Roles", "Alarms"}
    for stack in NESTED.values():
        for name, resource in stack["Resources"].items():
            assert resource["Type"] in ("AWS::IAM::Role", "AWS::CloudWatch::Alarm"), name
            assert not {"RoleName", "AlarmName"} & resource["Properties"].keys(), name


def test_nested_stacks_use_the_names_that_the_root_gives() -> None:
    given = {"${AWS::StackName}"}
    for resource in RESOURCES.values():
        for key in ("FunctionName", "LogGroupName", "Name"):
            match resource.get("Properties", {}).get(key):
                case {"Fn::Sub": name}:
                    given.add(name)
    used = {
        name
        for stack in NESTED.values()
        for text in nodes([RESOURCES[name]["Properties"] for name in stack["Resources"]])
        if isinstance(text, str)
        for name in re.findall(r"(?:/anomalake/)?\$\{AWS::StackName\}(?:[/-]\w+)?", text)
    }
    assert len(used) > 10
    assert used <= given


def test_every_template_is_checked() -> None:
    files = {"template.yaml", *(f"templates/{path.name}" for path in (ROOT / "templates").iterdir())}
    assert files == {"template.yaml", *(stack["Properties"]["TemplateURL"] for stack in STACKS.values())}
    checkov = (ROOT / ".checkov.yaml").read_text("utf-8")
    files |= {"template-macro.yaml"}
    assert files == set(re.findall(r"^  - (\S+\.yaml)$", checkov, re.MULTILINE))
    assert "cfn-lint template.yaml template-macro.yaml templates/*.yaml" in (ROOT / "Makefile").read_text("utf-8")


def test_every_function_has_its_own_role() -> None:
    roles = [named(function["Role"]) for function in FUNCTIONS.values()]
    assert len(set(roles)) == len(roles)


def test_the_bucket_is_private_encrypted_versioned_and_retained() -> None:
    bucket = RESOURCES["Bucket"]
    assert bucket["DeletionPolicy"].startswith("Retain")
    assert bucket["UpdateReplacePolicy"] == "Retain"
    assert set(bucket["Properties"]["PublicAccessBlockConfiguration"].values()) == {True}
    assert bucket["Properties"]["VersioningConfiguration"] == {"Status": "Enabled"}
    assert "BucketEncryption" in bucket["Properties"]
    denied = [
        node
        for node in nodes(RESOURCES["BucketPolicy"])
        if isinstance(node, dict) and node.get("Condition") == {"Bool": {"aws:SecureTransport": "false"}}
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
        "source_ is the prefix of tables that the views read"
    )


def glue_type(type_: pa.DataType) -> str:
    if pa.types.is_list(type_):
        return f"array<{glue_type(type_.value_type)}>"
    if pa.types.is_map(type_):
        return f"map<{glue_type(type_.key_type)},{glue_type(type_.item_type)}>"
    if pa.types.is_struct(type_):
        return f"struct<{','.join(f'{field.name}:{glue_type(field.type)}' for field in type_)}>"
    if pa.types.is_decimal(type_):
        return f"decimal({type_.precision},{type_.scale})"
    return _GLUE_TYPES[str(type_)]


_GLUE_TYPES = {
    "string": "string", "double": "double", "int64": "bigint", "timestamp[us]": "timestamp", "bool": "boolean",
}  # fmt: skip


def test_the_declared_tables_have_the_columns_that_are_written() -> None:
    parquet = RESOURCES["AlertRows"]["Properties"]["TableInput"]
    csv = RESOURCES["AlertRowsCsv"]["Properties"]["TableInput"]
    columns = [(column["Name"], column["Type"]) for column in parquet["StorageDescriptor"]["Columns"]]
    assert columns == [(field.name, glue_type(field.type)) for field in SCHEMA]
    assert csv["StorageDescriptor"]["Columns"] == [{"Name": name, "Type": "string"} for name in SCHEMA.names]
    for table, (folder, _) in zip((parquet, csv), TABLES.values(), strict=True):
        assert [key["Name"] for key in table["PartitionKeys"]] == ["detector", "day"]
        assert f"tables/{table['Name']}" == folder
        assert table["StorageDescriptor"]["Location"] == {"Fn::Sub": f"s3://${{Bucket}}/lake/{folder}/"}
    withdrawals = RESOURCES["WithdrawalRows"]["Properties"]["TableInput"]
    columns = [(column["Name"], column["Type"]) for column in withdrawals["StorageDescriptor"]["Columns"]]
    assert columns == [(field.name, glue_type(field.type)) for field in withdrawal_rows.SCHEMA]
    assert f"tables/{withdrawals['Name']}" == FILES[WITHDRAWALS][0]
    location = {"Fn::Sub": f"s3://${{Bucket}}/lake/{FILES[WITHDRAWALS][0]}/"}
    assert withdrawals["StorageDescriptor"]["Location"] == location
    # Its rows have the columns of partitions, so that no partition needs to be registered.
    assert "PartitionKeys" not in withdrawals
    causes = RESOURCES["CauseRows"]["Properties"]["TableInput"]
    columns = [(column["Name"], column["Type"]) for column in causes["StorageDescriptor"]["Columns"]]
    assert columns == [(field.name, glue_type(field.type)) for field in cause_rows.SCHEMA]
    assert f"tables/{causes['Name']}" == FILES[CAUSES][0]
    assert causes["StorageDescriptor"]["Location"] == {"Fn::Sub": f"s3://${{Bucket}}/lake/{FILES[CAUSES][0]}/"}
    assert [key["Name"] for key in causes["PartitionKeys"]] == ["detector", "day"]
    # With it, Athena asks Glue for the partitions of a query's conditions, which a partition index finds.
    for table in (parquet, csv, causes):
        assert table["Parameters"]["partition_filtering.enabled"] == "true"


def test_query_results_have_an_enforced_encrypted_location() -> None:
    configuration = RESOURCES["Workgroup"]["Properties"]["WorkGroupConfiguration"]
    assert configuration["EnforceWorkGroupConfiguration"] is True
    assert configuration["ResultConfiguration"]["OutputLocation"] == {"Fn::Sub": "s3://${Bucket}/athena-results/"}
    assert "EncryptionConfiguration" in configuration["ResultConfiguration"]


def test_analytics_is_optional() -> None:
    optional = {"Analytics", "Parquet", "Csv", "Source", "QuickSight", "QuickSightDashboard"}
    for name, resource in RESOURCES.items():
        if name not in ("DetectJob", "DetectJobSecurity") and resource["Type"].startswith(
            ("AWS::Glue::", "AWS::Athena::", "AWS::QuickSight::", "AWS::CloudFormation::Stack")
        ):
            assert resource["Condition"] in optional, name
    # Other resources refer to them under a condition only.
    inside = {name for name, resource in RESOURCES.items() if resource.get("Condition") in optional}
    for name, resource in (RESOURCES | STACKS).items():
        assert name in inside or not unconditional(resource) & inside, name


def test_the_nested_quicksight_template_gets_its_parameters() -> None:
    nested = RESOURCES["QuickSightStack"]
    made = quicksight_template(read_detector(ROOT / "detectors" / "shop.yaml").metric_set)
    given = nested["Properties"]["Parameters"]
    assert given.keys() <= made["Parameters"].keys()
    assert {name for name, parameter in made["Parameters"].items() if "Default" not in parameter} <= given.keys()
    assert (
        TEMPLATE["Parameters"]["QuickSightImportMode"]["AllowedValues"]
        == (made["Parameters"]["ImportMode"]["AllowedValues"])
    )
    for name in ("QuickSightPrincipalArn", "QuickSightViewerArn"):
        assert TEMPLATE["Parameters"][name]["AllowedPattern"] == made["Parameters"]["ViewerArn"]["AllowedPattern"]
    # Its data sets read the views, and it is refreshed after a run of any crawler.
    assert nested["DependsOn"] == "Views"
    crawlers = {name for name, resource in RESOURCES.items() if resource["Type"] == "AWS::Glue::Crawler"}
    assert crawlers <= {
        reference["Ref"] for reference in nodes(given["Crawlers"]) if isinstance(reference, dict) and "Ref" in reference
    }
    assert TEMPLATE["Outputs"]["QuickSightDashboardUrl"]["Value"] == {
        "Fn::GetAtt": ["QuickSightStack", "Outputs.DashboardUrl"]
    }
    assert "DashboardUrl" in made["Outputs"]


def test_detection_is_optional() -> None:
    optional = {
        "Detection",
        "Api",
        "Spark",
        "SparkKey",
        *(f"{kind}{number}" for kind in ("Email", "Phone") for number in range(1, 6)),
    }
    inside = {name for name, resource in RESOURCES.items() if resource.get("Condition") in optional}
    assert {"DetectFunction", "ScheduleFunction", "ScheduleGroup", "DetectionDependencies", "LongTextTopic"} <= inside
    for name, resource in (RESOURCES | STACKS).items():
        assert name in inside or not unconditional(resource) & inside, name


def unconditional(node: Any) -> set[str]:
    if isinstance(node, dict):
        if "Fn::If" in node:
            return set()
        found = {named(node)} if node.keys() & {"Ref", "Fn::GetAtt"} and len(node) == 1 else set()
        return found.union(*(unconditional(node) for node in node.values()))
    return set().union(*(unconditional(node) for node in node)) if isinstance(node, list) else set()


MODELS = {
    "IngestFunction": environment.IngestEnvironment,
    "CompactFunction": environment.CompactEnvironment,
    "CrawlFunction": environment.CrawlEnvironment,
    "CatalogFunction": environment.CatalogEnvironment,
    "DetectFunction": environment.DetectEnvironment,
    "ScheduleFunction": environment.ScheduleEnvironment,
    "ApiFunction": environment.ApiEnvironment,
    "BacktestFunction": environment.BacktestEnvironment,
}


@pytest.mark.parametrize("name", FUNCTIONS)
def test_the_environment_of_a_function_is_valid(name: str) -> None:
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
        "ANOMALAKE_BACKTEST": "arn:aws:lambda:eu-west-1:123456789012:function:anomalake-backtest",
        "ANOMALAKE_BACKTEST_ALERTS": "false",
        "ANOMALAKE_PARTITION": "aws",
        "ANOMALAKE_SOURCES": "stack-bucket-1,kpi-data",
        "ANOMALAKE_TARGETS": "",
        "ANOMALAKE_JOB": "anomalake-detect",
        "ANOMALAKE_JOB_FILES": "s3://stack-bucket-1/spark",
    }
    given = {*SHARED, *FUNCTIONS[name]["Environment"]["Variables"]}
    read = MODELS[name].read({key: value for key, value in values.items() if key in given})
    assert getattr(read, "lake", "s3://stack-bucket-1/lake") == "s3://stack-bucket-1/lake"
    assert getattr(read, "detectors", "s3://stack-bucket-1/detectors") == "s3://stack-bucket-1/detectors"
    assert getattr(read, "account", "123456789012") == "123456789012"


@pytest.mark.parametrize("name", FUNCTIONS)
def test_a_function_has_few_lines(name: str) -> None:
    lines = (ROOT / FUNCTIONS[name]["CodeUri"] / "app.py").read_text().splitlines()
    assert len(lines) <= 110


def test_every_parameter_is_described_checked_and_used() -> None:
    used = {
        node["Ref"]
        for node in nodes([RESOURCES, TEMPLATE["Conditions"], TEMPLATE["Globals"]])
        if isinstance(node, dict) and "Ref" in node
    }
    texts = " ".join(node for node in nodes(RESOURCES) if isinstance(node, str))
    shown = list(
        chain.from_iterable(
            group["Parameters"] for group in TEMPLATE["Metadata"]["AWS::CloudFormation::Interface"]["ParameterGroups"]
        )
    )
    assert sorted(shown) == sorted(TEMPLATE["Parameters"])
    for name, parameter in TEMPLATE["Parameters"].items():
        assert parameter["Description"].endswith("."), name
        assert {"AllowedValues", "AllowedPattern", "MinValue"} & parameter.keys(), (
            f"{name}: expected AllowedValues, AllowedPattern or MinValue"
        )
        assert name in used or f"${{{name}}}" in texts, f"{name}: is not used"
        if "AllowedPattern" in parameter:
            assert re.search(parameter["AllowedPattern"], str(parameter["Default"])), (
                f"{name}: the default does not match the pattern"
            )
            assert "ConstraintDescription" in parameter, name


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
        ("AlertTargetArns", "arn:aws:lambda:eu-west-1:123456789012:function:notify", True),
        ("AlertTargetArns", "*", False),
        ("SourceDatabases", "sales", True),
        ("SourceDatabases", "kpi_*", True),
        ("SourceDatabases", "sales/orders", False),
        ("SourceDatabases", "Sales", False),
        ("SourceDatabases", "${AWS::AccountId}", False),
        ("AlertTargetArns", "arn:aws:s3:::bucket", False),
    ],
)
def test_a_parameter_accepts_valid_values_only(name: str, value: str, passes: bool) -> None:
    assert bool(re.search(TEMPLATE["Parameters"][name]["AllowedPattern"], value)) == passes


def test_outputs_are_described() -> None:
    for name, output in TEMPLATE["Outputs"].items():
        assert output["Description"], name


def test_every_function_declares_the_runtime_that_the_layers_are_built_for() -> None:
    assert TEMPLATE["Globals"]["Function"]["Runtime"] == "python3.13"
    for resource in RESOURCES.values():
        if resource["Type"] == "AWS::Serverless::LayerVersion":
            assert resource["Properties"]["CompatibleRuntimes"] == ["python3.13"]


# ---- the job on Apache Spark ----

JOB = RESOURCES["DetectJob"]["Properties"]


def test_the_job_is_off_by_default_and_depends_on_nothing_else() -> None:
    assert TEMPLATE["Parameters"]["SparkEnabled"]["Default"] == "false"
    inside = {name for name, resource in RESOURCES.items() if resource.get("Condition") in ("Spark", "SparkKey")}
    assert inside == {
        "DetectJob", "DetectJobSecurity", "DetectJobFailedRule", "DetectJobOutputLogGroup", "DetectJobErrorLogGroup",
        "DetectJobRole",
    }  # fmt: skip
    for name, resource in (RESOURCES | STACKS).items():
        assert name in inside or not unconditional(resource) & inside, name


def test_the_job_runs_on_the_spark_and_python_of_the_tests() -> None:
    # Glue 5.0 has Spark 3.5 and Python 3.11.
    assert (JOB["GlueVersion"], JOB["Command"]["Name"]) == ("5.0", "glueetl")
    assert re.search(r"^pyspark==3\.5\.", (ROOT / "requirements" / "spark.txt").read_text(), re.MULTILINE)
    assert "python_full_version < '3.12'" in (ROOT / "requirements" / "spark.txt").read_text()
    assert JOB["WorkerType"] == {"Ref": "SparkWorkerType"}
    assert JOB["NumberOfWorkers"] == {"Ref": "SparkWorkers"}
    assert JOB["ExecutionProperty"]["MaxConcurrentRuns"] > 1
    assert JOB["MaxRetries"] == 1
    assert JOB["Timeout"] <= 24 * 60


def test_the_job_finds_the_files_that_schedule_writes() -> None:
    folder = FUNCTIONS["ScheduleFunction"]["Environment"]["Variables"]["ANOMALAKE_JOB_FILES"]["Fn::If"][1]["Fn::Sub"]
    given = JOB["DefaultArguments"]
    assert {
        JOB["Command"]["ScriptLocation"]["Fn::Sub"],
        given["--extra-py-files"]["Fn::Sub"],
        given["--additional-python-modules"]["Fn::Sub"],
    } == {f"{folder}/{name}" for name in job_files()}
    assert given["--python-modules-installer-option"] == "-r"
    written = [
        statement["Resource"]["Fn::Sub"]
        for name, statement in statements("AWS::IAM::Role")
        if name == "ScheduleRole" and statement["Action"] == "s3:PutObject"
    ]
    assert written == ["${Bucket.Arn}/spark/*"]
    # A deployment that switches the job on, or has a new package, writes them.
    schedules = RESOURCES["Schedules"]["Properties"]
    assert schedules["Job"] == {"Fn::If": ["Spark", {"Ref": "DetectJob"}, ""]}
    assert schedules["Package"] == {"Ref": "PackageLayer"}


def test_the_job_gets_the_variables_of_the_function_detect() -> None:
    of_function = SHARED | FUNCTIONS["DetectFunction"]["Environment"]["Variables"]
    given = {name.removeprefix("--"): value for name, value in JOB["DefaultArguments"].items()}
    names = [name for name in VARIABLES if name != "AWS_REGION"]
    assert {name for name in given if name.isupper()} == {*names, "AWS_REGION"}
    same = [name for name in names if name not in ("ANOMALAKE_PAGE", "ANOMALAKE_ALERT_THRESHOLD")]
    assert {name: given[name] for name in same} == {name: of_function[name] for name in same}
    # Glue's arguments are texts, and not empty.
    assert given["ANOMALAKE_ALERT_THRESHOLD"] == {"Fn::Sub": "${AlertThreshold}"}
    assert given["ANOMALAKE_PAGE"] == {"Fn::If": ["Page", {"Ref": "PageUrl"}, {"Ref": "AWS::NoValue"}]}


def test_the_job_writes_to_its_own_log_groups_with_retention() -> None:
    prefix = JOB["DefaultArguments"]["--custom-logGroup-prefix"]["Fn::Sub"]
    groups = [RESOURCES[f"DetectJob{kind}LogGroup"]["Properties"] for kind in ("Output", "Error")]
    assert [group["LogGroupName"]["Fn::Sub"] for group in groups] == [f"{prefix}/output", f"{prefix}/error"]
    assert all(group["RetentionInDays"] == {"Ref": "LogRetentionDays"} for group in groups)
    (logs,) = [
        {arn["Fn::Sub"].partition(":log-group:")[2] for arn in statement["Resource"]}
        for name, statement in statements("AWS::IAM::Role")
        if name == "DetectJobRole" and "logs:PutLogEvents" in listed(statement["Action"])
    ]
    assert logs == {f"{prefix}/output:*", f"{prefix}/error:*"}


def test_a_failed_run_of_the_job_raises_an_alarm() -> None:
    pattern = RULES["DetectJobFailedRule"]["EventPattern"]
    assert (pattern["source"], pattern["detail-type"]) == (["aws.glue"], ["Glue Job State Change"])
    assert pattern["detail"]["jobName"] == [{"Ref": "DetectJob"}]
    assert {"FAILED", "TIMEOUT"} <= set(pattern["detail"]["state"])
    assert RULES["DetectJobFailedRule"]["Targets"][0]["Arn"] == {"Ref": "AlarmTopic"}


def test_only_detect_may_start_the_job_and_only_glue_has_its_role() -> None:
    started = {
        name: statement["Resource"]["Fn::Sub"]
        for name, statement in statements("AWS::IAM::Role")
        if any(action.startswith("glue:StartJobRun") for action in listed(statement["Action"]))
    }
    assert started.keys() == {"DetectRole"}
    assert started["DetectRole"].endswith(f":job/{JOB['Name']['Fn::Sub']}")
    (trust,) = RESOURCES["DetectJobRole"]["Properties"]["AssumeRolePolicyDocument"]["Statement"]
    assert trust["Principal"] == {"Service": "glue.amazonaws.com"}
    assert trust["Condition"] == {"StringEquals": {"aws:SourceAccount": {"Ref": "AWS::AccountId"}}}


def test_the_key_encrypts_what_the_job_writes() -> None:
    assert JOB["SecurityConfiguration"] == {
        "Fn::If": ["SparkKey", {"Ref": "DetectJobSecurity"}, {"Ref": "AWS::NoValue"}]
    }
    configuration = RESOURCES["DetectJobSecurity"]["Properties"]["EncryptionConfiguration"]
    assert configuration["S3Encryptions"] == [{"S3EncryptionMode": "SSE-KMS", "KmsKeyArn": {"Ref": "KmsKeyArn"}}]
