"""Texts of alerts: LONG_TEXT for e-mail, SHORT_TEXT for SMS, and the subject of an e-mail."""

from __future__ import annotations

from itertools import groupby
from operator import attrgetter

from anomalake.alerts.timestamps import zone_of
from anomalake.causes.texts import describe, describe_deviation
from anomalake.definitions.detector import AlertRule, Detector
from anomalake.frequencies import FREQUENCIES
from anomalake.groups.anomaly_group import AffectedMetric, Group, GroupInterval
from anomalake.notify.alert_json import MOST_SCORE, console_url
from anomalake.notify.plain import ascii_line, figure, gsm, gsm_length, quoted, shown

#: Characters of one SMS in its own alphabet.
SMS_LENGTH = 160
#: SNS accepts a subject of fewer than 100 characters.
SUBJECT_LENGTH = 99
#: Maximum number of values that a text lists for a dimension.
_VALUES = 10
#: Maximum number of root causes in a text.
_CAUSES = 3


def long_text(
    group: Group,
    interval: GroupInterval,
    rule: AlertRule,
    detector: Detector,
    *,
    page: str = "",
    most_bytes: int = 256 * 1024,
) -> str:
    """Text of an alert for e-mail: one line for each affected metric, as many as fit into `most_bytes` of UTF-8."""
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
    if interval.causes:
        head += ["", "Root causes:", *(f"  {describe(cause, quoted)}" for cause in interval.causes[:_CAUSES])]
    head += ["", f"Affected metrics ({affected:,} of {max(interval.observed, affected):,}):"]
    tail = _contribution_lines(interval)
    for related in group.related:
        relationship = _RELATIONSHIPS[related.relationship]
        tail.append(f"Related: {shown(related.measure)}, {relationship} ({related.contribution_percentage:.0f} %)")
    tail += ["", f"Group: {group.group_id}"] + ([console_url(group, page)] if page else [])
    lines = [f"  {_metric(metric)}" for metric in interval.affected]
    # 100 bytes for the line with the number of omitted metrics.
    remaining = most_bytes - len("\n".join(head + tail).encode("utf-8")) - 100
    n_lines = 0
    for line in lines:
        remaining -= len(line.encode("utf-8")) + 1
        if remaining < 0:
            break
        n_lines += 1
    rest = [f"  and {affected - n_lines:,} more with smaller deviations"] if n_lines < affected else []
    return "\n".join([*head, *lines[:n_lines], *rest, *tail]) + "\n"


def short_text(group: Group, interval: GroupInterval, detector: Detector) -> str:
    """Text of an alert for SMS: at most 160 characters of its alphabet; the least important parts are cut."""
    first = interval.affected[0]
    parts = [
        f"{gsm(shown(detector.name, 30))}: {gsm(shown(group.measure, 40))} anomaly {score_text(interval)}",
        f", {_time(interval, detector)} {detector.timezone}",
        f", {len(interval.affected):,} of {max(interval.observed, len(interval.affected)):,} metrics",
    ]
    if interval.causes:
        parts.append(f". {gsm(describe_deviation(interval.causes[0], quoted))}")
    else:
        parts += [f". {_observed(first)}", f" in {gsm(_named(first))}" if first.dimensions else ""]
    text = ""
    for part in parts:
        if gsm_length(text + part) > SMS_LENGTH:
            return _cut(text + part)
        text += part
    return text


def subject(group: Group, interval: GroupInterval, detector: Detector) -> str:
    """Subject of an e-mail, within SNS's limits: fewer than 100 printable ASCII characters on one line."""
    line = f"Anomaly {score_text(interval)}: {shown(group.measure)} in {detector.name}, {_time(interval, detector)}"
    return ascii_line(line, SUBJECT_LENGTH)


def score_text(interval: GroupInterval) -> str:
    """A score as text, below 100."""
    return f"{min(round(interval.score, 2), MOST_SCORE):g}"


_RELATIONSHIPS = {
    "CAUSE_OF_INPUT_ANOMALY_GROUP": "a likely cause",
    "EFFECT_OF_INPUT_ANOMALY_GROUP": "a likely effect",
    "SAME_TIME": "at the same time",
}


def _time(interval: GroupInterval, detector: Detector) -> str:
    local = interval.timestamp.astimezone(zone_of(detector.timezone))
    return local.strftime("%Y-%m-%d" if FREQUENCIES[detector.frequency].days else "%Y-%m-%d %H:%M")


def _total(interval: GroupInterval) -> str:
    value = sum(metric.value for metric in interval.affected)
    return _against(value, sum(metric.expected for metric in interval.affected))


def _against(value: float, expected: float) -> str:
    text = f"{figure(value)}, expected {figure(expected)}"
    if expected > 0 and value != expected:
        change = 100 * (value - expected) / expected
        text += f" ({change:+,.0f} %)" if abs(change) < 1e6 else ""
    return text


def _observed(metric: AffectedMetric) -> str:
    if metric.is_missing:
        return f"no data, expected {figure(metric.expected)}"
    return _against(metric.value, metric.expected)


def _metric(metric: AffectedMetric) -> str:
    lower = "" if metric.lower is None else figure(metric.lower)
    upper = "" if metric.upper is None else figure(metric.upper)
    within = f"; range {lower or '-'} to {upper or '-'}" if lower or upper else ""
    return f"{_named(metric)}: {_observed(metric)}{within}"


def _named(metric: AffectedMetric) -> str:
    named = ", ".join(f"{quoted(name)}={quoted(value)}" for name, value in metric.dimensions)
    return f"{named}{' (total)' if metric.roll_up else ''}" if named else "the measure as a whole"


def _contribution_lines(interval: GroupInterval) -> list[str]:
    lines = []
    for name, shares in groupby(interval.contributions, key=attrgetter("dimension_name")):
        contributing = [share for share in shares if share.value_contribution]
        first, others = contributing[:_VALUES], contributing[_VALUES:]
        parts = [f"{quoted(share.dimension_value)} {share.value_contribution} %" for share in first]
        if others:
            parts.append(f"{len(others)} others {sum(share.value_contribution for share in others)} %")
        lines.append(f"  {quoted(name)}: {', '.join(parts)}")
    return ["", "Contributions:", *lines] if lines else []


def _cut(text: str) -> str:
    """Cut a text to one SMS, with dots at the end."""
    while gsm_length(text) > SMS_LENGTH - 3:
        text = text[:-1]
    return text.rstrip(" ,.=") + "..."
