"""Pages of lists, and the tokens that continue them.

A token is an opaque text: the key of the last item, the digest of the query, and the time. It expires after 24 hours.
It is not signed: a key that is read from a token is a position to continue at, and may be any text.
"""

from __future__ import annotations

import base64
import hashlib
import json
from collections.abc import Callable, Iterable, Mapping
from datetime import datetime, timedelta
from itertools import islice
from typing import Any, Final, TypeVar

from anomalake.alerts.strict_json import canonical
from anomalake.definitions.resource_errors import InvalidRequestError
from anomalake.server.lookoutmetrics.handling import Members

T = TypeVar("T")

#: Items of a page without MaxResults.
DEFAULT_SIZE: Final = 100

#: Longest token, as in the API.
LONGEST_TOKEN: Final = 3_000

_LIFETIME: Final = timedelta(hours=24)
_PAGING: Final = ("MaxResults", "NextToken")


def page(
    items: Iterable[T],
    members: Members,
    key: Callable[[T], str],
    query: Mapping[str, Any],
    now: datetime,
    *,
    descending: bool = False,
) -> tuple[list[T], str | None]:
    """Return one page of a list, and the token of the next page, or None on the last one.

    A page begins after the last key of the page before, so items that come and go in between move no other item.

    Parameters
    ----------
    items
        All items, in the order of their keys.
    members
        The request: MaxResults and NextToken.
    key
        The key of an item: a text that no other item has.
    query
        What the token is valid for, such as ``{"operation": "ListAlerts", **members}``; MaxResults and NextToken in it
        are ignored.
    now
        The time of the request.
    descending
        Whether keys descend.

    Raises
    ------
    InvalidRequestError
        The token is not one of this query, or has expired.
    """
    last = read_token(members, query, now)
    size = page_size(members)
    if last is not None:
        items = (item for item in items if (key(item) < last if descending else key(item) > last))
    found = list(islice(items, size + 1))
    if len(found) <= size:
        return found, None
    return found[:size], make_token(key(found[size - 1]), query, now)


def page_size(members: Members) -> int:
    """Return the number of items of a page: MaxResults, or 100."""
    size = members.get("MaxResults")
    return DEFAULT_SIZE if size is None else int(size)


def read_ahead(members: Members) -> int:
    """Return how many items a page reads: its own, the last one of the page before, and the first one of the next."""
    return page_size(members) + 2


def read_token(members: Members, query: Mapping[str, Any], now: datetime) -> str | None:
    """Return the last key of the page before, or None for the first page; raises `InvalidRequestError`."""
    token = members.get("NextToken")
    if token is None:
        return None
    try:
        fields = json.loads(base64.b64decode(token.encode("ascii"), altchars=b"-_", validate=True).decode("utf-8"))
        last, digest, at = fields["last"], fields["query"], fields["at"]
        made = datetime.fromtimestamp(at, now.tzinfo)
    except (ValueError, TypeError, KeyError, OverflowError, OSError, RecursionError) as error:
        raise _invalid("is not a token of this service") from error
    if not isinstance(last, str) or digest != _digest(query):
        raise _invalid("belongs to another request; expected the same parameters as in the request that returned it")
    if abs(now - made) > _LIFETIME:
        raise _invalid("has expired; expected a token of the last 24 hours")
    return last


def make_token(last_key: str, query: Mapping[str, Any], now: datetime) -> str:
    """Return the token of the page after a key; at most 2,000 bytes of UTF-8 fit into one."""
    fields = {"last": last_key, "query": _digest(query), "at": int(now.timestamp())}
    text = json.dumps(fields, ensure_ascii=False, separators=(",", ":"))
    token = base64.urlsafe_b64encode(text.encode("utf-8")).decode("ascii")
    assert len(token) <= LONGEST_TOKEN, len(token)
    return token


def _digest(query: Mapping[str, Any]) -> str:
    given = {name: value for name, value in query.items() if name not in _PAGING and value is not None}
    return hashlib.sha256(canonical(given)).hexdigest()[:16]


def _invalid(reason: str) -> InvalidRequestError:
    return InvalidRequestError(f"NextToken: {reason}", (("NextToken", reason),))
