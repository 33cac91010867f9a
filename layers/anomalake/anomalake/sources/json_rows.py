"""Rows of JSON lines."""

from __future__ import annotations

import io
import json
from collections.abc import Iterator
from typing import Any, NoReturn

import numpy as np
import pyarrow as pa

from anomalake.definitions.messages import shown
from anomalake.definitions.metric_set import MetricSet
from anomalake.sources.cells import joined
from anomalake.sources.file_bytes import FileText
from anomalake.sources.rows import Notes, RowBlock, found_places

BLOCK_ROWS = 65_536
LONGEST_LINE = 8 * 1024 * 1024
_MOST_SHAPES = 1_000


def _refuse(constant: str) -> NoReturn:
    raise ValueError(f"{constant} is no number of JSON")


# Numbers keep their text: a dimension value 1.10 is not 1.1.
_DECODER = json.JSONDecoder(parse_int=str, parse_float=str, parse_constant=_refuse)


def json_blocks(text: FileText, metric_set: MetricSet, place: str, notes: Notes) -> Iterator[RowBlock]:
    """Read the rows of a file with one JSON object in each line; other lines are noted as invalid.

    Parameters
    ----------
    place
        Name of the file in messages.
    """
    names = metric_set.columns
    n_timestamps, n_dimensions = len(metric_set.timestamp_columns), len(metric_set.dimension_list)
    members = _Members(names)
    columns: list[list[str | None]] = [[] for _ in names]
    lines: list[int] = []
    source = io.BufferedReader(text, 1024 * 1024)
    number = 0
    while line := source.readline(LONGEST_LINE):
        number += 1
        if line.isspace():
            continue
        try:
            record = _record(line)
            texts = [_text_of(record.get(name), name) for name in names]
            if None in texts:
                texts = [_text_of(record.get(name), name) for name in members.of(record)]
        except (ValueError, RecursionError) as error:
            problem = f"{place}: line {number}: {shown(line.strip())}: {error}; expected a JSON object a line"
            notes.add(problem, 1)
            continue
        for column, value in zip(columns, texts, strict=True):
            column.append(value)
        lines.append(number)
        if len(lines) == BLOCK_ROWS:
            yield _block(columns, lines, n_timestamps, n_dimensions)
            columns, lines = [[] for _ in names], []
    if lines:
        yield _block(columns, lines, n_timestamps, n_dimensions)


class _Members:
    """Finds the members of a record that have the wanted names, as `found_places` does."""

    def __init__(self, wanted: tuple[str, ...]) -> None:
        self._wanted = wanted
        self._known: dict[tuple[str, ...], tuple[str, ...]] = {}

    def of(self, record: dict[str, Any]) -> tuple[str, ...]:
        """Return the members' names as they are written in this record; a wanted name itself if there is none."""
        written = tuple(record)
        if written not in self._known:
            if len(self._known) >= _MOST_SHAPES:
                self._known.clear()
            self._known[written] = tuple(
                name if place is None else written[place]
                for name, place in zip(self._wanted, found_places(written, self._wanted), strict=True)
            )
        return self._known[written]


def _record(line: bytes) -> dict[str, Any]:
    try:
        record = _DECODER.decode(line.decode("utf-8"))
    except UnicodeDecodeError as error:
        raise ValueError(f"byte {error.start + 1} is not of the charset") from error
    except json.JSONDecodeError as error:
        raise ValueError(f"is no JSON: {error.msg}, column {error.colno}") from error
    if not isinstance(record, dict):
        raise ValueError("is no object")
    return record


def _text_of(value: Any, name: str) -> str | None:
    if value is None:
        return None
    if isinstance(value, str):
        value.encode("utf-8")
        return value
    if isinstance(value, bool):
        return "true" if value else "false"
    raise ValueError(f"column {name!r} holds a list or an object")


def _block(columns: list[list[str | None]], lines: list[int], n_timestamps: int, n_dimensions: int) -> RowBlock:
    arrays = [pa.array(column, pa.string()) for column in columns]
    split = n_timestamps + n_dimensions
    dimensions = tuple(array.dictionary_encode() for array in arrays[n_timestamps:split])
    timestamps = joined(arrays[:n_timestamps])
    coded = timestamps if pa.types.is_dictionary(timestamps.type) else timestamps.dictionary_encode()
    return RowBlock(coded, dimensions, tuple(arrays[split:]), np.array(lines, np.int64))
