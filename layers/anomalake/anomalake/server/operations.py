"""The operations that the page calls: feedback, snoozes and comments, and undoing them."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from anomalake.errors import one_line
from anomalake.records.errors import RecordError
from anomalake.records.snoozes import Snooze
from anomalake.server.documents import Site
from anomalake.server.requests import (
    COMMENT_ID,
    GROUP_ID,
    SERIES_ID,
    SNOOZE_ID,
    RequestError,
    check_names,
    dimensions_of,
    flag_of,
    id_of,
    instant_of,
    required_id_of,
    text_of,
)
from anomalake.services.feedback import (
    UnknownAnomalyError,
    comment,
    give_feedback,
    line_of,
    line_of_snooze,
    snooze,
    undo_comment,
    undo_feedback,
    undo_snooze,
)
from anomalake.storage.store import StoreError

#: Takes the fields of a request; returns lines for the user.
Operation = Callable[[Site, Mapping[str, Any]], Sequence[str]]


def perform(operation: Operation, site: Site, fields: Mapping[str, Any]) -> Sequence[str]:
    """Run an operation; raises `RequestError` with the status of its failure."""
    try:
        return operation(site, fields)
    except RequestError:
        raise
    except UnknownAnomalyError as error:
        raise RequestError(404, one_line(error)) from error
    except RecordError as error:
        raise RequestError(409, one_line(error)) from error
    except StoreError as error:
        raise RequestError(503, one_line(error)) from error
    except ValueError as error:
        raise RequestError(400, one_line(error)) from error
    except Exception as error:  # an error of the server itself is one line too
        raise RequestError(500, one_line(error)) from error


def feedback_operation(site: Site, fields: Mapping[str, Any]) -> list[str]:
    """Record feedback on a group, or on one metric of it."""
    check_names(fields, "detector", "group", "is_anomaly", "series", "at")
    recorded = give_feedback(
        site.store,
        detector=text_of(fields, "detector"),
        group_id=id_of(fields, "group", GROUP_ID),
        series_id=id_of(fields, "series", SERIES_ID, required=False),
        at=instant_of(fields, "at", required=False),
        is_anomaly=flag_of(fields, "is_anomaly"),
        now=site.now(),
        by=site.user,
    )
    return [line_of(feedback) for feedback in recorded]


def snooze_operation(site: Site, fields: Mapping[str, Any]) -> list[str]:
    """Send no alerts about a group or about metrics until a time."""
    check_names(fields, "detector", "until", "group", "series", "measure", "dimensions")
    until = instant_of(fields, "until")
    assert until is not None
    wanted = Snooze(
        until,
        group_id=id_of(fields, "group", GROUP_ID, required=False),
        time_series_id=id_of(fields, "series", SERIES_ID, required=False),
        measure=text_of(fields, "measure") if fields.get("measure") is not None else None,
        dimensions=dimensions_of(fields),
        given_at=site.now(),
        given_by=site.user,
    )
    snooze(site.store, text_of(fields, "detector"), wanted)
    return [line_of_snooze(wanted)]


def undo_feedback_operation(site: Site, fields: Mapping[str, Any]) -> list[str]:
    """Take back the latest feedback on a group."""
    check_names(fields, "detector", "group")
    undone = undo_feedback(site.store, text_of(fields, "detector"), required_id_of(fields, "group", GROUP_ID))
    return [f"taken back: {line_of(feedback)}" for feedback in undone]


def undo_snooze_operation(site: Site, fields: Mapping[str, Any]) -> list[str]:
    """End a snooze."""
    check_names(fields, "detector", "id")
    undo_snooze(site.store, text_of(fields, "detector"), required_id_of(fields, "id", SNOOZE_ID))
    return ["alerts are sent again"]


def comment_operation(site: Site, fields: Mapping[str, Any]) -> list[str]:
    """Record a comment on a group, or that it is acknowledged."""
    check_names(fields, "detector", "group", "text", "acknowledged")
    text = text_of(fields, "text") if fields.get("text") not in (None, "") else ""
    comment(
        site.store,
        detector=text_of(fields, "detector"),
        group_id=required_id_of(fields, "group", GROUP_ID),
        text=text,
        acknowledged=flag_of(fields, "acknowledged"),
        now=site.now(),
        by=site.user,
    )
    return ["acknowledged" if fields["acknowledged"] else "comment recorded"]


def undo_comment_operation(site: Site, fields: Mapping[str, Any]) -> list[str]:
    """Take back a comment."""
    check_names(fields, "detector", "group", "id")
    group_id, id_ = required_id_of(fields, "group", GROUP_ID), required_id_of(fields, "id", COMMENT_ID)
    undo_comment(site.store, text_of(fields, "detector"), group_id, id_)
    return ["taken back"]
