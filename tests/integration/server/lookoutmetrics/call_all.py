"""Call operations with the boto3 that is installed: members are on standard input, answers on standard output."""

import json
import re
import sys

import boto3

client = boto3.client("lookoutmetrics")
answers = {}
for name, members in json.load(sys.stdin).items():
    answer = getattr(client, re.sub(r"(?<!^)(?=[A-Z])", "_", name).lower())(**members)
    answers[name] = [answer.pop("ResponseMetadata")["HTTPStatusCode"], answer]
try:
    client.list_alerts(NextToken="x" * 3_001)
except client.exceptions.ValidationException as error:
    refused = [error.response["Reason"], error.response["Fields"][0]["Name"]]
json.dump(
    {"version": boto3.__version__, "class": type(client).__name__, "answers": answers, "refused": refused},
    sys.stdout,
    default=lambda instant: instant.timestamp(),
)
