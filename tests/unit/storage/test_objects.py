"""URIs and errors of S3, without S3."""

from __future__ import annotations

from pathlib import Path

import pytest
from obstore.exceptions import GenericError, PermissionDeniedError

from anomalake.storage.objects import failure, memory_store, open_store
from anomalake.storage.store import BucketNotFound, InvalidKey, StoreAccessDenied, StoreError


@pytest.mark.parametrize("prefix", ["a/../b", "a//b", "./a", "a/..", "a\nb", "\x00"])
def test_a_prefix_that_keys_cannot_have(prefix: str) -> None:
    with pytest.raises(InvalidKey, match="expected keys without"):
        open_store(f"s3://bucket/{prefix}")


@pytest.mark.parametrize(
    ("error", "kind"),
    [
        (GenericError("status code: 404 Not Found: <Error><Code>NoSuchBucket</Code></Error>"), BucketNotFound),
        (GenericError("Received redirect without LOCATION, this normally indicates another region"), BucketNotFound),
        (GenericError("<Error><Code>PermanentRedirect</Code></Error>"), BucketNotFound),
        (GenericError("status code: 403 Forbidden: <Error><Code>AccessDenied</Code></Error>"), StoreAccessDenied),
        (GenericError("status code: 400 Bad Request: <Code>ExpiredToken</Code>"), StoreAccessDenied),
        (PermissionDeniedError("no"), StoreAccessDenied),
        (ValueError("Could not parse path"), InvalidKey),
        (GenericError("GET http://s3/b/NoSuchBucket%3C/AccessDenied status code: 500"), StoreError),
        (TimeoutError("after 60 s"), StoreError),
    ],
)
def test_what_an_error_of_s3_means(error: Exception, kind: type[StoreError]) -> None:
    found = failure("s3://b/x", error)
    assert type(found) is kind
    assert str(found).startswith("s3://b/x: ")
    assert "\n" not in str(found)


@pytest.mark.parametrize("kind", ["memory", "folder"])
def test_a_listing_between_two_keys(kind: str, tmp_path: Path) -> None:
    store = memory_store() if kind == "memory" else open_store(str(tmp_path))
    keys = [f"a/{number}/x" for number in range(6)]
    for key in [*keys, "b/0"]:
        store.put(key, b"")

    def listed(after: str | None, before: str | None) -> list[str]:
        return sorted(entry.key for entry in store.list("a", after, before))

    assert listed(None, None) == keys
    assert listed("a/2", None) == keys[2:]
    assert listed("a/2/x", "a/5") == keys[3:5]
    assert listed("a/2", "a/2") == []
    assert listed("a/9", None) == []
