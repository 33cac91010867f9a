"""Operations in any order on one detector, beside a model of what Lookout for Metrics answers."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from anomalake.definitions.resource_errors import (
    InvalidRequestError,
    QuotaExceededError,
    ResourceConflictError,
    ResourceNotFoundError,
)
from anomalake.records.executions import FAILED, LEARNING, SUCCEEDED
from tests.support.definitions import METRIC_SET, Api, alert_arn, detector_arn, metric_set_arn

ARN = detector_arn()
ERRORS: dict[str, type[Exception]] = {
    "N": ResourceNotFoundError,
    "C": ResourceConflictError,
    "V": InvalidRequestError,
    "Q": QuotaExceededError,
}
IN_USE = {"ACTIVATING", "LEARNING", "ACTIVE", "BACK_TEST_ACTIVATING", "BACK_TEST_ACTIVE"}
#: Statuses of a detector whose file is there: it is active, or its activation has failed.
RUNS = {"ACTIVATING", "LEARNING", "ACTIVE", "FAILED"}


class Detector(RuleBasedStateMachine):
    """A detector and its alert.

    Attributes
    ----------
    status
        The status that is expected; None: there is no detector.
    metric_set, alert, tags, description
        What it is expected to have.
    """

    def __init__(self) -> None:
        super().__init__()
        self.api = Api()
        self.gone()

    def gone(self) -> None:
        self.status: str | None = None
        self.metric_set = self.alert = False
        self.tags: dict[str, str] = {}
        self.description: str | None = None

    def expect(self, error: str, call: Callable[[], Any]) -> bool:
        """Call an operation, which answers with an error, or succeeds where there is none; return whether it does."""
        found = ""
        try:
            call()
        except tuple(ERRORS.values()) as refused:
            found = next(letter for letter, kind in ERRORS.items() if isinstance(refused, kind))
        assert found == error, self.status
        return not error

    def refusal(self, *conflicts: str) -> str:
        """Return the error of an operation on a detector: N without one, C in some statuses."""
        return "N" if self.status is None else "C" if self.status in conflicts else ""

    @rule()
    def create(self) -> None:
        if self.expect("C" if self.status else "", self.api.create):
            self.status = "INACTIVE"

    @rule(other=st.booleans())
    def create_metric_set(self, other: bool) -> None:
        name = "other" if other else "orders"
        error = self.refusal() or (("Q" if other else "C") if self.metric_set else "")
        if other and not error:
            return
        members = {**METRIC_SET, "MetricSetName": name}
        if self.expect(error, lambda: self.api("CreateMetricSet", AnomalyDetectorArn=ARN, **members)):
            self.metric_set = True

    @rule()
    def create_alert(self) -> None:
        if self.expect("N" if self.status is None else "C" if self.alert else "", lambda: self.api.alert(ARN)):
            self.alert = True

    @rule()
    def delete_alert(self) -> None:
        if self.expect("" if self.alert else "N", lambda: self.api("DeleteAlert", AlertArn=alert_arn("call"))):
            self.alert = False

    @rule()
    def activate(self) -> None:
        error = self.refusal("LEARNING", "ACTIVE", "BACK_TEST_ACTIVATING", "BACK_TEST_ACTIVE")
        if self.status and not error and not self.metric_set:
            error = "V"
        if self.expect(error, lambda: self.api("ActivateAnomalyDetector", AnomalyDetectorArn=ARN)):
            self.status, self.activated = "ACTIVATING", True

    @rule()
    def deactivate(self) -> None:
        allowed = self.status in ("LEARNING", "ACTIVE") or (self.status == "FAILED" and self.activated)
        error = self.refusal() or ("" if allowed else "C")
        if self.expect(error, lambda: self.api("DeactivateAnomalyDetector", AnomalyDetectorArn=ARN)):
            self.status = "DEACTIVATED"

    @rule()
    def back_test(self) -> None:
        runs = self.status in RUNS and not (self.status == "FAILED" and not self.activated)
        error = self.refusal() or ("V" if runs or self.status == "BACK_TEST_ACTIVE" or not self.metric_set else "")
        if self.expect(error, lambda: self.api("BackTestAnomalyDetector", AnomalyDetectorArn=ARN)):
            self.status, self.activated = "BACK_TEST_ACTIVATING", False

    @rule()
    def delete(self) -> None:
        if self.expect(self.refusal(), lambda: self.api("DeleteAnomalyDetector", AnomalyDetectorArn=ARN)):
            self.gone()

    @rule(text=st.sampled_from(["one", "two"]))
    def describe_it_anew(self, text: str) -> None:
        def call() -> None:
            self.api("UpdateAnomalyDetector", AnomalyDetectorArn=ARN, AnomalyDetectorDescription=text)

        if self.expect(self.refusal(), call):
            self.description = text

    @precondition(lambda self: self.metric_set)
    @rule()
    def change_measures(self) -> None:
        # Another list of measures, and the first one again.
        for measures in (METRIC_SET["MetricList"][:1], METRIC_SET["MetricList"]):
            self.expect(
                "V" if self.status in IN_USE and measures != METRIC_SET["MetricList"] else "",
                lambda measures=measures: self.api(
                    "UpdateMetricSet", MetricSetArn=metric_set_arn(), MetricList=measures
                ),
            )

    @rule(key=st.sampled_from("ab"))
    def tag(self, key: str) -> None:
        if self.expect(self.refusal(), lambda: self.api("TagResource", ResourceArn=ARN, Tags={key: "x"})):
            self.tags[key] = "x"

    @rule(key=st.sampled_from("ab"))
    def untag(self, key: str) -> None:
        if self.expect(self.refusal(), lambda: self.api("UntagResource", ResourceArn=ARN, TagKeys=[key])):
            self.tags.pop(key, None)

    @precondition(lambda self: self.status in RUNS and self.activated)
    @rule(status=st.sampled_from([SUCCEEDED, LEARNING, FAILED]))
    def run_ends(self, status: str) -> None:
        self.api.run("shop", status, "why")
        if status != FAILED:
            self.status = "ACTIVE" if status == SUCCEEDED else LEARNING
        elif self.status == "ACTIVATING":
            self.status = "FAILED"

    @precondition(lambda self: self.status in ("BACK_TEST_ACTIVATING", "BACK_TEST_ACTIVE"))
    @rule(phase=st.sampled_from(["RUNNING", "DONE", "FAILED"]))
    def job_goes_on(self, phase: Any) -> None:
        self.api.job("shop", phase, "why" if phase == "FAILED" else "")
        self.status = {"RUNNING": "BACK_TEST_ACTIVE", "DONE": "BACK_TEST_COMPLETE", "FAILED": "FAILED"}[phase]

    @invariant()
    def it_is_described_and_listed(self) -> None:
        listed = self.api("ListAnomalyDetectors")["AnomalyDetectorSummaryList"]
        sets = self.api("ListMetricSets")["MetricSetSummaryList"]
        assert len(sets) == self.metric_set
        assert [alert["AlertName"] for alert in self.api("ListAlerts")["AlertSummaryList"]] == ["call"] * self.alert
        active = self.status in RUNS and self.activated
        assert self.api.file_names() == ["shop.json"] * active
        if self.status is None:
            assert listed == []
            self.expect("N", lambda: self.api.status(ARN))
            return
        (summary,) = listed
        described = self.api("DescribeAnomalyDetector", AnomalyDetectorArn=ARN)
        assert summary["Status"] == described["Status"] == self.status
        assert (described["FailureType"] is not None) == (self.status == "FAILED")
        assert described["AnomalyDetectorDescription"] == self.description
        assert summary["Tags"] == self.tags

    activated = False


TestDetector = Detector.TestCase
TestDetector.settings = settings(max_examples=25, stateful_step_count=25)
