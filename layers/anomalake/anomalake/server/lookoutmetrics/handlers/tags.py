"""Operations on tags. Their members begin with a small letter, as in the API."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from anomalake.server.lookoutmetrics.handling import Handler, Members
from anomalake.services.definitions import tags
from anomalake.services.workspace import Workspace


def list_tags_for_resource(workspace: Workspace, members: Members) -> dict[str, Any]:
    """List the tags of a resource."""
    return {"Tags": dict(tags.list_tags(workspace, members["ResourceArn"]))}


def tag_resource(workspace: Workspace, members: Members) -> dict[str, Any]:
    """Add tags to a resource."""
    tags.add_tags(workspace, members["ResourceArn"], members["Tags"])
    return {}


def untag_resource(workspace: Workspace, members: Members) -> dict[str, Any]:
    """Remove tags from a resource."""
    tags.remove_tags(workspace, members["ResourceArn"], members["TagKeys"])
    return {}


HANDLERS: Final[Mapping[str, Handler]] = {
    "ListTagsForResource": list_tags_for_resource,
    "TagResource": tag_resource,
    "UntagResource": untag_resource,
}
