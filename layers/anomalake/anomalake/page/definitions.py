"""Definitions of detectors, from the metric sets in a lake and from the versions of detector files."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace

from anomalake.definitions.errors import SourceError
from anomalake.definitions.metric_set import check_timezone
from anomalake.frequencies import FREQUENCIES
from anomalake.page.notes import read_each
from anomalake.query.detectors import DetectorSchema
from anomalake.records import versions as version_records
from anomalake.records.listing import DetectorRecords
from anomalake.storage.store import ObjectStore


@dataclass(frozen=True, slots=True)
class Definition:
    """A detector, as far as it is known.

    Attributes
    ----------
    aggregations
        Aggregation function by measure.
    frequency, timezone
        None for unknown.
    offset
        Seconds to wait after an interval's end.
    versions
        Versions of the detector file, newest first.
    schema
        The detector in queries; None where queries do not know it.
    """

    arn: str
    measures: tuple[str, ...] = ()
    dimensions: tuple[str, ...] = ()
    aggregations: Mapping[str, str] = field(default_factory=dict)
    frequency: str | None = None
    timezone: str | None = None
    offset: int = 0
    versions: tuple[str, ...] = ()
    schema: DetectorSchema | None = None


def definition_of(schema: DetectorSchema) -> Definition:
    """Return the definition of a detector that queries know; names of its metric set come before those of alerts."""
    source = schema.source
    if source is None:
        return Definition(schema.arn, schema.measures, schema.dimensions, schema=schema)
    return Definition(
        schema.arn,
        tuple(dict.fromkeys((*source.measures, *schema.measures))),
        tuple(dict.fromkeys((*source.dimension_list, *schema.dimensions))),
        {measure.metric_name: measure.aggregation_function for measure in source.metric_list},
        source.frequency,
        source.timezone,
        source.offset,
        schema=schema,
    )


def read_definitions(store: ObjectStore, records: DetectorRecords, notes: list[str]) -> dict[str, Definition]:
    """Read the versions of a detector file; return their newest definition, by ARN."""
    keys = [records.versions[version] for version in sorted(records.versions)]
    versions = read_each(store, keys, _definition_in, notes, f"{records.name}: versions of the detector file")
    definitions: dict[str, Definition] = {}
    for _, version, definition in sorted(versions, key=lambda item: item[:2], reverse=True):
        newer = definitions.get(definition.arn)
        earlier = newer.versions if newer is not None else ()
        definitions[definition.arn] = replace(newer or definition, versions=(*earlier, version))
    return definitions


def merge(first: Definition | None, second: Definition) -> Definition:
    """Return what either definition has; where both have a field, that of the first."""
    if first is None:
        return second
    return Definition(
        first.arn,
        tuple(dict.fromkeys((*first.measures, *second.measures))),
        tuple(dict.fromkeys((*first.dimensions, *second.dimensions))),
        {**second.aggregations, **first.aggregations},
        first.frequency or second.frequency,
        first.timezone or second.timezone,
        first.offset or second.offset,
        first.versions or second.versions,
        first.schema or second.schema,
    )


def zone_or_utc(names: Iterable[str | None]) -> str:
    """Return the first name that is a time zone, or UTC."""
    for name in names:
        if name is not None:
            try:
                check_timezone(name)
            except SourceError:
                continue
            return name
    return "UTC"


def _definition_in(body: bytes, place: str) -> tuple[str, str, Definition]:
    """Return a version's first use, its name and its definition."""
    record = version_records.from_json(body, place)
    fields = record.fields
    try:
        measures = {str(metric["MetricName"]): str(metric["AggregationFunction"]) for metric in fields["MetricList"]}
        frequency = fields.get("MetricSetFrequency")
        definition = Definition(
            str(fields["AnomalyDetectorArn"]),
            tuple(measures),
            tuple(str(name) for name in fields.get("DimensionList") or ()),
            measures,
            frequency if frequency in FREQUENCIES else None,
            zone_or_utc([fields.get("Timezone")]),
        )
    except (ValueError, TypeError, KeyError, AttributeError) as error:
        raise ValueError(f"{place}: {error!r}; expected the fields of a metric set") from error
    return record.since, record.version, definition
