"""What source data detectors may read, and whom their alerts may call (`Bounds`)."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any

from anomalake.definitions.resource_errors import AccessRefusedError
from anomalake.services.workspace import Bounds

_BUCKET = re.compile(r"s3://([^/]+)")


def check_source(bounds: Bounds, metric_set: Mapping[str, Any]) -> None:
    """Check the MetricSource of a metric set; raises `AccessRefusedError`."""
    if bounds.sources is None:
        return
    for path in source_paths(metric_set):
        bucket = _BUCKET.match(path)
        if bucket is None or bucket[1] not in bounds.sources:
            allowed = ", ".join(f"s3://{name}/" for name in bounds.sources) or "none"
            raise AccessRefusedError(f"source data {path!r}: may not be read; allowed: {allowed}")


def source_paths(metric_set: Mapping[str, Any]) -> Iterator[str]:
    """Yield the paths in a metric set: of its files, or of the results of queries for it."""
    source = metric_set.get("MetricSource") or {}
    files = source.get("S3SourceConfig") or {}
    for name in ("TemplatedPathList", "HistoricalDataPathList"):
        given = files.get(name) or ()
        yield from [given] if isinstance(given, str) else given
    results = (source.get("AthenaSourceConfig") or {}).get("S3ResultsPath")
    if results:
        yield results


def check_target(bounds: Bounds, alert: Mapping[str, Any]) -> None:
    """Check the Action of an alert; raises `AccessRefusedError`."""
    if bounds.targets is None:
        return
    action = alert.get("Action") or {}
    for config, member in (("SNSConfiguration", "SnsTopicArn"), ("LambdaConfiguration", "LambdaArn")):
        target = (action.get(config) or {}).get(member)
        if target is not None and not any(_matches(pattern, target) for pattern in bounds.targets):
            raise AccessRefusedError(
                f"target {target!r}: may not be called; allowed: {', '.join(bounds.targets) or 'none'}"
            )


def _matches(pattern: str, arn: str) -> bool:
    return re.fullmatch(".*".join(map(re.escape, pattern.split("*"))), arn, re.DOTALL) is not None
