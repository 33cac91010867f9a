"""What source data detectors may read, and whom their alerts may call (`Bounds`)."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any

from anomalake.definitions.resource_errors import AccessRefusedError
from anomalake.services.workspace import Bounds

_BUCKET = re.compile(r"s3://([^/]+)")
_DROPPED = str.maketrans("", "", "\t\r\n")


def check_source(bounds: Bounds, metric_set: Mapping[str, Any]) -> None:
    """Check the MetricSource of a metric set; raises `AccessRefusedError`.

    Relative paths are those of a user's detector file, for the API takes only ``s3://`` paths: they are not checked.
    """
    for path in source_paths(metric_set):
        if "://" in path:
            check_path(bounds, path)
    results = _athena(metric_set).get("S3ResultsPath")
    if results:
        _check_bucket(bounds, results)


def check_path(bounds: Bounds, path: str) -> None:
    """Check the path of source data; raises `AccessRefusedError`."""
    _check_bucket(bounds, path)
    plain = _plain(path)
    for folder in bounds.reserved:
        if f"{plain}/".startswith(f"{folder.rstrip('/')}/"):
            raise AccessRefusedError(f"source data {path!r}: {folder} has no source data; expected another folder")


def source_paths(metric_set: Mapping[str, Any]) -> Iterator[str]:
    """Yield the paths of the files of a metric set."""
    files = _source(metric_set).get("S3SourceConfig") or {}
    for name in ("TemplatedPathList", "HistoricalDataPathList"):
        given = files.get(name) or ()
        yield from [given] if isinstance(given, str) else given


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


def _check_bucket(bounds: Bounds, path: str) -> None:
    if bounds.sources is None:
        return
    bucket = _BUCKET.match(path)
    if bucket is None or bucket[1] not in bounds.sources:
        allowed = ", ".join(f"s3://{name}/" for name in bounds.sources) or "none"
        raise AccessRefusedError(f"source data {path!r}: may not be read; allowed: {allowed}")


def _plain(path: str) -> str:
    """Return a path as it is read: without the characters that a URI's parser drops, and without empty segments."""
    scheme, _, rest = path.translate(_DROPPED).partition("://")
    return f"{scheme}://{'/'.join(part for part in rest.split('/') if part not in ('', '.'))}"


def _source(metric_set: Mapping[str, Any]) -> Mapping[str, Any]:
    return metric_set.get("MetricSource") or {}


def _athena(metric_set: Mapping[str, Any]) -> Mapping[str, Any]:
    return _source(metric_set).get("AthenaSourceConfig") or {}
