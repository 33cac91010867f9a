"""Permissions of the owner and the viewer, in the sets of actions that QuickSight accepts."""

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
# A viewer needs the dashboard and its theme, but not the data sets or the analysis.
_VIEWER = {
    "Dashboard": ("DescribeDashboard", "ListDashboardVersions", "QueryDashboard"),
    "Theme": ("DescribeTheme", "DescribeThemeAlias", "ListThemeAliases", "ListThemeVersions"),
}


def permissions(kind: str) -> list[dict[str, Any]]:
    """Return the permissions on a kind of resource, such as ``DataSet``, of the owner and of the viewer, if any."""
    granted = [_granted({"Ref": "OwnerArn"}, _OWNER[kind])]
    if kind in _VIEWER:
        viewer = _granted({"Ref": "ViewerArn"}, _VIEWER[kind])
        granted.append({"Fn::If": ["Viewer", viewer, {"Ref": "AWS::NoValue"}]})
    return granted


def _granted(principal: dict[str, str], actions: tuple[str, ...]) -> dict[str, Any]:
    return {"Principal": principal, "Actions": [f"quicksight:{action}" for action in actions]}
