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
from anomalake.sources.file_bytes import FileText
from anomalake.sources.rows import Notes, RowBlock

BLOCK_ROWS = 65_536
LONGEST_LINE = 8 * 1024 * 1024


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
    n_dimensions = len(metric_set.dimension_list)
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
        except (ValueError, RecursionError) as error:
            problem = f"{place}: line {number}: {shown(line.strip())}: {error}; expected a JSON object a line"
            notes.add(problem, 1)
            continue
        for column, value in zip(columns, texts, strict=True):
            column.append(value)
        lines.append(number)
        if len(lines) == BLOCK_ROWS:
            yield _block(columns, lines, n_dimensions)
            columns, lines = [[] for _ in names], []
    if lines:
        yield _block(columns, lines, n_dimensions)


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


def _block(columns: list[list[str | None]], lines: list[int], n_dimensions: int) -> RowBlock:
    arrays = [pa.array(column, pa.string()) for column in columns]
    coded = [array.dictionary_encode() for array in arrays[: 1 + n_dimensions]]
    return RowBlock(coded[0], tuple(coded[1:]), tuple(arrays[1 + n_dimensions :]), np.array(lines, np.int64))
