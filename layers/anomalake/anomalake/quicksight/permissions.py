"""What an owner and a viewer may do, in the sets of actions that QuickSight knows."""

from __future__ import annotations

from typing import Any

_OWNER = {
    "DataSource": (
        "DescribeDataSource", "DescribeDataSourcePermissions", "PassDataSource", "UpdateDataSource",
        "UpdateDataSourcePermissions", "DeleteDataSource",
    ),
    "DataSet": (
        "DescribeDataSet", "DescribeDataSetPermissions", "PassDataSet", "DescribeIngestion", "ListIngestions",
        "UpdateDataSet", "DeleteDataSet", "CreateIngestion", "CancelIngestion", "UpdateDataSetPermissions",
    ),
    "Analysis": (
        "DescribeAnalysis", "DescribeAnalysisPermissions", "QueryAnalysis", "UpdateAnalysis", "DeleteAnalysis",
        "RestoreAnalysis", "UpdateAnalysisPermissions",
    ),
    "Dashboard": (
        "DescribeDashboard", "ListDashboardVersions", "QueryDashboard", "DescribeDashboardPermissions",
        "UpdateDashboard", "DeleteDashboard", "UpdateDashboardPermissions", "UpdateDashboardPublishedVersion",
    ),
    "Theme": (
        "DescribeTheme", "DescribeThemeAlias", "ListThemeAliases", "ListThemeVersions", "DescribeThemePermissions",
        "UpdateTheme", "DeleteTheme", "CreateThemeAlias", "UpdateThemeAlias", "DeleteThemeAlias",
        "UpdateThemePermissions",
    ),
}  # fmt: skip
# A viewer sees the dashboard in its colours; it needs neither the data sets nor the analysis.
_VIEWER = {
    "Dashboard": ("DescribeDashboard", "ListDashboardVersions", "QueryDashboard"),
    "Theme": ("DescribeTheme", "DescribeThemeAlias", "ListThemeAliases", "ListThemeVersions"),
}


def permissions(kind: str) -> list[dict[str, Any]]:
    """Permissions of a kind of resource, such as ``DataSet``, for the owner and, where one is given, the viewer."""
    granted = [_granted({"Ref": "OwnerArn"}, _OWNER[kind])]
    if kind in _VIEWER:
        viewer = _granted({"Ref": "ViewerArn"}, _VIEWER[kind])
        granted.append({"Fn::If": ["Viewer", viewer, {"Ref": "AWS::NoValue"}]})
    return granted


def _granted(principal: dict[str, str], actions: tuple[str, ...]) -> dict[str, Any]:
    return {"Principal": principal, "Actions": [f"quicksight:{action}" for action in actions]}
