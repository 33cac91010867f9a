"""Refresh of SPICE after each crawl and once a day, with alarms for failures."""

from __future__ import annotations

from typing import Any

from anomalake.quicksight.names import sub

Json = dict[str, Any]

_ACCOUNT = {"Ref": "AWS::AccountId"}
_NOTHING = {"Ref": "AWS::NoValue"}


def refresh(data_sets: dict[str, str]) -> dict[str, Json]:
    """Return the resources of the refresh; `data_sets` has the suffixes of the data sets' ids by logical name."""
    arns = [{"Fn::GetAtt": [name, "Arn"]} for name in data_sets]
    return {
        "Refresh": _state_machine(data_sets),
        "RefreshRole": _role(
            "states.amazonaws.com",
            "quicksight:CreateIngestion",
            [*arns, *(sub(f"${{{name}.Arn}}/ingestion/*") for name in data_sets)],
        ),
        "CrawledRule": _rule(),
        "CrawledRole": _role("events.amazonaws.com", "states:StartExecution", {"Ref": "Refresh"}),
        "RefreshFailedAlarm": _alarm(
            "Refreshed",
            "A refresh of QuickSight's data sets could not be started",
            "AWS/States",
            "ExecutionsFailed",
            "StateMachineArn",
            {"Ref": "Refresh"},
        ),
        **{f"{name}Schedule": _daily(name, suffix) for name, suffix in data_sets.items()},
        **{
            f"{name}FailedAlarm": _alarm(
                "Spice",
                f"A refresh of QuickSight's data set {suffix} failed",
                "AWS/QuickSight",
                "IngestionErrorCount",
                "DatasetId",
                sub(f"${{AWS::StackName}}-{suffix}"),
            )
            for name, suffix in data_sets.items()
        },
    }


def _state_machine(data_sets: dict[str, str]) -> Json:
    branches = [
        {
            "StartAt": f"Refresh {suffix}",
            "States": {
                f"Refresh {suffix}": {
                    "Type": "Task",
                    "Resource": sub("arn:${AWS::Partition}:states:::aws-sdk:quicksight:createIngestion"),
                    "Parameters": {
                        "AwsAccountId": _ACCOUNT,
                        "DataSetId": sub(f"${{AWS::StackName}}-{suffix}"),
                        # EventBridge generates a new name for each execution, of hex digits, - and _.
                        "IngestionId.$": "$$.Execution.Name",
                        "IngestionType": "FULL_REFRESH",
                    },
                    "Retry": [
                        {
                            "ErrorEquals": [
                                "QuickSight.ThrottlingException",
                                "QuickSight.InternalFailureException",
                                "QuickSight.ConflictException",
                                "QuickSight.SdkClientException",
                            ],
                            "IntervalSeconds": 30,
                            "MaxAttempts": 6,
                            "BackoffRate": 2,
                            "JitterStrategy": "FULL",
                        }
                    ],
                    # QuickSight limits refreshes in 24 hours; the next one includes the data of a skipped one.
                    "Catch": [
                        {
                            "ErrorEquals": ["QuickSight.LimitExceededException", "QuickSight.ResourceExistsException"],
                            "Next": f"Leave {suffix}",
                        }
                    ],
                    "End": True,
                },
                f"Leave {suffix}": {"Type": "Pass", "End": True},
            },
        }
        for suffix in data_sets.values()
    ]
    return {
        "Type": "AWS::StepFunctions::StateMachine",
        "Condition": "Refreshed",
        "Properties": {
            "StateMachineType": "STANDARD",
            "RoleArn": {"Fn::GetAtt": ["RefreshRole", "Arn"]},
            "Definition": {
                "Comment": "Refreshes the data sets in SPICE",
                "StartAt": "Refresh",
                "TimeoutSeconds": 7200,
                "States": {"Refresh": {"Type": "Parallel", "End": True, "Branches": branches}},
            },
        },
    }


def _role(service: str, action: str, resource: Any) -> Json:
    trust = {
        "Effect": "Allow",
        "Principal": {"Service": service},
        "Action": "sts:AssumeRole",
        "Condition": {"StringEquals": {"aws:SourceAccount": _ACCOUNT}},
    }
    allowed = {"Effect": "Allow", "Action": action, "Resource": resource}
    return {
        "Type": "AWS::IAM::Role",
        "Condition": "Refreshed",
        "Properties": {
            "AssumeRolePolicyDocument": {"Version": "2012-10-17", "Statement": [trust]},
            "Policies": [
                {"PolicyName": "refresh", "PolicyDocument": {"Version": "2012-10-17", "Statement": [allowed]}}
            ],
        },
    }


def _rule() -> Json:
    target = {
        "Id": "refresh",
        "Arn": {"Ref": "Refresh"},
        "RoleArn": {"Fn::GetAtt": ["CrawledRole", "Arn"]},
        "RetryPolicy": {"MaximumEventAgeInSeconds": 3600, "MaximumRetryAttempts": 20},
    }
    return {
        "Type": "AWS::Events::Rule",
        "Condition": "Refreshed",
        "Properties": {
            "Description": "Crawls that succeeded refresh QuickSight's data sets",
            "EventPattern": {
                "source": ["aws.glue"],
                "detail-type": ["Glue Crawler State Change"],
                "detail": {"state": ["Succeeded"], "crawlerName": {"Ref": "Crawlers"}},
            },
            "Targets": [target],
        },
    }


def _daily(data_set: str, suffix: str) -> Json:
    return {
        "Type": "AWS::QuickSight::RefreshSchedule",
        "Condition": "Spice",
        # The id below is not a Ref, because Ref of a data set returns account and id; hence DependsOn.
        "DependsOn": data_set,
        "Properties": {
            "AwsAccountId": _ACCOUNT,
            "DataSetId": sub(f"${{AWS::StackName}}-{suffix}"),
            "Schedule": {
                "ScheduleId": "daily",
                "RefreshType": "FULL_REFRESH",
                "ScheduleFrequency": {"Interval": "DAILY", "TimeOfTheDay": {"Ref": "RefreshTime"}, "TimeZone": "UTC"},
            },
        },
    }


def _alarm(condition: str, text: str, namespace: str, metric: str, dimension: str, value: Any) -> Json:
    return {
        "Type": "AWS::CloudWatch::Alarm",
        "Condition": condition,
        "Properties": {
            "AlarmDescription": text,
            "Namespace": namespace,
            "MetricName": metric,
            "Dimensions": [{"Name": dimension, "Value": value}],
            "Statistic": "Sum",
            "Period": 300,
            "EvaluationPeriods": 1,
            "Threshold": 1,
            "ComparisonOperator": "GreaterThanOrEqualToThreshold",
            "TreatMissingData": "notBreaching",
            "AlarmActions": {"Fn::If": ["Alarmed", [{"Ref": "AlarmTopicArn"}], _NOTHING]},
        },
    }
