"""Object stores: a folder, S3, and memory for tests, all through obstore (one Rust client, no boto3 to import)."""

from __future__ import annotations

import os
import re
import time
from collections.abc import Callable, Iterable, Iterator
from datetime import timedelta
from itertools import islice
from pathlib import Path
from typing import Any, TypeVar
from urllib.parse import unquote

import obstore
from obstore.exceptions import (
    AlreadyExistsError,
    BaseError,
    GenericError,
    InvalidPathError,
    PermissionDeniedError,
    UnauthenticatedError,
)
from obstore.store import LocalStore, MemoryStore, S3Store

from anomalake.errors import AnomalakeError, first_line, require
from anomalake.storage.store import (
    BucketNotFound,
    InvalidKey,
    ObjectNotFound,
    ObjectStore,
    StoreAccessDenied,
    StoredObject,
    StoreError,
)

#: Limit of S3's DeleteObjects.
DELETE_AT_ONCE = 1_000

#: Errors of obstore's calls; a key such as a/../b is a ValueError.
CALL_ERRORS = (BaseError, OSError, ValueError)

_S3 = "s3://"
_SCHEME = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*:")
_FILE = re.compile(r"file:(?P<host>//(localhost)?(?=/)|(?=/[^/]))")
# Reasons in obstore's messages, in which a key is encoded and so has neither of these.
_DENIED = re.compile(r"status code: 40[13]|<Code>(AccessDenied|InvalidAccessKeyId|ExpiredToken|InvalidToken)</Code>")
_NO_BUCKET = re.compile("<Code>NoSuchBucket</Code>")
_REDIRECT = re.compile("<Code>(PermanentRedirect|AuthorizationHeaderMalformed)</Code>|redirect without LOCATION")
#: Tries of a call to S3 whose answer is cut off or malformed, and the seconds before the second one, which double.
TRIES = 4
PAUSE = 0.1
#: Seconds after which a call is not tried again. obstore has tried a call that took so long many times itself.
TRY_AGAIN_WITHIN = 30.0

T = TypeVar("T")


class LakeUriError(AnomalakeError, ValueError):
    """A lake's URI that does not name a folder or a bucket."""


class Objects:
    """`ObjectStore` over an obstore store.

    Parameters
    ----------
    store
        LocalStore, S3Store or MemoryStore, rooted at the lake.
    uri
        URI of that root, as the user writes it.
    """

    def __init__(self, store: LocalStore | S3Store | MemoryStore, uri: str) -> None:
        self._store = store
        self._uri = uri

    @property
    def uri(self) -> str:
        return self._uri

    def put(self, key: str, body: bytes) -> None:
        self._call(key, lambda: obstore.put(self._store, key, body, use_multipart=False))

    def put_new(self, key: str, body: bytes) -> bool:
        try:
            self._call(key, lambda: obstore.put(self._store, key, body, mode="create", use_multipart=False))
        except _KeyInUse:
            return False
        return True

    def get(self, key: str) -> bytes:
        return bytes(self._call(key, lambda: obstore.get(self._store, key).bytes()))

    def exists(self, key: str) -> bool:
        try:
            self._call(key, lambda: obstore.head(self._store, key))
        except ObjectNotFound:
            return False
        return True

    def list(self, folder: str, after: str | None = None, before: str | None = None) -> Iterator[StoredObject]:
        is_s3 = isinstance(self._store, S3Store)
        last = after
        tries = _Tries()
        while True:
            try:
                for page in obstore.list(self._store, folder, offset=last):
                    for found in page:
                        if before is None or found["path"] < before:
                            last = found["path"]
                            yield StoredObject(last, found["size"], found["last_modified"])
                        elif is_s3:
                            # S3 lists keys in their order.
                            return
                    tries = _Tries()
                return
            except FileNotFoundError:
                return
            except CALL_ERRORS as error:
                # S3 lists keys in their order, so the listing goes on after the last one.
                if not is_s3 or not tries.again(error):
                    raise StoreError(f"{self._uri}: cannot list {folder!r}: {first_line(error)}") from error

    def delete(self, keys: Iterable[str]) -> None:
        if isinstance(self._store, S3Store):
            for batch in _batched(keys, DELETE_AT_ONCE):
                self._call(batch[0], lambda batch=batch: obstore.delete(self._store, batch))  # type: ignore[misc]
            return
        for key in keys:
            try:
                self._call(key, lambda key=key: obstore.delete(self._store, key))  # type: ignore[misc]
            except ObjectNotFound:
                continue

    def _call(self, key: str, call: Callable[[], T]) -> T:
        tries = _Tries()
        while True:
            try:
                return call()
            except AlreadyExistsError as error:
                raise _KeyInUse(key) from error
            except FileNotFoundError as error:
                raise ObjectNotFound(f"{self._uri}: no object {key!r}") from error
            except CALL_ERRORS as error:
                if not isinstance(self._store, S3Store) or not tries.again(error):
                    raise StoreError(f"{self._uri}: {key!r}: {first_line(error)}") from error


class _Tries:
    """The tries of one call to S3. obstore itself repeats a call that fails, but not one whose answer is malformed."""

    def __init__(self) -> None:
        self._began = time.monotonic()
        self._count = 1

    def again(self, error: Exception) -> bool:
        """Whether to try again after an error; pauses before."""
        if (
            not isinstance(error, GenericError)
            or self._count == TRIES
            or time.monotonic() - self._began > TRY_AGAIN_WITHIN
        ):
            return False
        time.sleep(PAUSE * 2 ** (self._count - 1))
        self._count += 1
        return True


class _KeyInUse(StoreError):
    pass


def read_blocks(store: S3Store, key: str, place: str, version: str | None = None) -> Iterator[bytes]:
    """Read an object of S3 block by block. A connection that breaks is taken up where it ended.

    Raises
    ------
    ObjectNotFound, StoreError
    """
    offset, tag = 0, None
    tries = _Tries()
    while True:
        options: dict[str, Any] = {"version": version} if version else {}
        if offset:
            options |= {"range": {"offset": offset}, "if_match": tag}
        try:
            found = obstore.get(store, key, options=options or None)  # type: ignore[arg-type]
            size, tag = found.meta["size"], found.meta["e_tag"]
            for block in found.stream():
                offset += len(block)
                yield bytes(block)
                tries = _Tries()
            if offset >= size:
                return
            raise StoreError(f"{place}: the answer ended after {offset:,} of {size:,} bytes")
        except FileNotFoundError as error:
            raise ObjectNotFound(f"{place}: there is no such object") from error
        except CALL_ERRORS as error:
            if not tries.again(error):
                raise StoreError(f"{place}: {first_line(error)}") from error


def failure(place: str, error: Exception) -> StoreError:
    """Return the error of a call to S3: what is wrong with the bucket or with the access to it, or that it failed."""
    text = str(error)
    if isinstance(error, (PermissionDeniedError, UnauthenticatedError)) or _DENIED.search(text):
        return StoreAccessDenied(f"{place}: access is denied; expected the right to list and to read")
    if isinstance(error, (InvalidPathError, ValueError)):
        return _invalid_key(place, error)
    bucket = place.removeprefix(_S3).partition("/")[0]
    if _NO_BUCKET.search(text):
        return BucketNotFound(f"{place}: there is no bucket {bucket!r}")
    if _REDIRECT.search(text):
        return BucketNotFound(f"{place}: the bucket {bucket!r} is in another region")
    return StoreError(f"{place}: {first_line(error)}")


def _invalid_key(place: str, error: Exception) -> InvalidKey:
    return InvalidKey(f"{place}: {first_line(error)}; expected keys without empty, . and .. parts")


def _batched(keys: Iterable[str], most: int) -> Iterator[list[str]]:
    rest = iter(keys)
    while batch := list(islice(rest, most)):
        yield batch


def open_store(uri: str, *, create: bool = True) -> ObjectStore:
    """Open the store at a lake's URI.

    Parameters
    ----------
    uri
        A folder (``./lake``, ``file:///srv/lake``) or ``s3://bucket/prefix``.
    create
        Make a missing folder. False: a missing folder is an empty lake.

    Raises
    ------
    LakeUriError
        The URI does not name a folder or a bucket.
    """
    check_lake_uri(uri)
    if uri.startswith(_S3):
        bucket, _, prefix = uri.removeprefix(_S3).partition("/")
        return Objects(s3_store(bucket, prefix.strip("/")), uri.rstrip("/"))
    folder = store_folder(uri)
    if folder.exists() and not folder.is_dir():
        raise LakeUriError(f"lake {uri!r}: is a file; expected a folder")
    if not folder.exists() and not create:
        return Objects(MemoryStore(), uri)
    folder.mkdir(parents=True, exist_ok=True)
    return Objects(LocalStore(folder.resolve()), uri)


def check_lake_uri(uri: str) -> None:
    """Check that a URI names a folder or a bucket; raises `LakeUriError`."""
    if not uri.strip():
        raise LakeUriError(f"lake {uri!r}: is empty; expected a folder, file:///FOLDER or s3://BUCKET/PREFIX")
    if uri.startswith(_S3):
        if not uri.removeprefix(_S3).partition("/")[0]:
            raise LakeUriError(f"lake {uri!r}: no bucket; expected s3://BUCKET or s3://BUCKET/PREFIX")
        return
    scheme = _SCHEME.match(uri)
    if scheme is not None and not _FILE.match(uri):
        raise LakeUriError(f"lake {uri!r}: expected a folder, file:///FOLDER or s3://BUCKET/PREFIX")
    if scheme is not None and ("?" in uri or "#" in uri):
        raise LakeUriError(f"lake {uri!r}: has ? or #; expected %3F or %23 in file:///FOLDER")


def store_folder(uri: str) -> Path:
    """The folder that the URI of a local lake names."""
    found = _FILE.match(uri)
    # `Path.expanduser` fails if a name begins with ~ and is not that of a user.
    return Path(os.path.expanduser(unquote(uri[found.end("host") :]) if found else uri))  # noqa: PTH111


def memory_store() -> ObjectStore:
    """A store in memory, for tests and trials."""
    return Objects(MemoryStore(), "memory://")


def s3_store(bucket: str, prefix: str | None = None) -> S3Store:
    """An S3 store configured by AWS's environment variables; it retries 500, 503 and time-outs.

    Raises
    ------
    StoreAccessDenied
        There are no credentials.
    InvalidKey
        The prefix cannot be that of keys.
    """
    endpoint = os.environ.get("AWS_ENDPOINT_URL_S3") or os.environ.get("AWS_ENDPOINT_URL")
    options: dict[str, Any] = {}
    if endpoint:
        options["endpoint"] = endpoint
    region = os.environ.get("AWS_REGION") or os.environ.get("AWS_DEFAULT_REGION")
    if region:
        options["region"] = region
    if not os.environ.get("AWS_ACCESS_KEY_ID") and not os.environ.get("AWS_CONTAINER_CREDENTIALS_RELATIVE_URI"):
        # boto3 knows profiles and single sign-on. A Lambda function has its credentials in the environment.
        require("boto3", extra="aws")
        from obstore.auth.boto3 import Boto3CredentialProvider

        try:
            options["credential_provider"] = Boto3CredentialProvider()
        except ValueError as error:
            raise StoreAccessDenied(
                f"s3://{bucket}: no AWS credentials; expected a profile or AWS_ACCESS_KEY_ID"
            ) from error
    try:
        return S3Store(
            bucket,
            prefix=prefix or None,
            client_options={
                "allow_http": bool(endpoint and endpoint.startswith("http://")),
                "connect_timeout": timedelta(seconds=5),
                "timeout": timedelta(seconds=30),
            },
            retry_config={
                "max_retries": 10,
                "retry_timeout": timedelta(seconds=60),
                "backoff": {"init_backoff": timedelta(milliseconds=50), "max_backoff": timedelta(seconds=5), "base": 2},
            },
            **options,
        )
    except ValueError as error:
        raise _invalid_key(f"s3://{bucket}/{prefix}", error) from error
