"""The whole template: parameters, conditions, resources, outputs; and its text."""

from __future__ import annotations

import re
from typing import Any

import yaml

from anomalake.definitions.metric_set import MetricSet
from anomalake.quicksight.controls import DAYS_SHOWN
from anomalake.quicksight.data_sets import DATABASE, HISTORY_DAYS, DataSet, Model, model_of
from anomalake.quicksight.definition import definition
from anomalake.quicksight.names import LONGEST_NAME, QuickSightError, shortened, sub, verbatim
from anomalake.quicksight.permissions import permissions
from anomalake.quicksight.refresh import refresh
from anomalake.quicksight.theme import theme

Json = dict[str, Any]

#: CloudFormation's limit of a template in S3.
LONGEST_TEMPLATE = 1_000_000

_ACCOUNT = {"Ref": "AWS::AccountId"}
_NOTHING = {"Ref": "AWS::NoValue"}
_NAMES = {"values": "ValuesDataSet", "contributions": "ContributionsDataSet", "anomalies": "AnomaliesDataSet"}
# At first so many days that a line has some hundred points.
_DAYS_SHOWN = {"PT5M": 3, "PT10M": 7, "PT1H": 30, "P1D": 365}

_HEADER = """\
# QuickSight for the detector {name}: data source, data sets, analysis, dashboard, theme. Made by `anomalake quicksight`
# from the detector file: change that and make this anew.
#
#   aws cloudformation deploy --template-file FILE --stack-name NAME --s3-bucket BUCKET --capabilities CAPABILITY_IAM \\
#     --parameter-overrides OwnerArn=arn:aws:quicksight:REGION:ACCOUNT:user/default/USER \\
#       Workgroup=WORKGROUP DatabaseName=DATABASE Crawlers=STACK-tables,STACK-source
#
# WORKGROUP and DATABASE are the anomalake stack's outputs; BUCKET is any that the template may pass through. The lake
# must know the detector, and QuickSight be allowed to use Athena and the lake's bucket. See docs/quicksight.md.
"""


def quicksight_template(metric_set: MetricSet) -> Json:
    """A CloudFormation template of what QuickSight shows of a detector.

    Raises
    ------
    QuickSightError
        A name is unfit for a template.
    """
    model = model_of(metric_set)
    arns: dict[str, Json] = {one: {"Fn::GetAtt": [_NAMES[one], "Arn"]} for one in model.data_sets}
    shows = definition(model, arns)
    return {
        "AWSTemplateFormatVersion": "2010-09-09",
        "Description": f"anomalake - what QuickSight shows of the detector {model.name}",
        "Metadata": {"AWS::CloudFormation::Interface": {"ParameterGroups": _GROUPS}},
        "Parameters": _parameters(model),
        "Conditions": _CONDITIONS,
        "Resources": {
            "DataSource": _data_source(model),
            **{_NAMES[one]: _data_set(data_set) for one, data_set in model.data_sets.items()},
            "Theme": _theme(model),
            "Analysis": _shown("Analysis", model, {"Definition": shows}),
            "Dashboard": _shown("Dashboard", model, {"Definition": shows, "DashboardPublishOptions": _PUBLISHED}),
            **refresh({_NAMES[one]: one for one in model.data_sets}),
        },
        "Outputs": _OUTPUTS,
    }


def to_yaml(template: Json) -> str:
    """A template of `quicksight_template` as YAML, with a comment on how to deploy it; the same for the same detector.

    Raises
    ------
    QuickSightError
        It is longer than CloudFormation takes.
    """
    name = template["Description"].rpartition(" ")[2]
    text = _HEADER.format(name=name) + yaml.dump(template, Dumper=_Dumper, sort_keys=False, width=120)
    if len(text.encode()) > LONGEST_TEMPLATE:
        raise QuickSightError(
            f"template of {name}: {len(text.encode()):,} bytes; expected at most {LONGEST_TEMPLATE:,}: fewer measures"
        )
    return text


_PLAIN = re.compile(r"[A-Za-z_][\w.-]*(::\w+)*( [\w.-]+)*", re.ASCII)
_WORDS = ("y", "n", "yes", "no", "on", "off", "true", "false", "null")


class _Dumper(yaml.SafeDumper):
    """No aliases, which CloudFormation does not read; a text that some YAML takes for something else is quoted."""

    def ignore_aliases(self, data: Any) -> bool:
        return True


def _text(dumper: yaml.SafeDumper, text: str) -> yaml.ScalarNode:
    if "\n" in text:
        style = "|"
    elif _PLAIN.fullmatch(text) and text.lower() not in _WORDS:
        style = ""
    else:
        style = '"'
    return dumper.represent_scalar("tag:yaml.org,2002:str", text, style=style)


_Dumper.add_representer(str, _text)

_GROUPS = [
    {"Label": {"default": "Who sees it"}, "Parameters": ["OwnerArn", "ViewerArn"]},
    {"Label": {"default": "Where it comes from"}, "Parameters": [DATABASE, "Workgroup", "DataSourceArn", HISTORY_DAYS]},
    {"Label": {"default": "How it is read"}, "Parameters": ["ImportMode", "Crawlers", "RefreshTime", "AlarmTopicArn"]},
    {"Label": {"default": "How it is shown"}, "Parameters": [DAYS_SHOWN, "Timezone"]},
]

_CONDITIONS: Json = {
    "OwnDataSource": {"Fn::Equals": [{"Ref": "DataSourceArn"}, ""]},
    # QuickSight takes a principal once, and who may change all may see it.
    "Viewer": {
        "Fn::And": [
            {"Fn::Not": [{"Fn::Equals": [{"Ref": "ViewerArn"}, ""]}]},
            {"Fn::Not": [{"Fn::Equals": [{"Ref": "ViewerArn"}, {"Ref": "OwnerArn"}]}]},
        ]
    },
    "Spice": {"Fn::Equals": [{"Ref": "ImportMode"}, "SPICE"]},
    "Refreshed": {
        "Fn::And": [
            {"Condition": "Spice"},
            {"Fn::Not": [{"Fn::Equals": [{"Fn::Join": ["", {"Ref": "Crawlers"}]}, ""]}]},
        ]
    },
    "Alarmed": {"Fn::Not": [{"Fn::Equals": [{"Ref": "AlarmTopicArn"}, ""]}]},
}

_PUBLISHED: Json = {
    "AdHocFilteringOption": {"AvailabilityStatus": "ENABLED"},
    "ExportToCSVOption": {"AvailabilityStatus": "ENABLED"},
    "SheetControlsOption": {"VisibilityState": "EXPANDED"},
}

_OUTPUTS: Json = {
    "DashboardUrl": {
        "Description": "The dashboard",
        "Value": sub("https://${AWS::Region}.quicksight.aws.amazon.com/sn/dashboards/${AWS::StackName}-dashboard"),
    },
    "AnalysisUrl": {
        "Description": "The analysis, for who wants to change it",
        "Value": sub("https://${AWS::Region}.quicksight.aws.amazon.com/sn/analyses/${AWS::StackName}-analysis"),
    },
    **{
        f"{name}Arn": {"Description": f"Data set of the {identifier}", "Value": {"Fn::GetAtt": [name, "Arn"]}}
        for identifier, name in _NAMES.items()
    },
}


def _parameters(model: Model) -> Json:
    principal = "arn:[a-z-]+:quicksight:[a-z0-9-]+:[0-9]{12}:(user|group)/.+"
    return {
        "OwnerArn": {
            "Type": "String",
            "AllowedPattern": f"^{principal}$",
            "ConstraintDescription": "the ARN of a QuickSight user or group",
            "Description": "QuickSight user or group that may see and change all of it.",
        },
        "ViewerArn": {
            "Type": "String",
            "Default": "",
            "AllowedPattern": f"^$|^{principal}$",
            "ConstraintDescription": "empty, or the ARN of a QuickSight user or group",
            "Description": "QuickSight user or group that may see the dashboard. Empty - none.",
        },
        DATABASE: {
            "Type": "String",
            "Default": "anomalake",
            "AllowedPattern": "^[a-z][a-z0-9_]{0,127}$",
            "ConstraintDescription": "1 to 128 of a-z 0-9 _, a letter first",
            "Description": "Glue database with the views, the anomalake stack's DatabaseName.",
        },
        "Workgroup": {
            "Type": "String",
            "Default": "primary",
            "AllowedPattern": "^[a-zA-Z0-9._-]{1,128}$",
            "ConstraintDescription": "1 to 128 of a-z A-Z 0-9 . _ -",
            "Description": "Athena workgroup to query in, the anomalake stack's WorkgroupName.",
        },
        "DataSourceArn": {
            "Type": "String",
            "Default": "",
            "AllowedPattern": "^$|^arn:[a-z-]+:quicksight:[a-z0-9-]+:[0-9]{12}:datasource/.+$",
            "ConstraintDescription": "empty, or the ARN of a QuickSight data source",
            "Description": "Data source of Athena that is there already. Empty - one is made, on Workgroup.",
        },
        HISTORY_DAYS: {
            "Type": "Number",
            "Default": 36500,
            "MinValue": 1,
            "MaxValue": 36500,
            "Description": "Days back from today that the data sets hold. Fewer - less to read, and less of SPICE.",
        },
        "ImportMode": {
            "Type": "String",
            "Default": "SPICE",
            "AllowedValues": ["SPICE", "DIRECT_QUERY"],
            "Description": "Whether QuickSight keeps the data, refreshed, or asks Athena whenever somebody looks.",
        },
        "Crawlers": {
            "Type": "CommaDelimitedList",
            "Default": "",
            "AllowedPattern": "^$|^[^,*]{1,255}$",
            "ConstraintDescription": "names of Glue crawlers, parted by commas",
            "Description": "Crawlers that refresh SPICE by succeeding: STACK-tables,STACK-source. Empty - daily only.",
        },
        "RefreshTime": {
            "Type": "String",
            "Default": "05:00",
            "AllowedPattern": "^([01][0-9]|2[0-3]):[0-5][0-9]$",
            "ConstraintDescription": "a time such as 05:00",
            "Description": "When SPICE is refreshed each day in any case (UTC).",
        },
        "AlarmTopicArn": {
            "Type": "String",
            "Default": "",
            "AllowedPattern": "^$|^arn:[a-z-]+:sns:[a-z0-9-]+:[0-9]{12}:.+$",
            "ConstraintDescription": "empty, or the ARN of an SNS topic",
            "Description": "Topic that hears of failed refreshes, the anomalake stack's AlarmTopicArn. Empty - none.",
        },
        DAYS_SHOWN: {
            "Type": "Number",
            "Default": _DAYS_SHOWN[model.frequency],
            "MinValue": 1,
            "MaxValue": 36500,
            "Description": "Days back from today that the dashboard shows at first; the time control changes it.",
        },
        "Timezone": {
            "Type": "String",
            "Default": model.timezone,
            "AllowedPattern": "^[A-Za-z0-9_+/-]{1,64}$",
            "ConstraintDescription": "a zone of the tz database",
            "Description": "Zone that times are shown in. The data sets' timestamps are UTC.",
        },
    }


def _data_source(model: Model) -> Json:
    return {
        "Type": "AWS::QuickSight::DataSource",
        "Condition": "OwnDataSource",
        "Properties": {
            "AwsAccountId": _ACCOUNT,
            "DataSourceId": _id("source"),
            "Name": _id("source"),
            "Type": "ATHENA",
            "DataSourceParameters": {"AthenaParameters": {"WorkGroup": {"Ref": "Workgroup"}}},
            "SslProperties": {"DisableSsl": False},
            "Permissions": permissions("DataSource"),
        },
    }


def _data_set(data_set: DataSet) -> Json:
    columns = []
    for column in data_set.columns:
        one: Json = {"Name": column.name, "Type": column.type}
        if column.type == "DECIMAL":
            # The other one ends at four places after the point.
            one["SubType"] = {"Fn::If": ["Spice", "FLOAT", _NOTHING]}
        columns.append(one)
    name = shortened(data_set.relation, LONGEST_NAME)
    return {
        "Type": "AWS::QuickSight::DataSet",
        "Properties": {
            "AwsAccountId": _ACCOUNT,
            "DataSetId": _id(data_set.identifier),
            "Name": name,
            "ImportMode": {"Ref": "ImportMode"},
            "PhysicalTableMap": {
                data_set.identifier: {
                    "CustomSql": {
                        "DataSourceArn": {
                            "Fn::If": ["OwnDataSource", {"Fn::GetAtt": ["DataSource", "Arn"]}, {"Ref": "DataSourceArn"}]
                        },
                        "Name": name,
                        "SqlQuery": sub(data_set.sql()),
                        "Columns": columns,
                    }
                }
            },
            # A view that is not there yet fails the refresh, and its alarm tells; it need not fail the deployment.
            "IngestionWaitPolicy": {"WaitForSpiceIngestion": False},
            "Permissions": permissions("DataSet"),
        },
    }


def _theme(model: Model) -> Json:
    return {
        "Type": "AWS::QuickSight::Theme",
        "Properties": {
            "AwsAccountId": _ACCOUNT,
            "ThemeId": _id("theme"),
            "Name": f"anomalake {model.name}",
            "BaseThemeId": "CLASSIC",
            "Configuration": theme(),
            "Permissions": permissions("Theme"),
        },
    }


def _shown(kind: str, model: Model, what: Json) -> Json:
    properties: Json = {
        "AwsAccountId": _ACCOUNT,
        f"{kind}Id": _id(kind.lower()),
        "Name": f"Anomalies of {model.name}",
        "ThemeArn": {"Fn::GetAtt": ["Theme", "Arn"]},
        "ValidationStrategy": {"Mode": "STRICT"},
        "Permissions": permissions(kind),
        **verbatim(what),
    }
    return {"Type": f"AWS::QuickSight::{kind}", "Properties": properties}


def _id(suffix: str) -> Json:
    return sub(f"${{AWS::StackName}}-{suffix}")
