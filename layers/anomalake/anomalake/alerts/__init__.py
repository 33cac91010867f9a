"""Alerts: the model, and the readers of every form and envelope of an alert."""

from anomalake.alerts.causes import CausesDocument, GroupCauses, read_causes
from anomalake.alerts.documents import AlertDocument, ObjectPointer, Refusal
from anomalake.alerts.envelopes import SET_ASIDE_RECORD, EventItem, read_event, read_text
from anomalake.alerts.files import has_lines, inflated, read_file, read_lines
from anomalake.alerts.model import Alert, Cause, Contribution, TimeSeries
from anomalake.alerts.reading import read_alert
from anomalake.alerts.values import UnreadableError
from anomalake.alerts.withdrawals import AlertBody, StoredAlert, Withdrawal, read_withdrawal

__all__ = [
    "SET_ASIDE_RECORD",
    "Alert",
    "AlertBody",
    "Contribution",
    "AlertDocument",
    "Cause",
    "CausesDocument",
    "EventItem",
    "GroupCauses",
    "ObjectPointer",
    "Refusal",
    "StoredAlert",
    "TimeSeries",
    "UnreadableError",
    "has_lines",
    "inflated",
    "Withdrawal",
    "read_alert",
    "read_causes",
    "read_event",
    "read_file",
    "read_lines",
    "read_text",
    "read_withdrawal",
]
