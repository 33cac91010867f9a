"""A stand-in for Lookout for Metrics' API: the operations that custom resources call, on dicts."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from anomalake.definitions.resource_errors import ResourceConflictError, ResourceNotFoundError

ACCOUNT = "arn:aws:lookoutmetrics:eu-west-1:123456789012"


class FakeApi:
    """Detectors, metric sets, alerts and tags by ARN.

    Attributes
    ----------
    calls
        Operations that were called, with their members.
    fails
        Errors that operations raise.
    deleting
        How often a deleted detector is still there.
    status
        Status of a detector meanwhile.
    """

    def __init__(self, account: str = ACCOUNT) -> None:
        self.account = account
        self.detectors: dict[str, dict[str, Any]] = {}
        self.metric_sets: dict[str, dict[str, dict[str, Any]]] = {}
        self.alerts: dict[str, dict[str, Any]] = {}
        self.tags: dict[str, dict[str, str]] = {}
        self.calls: list[tuple[str, dict[str, Any]]] = []
        self.fails: dict[str, BaseException] = {}
        self.deleting = 0
        self.status = "DELETING"
        self.waits = 0
        self._deleted: set[str] = set()

    @property
    def operations(self) -> list[str]:
        """Names of the operations that were called."""
        return [name for name, _ in self.calls]

    def wait(self) -> None:
        """Let time pass, without any."""
        self.waits += 1
        self.deleting -= 1

    def __call__(self, operation: str, members: Mapping[str, Any]) -> dict[str, Any]:
        """Carry out an operation."""
        self.calls.append((operation, dict(members)))
        if operation in self.fails:
            raise self.fails[operation]
        answer: dict[str, Any] = getattr(self, f"_{operation}")(dict(members))
        return answer

    def _CreateAnomalyDetector(self, members: dict[str, Any]) -> dict[str, Any]:
        arn = f"{self.account}:AnomalyDetector:{members['AnomalyDetectorName']}"
        self._new(arn, self.detectors, members)
        self.metric_sets[arn] = {}
        return {"AnomalyDetectorArn": arn}

    def _UpdateAnomalyDetector(self, members: dict[str, Any]) -> dict[str, Any]:
        self._known(members["AnomalyDetectorArn"], self.detectors).update(members)
        return {}

    def _DescribeAnomalyDetector(self, members: dict[str, Any]) -> dict[str, Any]:
        arn = members["AnomalyDetectorArn"]
        self._known(arn, self.detectors)
        if arn not in self._deleted:
            return {"Status": "INACTIVE"}
        if self.deleting > 0:
            return {"Status": self.status, "FailureReason": "no access"}
        self._gone(arn)
        return self._DescribeAnomalyDetector(members)

    def _DeleteAnomalyDetector(self, members: dict[str, Any]) -> dict[str, Any]:
        arn = members["AnomalyDetectorArn"]
        self._known(arn, self.detectors)
        self._deleted.add(arn)
        if self.deleting <= 0:
            self._gone(arn)
        return {}

    def _CreateMetricSet(self, members: dict[str, Any]) -> dict[str, Any]:
        detector = members["AnomalyDetectorArn"]
        self._known(detector, self.detectors)
        if self.metric_sets[detector]:
            raise ResourceConflictError("has a metric set", detector, "AnomalyDetector")
        arn = f"{self.account}:MetricSet/{detector.rpartition(':')[2]}/{members['MetricSetName']}"
        self.metric_sets[detector][arn] = members
        return {"MetricSetArn": arn}

    def _UpdateMetricSet(self, members: dict[str, Any]) -> dict[str, Any]:
        arn = members["MetricSetArn"]
        sets = next(sets for sets in self.metric_sets.values() if arn in sets)
        sets[arn].update(members)
        return {}

    def _ListMetricSets(self, members: dict[str, Any]) -> dict[str, Any]:
        self._known(members["AnomalyDetectorArn"], self.detectors)
        return {
            "MetricSetSummaryList": [{"MetricSetArn": arn} for arn in self.metric_sets[members["AnomalyDetectorArn"]]]
        }

    def _CreateAlert(self, members: dict[str, Any]) -> dict[str, Any]:
        self._known(members["AnomalyDetectorArn"], self.detectors)
        arn = f"{self.account}:Alert:{members['AlertName']}"
        self._new(arn, self.alerts, members)
        return {"AlertArn": arn}

    def _UpdateAlert(self, members: dict[str, Any]) -> dict[str, Any]:
        self._known(members["AlertArn"], self.alerts).update(members)
        return {}

    def _DescribeAlert(self, members: dict[str, Any]) -> dict[str, Any]:
        return {"Alert": self._known(members["AlertArn"], self.alerts)}

    def _DeleteAlert(self, members: dict[str, Any]) -> dict[str, Any]:
        self._known(members["AlertArn"], self.alerts)
        del self.alerts[members["AlertArn"]]
        return {}

    def _ListTagsForResource(self, members: dict[str, Any]) -> dict[str, Any]:
        return {"Tags": self._known(members["ResourceArn"], self.tags)}

    def _TagResource(self, members: dict[str, Any]) -> dict[str, Any]:
        self._known(members["ResourceArn"], self.tags).update(members["Tags"])
        return {}

    def _UntagResource(self, members: dict[str, Any]) -> dict[str, Any]:
        for key in members["TagKeys"]:
            self.tags[members["ResourceArn"]].pop(key)
        return {}

    def _new(self, arn: str, among: dict[str, dict[str, Any]], members: dict[str, Any]) -> None:
        if arn in among:
            raise ResourceConflictError("exists", arn, "AnomalyDetector")
        self.tags[arn] = members.pop("Tags", {})
        among[arn] = members

    @staticmethod
    def _known(arn: str, among: dict[str, Any]) -> dict[str, Any]:
        if arn not in among:
            raise ResourceNotFoundError("does not exist", arn, "AnomalyDetector")
        found: dict[str, Any] = among[arn]
        return found

    def _gone(self, arn: str) -> None:
        del self.detectors[arn], self.metric_sets[arn]
        self._deleted.discard(arn)
        for alert in [alert for alert, members in self.alerts.items() if members["AnomalyDetectorArn"] == arn]:
            del self.alerts[alert]
