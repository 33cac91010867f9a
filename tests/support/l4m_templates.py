"""CloudFormation templates with Lookout for Metrics' types, as its users have them."""

from __future__ import annotations

import json
from typing import Any

#: Roles, a detector over files, an alert that calls a function, and exports, with comments everywhere.
SHOP = """\
# A detector of a shop's views and revenue.
AWSTemplateFormatVersion: "2010-09-09"
Description: >-
  Detector, alert
  and what they need

# What to choose
Parameters:
  # Bucket of the data
  DataBucket: {Type: String}
  Threshold:
    Type: Number
    Default: 70

Conditions:
  Loud: !Not [!Equals [!Ref Threshold, 0]]

Resources:

  # L4M reads with this role.
  ReadRole:
    Type: AWS::IAM::Role
    Properties:
      AssumeRolePolicyDocument:
        Version: '2012-10-17'
        Statement:
          - Effect: Allow
            Principal:
              Service:
                - lookoutmetrics.amazonaws.com  # before its end
            Action: 'sts:AssumeRole'
      Policies:
        - PolicyName: read
          PolicyDocument:
            Version: '2012-10-17'
            Statement:
              - Effect: Allow
                Action: [s3:GetObject, s3:ListBucket]
                Resource:
                  - !Sub arn:${AWS::Partition}:s3:::${DataBucket}
                  - !Sub "arn:${AWS::Partition}:s3:::${DataBucket}/*"

  CallRole:
    Type: AWS::IAM::Role
    Properties:
      AssumeRolePolicyDocument:
        Version: '2012-10-17'
        Statement:
          - Effect: Allow
            Principal:
              Service:
                - lookoutmetrics.amazonaws.com
                - lambda.amazonaws.com
            Action: sts:AssumeRole

  # The detector itself
  ShopDetector:
    Type: "AWS::LookoutMetrics::AnomalyDetector"
    DependsOn: CallRole
    DeletionPolicy: Retain
    UpdateReplacePolicy: Retain
    Metadata: {Owner: sales}
    Properties:
      # every hour
      AnomalyDetectorConfig:
        AnomalyDetectorFrequency: PT1H
      AnomalyDetectorDescription: "views & revenue: all shops"
      MetricSetList:
        - MetricSetName: shop-metric-set
          Offset: 300
          MetricList:
            - {MetricName: views, AggregationFunction: SUM}
            - {MetricName: revenue, AggregationFunction: SUM}
          DimensionList:
            - platform
            - marketplace
          TimestampColumn: {ColumnName: timestamp, ColumnFormat: "yyyy-MM-dd HH:mm:ss"}
          MetricSetFrequency: PT1H
          MetricSource:
            S3SourceConfig:
              RoleArn: !GetAtt ReadRole.Arn
              TemplatedPathList:
                - !Sub s3://${DataBucket}/live/{{yyyyMMdd}}/{{HHmm}}
              #HistoricalDataPathList: s3://old/
              HistoricalDataPathList: [!Join ["", ["s3://", !Ref DataBucket, /backtest/]]]
              FileFormatDescriptor:
                CsvFormatDescriptor:
                  ContainsHeader: true
                  Delimiter: ","
                  QuoteSymbol: '"'
                  FileCompression: NONE
                  Charset: UTF-8

  ShopAlert:
    Type: AWS::LookoutMetrics::Alert
    Condition: Loud
    Properties: {AnomalyDetectorArn: !GetAtt ShopDetector.Arn, AlertSensitivityThreshold: !Ref Threshold, Action: {
      LambdaConfiguration: {LambdaArn: !GetAtt Handler.Arn, RoleArn: !GetAtt CallRole.Arn}}}

  # It finds the metric set by its ARN.
  Handler:
    Type: AWS::Lambda::Function
    Properties:
      Runtime: python3.13
      Handler: index.handler
      Role: !GetAtt CallRole.Arn
      Code:
        ZipFile: |
          ARN = "arn:aws:lookoutmetrics:us-east-1:123456789012:MetricSet/shop/shop-metric-set"

          def handler(event, context):
              return ARN  # AWS::LookoutMetrics::Alert

Outputs:
  Detector:
    Value: !GetAtt ShopDetector.Arn
    Export: {Name: !Sub "${AWS::StackName}-detector"}
  Alert:
    Condition: Loud
    Value: !Ref ShopAlert
# the end
"""

#: A topic, an alert with texts, and no parameters; a block indented by two.
TOPIC = """\
AWSTemplateFormatVersion: 2010-09-09
# Everything of the alert
Resources:
    Topic:
        Type: AWS::SNS::Topic
    TopicPolicy:
        Type: AWS::SNS::TopicPolicy
        Properties:
            Topics:
            - !Ref Topic
            PolicyDocument:
                Statement:
                - Effect: Allow
                  Principal:
                      Service: lookoutmetrics.amazonaws.com
                  Action: sns:Publish
                  Resource: !Ref Topic
    Alert:
        Type: AWS::LookoutMetrics::Alert
        Properties:
            AlertName: to-people
            AlertDescription: Sent to people.
            AnomalyDetectorArn: !ImportValue shop-detector
            AlertSensitivityThreshold: 50
            Action:
                SNSConfiguration:
                    RoleArn: arn:aws:iam::123456789012:role/alerts
                    SnsTopicArn: !Ref Topic
"""


def cdk() -> dict[str, Any]:
    """What the CDK synthesises for a detector with its role."""
    role = {
        "Type": "AWS::IAM::Role",
        "Properties": {
            "AssumeRolePolicyDocument": {
                "Statement": [
                    {
                        "Action": "sts:AssumeRole",
                        "Effect": "Allow",
                        "Principal": {"Service": {"Fn::Join": ["", ["lookoutmetrics.", {"Ref": "AWS::URLSuffix"}]]}},
                    }
                ],
                "Version": "2012-10-17",
            }
        },
        "Metadata": {"aws:cdk:path": "Stack/Role/Resource"},
    }
    detector = {
        "Type": "AWS::LookoutMetrics::AnomalyDetector",
        "Properties": {
            "AnomalyDetectorConfig": {"anomalyDetectorFrequency": "P1D"},
            "MetricSetList": [
                {
                    "MetricList": [{"AggregationFunction": "AVG", "MetricName": "latency"}],
                    "MetricSetName": "latency",
                    "MetricSource": {
                        "S3SourceConfig": {
                            "FileFormatDescriptor": {"JsonFormatDescriptor": {"Charset": "UTF-8"}},
                            "HistoricalDataPathList": [{"Fn::Join": ["", ["s3://", {"Ref": "Data1B2C"}, "/é/"]]}],
                            "RoleArn": {"Fn::GetAtt": ["Role1A2B", "Arn"]},
                        }
                    },
                    "Offset": 0,
                }
            ],
        },
        "Metadata": {"aws:cdk:path": "Stack/Detector"},
    }
    return {
        "Resources": {"Data1B2C": {"Type": "AWS::S3::Bucket"}, "Role1A2B": role, "Detector": detector},
        "Outputs": {"Arn": {"Value": {"Fn::GetAtt": ["Detector", "Arn"]}}},
        "Parameters": {
            "BootstrapVersion": {
                "Type": "AWS::SSM::Parameter::Value<String>",
                "Default": "/cdk-bootstrap/x/version",
                "Description": "[cdk:skip]",
            }
        },
        "Rules": {
            "CheckBootstrapVersion": {
                "Assertions": [{"Assert": {"Fn::Not": [{"Fn::Contains": [["1"], {"Ref": "BootstrapVersion"}]}]}}]
            }
        },
    }


def cdk_text() -> str:
    """The file that the CDK writes."""
    return json.dumps(cdk(), indent=1, ensure_ascii=False)


def with_source(source: str) -> str:
    """A detector over another source."""
    return f"""\
Resources:
  Detector:
    Type: AWS::LookoutMetrics::AnomalyDetector
    Properties:
      AnomalyDetectorConfig: {{AnomalyDetectorFrequency: PT1H}}
      MetricSetList:
        - MetricSetName: m
          MetricList: [{{MetricName: views, AggregationFunction: SUM}}]
          MetricSource:
            {source}:
              RoleArn: arn:aws:iam::123456789012:role/r
"""
