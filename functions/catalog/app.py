"""Handler of the function catalog: a detector's shapes or sources changed, or the stack was deployed."""

from __future__ import annotations

import os
import re
from collections.abc import Callable
from typing import Any

from anomalake.alerts import ObjectPointer, read_event
from anomalake.aws import custom_resource
from anomalake.aws.environment import CatalogEnvironment
from anomalake.aws.glue import GlueCatalog
from anomalake.aws.observability import count, logger, observed
from anomalake.services.lakes import open_writer
from anomalake.services.views import make_views, register_all

_DETECTOR = re.compile(r"(?:^|/)(?:shapes/detector=([^/]+)/|sources/(.+)-[0-9a-f]{16}\.json$)")


@observed
def handler(event: Any, context: object) -> dict[str, Any]:
    """Entry point of the function."""
    if custom_resource.is_request(event):
        custom_resource.answer(event, "views", _update)
        return {}
    _update(detectors_in(event))
    return {"batchItemFailures": []}


def detectors_in(event: Any) -> set[str]:
    """Return the names of the detectors whose shapes or sources are among the objects of an event."""
    keys = (item.key for item in read_event(event) if isinstance(item, ObjectPointer))
    return {match[1] or match[2] for key in keys if (match := _DETECTOR.search(key))}


def _update(detectors: set[str] | None = None) -> None:
    environment = CatalogEnvironment.read(os.environ)
    # open_writer checks the lake's table formats, or writes them in a new lake: queries depend on them.
    store = open_writer(environment.lake, ",".join(environment.formats)).store
    if detectors is None:
        register_all(store, GlueCatalog(store, environment.database))
    run = _athena(environment.database, environment.workgroup)
    number = make_views(store, environment.formats, run, detectors)
    count("StatementsRun", number)
    logger.info("views made", statements=number, detectors=sorted(detectors) if detectors is not None else "all")


def _athena(database: str, workgroup: str) -> Callable[[str], object]:
    import awswrangler as wr

    def run(statement: str) -> None:
        wr.athena.start_query_execution(statement, database=database, workgroup=workgroup, wait=True)

    return run
