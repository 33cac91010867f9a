"""Definitions of detectors that the API has made or changed (docs/adr/0014), each with all that belongs to it.

The record of a deleted detector stays, so that a late writer cannot bring the detector back.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Final, Literal, cast, get_args

from anomalake.definitions.metric_set import NAME
from anomalake.records.changes import Codec, Newest, change_record, read_newest, read_number
from anomalake.records.errors import RecordError, RecordInputError
from anomalake.records.numbered import number_key
from anomalake.records.parallel import at_once
from anomalake.storage.store import ObjectNotFound, ObjectStore

DEFINITIONS: Final = "definitions"
ALERT_NAMES: Final = "alert-names"

#: What a detector is to be. A status is computed from it.
Wanted = Literal["INACTIVE", "ACTIVE", "DEACTIVATED", "BACK_TEST", "DELETED"]

_KEY = re.compile(rf"{DEFINITIONS}/detector=(?P<detector>{NAME.pattern})/(?P<number>[0-9]{{8}})\.json")


@dataclass(frozen=True, slots=True)
class MetricSetDefinition:
    """A metric set.

    Attributes
    ----------
    name, arn
        MetricSetName, MetricSetArn.
    fields
        The fields of CreateMetricSet, with settings of anomalake, without Tags and AnomalyDetectorArn.
    tags
        Tags.
    created_at, changed_at
        CreationTime, LastModificationTime.
    """

    name: str
    arn: str
    fields: Mapping[str, Any]
    tags: Mapping[str, str]
    created_at: datetime
    changed_at: datetime


@dataclass(frozen=True, slots=True)
class AlertDefinition:
    """An alert.

    Attributes
    ----------
    name, arn
        AlertName, AlertArn.
    fields
        The fields of CreateAlert, with settings of anomalake, without Tags and AnomalyDetectorArn.
    tags
        Tags.
    created_at, changed_at
        CreationTime, LastModificationTime.
    reservation
        Id of the reservation of its name (`AlertName`); empty for an alert of a detector file.
    """

    name: str
    arn: str
    fields: Mapping[str, Any]
    tags: Mapping[str, str]
    created_at: datetime
    changed_at: datetime
    reservation: str = ""


@dataclass(frozen=True, slots=True)
class DetectorDefinition:
    """A detector with its metric set and its alerts.

    Attributes
    ----------
    name, arn, description
        AnomalyDetectorName, AnomalyDetectorArn, AnomalyDetectorDescription (empty for none).
    frequency
        AnomalyDetectorFrequency; empty for none.
    kms_key_arn
        KmsKeyArn; empty for none.
    tags
        Tags.
    created_at, changed_at
        CreationTime, LastModificationTime.
    metric_set
        None until there is one.
    alerts
        Alerts, in the order of their creation.
    settings
        Settings of anomalake beside the metric set, as in a detector file.
    wanted, wanted_since
        What the detector is to be, and since when.
    backtest
        Id of the last backtest's job; empty for none.
    failure
        Why the wanted state could not be reached; empty for none.
    reserved
        Names of alerts that are being created, each with the id of its reservation.
    """

    name: str
    arn: str
    description: str
    frequency: str
    kms_key_arn: str
    tags: Mapping[str, str]
    created_at: datetime
    changed_at: datetime
    metric_set: MetricSetDefinition | None = None
    alerts: tuple[AlertDefinition, ...] = ()
    settings: Mapping[str, Any] = field(default_factory=dict)
    wanted: Wanted = "INACTIVE"
    wanted_since: datetime | None = None
    backtest: str = ""
    failure: str = ""
    reserved: Mapping[str, str] = field(default_factory=dict)

    def alert(self, name: str) -> AlertDefinition | None:
        """Return the alert with a name."""
        return next((alert for alert in self.alerts if alert.name == name), None)

    def has_reservation(self, name: str, reservation: str) -> bool:
        """Whether an alert has been created, or is being created, under a reservation of its name."""
        alert = self.alert(name)
        return (alert is not None and alert.reservation == reservation) or self.reserved.get(name) == reservation


@dataclass(frozen=True, slots=True)
class AlertName:
    """Who has the name of an alert: the ARN of an alert does not name its detector.

    Attributes
    ----------
    detector
        Name of the detector.
    reservation
        Id of the reservation. The name is free if the detector has no alert with this id.
    """

    detector: str
    reservation: str


def definition_folder(name: str) -> str:
    """Return the folder of a detector's definition; raises `RecordInputError` for an invalid name."""
    return f"{DEFINITIONS}/detector={_checked(name)}"


def definition_key(name: str, number: int) -> str:
    """Return the key of a definition by its number."""
    return number_key(definition_folder(name), number)


def parse_definition_key(key: str) -> str | None:
    """Return the name of the detector whose definition has a key; None for any other key."""
    match = _KEY.fullmatch(key)
    return match["detector"] if match is not None else None


def read_definition(store: ObjectStore, name: str) -> DetectorDefinition | None:
    """Read the newest definition of a detector, which may be that of a deleted one; None where there is none.

    Raises
    ------
    RecordInputError
        The name is invalid.
    RecordError, StoreError
    """
    return read_numbered_definition(store, name).value


def read_numbered_definition(store: ObjectStore, name: str) -> Newest[DetectorDefinition]:
    """As `read_definition`, with the number of the record."""
    return read_newest(store, definition_folder(name), DEFINITION)


def change_definition(
    store: ObjectStore, name: str, change: Callable[[DetectorDefinition | None], DetectorDefinition]
) -> DetectorDefinition:
    """Change the definition of a detector; `anomalake.records.changes.change_record` says how.

    Raises
    ------
    RecordInputError
        The name is invalid.
    RecordError, StoreError
    """
    return change_record(store, definition_folder(name), DEFINITION, change)


def definition_numbers(store: ObjectStore) -> dict[str, int]:
    """List the detectors that have a definition, deleted ones among them, each with its newest number.

    Raises
    ------
    StoreError
    """
    numbers: dict[str, int] = {}
    for entry in store.list(DEFINITIONS):
        match = _KEY.fullmatch(entry.key)
        if match is not None:
            numbers[match["detector"]] = max(int(match["number"]), numbers.get(match["detector"], 0))
    return numbers


def read_listed_definition(store: ObjectStore, name: str, number: int) -> DetectorDefinition | None:
    """Read a definition by its number in a listing, or a newer one if that was deleted since.

    Raises
    ------
    RecordError, StoreError
    """
    try:
        return read_number(store, definition_folder(name), number, DEFINITION).value
    except ObjectNotFound:
        return read_definition(store, name)


def list_definitions(store: ObjectStore) -> Iterator[DetectorDefinition]:
    """Read the newest definition of every detector, by name, those of deleted ones among them.

    Raises
    ------
    RecordError, StoreError
    """
    numbers = definition_numbers(store)
    for found in at_once(store, lambda name: read_listed_definition(store, name, numbers[name]), sorted(numbers)):
        if found is not None:
            yield found


def read_alert_name(store: ObjectStore, name: str) -> AlertName | None:
    """Read who has the name of an alert; raises `RecordInputError`, `RecordError` and `StoreError`."""
    return read_newest(store, _alert_name_folder(name), ALERT_NAME).value


def change_alert_name(store: ObjectStore, name: str, change: Callable[[AlertName | None], AlertName]) -> AlertName:
    """Change who has the name of an alert; raises `RecordInputError`, `RecordError` and `StoreError`."""
    return change_record(store, _alert_name_folder(name), ALERT_NAME, change)


def to_fields(definition: DetectorDefinition) -> dict[str, Any]:
    """Write a definition in JSON's types."""
    return {
        "name": definition.name,
        "arn": definition.arn,
        "description": definition.description,
        "frequency": definition.frequency,
        "kms_key_arn": definition.kms_key_arn,
        "tags": dict(definition.tags),
        "created_at": definition.created_at.isoformat(),
        "changed_at": definition.changed_at.isoformat(),
        "metric_set": _part_fields(definition.metric_set) if definition.metric_set is not None else None,
        "alerts": [_part_fields(alert) | {"reservation": alert.reservation} for alert in definition.alerts],
        "settings": dict(definition.settings),
        "wanted": definition.wanted,
        "wanted_since": definition.wanted_since.isoformat() if definition.wanted_since is not None else None,
        "backtest": definition.backtest,
        "failure": definition.failure,
        "reserved": dict(definition.reserved),
    }


def from_fields(given: Any) -> DetectorDefinition:
    """Inverse of `to_fields`; raises `RecordError`."""
    try:
        texts = ("name", "arn", "description", "frequency", "kms_key_arn", "backtest", "failure")
        metric_set, since = given["metric_set"], given["wanted_since"]
        if given["wanted"] not in get_args(Wanted):
            raise ValueError(f"wanted {given['wanted']!r}: expected one of {', '.join(get_args(Wanted))}")
        return DetectorDefinition(
            **{name: _text(given[name]) for name in texts},
            tags=_texts(given["tags"]),
            created_at=_instant(given["created_at"]),
            changed_at=_instant(given["changed_at"]),
            metric_set=MetricSetDefinition(**_part(metric_set)) if metric_set is not None else None,
            alerts=tuple(
                AlertDefinition(**_part(alert), reservation=_text(alert["reservation"])) for alert in given["alerts"]
            ),
            settings=dict(given["settings"]),
            wanted=cast(Wanted, given["wanted"]),
            wanted_since=_instant(since) if since is not None else None,
            reserved=_texts(given["reserved"]),
        )
    except (ValueError, TypeError, KeyError, AttributeError) as error:
        raise RecordError(f"definition: {type(error).__name__} {error}; expected that of a detector") from error


def _part_fields(part: MetricSetDefinition | AlertDefinition) -> dict[str, Any]:
    return {
        "name": part.name,
        "arn": part.arn,
        "fields": dict(part.fields),
        "tags": dict(part.tags),
        "created_at": part.created_at.isoformat(),
        "changed_at": part.changed_at.isoformat(),
    }


def _part(given: Any) -> dict[str, Any]:
    return {
        "name": _text(given["name"]),
        "arn": _text(given["arn"]),
        "fields": dict(given["fields"]),
        "tags": _texts(given["tags"]),
        "created_at": _instant(given["created_at"]),
        "changed_at": _instant(given["changed_at"]),
    }


def _text(given: Any) -> str:
    if not isinstance(given, str):
        raise TypeError(f"{given!r}: expected a text")
    return given


def _texts(given: Any) -> dict[str, str]:
    return {_text(name): _text(value) for name, value in dict(given).items()}


def _instant(given: Any) -> datetime:
    instant = datetime.fromisoformat(given)
    if instant.tzinfo is None:
        raise ValueError(f"{given!r}: expected a time with its zone")
    return instant


def _alert_name_fields(name: AlertName) -> dict[str, Any]:
    return {"detector": name.detector, "reservation": name.reservation}


def _alert_name(given: Any) -> AlertName:
    try:
        return AlertName(_text(given["detector"]), _text(given["reservation"]))
    except (TypeError, KeyError) as error:
        raise RecordError(f"name of an alert: {error!r}; expected detector and reservation") from error


def _alert_name_folder(name: str) -> str:
    return f"{ALERT_NAMES}/alert={_checked(name)}"


def _checked(name: str) -> str:
    if not NAME.fullmatch(name):
        raise RecordInputError(f"name {name!r}: expected 1 to 63 of A-Z a-z 0-9 _ -")
    return name


DEFINITION: Final = Codec(to_fields, from_fields)
ALERT_NAME: Final = Codec(_alert_name_fields, _alert_name)
