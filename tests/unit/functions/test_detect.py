"""The functions detect and schedule, and the adapters that they use."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from anomalake.aws.detector_files import DetectorFiles
from anomalake.aws.environment import DetectEnvironment, EnvironmentVariableError, ScheduleEnvironment
from anomalake.aws.schedules import CronSchedule, Schedules, cron_schedule
from anomalake.definitions.detector import AlertRule, DetectorFileError, LambdaAction, SnsAction
from anomalake.detection.live import LiveDetector
from anomalake.lake.lake import Lake
from anomalake.records.executions import FAILED, STARTED, SUCCEEDED
from anomalake.records.keys import parse_detector_file_key
from anomalake.services.detect import AlertNotifier, NotificationTopics, local_rules, rules_of, stack_rules
from anomalake.storage.objects import memory_store
from functions.detect.app import DetectEventError, detect, read_request
from functions.schedule.app import ScheduleError, handler, update
from tests.support.live import Bench, IntervalError, detector, hour
from tests.support.stack import ROOT

INGEST = "arn:aws:lambda:eu-west-1:123456789012:function:anomalake-ingest"
LONG, SHORT = (f"arn:aws:sns:eu-west-1:123456789012:{name}" for name in ("long", "short"))
GOOD = {
    "ANOMALAKE_LAKE": "s3://my-bucket/lake",
    "ANOMALAKE_DETECTORS": "s3://my-bucket/detectors/",
    "ANOMALAKE_ACCOUNT": "123456789012",
    "AWS_REGION": "eu-west-1",
    "ANOMALAKE_INGEST": INGEST,
    "ANOMALAKE_LONG_TEXT_TOPIC": LONG,
    "ANOMALAKE_ALERT_THRESHOLD": "80",
    "ANOMALAKE_PAGE": "https://kpi.example.com/page.html",
    "ANOMALAKE_SCHEDULE_GROUP": "my-detectors",
    "ANOMALAKE_SCHEDULE_ROLE": "arn:aws:iam::123456789012:role/invoke",
    "ANOMALAKE_DETECT": "arn:aws:lambda:eu-west-1:123456789012:function:my-detect",
    "ANOMALAKE_JOB": "my-detect",
    "ANOMALAKE_JOB_FILES": "s3://my-bucket/spark",
}


def emf(text: str) -> list[dict[str, Any]]:
    return [json.loads(line) for line in text.splitlines() if '"_aws"' in line]


# ---- detect ----


def test_each_execution_is_logged_with_its_status(capsys: pytest.CaptureFixture[str]) -> None:
    bench = Bench()
    bench.source.unusual = {(hour(0), "de"): 30.0}
    bench.source.faults = {hour(1): IntervalError("No datapoint was found at the source location")}
    bench.run(hour(0))
    bench.source.unusual[hour(2), "fr"] = 30.0
    bench.now = bench.due(hour(2))
    answer = detect(bench.live(), None, lambda: timedelta(minutes=5))
    assert answer == {
        "detector": "shop",
        "executions": {"2026-03-03T01:00:00+00:00": FAILED, "2026-03-03T02:00:00+00:00": SUCCEEDED},
    }
    emitted = emf(capsys.readouterr().out)
    of_detector = [item for item in emitted if item.get("detector") == "shop" and "alert" not in item]
    assert [
        (element["ExecutionsStarted"], element["ExecutionsSucceeded"], element["ExecutionsFailed"])
        for element in of_detector
    ] == [
        ([1.0], [0.0], [1.0]),
        ([1.0], [1.0], [0.0]),
    ]
    (of_alert,) = [entry for entry in emitted if entry.get("alert") == "all"]
    assert (of_alert["Delivered"], of_alert["Undelivered"]) == ([1.0], [0.0])


def test_alerts_that_fail_are_counted_by_alert(capsys: pytest.CaptureFixture[str]) -> None:
    bench = Bench()
    bench.source.unusual = {(hour(0), "de"): 30.0}
    bench.channel.failures = 10
    bench.now = bench.due(hour(0))
    detect(bench.live(), hour(0), lambda: timedelta(minutes=5))
    (of_alert,) = [item for item in emf(capsys.readouterr().out) if "alert" in item]
    assert (of_alert["detector"], of_alert["alert"]) == ("shop", "all")
    assert (of_alert["Delivered"], of_alert["Undelivered"]) == ([0.0], [1.0])


def test_alerts_link_to_the_page_and_a_new_address_does_not_send_them_again() -> None:
    bench = Bench()
    bench.source.unusual = {(hour(0), "de"): 30.0}
    bench.now = bench.due(hour(0))
    for page in ("https://kpi.example.com/page.html", "https://elsewhere.example.com/"):
        teller = AlertNotifier(
            bench.detector, bench.store, [(alert, bench.channel) for alert in bench.detector.alerts], page=page
        )
        live = LiveDetector(bench.detector, bench.store, bench.source, teller, bench.engine, clock=lambda: bench.now)
        detect(live, hour(0), lambda: timedelta(minutes=5))
    (emitted,) = (json.loads(item.text) for item in bench.channel.sent)
    link = f"{bench.detector.arn}/anomalies/anomaly/{emitted['anomalyGroupId']}"
    assert emitted["consoleUrl"] == f"https://kpi.example.com/page.html#{link}"


@dataclass
class Jobs:
    """Jobs that were started; all run on."""

    started: list[datetime] = field(default_factory=list)

    def start(self, detector: str, start: datetime) -> str:
        self.started.append(start)
        return f"jr_{len(self.started)}"

    def is_running(self, run_id: str) -> bool:
        return True


def test_an_interval_of_a_job_is_logged_and_is_no_run_of_the_function(capsys: pytest.CaptureFixture[str]) -> None:
    bench, jobs = Bench(scale="spark"), Jobs()
    bench.now = bench.due(hour(0))
    answers = [detect(bench.live(), None, lambda: timedelta(minutes=5), jobs) for _ in range(2)]
    assert answers == [{"detector": "shop", "executions": {"2026-03-03T00:00:00+00:00": STARTED}}] * 2
    assert jobs.started == [hour(0)]
    of_detector = [item for item in emf(capsys.readouterr().out) if item.get("detector") == "shop"]
    assert [(item["ExecutionsStarted"], item["ExecutionsFailed"]) for item in of_detector] == [([0.0], [0.0])] * 2


def test_an_event_has_a_detector_and_an_optional_time() -> None:
    assert read_request({"detector": "shop"}) == ("shop", None)
    at = datetime(2021, 2, 17, 11, tzinfo=UTC)
    assert read_request({"detector": "shop", "at": "2021-02-17T11:00Z"}) == ("shop", at)


@pytest.mark.parametrize(
    "event",
    [{}, [], None, {"detector": 7}, {"detector": "shop", "at": "noon"}, {"detector": "shop", "at": "2021-02-17T11:00"}],
    ids=["empty", "list", "none", "number", "noon", "no-zone"],
)
def test_an_invalid_event_is_refused_with_the_expected_form(event: Any) -> None:
    with pytest.raises(DetectEventError, match=r"expected .*detector"):
        read_request(event)


# ---- whom a stack and a laptop tell ----


def rule(name: str, action: LambdaAction | SnsAction | None = None) -> AlertRule:
    return AlertRule(name, f"arn:aws:lookoutmetrics:us-east-1:000000000000:Alert:{name}", action=action)


def channels(rules: list[Any]) -> list[tuple[str, str, str]]:
    return [(item.name, channel.name, channel.format) for item, channel in rules]


def test_alerts_of_a_stack_go_to_ingest_and_to_the_topics() -> None:
    lake = Lake(memory_store())
    defined = detector(alerts=(rule("a"), rule("b", LambdaAction("arn:aws:lambda:eu-west-1:1:function:mine"))))
    found = stack_rules(defined, lake, INGEST, NotificationTopics(LONG, SHORT, 80))
    assert channels(found) == [
        ("a", INGEST, "JSON"),
        ("b", "arn:aws:lambda:eu-west-1:1:function:mine", "JSON"),
        ("people-long-text", LONG, "LONG_TEXT"),
        ("people-short-text", SHORT, "SHORT_TEXT"),
    ]
    assert [item.threshold for item, _ in found] == [70, 70, 80, 80]
    # Only the lake's own function gets corrected alerts and withdrawals.
    assert [channel.stores for _, channel in found] == [True, False, False, False]
    assert found[2][0].arn == "arn:aws:lookoutmetrics:us-east-1:000000000000:Alert:people-long-text"


def test_every_group_goes_to_the_lake_if_no_rule_of_the_file_does() -> None:
    lake = Lake(memory_store())
    elsewhere = detector(alerts=(rule("b", SnsAction(LONG)),))
    assert channels(stack_rules(elsewhere, lake, INGEST, NotificationTopics())) == [
        ("b", LONG, "JSON"),
        ("shop", INGEST, "JSON"),
    ]
    assert channels(stack_rules(detector(alerts=()), lake, None, NotificationTopics())) == [
        ("shop", "memory://", "JSON")
    ]
    assert [item.threshold for item in rules_of(detector(alerts=()))] == [50]


def test_actions_are_called_on_a_laptop_only_on_request() -> None:
    lake = Lake(memory_store())
    defined = detector(alerts=(rule("a"), rule("b", SnsAction(LONG, "SHORT_TEXT"))))
    assert channels(local_rules(defined, lake, send=False)) == [("a", "memory://", "JSON"), ("b", "memory://", "JSON")]
    assert channels(local_rules(defined, lake, send=True)) == [("a", "memory://", "JSON"), ("b", LONG, "SHORT_TEXT")]


# ---- schedule ----


@pytest.mark.parametrize(
    ("frequency", "timezone", "offset", "expression", "zone"),
    [
        ("PT5M", "UTC", 0, "cron(0/5 * * * ? *)", "UTC"),
        ("PT5M", "Europe/Paris", 61, "cron(2/5 * * * ? *)", "UTC"),
        ("PT5M", "UTC", 299, "cron(0/5 * * * ? *)", "UTC"),
        ("PT10M", "Asia/Kathmandu", 0, "cron(5/10 * * * ? *)", "UTC"),
        ("PT1H", "America/New_York", 300, "cron(5 * * * ? *)", "UTC"),
        ("PT1H", "Asia/Kolkata", 0, "cron(30 * * * ? *)", "UTC"),
        ("P1D", "America/New_York", 0, "cron(0 0 * * ? *)", "America/New_York"),
        ("P1D", "Europe/Paris", 3600, "cron(0 1 * * ? *)", "Europe/Paris"),
        ("P1D", "UTC", 1, "cron(1 0 * * ? *)", "UTC"),
        ("PT15M", "Asia/Kolkata", 60, "cron(1/15 * * * ? *)", "UTC"),
        ("PT30M", "Asia/Kathmandu", 0, "cron(15/30 * * * ? *)", "UTC"),
        ("PT30M", "Europe/Paris", 1740, "cron(29/30 * * * ? *)", "UTC"),
        ("P7D", "Europe/Paris", 0, "cron(0 0 ? * MON *)", "Europe/Paris"),
        ("P7D", "UTC", 2 * 86_400 + 3_661, "cron(2 1 ? * WED *)", "UTC"),
    ],
)
def test_a_schedule_starts_after_the_end_of_an_interval_and_its_offset(
    frequency: str, timezone: str, offset: int, expression: str, zone: str
) -> None:
    given = detector(frequency=frequency, timezone=timezone, offset=offset)
    assert cron_schedule(given) == CronSchedule(expression, zone)


class MadeScheduler:
    """EventBridge Scheduler, with the requests that it takes."""

    class exceptions:
        ConflictException = type("ConflictException", (Exception,), {})
        ResourceNotFoundException = type("ResourceNotFoundException", (Exception,), {})

    def __init__(self) -> None:
        self.schedules: dict[str, dict[str, Any]] = {}

    def create_schedule(self, **request: Any) -> None:
        if request["Name"] in self.schedules:
            raise self.exceptions.ConflictException
        self.schedules[request["Name"]] = request

    def update_schedule(self, **request: Any) -> None:
        assert request["Name"] in self.schedules
        self.schedules[request["Name"]] = request

    def delete_schedule(self, Name: str, GroupName: str) -> None:
        if self.schedules.pop(Name, None) is None:
            raise self.exceptions.ResourceNotFoundException


@pytest.fixture
def shop(tmp_path: Path) -> Path:
    folder = tmp_path / "detectors"
    folder.mkdir()
    (folder / "shop.yaml").write_text((ROOT / "detectors" / "shop.yaml").read_text())
    return folder


def test_each_detector_file_has_a_schedule_until_it_is_deleted(shop: Path) -> None:
    client = MadeScheduler()
    schedules = Schedules("group", "target", "role", lambda: client)
    files = DetectorFiles(str(shop), "eu-west-1", "123456789012")
    assert files.names() == ["shop"]
    assert update(["shop"], files, schedules) == {"scheduled": 1, "deleted": 0, "refused": []}
    (request,) = client.schedules.values()
    assert (request["GroupName"], request["ScheduleExpression"]) == ("group", "cron(0 * * * ? *)")
    assert json.loads(request["Target"]["Input"]) == {"detector": "shop"}
    assert (request["Target"]["Arn"], request["Target"]["RoleArn"]) == ("target", "role")
    text = (shop / "shop.yaml").read_text()
    (shop / "shop.yaml").write_text(text.replace("Offset: 0", "Offset: 600"))
    update(["shop"], files, schedules)
    assert client.schedules["shop"]["ScheduleExpression"] == "cron(10 * * * ? *)"
    (shop / "shop.yaml").unlink()
    for _ in range(2):
        update(["shop"], files, schedules)
    assert client.schedules == {}


def test_an_invalid_detector_file_keeps_its_schedule_and_affects_no_other(shop: Path) -> None:
    client = MadeScheduler()
    schedules = Schedules("group", "target", "role", lambda: client)
    files = DetectorFiles(str(shop), "eu-west-1", "123456789012")
    (shop / "bad.json").write_text('{"AnomalyDetectorName": "bad"}')
    (shop / "notes.txt").write_text("none")
    done = update(files.names(), files, schedules)
    assert (done["scheduled"], list(client.schedules)) == (1, ["shop"])
    (reason,) = done["refused"]
    assert "bad.json" in reason
    assert "MetricSet" in reason
    assert "\n" not in reason


def test_an_invalid_detector_file_fails_the_invocation(shop: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in {**GOOD, "ANOMALAKE_DETECTORS": str(shop), "POWERTOOLS_SERVICE_NAME": "schedule"}.items():
        monkeypatch.setenv(name, value)
    (shop / "bad.yaml").write_text("AnomalyDetectorName: good")
    event = {"detail": {"object": {"key": "detectors/bad.yaml"}}}

    class Context:
        function_name = memory_limit_in_mb = invoked_function_arn = aws_request_id = "x"

    with pytest.raises(ScheduleError, match=r"bad\.yaml"):
        handler(event, Context())
    assert handler({"detail": {"object": {"key": "detectors/notes.txt"}}}, Context())["scheduled"] == 0


def test_a_file_has_the_name_of_its_detector_and_is_unique(shop: Path) -> None:
    files = DetectorFiles(str(shop), "eu-west-1", "123456789012")
    read = files.read("shop")
    assert read is not None
    assert read.arn == "arn:aws:lookoutmetrics:eu-west-1:123456789012:AnomalyDetector:shop"
    assert read.metric_set.historical_data_path_list[0].rstrip("/") == str(shop.parent / "backtest")
    (shop / "other.yaml").write_text((shop / "shop.yaml").read_text())
    with pytest.raises(DetectorFileError, match="'shop': expected 'other', the name of the file"):
        files.read("other")
    (shop / "shop.json").write_text("{}")
    with pytest.raises(DetectorFileError, match=r"shop\.json exists too; expected one file for each detector"):
        files.read("shop")
    assert files.read("missing") is None
    with pytest.raises(DetectorFileError, match="expected 1 to 63"):
        files.read("../shop")
    (shop / "latin.yaml").write_bytes(b"AnomalyDetectorName: \xe9")
    with pytest.raises(DetectorFileError, match="is not UTF-8: byte 22"):
        files.read("latin")


@pytest.mark.parametrize(
    ("key", "name"),
    [("detectors/shop.yaml", "shop"), ("a.json", "a"), ("a.yml", "a"), ("a.txt", None), ("a b.yaml", None), ("", None)],
)
def test_the_detector_of_a_key(key: str, name: str | None) -> None:
    assert parse_detector_file_key(key) == name


# ---- environment ----


def test_the_environment_is_read_and_checked() -> None:
    assert DetectEnvironment.read(GOOD) == DetectEnvironment(
        "s3://my-bucket/lake",
        ("parquet",),
        "s3://my-bucket/detectors",
        INGEST,
        LONG,
        None,
        80,
        "eu-west-1",
        "123456789012",
        "https://kpi.example.com/page.html",
        "my-detect",
    )
    assert ScheduleEnvironment.read(GOOD) == ScheduleEnvironment(
        "s3://my-bucket/detectors", "my-detectors", GOOD["ANOMALAKE_DETECT"], GOOD["ANOMALAKE_SCHEDULE_ROLE"],
        "eu-west-1", "123456789012", "s3://my-bucket/spark",
    )  # fmt: skip
    least = DetectEnvironment.read({"ANOMALAKE_LAKE": "/srv/lake", "ANOMALAKE_DETECTORS": "/srv/detectors"})
    assert (least.ingest, least.long_text_topic, least.threshold, least.account) == (None, None, 70, "000000000000")
    assert (least.page, least.job) == ("", None)
    assert ScheduleEnvironment.read({**GOOD, "ANOMALAKE_JOB_FILES": ""}).job_files is None
    local = {**GOOD, "AWS_SAM_LOCAL": "true", "ANOMALAKE_INGEST": "IngestFunction"}
    assert (DetectEnvironment.read(local).ingest, DetectEnvironment.read(local).job) == (None, None)


@pytest.mark.parametrize(
    ("name", "value", "expected"),
    [
        ("ANOMALAKE_DETECTORS", "detectors", "s3://BUCKET/PREFIX, or a folder"),
        ("ANOMALAKE_DETECTORS", "", "is not set"),
        ("ANOMALAKE_INGEST", LONG, "an ARN of lambda"),
        ("ANOMALAKE_PAGE", "page.html", "a URL such as https://HOST/page"),
        ("ANOMALAKE_LONG_TEXT_TOPIC", "topic", "an ARN of sns"),
        ("ANOMALAKE_ALERT_THRESHOLD", "101", "a whole number from 0 to 100"),
        ("ANOMALAKE_ACCOUNT", "1", "12 digits"),
        ("AWS_REGION", "Paris", "a region"),
        ("ANOMALAKE_JOB", "a job", "the name of a Glue job"),
    ],
)
def test_an_invalid_environment_is_refused_with_the_variable_and_the_expected_value(
    name: str, value: str, expected: str
) -> None:
    with pytest.raises(EnvironmentVariableError, match=f"{name}: .*{expected}"):
        DetectEnvironment.read({**GOOD, name: value})
