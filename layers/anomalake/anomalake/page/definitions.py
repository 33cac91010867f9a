"""What a detector is: out of its source's record, or out of what detection noted of its file."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from anomalake.definitions.errors import SourceError
from anomalake.definitions.metric_set import FREQUENCIES, check_timezone
from anomalake.page.objects import read_each
from anomalake.query.detectors import DetectorSchema
from anomalake.records import versions as version_records
from anomalake.records.listing import DetectorRecords
from anomalake.storage.store import ObjectStore


@dataclass(frozen=True, slots=True)
class Definition:
    """A detector, as far as it is known.

    Attributes
    ----------
    versions
        Of its file, the newest first.
    """

    arn: str
    measures: tuple[str, ...] = ()
    dimensions: tuple[str, ...] = ()
    aggregations: Mapping[str, str] = field(default_factory=dict)
    frequency: str | None = None
    timezone: str | None = None
    offset: int = 0
    versions: tuple[str, ...] = ()
    queried: DetectorSchema | None = None


def definition_of(detector: DetectorSchema) -> Definition:
    """Of a detector that queries know: its source's fields first, then what its alerts named."""
    source = detector.source
    if source is None:
        return Definition(detector.arn, detector.measures, detector.dimensions, queried=detector)
    return Definition(
        detector.arn,
        tuple(dict.fromkeys((*source.measures, *detector.measures))),
        tuple(dict.fromkeys((*source.dimension_list, *detector.dimensions))),
        {one.metric_name: one.aggregation_function for one in source.metric_list},
        source.frequency,
        source.timezone,
        source.offset,
        queried=detector,
    )


def noted(store: ObjectStore, of: DetectorRecords, notes: list[str]) -> dict[str, Definition]:
    """What detection noted of a detector's file, by ARN."""
    versions = sorted(of.versions)
    found = read_each(
        store, [of.versions[one] for one in versions], _version, notes, f"{of.name}: versions of the detector file"
    )
    made: dict[str, Definition] = {}
    for since, version, one in sorted(found, key=lambda one: one[:2], reverse=True):
        before = made.get(one.arn)
        made[one.arn] = _with_versions(before or one, (*(before.versions if before else ()), version))
        assert since is not None
    return made


def together(one: Definition | None, two: Definition | None) -> Definition:
    """What is known from both, that of the first going before."""
    if one is None or two is None:
        known = one or two
        assert known is not None
        return known
    return Definition(
        one.arn,
        tuple(dict.fromkeys((*one.measures, *two.measures))),
        tuple(dict.fromkeys((*one.dimensions, *two.dimensions))),
        {**two.aggregations, **one.aggregations},
        one.frequency or two.frequency,
        one.timezone or two.timezone,
        one.offset or two.offset,
        one.versions or two.versions,
        one.queried or two.queried,
    )


def zone_or_utc(names: Iterable[str | None]) -> str:
    """The first of the zones that there is."""
    for name in names:
        if name is not None:
            try:
                check_timezone(name)
            except SourceError:
                continue
            return name
    return "UTC"


def _version(body: bytes, place: str) -> tuple[str, str, Definition]:
    try:
        record = version_records.from_json(body, place)
        fields = record.fields
        metrics = [(str(one["MetricName"]), str(one["AggregationFunction"])) for one in fields["MetricList"]]
        frequency = fields.get("MetricSetFrequency")
        made = Definition(
            str(fields["AnomalyDetectorArn"]),
            tuple(name for name, _ in metrics),
            tuple(str(one) for one in fields.get("DimensionList") or ()),
            dict(metrics),
            frequency if frequency in FREQUENCIES else None,
            zone_or_utc([fields.get("Timezone")]),
        )
        return record.since, record.version, made
    except (ValueError, TypeError, KeyError, AttributeError) as error:
        raise ValueError(f"{place}: {error!r}; expected the fields of a metric set") from error


def _with_versions(one: Definition, versions: tuple[str, ...]) -> Definition:
    return Definition(
        one.arn, one.measures, one.dimensions, one.aggregations, one.frequency, one.timezone, one.offset, versions
    )
