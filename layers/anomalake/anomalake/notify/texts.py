"""What people are told: LONG_TEXT for e-mail, SHORT_TEXT for SMS, and the subject of an e-mail."""

from __future__ import annotations

from itertools import groupby
from operator import attrgetter

from anomalake.alerts.timestamps import zone_of
from anomalake.definitions.detector import AlertRule, Detector
from anomalake.groups.anomaly_group import AffectedMetric, Group, GroupInterval
from anomalake.notify.alert_json import MOST_SCORE, console_url
from anomalake.notify.plain import ascii_line, figure, gsm, gsm_length, quoted, shown

#: Places of one SMS in its own alphabet.
SMS_LENGTH = 160
#: SNS wants a subject shorter than 100.
SUBJECT_LENGTH = 99
#: Values of a dimension that a text names.
_VALUES = 10


def long_text(
    group: Group,
    interval: GroupInterval,
    rule: AlertRule,
    detector: Detector,
    *,
    page: str = "",
    most_bytes: int = 256 * 1024,
) -> str:
    """The alert for an e-mail: every affected metric, a line each, as far as they go into `most_bytes` of UTF-8."""
    affected = len(interval.affected)
    head = [
        f"{shown(group.measure)}: anomaly of severity {score_text(interval)}",
        "",
        f"Detector: {shown(detector.name)}",
        f"Alert: {shown(rule.name)}" + (f" ({shown(rule.description, 500)})" if rule.description else ""),
        f"Interval: {_time(interval, detector)} ({detector.timezone})",
    ]
    if interval.timestamp > group.start:
        since = group.start.astimezone(zone_of(detector.timezone)).strftime("%Y-%m-%d %H:%M")
        head.append(f"Goes on since: {since}, and has grown")
    head.append(f"In all: {_total(interval)}")
    head += ["", f"Affected metrics ({affected:,} of {max(interval.observed, affected):,}):"]
    tail = _contribution_lines(interval)
    tail += [
        f"Related: {shown(one.measure)}, {_RELATIONSHIPS[one.relationship]} ({one.contribution_percentage:.0f} %)"
        for one in group.related
    ]
    tail += ["", f"Group: {group.group_id}"] + ([console_url(group, page)] if page else [])
    lines = [f"  {_metric(one)}" for one in interval.affected]
    # Room for the line that says how many were left out.
    room = most_bytes - len("\n".join(head + tail).encode("utf-8")) - 100
    kept = 0
    for line in lines:
        room -= len(line.encode("utf-8")) + 1
        if room < 0:
            break
        kept += 1
    rest = [f"  and {affected - kept:,} more, that deviate less"] if kept < affected else []
    return "\n".join([*head, *lines[:kept], *rest, *tail]) + "\n"


def short_text(group: Group, interval: GroupInterval, detector: Detector) -> str:
    """The alert for an SMS: at most 160 letters of its alphabet; the less important is cut first."""
    first = interval.affected[0]
    parts = [
        f"{gsm(shown(detector.name, 30))}: {gsm(shown(group.measure, 40))} anomaly {score_text(interval)}",
        f", {_time(interval, detector)} {detector.timezone}",
        f", {len(interval.affected):,} of {max(interval.observed, len(interval.affected)):,} metrics",
        f". {_observed(first)}",
        f" in {gsm(_named(first))}" if first.dimensions else "",
    ]
    text = ""
    for part in parts:
        if gsm_length(text + part) > SMS_LENGTH:
            return _cut(text + part)
        text += part
    return text


def subject(group: Group, interval: GroupInterval, detector: Detector) -> str:
    """Subject of an e-mail, as SNS allows it: fewer than 100 printable ASCII characters on one line."""
    line = f"Anomaly {score_text(interval)}: {shown(group.measure)} in {detector.name}, {_time(interval, detector)}"
    return ascii_line(line, SUBJECT_LENGTH)


def score_text(interval: GroupInterval) -> str:
    """A score as people are told it."""
    return f"{min(round(interval.score, 2), MOST_SCORE):g}"


_RELATIONSHIPS = {
    "CAUSE_OF_INPUT_ANOMALY_GROUP": "a likely cause",
    "EFFECT_OF_INPUT_ANOMALY_GROUP": "a likely effect",
    "SAME_TIME": "at the same time",
}


def _time(interval: GroupInterval, detector: Detector) -> str:
    local = interval.timestamp.astimezone(zone_of(detector.timezone))
    return local.strftime("%Y-%m-%d" if detector.frequency == "P1D" else "%Y-%m-%d %H:%M")


def _total(interval: GroupInterval) -> str:
    value = sum(one.value for one in interval.affected)
    return _against(value, sum(one.expected for one in interval.affected))


def _against(value: float, expected: float) -> str:
    said = f"{figure(value)}, expected {figure(expected)}"
    if expected > 0 and value != expected:
        change = 100 * (value - expected) / expected
        said += f" ({change:+,.0f} %)" if abs(change) < 1e6 else ""
    return said


def _observed(one: AffectedMetric) -> str:
    return _against(one.value, one.expected)


def _metric(one: AffectedMetric) -> str:
    lower = "" if one.lower is None else figure(one.lower)
    upper = "" if one.upper is None else figure(one.upper)
    within = f"; range {lower or '-'} to {upper or '-'}" if lower or upper else ""
    return f"{_named(one)}: {_observed(one)}{within}"


def _named(one: AffectedMetric) -> str:
    return ", ".join(f"{quoted(name)}={quoted(value)}" for name, value in one.dimensions) or "the measure as a whole"


def _contribution_lines(interval: GroupInterval) -> list[str]:
    lines = []
    for name, shares in groupby(interval.contributions, key=attrgetter("dimension_name")):
        some = [one for one in shares if one.value_contribution]
        said = [f"{quoted(one.dimension_value)} {one.value_contribution} %" for one in some[:_VALUES]]
        if len(some) > _VALUES:
            said.append(f"{len(some) - _VALUES} others {sum(one.value_contribution for one in some[_VALUES:])} %")
        lines.append(f"  {quoted(name)}: {', '.join(said)}")
    return ["", "Contributions:", *lines] if lines else []


def _cut(text: str) -> str:
    """As much of a text as goes into one SMS, with dots where it ends."""
    while gsm_length(text) > SMS_LENGTH - 3:
        text = text[:-1]
    return text.rstrip(" ,.=") + "..."
