"""Files by which boto3 and the AWS CLI know the service and where it is."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any, Final
from urllib.parse import urlsplit

from anomalake.errors import AnomalakeError
from anomalake.files import FileWriteError, write_whole
from anomalake.server.lookoutmetrics.service_model import (
    DOCUMENTATION,
    SERVICE,
    VERSION,
    endpoint_rules,
    service_model,
)

SIGNING_NAMES: Final = ("lookoutmetrics", "lambda")

_MODEL, _RULES = "service-2.json", "endpoint-rule-set-1.json"
_LONGEST_URL: Final = 2_000
_MOST_BYTES: Final = 1024 * 1024
_HOST: Final = re.compile(r"[A-Za-z0-9]([A-Za-z0-9.-]*[A-Za-z0-9])?|\[[0-9A-Fa-f:.]+\]")
_PATH: Final = re.compile(r"[A-Za-z0-9/._~-]*")
_REGION: Final = re.compile(r"[a-z]{2}(-[a-z]+)+-[0-9]{1,2}")
_FUNCTION_URL: Final = re.compile(r"[a-z0-9]+\.lambda-url\.(?P<region>[a-z0-9-]+)\.on\.aws")


class ClientError(AnomalakeError, ValueError):
    """An invalid URL, region or folder."""


class ForeignFileError(AnomalakeError):
    """A file that another program has written."""


def install(
    folder: Path, url: str, *, region: str | None = None, signing_name: str | None = None, force: bool = False
) -> tuple[Path, ...]:
    """Write the service model and the endpoint rules; return their paths.

    Parameters
    ----------
    folder
        A folder of models, such as ``~/.aws/models``, or one that ``AWS_DATA_PATH`` names.
    url
        Where the API is answered.
    region
        Region that signatures are for; default: that of a function URL, or else the client's.
    signing_name
        Service that signatures are for; default: ``lambda`` for a function URL, or else ``lookoutmetrics``.
    force
        Whether files of other programs are replaced.

    Raises
    ------
    ClientError
        The URL, the region or the signing name is invalid.
    ForeignFileError
        A file is there that another program has written.
    FileWriteError
        A file could not be written.
    """
    checked = _checked_url(url)
    function = _FUNCTION_URL.fullmatch(urlsplit(checked).hostname or "")
    name = signing_name or ("lambda" if function else SERVICE)
    if name not in SIGNING_NAMES:
        raise ClientError(f"--signing-name {name!r}: expected {' or '.join(SIGNING_NAMES)}")
    if region is None and function is not None:
        region = function["region"]
    if region is not None and not _REGION.fullmatch(region):
        raise ClientError(f"--region {region!r}: expected a region such as us-east-1")
    place = _place(folder)
    documents: Mapping[Path, dict[str, Any]] = {
        place / _RULES: endpoint_rules(checked, name, region),
        place / _MODEL: service_model(name),
    }
    if not force:
        _refuse_foreign([path for path in documents if path.exists()], "replace")
    try:
        place.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise FileWriteError(f"{place}: cannot be made: {error.strerror or error}") from error
    for path, document in documents.items():
        write_whole(path, json.dumps(document, indent=1, ensure_ascii=True).encode("ascii") + b"\n")
    return tuple(documents)


def uninstall(folder: Path, *, force: bool = False) -> tuple[Path, ...]:
    """Delete what `install` has written, and the folders that are empty then; return the deleted files.

    Raises
    ------
    ForeignFileError
        A file is there that another program has written; `force` deletes it.
    FileWriteError
        A file could not be deleted.
    """
    place = _place(folder)
    present = [path for path in (place / _RULES, place / _MODEL) if path.exists()]
    if not force:
        _refuse_foreign(present, "delete")
    for path in present:
        try:
            path.unlink()
        except OSError as error:
            raise FileWriteError(f"{path}: cannot be deleted: {error.strerror or error}") from error
    for emptied in (place, place.parent) if present else ():
        with suppress(OSError):
            emptied.rmdir()
    return tuple(present)


def _place(folder: Path) -> Path:
    return folder.expanduser() / SERVICE / VERSION


def _checked_url(url: str) -> str:
    expected = "expected http://HOST[:PORT] or https://HOST[:PORT], with a path or without one"
    try:
        parts = urlsplit(url)
        good = (
            url.isascii()
            and len(url) <= _LONGEST_URL
            and parts.scheme in ("http", "https")
            and parts.port != 0
            and _HOST.fullmatch(_host(parts.netloc))
            and _PATH.fullmatch(parts.path)
            and url == parts.geturl()
            and not parts.query
            and not parts.fragment
        )
    except ValueError:
        good = False
    if not good:
        raise ClientError(f"--url {url[:_LONGEST_URL]!r}: {expected}")
    return url.rstrip("/")


def _host(netloc: str) -> str:
    return re.sub(r":[0-9]+\Z", "", netloc)


def _refuse_foreign(paths: list[Path], verb: str) -> None:
    for path in paths:
        if not _is_ours(path):
            raise ForeignFileError(f"{path}: is not from `anomalake client install`; --force would {verb} it")


def _is_ours(path: Path) -> bool:
    try:
        with path.open("rb") as opened:
            document = json.loads(opened.read(_MOST_BYTES))
    except (OSError, ValueError, RecursionError):
        return False
    return isinstance(document, dict) and document.get("documentation") == DOCUMENTATION
