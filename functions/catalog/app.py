"""Handler of the function catalog: a detector's shapes or sources changed, or the stack was deployed."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from typing import Any

from anomalake.alerts import ObjectPointer, read_event
from anomalake.aws import custom_resource
from anomalake.aws.athena_database import AthenaDatabase
from anomalake.aws.environment import CatalogEnvironment
from anomalake.aws.glue import GlueCatalog
from anomalake.aws.observability import count, logger, observed
from anomalake.lake.layout import parse_shape_key
from anomalake.lake.ports import CatalogError
from anomalake.records.metric_sets import parse_metric_set_key
from anomalake.services.lakes import open_writer
from anomalake.services.views import OutOfTime, ViewReport, make_views, register_all

#: No statement is begun when less time is left: those that run must end before the function's time is over.
RESERVE_MS = 120_000


@observed
def handler(event: Any, context: Any) -> dict[str, Any]:
    """Entry point of the function."""

    def has_time() -> bool:
        return bool(context.get_remaining_time_in_millis() > RESERVE_MS)

    if custom_resource.is_request(event):

        def go_on(request: Mapping[str, Any]) -> None:
            custom_resource.invoke_again(context.invoked_function_arn, request)

        def make() -> None:
            # The relations of one detector do not fail a deployment; the metric RelationsFailed has an alarm.
            _update(None, has_time).check(detectors=False)

        custom_resource.answer(event, "views", make, go_on=(OutOfTime, go_on))
        return {}
    return respond(event, lambda detectors: _update(detectors, has_time))


def respond(event: Any, update: Callable[[set[str]], ViewReport]) -> dict[str, Any]:
    """Update the relations of the detectors of an event, and return the messages to deliver again."""
    messages = messages_in(event)
    report = update({detector for detectors in messages.values() for detector in detectors})
    if None in messages:
        report.check()
    failed = [
        message
        for message, detectors in messages.items()
        if report.left or None in report.failed or detectors & report.failed.keys()
    ]
    return {"batchItemFailures": [{"itemIdentifier": message} for message in failed]}


def messages_in(event: Any) -> dict[str | None, set[str]]:
    """Return the names of the detectors whose shapes or sources are among the objects of an event, by message id.

    The id of a direct invocation is None.
    """
    messages: dict[str | None, set[str]] = {}
    for item in read_event(event):
        if isinstance(item, ObjectPointer):
            detector = _detector_of(item.key)
            if detector is not None:
                messages.setdefault(item.delivery, set()).add(detector)
    return messages


def _detector_of(key: str) -> str | None:
    """Name of the detector of a shape or source; its key is below the lake's prefix."""
    parts = key.split("/")
    tails = ("/".join(parts[start:]) for start in range(len(parts)))
    return next((name for tail in tails if (name := parse_shape_key(tail) or parse_metric_set_key(tail))), None)


def _update(detectors: set[str] | None, has_time: Callable[[], bool]) -> ViewReport:
    environment = CatalogEnvironment.read(os.environ)
    # open_writer checks the lake's table formats, or writes them in a new lake: queries depend on them.
    store = open_writer(environment.lake, ",".join(environment.formats)).store
    if detectors is None:
        catalog = GlueCatalog(store, environment.database)
        register_all(store, catalog)
        try:
            catalog.index_partitions()
        except CatalogError as error:
            # Queries are right without an index, and slower where there are many partitions.
            logger.error("partitions not indexed", reason=str(error))
    database = AthenaDatabase(environment.database, environment.workgroup)
    report = make_views(store, environment.formats, database, detectors, has_time)
    count("StatementsRun", report.made)
    count("RelationsFailed", len(report.failed))
    for detector, reason in report.failed.items():
        logger.error("relations not made", detector=detector, reason=reason)
    logger.info(
        "views made",
        statements=report.made,
        left=report.left,
        detectors=sorted(detectors) if detectors is not None else "all",
    )
    return report
