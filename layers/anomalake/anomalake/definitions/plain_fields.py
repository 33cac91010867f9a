"""The fields of a detector file in JSON's types, under L4M's names.

A file has texts only (``NO`` and ``007`` stay texts), so the name of a field tells its type. The fields of a file that
`parse_detector` takes can be converted.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from anomalake.definitions.document import Node

_NUMBERS: Final = frozenset(
    {"AlertSensitivityThreshold", "MinimumDuration", "MinimumGoodShare", "MinimumImpact", "Offset", "SkipLines"}
)
_BOOLEANS: Final = frozenset({"ContainsHeader", "Recursive", "RollUps", "RunBackTestMode"})
#: Lists that may be one text.
_LISTS: Final = frozenset({"TemplatedPathList", "HistoricalDataPathList"})
#: Names of fields for which there is another one.
_NAMES: Final = {
    "anomalyDetectorFrequency": "AnomalyDetectorFrequency",
    "MetricSetDimensionFilterList": "DimensionFilterList",
}


def plain_fields(document: Node) -> dict[str, Any]:
    """Return the fields in the tree of a detector file (`detector_document`)."""
    plain = _plain(document, "")
    return plain if isinstance(plain, dict) else {}


def _member(node: Node, name: str) -> Any:
    plain = _plain(node, name)
    return [plain] if name in _LISTS and isinstance(plain, str) else plain


def _plain(node: Node, name: str) -> Any:
    value = node.value
    if isinstance(value, dict):
        return {_NAMES.get(key, key): _member(member, key) for key, member in value.items() if member.value is not None}
    if isinstance(value, list):
        return [_plain(member, name) for member in value]
    if value is None:
        return None
    if name in _NUMBERS:
        return float(value) if not value.lstrip("+-").isdecimal() else int(value)
    if name in _BOOLEANS:
        return value.lower() in ("true", "yes")
    return value


def with_alert_filters(alert: Mapping[str, Any]) -> dict[str, Any]:
    """Return the fields of an alert with its dimension filters in CreateAlert's form."""
    filters = alert.get("AlertFilters") or {}
    if "DimensionFilterList" not in filters:
        return dict(alert)
    by_dimension = [
        {
            "DimensionName": dimension_filter.get("DimensionName", dimension_filter.get("Name")),
            "DimensionValueList": dimension_filter.get("DimensionValueList")
            or [item["DimensionValue"] for item in dimension_filter.get("FilterList", ())],
        }
        for dimension_filter in filters["DimensionFilterList"]
    ]
    return {**alert, "AlertFilters": {**filters, "DimensionFilterList": by_dimension}}
