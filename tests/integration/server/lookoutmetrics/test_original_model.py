"""The table of operations, compared with the service model in botocore 1.40.60, the last one that has it."""

from __future__ import annotations

import gzip
import json
import re
from pathlib import Path
from typing import Any

import pytest

from anomalake.server.lookoutmetrics.operations import OPERATIONS
from anomalake.server.lookoutmetrics.service_model import service_model
from tests.support.lookoutmetrics import full_value

#: Shapes whose patterns are others than the model's, and why.
OTHER_PATTERNS = {
    # Detector files have measures with other names.
    "MetricName",
    # The service itself sent times without seconds.
    "TimestampString",
    # As all tags in AWS.
    "TagKey",
    "TagValue",
    # Python does not read the model's expression, which counts halves of characters.
    "AthenaDataCatalog",
}
#: Texts on which patterns are compared.
TEXTS = [
    "", " ", "a", "Z9", "a-b_c", "-a", "a b", "a.b", "a:b", "a/b", "ä", "x" * 63, "line\n", "\t", "a--b", "a-", "--",
    ":x", "x:", ".", "'", "\r", "s3://b", "s3://b/x", "s3://B/x", "s3://b/{{yyyyMMdd}}/{{HHmm}}", "s3://b/a=1/*",
    "/tmp", "arn:", "arn:aws:sns:us-east-1:123456789012:topic", "arn:aws:s3:::bucket", "arn:aws-cn:a:b:c:d:e/f",
    "arn:AWS:a:b:c:d", "arn:aws:a:b:c:",
    "arn:aws:kms:us-east-1:123456789012:key/0a1b2c3d-0000-4000-8000-000000000000",
    "arn:aws:kms:us-east-1:12:key/0a1b2c3d-0000-4000-8000-000000000000", "arn:aws:kms:us-east-1:123456789012:alias/x",
    "arn:aws:secretsmanager:us-east-1:123456789012:secret:AmazonLookoutMetrics-x",
    "0a1b2c3d-0000-4000-8000-000000000000", "0A1B2C3D-0000-4000-8000-000000000000", "0a1b2c3d", "db1.schema", "db_1",
    "1db", "a@b!#", "a@",
]  # fmt: skip


@pytest.fixture(scope="module")
def original(old_clients: Path) -> dict[str, Any]:
    [path] = old_clients.glob("lib/*/site-packages/botocore/data/lookoutmetrics/2017-07-25/service-2.json.gz")
    model: dict[str, Any] = json.loads(gzip.decompress(path.read_bytes()))
    return model


@pytest.fixture(scope="module")
def ours() -> dict[str, Any]:
    return service_model("lookoutmetrics")


def test_the_operations_are_those_of_the_service(original: dict[str, Any], ours: dict[str, Any]) -> None:
    assert _without_texts(ours["metadata"]).items() <= original["metadata"].items()
    assert ours["operations"].keys() == original["operations"].keys()
    for name, operation in original["operations"].items():
        own = ours["operations"][name]
        assert {part: own[part] for part in ("name", "http")} == {part: operation[part] for part in ("name", "http")}
        assert {error["shape"] for error in own["errors"]} == {error["shape"] for error in operation["errors"]}


def test_members_types_and_limits_are_those_of_the_service(original: dict[str, Any], ours: dict[str, Any]) -> None:
    """Shapes are compared from operation to operation, for names of shapes are no part of the protocol."""
    compared: set[tuple[str, str]] = set()
    differences: list[str] = []

    def compare(name: str, other: str, path: str) -> None:
        if (name, other) in compared:
            return
        compared.add((name, other))
        own, theirs = ours["shapes"][name], original["shapes"][other]
        for part in ("type", "enum", "min", "max", "required", "error", "exception", "fault"):
            if _plain(own.get(part)) != _plain(theirs.get(part)):
                differences.append(f"{path} {part}: {own.get(part)} {theirs.get(part)}")
        for part in ("member", "key", "value"):
            if part in theirs:
                compare(own[part]["shape"], theirs[part]["shape"], f"{path}.{part}")
        if own.get("members", {}).keys() != theirs.get("members", {}).keys():
            differences.append(f"{path}: {own.get('members')}")
            return
        for member, reference in theirs.get("members", {}).items():
            mine = own["members"][member]
            if any(mine.get(part) != _location(reference, member, part) for part in ("location", "locationName")):
                differences.append(f"{path}.{member}: {mine} {reference}")
            compare(mine["shape"], reference["shape"], f"{path}.{member}")
        if theirs["type"] == "string" and name not in OTHER_PATTERNS and "enum" not in theirs:
            different = [text for text in TEXTS if _matches(own, text) != _matches(theirs, text)]
            if different:
                differences.append(f"{path} pattern: {own.get('pattern')} {theirs.get('pattern')} {different}")

    for name, operation in original["operations"].items():
        own = ours["operations"][name]
        for part in ("input", "output"):
            compare(own[part]["shape"], operation[part]["shape"], f"{name}.{part}")
        for error in operation["errors"]:
            compare(error["shape"], error["shape"], error["shape"])
    assert differences == []
    assert len(compared) == len(ours["shapes"])


def test_full_requests_and_answers_fit_the_original_model(original: dict[str, Any]) -> None:
    """Botocore's validator, given the original model."""
    from botocore.model import ServiceModel
    from botocore.validate import ParamValidator

    model = ServiceModel(original)
    for name, operation in OPERATIONS.items():
        for value, shape in (
            (full_value(operation.input, largest=True), model.operation_model(name).input_shape),
            (full_value(operation.output), model.operation_model(name).output_shape),
        ):
            assert ParamValidator().validate(value, shape).generate_report() == ""


def _without_texts(metadata: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in metadata.items() if name != "documentation"}


def _plain(value: Any) -> Any:
    return sorted(value) if isinstance(value, list) else value


def _location(reference: dict[str, Any], member: str, part: str) -> Any:
    value = reference.get(part)
    return None if part == "locationName" and value == member else value


def _matches(shape: dict[str, Any], text: str) -> bool:
    if "pattern" not in shape:
        return True
    # In our descriptions, as in most, there may be line breaks.
    return re.fullmatch(shape["pattern"], text, re.DOTALL) is not None
