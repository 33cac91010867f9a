"""The settings of a lake, ``lake.json``: the formats of its tables."""

from __future__ import annotations

import json
from collections.abc import Sequence

from anomalake.errors import AnomalakeError
from anomalake.lake.layout import SETTINGS, TABLES
from anomalake.storage.store import ObjectNotFound, ObjectStore

DEFAULT_FORMATS = ("parquet",)


class SettingsError(AnomalakeError, ValueError):
    """Settings of a lake that are invalid, or that contradict the arguments of a call."""


def parse_formats(text: str) -> tuple[str, ...]:
    """Parse table formats such as ``parquet,csv``; raises `SettingsError`."""
    formats = tuple(dict.fromkeys(part.strip() for part in text.split(",")))
    if not set(formats) <= set(TABLES):
        raise SettingsError(f"table formats {text!r}: expected parquet, csv or parquet,csv")
    return formats


def read_formats(store: ObjectStore) -> tuple[str, ...] | None:
    """Read the table formats of a lake; None if the lake has no settings yet.

    Raises
    ------
    SettingsError, StoreError
    """
    try:
        body = store.get(SETTINGS)
    except ObjectNotFound:
        return None
    try:
        return parse_formats(",".join(json.loads(body)["formats"]))
    except (ValueError, TypeError, KeyError) as error:
        raise SettingsError(
            f'{store.uri}/{SETTINGS}: {body[:80]!r}: expected {{"formats": ["parquet" or "csv", …]}}'
        ) from error


def read_table_format(store: ObjectStore) -> str:
    """Read the format that queries use: the first one of the lake, Parquet if it has both; raises as `read_formats`."""
    formats = read_formats(store) or DEFAULT_FORMATS
    return "parquet" if "parquet" in formats else formats[0]


def write_formats(store: ObjectStore, formats: Sequence[str]) -> None:
    """Write the table formats into a lake's settings; raises `StoreError`."""
    store.put(SETTINGS, json.dumps({"formats": list(formats)}).encode("ascii"))
