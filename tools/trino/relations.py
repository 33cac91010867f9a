"""``make trino-relations``: compare the relations of a lake in a folder in Trino and in the local engine."""

from __future__ import annotations

import argparse
import sys
from collections import Counter
from collections.abc import Iterable, Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from anomalake.errors import AnomalakeError
from anomalake.query.errors import QueryError
from anomalake.query.relations import Relations
from anomalake.query.statements import UndefinedRelations
from anomalake.services.lakes import LakeConnection, QueryEngine
from tools.trino.server import Refused, TrinoServer
from tools.trino.tables import LakeInTrino
from tools.trino.values import of_arrow, of_trino

#: Rows that are shown of those that only one engine has.
SHOWN = 3


class LakeError(AnomalakeError):
    """A lake that the local engine cannot read."""


def make_relations(server: TrinoServer, lake: LakeInTrino, catalog: str, schema: str) -> Iterator[str]:
    """Make a lake's tables and views in Trino, and yield what could not be made; raises `TrinoError`."""
    for statement in lake.tables(catalog, schema):
        try:
            server.ask(statement)
        except Refused as error:
            yield f"{statement}: {error}"
    for item in lake.relations():
        if isinstance(item, UndefinedRelations):
            yield f"relations of {item.detector}: {item.error}"
            continue
        try:
            server.ask(item.statement)
        except Refused as error:
            yield f"{item.name}: {error}"


def difference(name: str, server: TrinoServer, engine: QueryEngine) -> list[str]:
    """Return the differences of a relation's columns and rows, without regard to the order of rows.

    Raises
    ------
    Refused, QueryError, TrinoError
    """
    sql = f'SELECT * FROM "{name}"'
    theirs, table = server.ask(sql), engine.query(sql)
    names, types = [column for column, _ in theirs.columns], [type_ for _, type_ in theirs.columns]
    if names != table.column_names:
        return [f"columns in Trino: {', '.join(names)}", f"columns here: {', '.join(table.column_names)}"]
    expected = _counted(names, ([of_trino(*pair) for pair in zip(row, types, strict=True)] for row in theirs.rows))
    rows = zip(*(column.to_pylist() for column in table.columns), strict=True)
    actual = _counted(names, ([of_arrow(*pair) for pair in zip(row, types, strict=True)] for row in rows))
    lines = []
    for where, only, number in (
        ("only in Trino", expected - actual, len(theirs.rows)),
        ("only here", actual - expected, table.num_rows),
    ):
        if only:
            lines.append(f"{only.total()} of {number} rows {where}, such as")
            lines += [f"  {row}" for row in sorted(only)[:SHOWN]]
    return lines


def _counted(names: list[str], rows: Iterable[list[Any]]) -> Counter[str]:
    """The number of each row, by its text."""
    return Counter(repr(dict(zip(names, row, strict=True))) for row in rows)


def main(arguments: list[str] | None = None) -> int:
    """Run the command; return 1 if a relation differs or could not be compared."""
    parser = argparse.ArgumentParser(prog="python -m tools.trino.relations", description=__doc__)
    parser.add_argument("url", metavar="TRINO", help="address of the server, such as http://localhost:8080")
    parser.add_argument("lake", metavar="LAKE", help="folder of the lake")
    parser.add_argument("location", metavar="LOCATION", help="the folder that LAKE is in, as Trino names it")
    parser.add_argument("--catalog", default="hive", help="Trino's catalog of the Hive connector; default: hive")
    options = parser.parse_args(arguments)
    schema = f"anomalake_{datetime.now(UTC):%Y%m%d_%H%M%S}"
    try:
        connection = LakeConnection(options.lake)
        if connection.is_in_s3 or not Path(options.lake).is_dir():
            raise LakeError(f"{options.lake}: expected the folder of a lake, which the local engine can read")
        lake = LakeInTrino(Path(options.lake), options.location)
        server = TrinoServer(options.url, options.catalog, schema)
        server.ask(f"CREATE SCHEMA {options.catalog}.{schema}")
        for line in make_relations(server, lake, options.catalog, schema):
            print(f"not made: {line}")
        return _compare_all(Relations(connection.store).names(), server, connection.engine, schema)
    except AnomalakeError as error:
        print(f"trino-relations: {error}", file=sys.stderr)
        return 1


def _compare_all(names: list[str], server: TrinoServer, engine: QueryEngine, schema: str) -> int:
    equal = 0
    for name in names:
        try:
            lines = difference(name, server, engine)
        except Refused as error:
            lines = [f"Trino: {error}"]
        except QueryError as error:
            lines = [f"here: {error}"]
        equal += not lines
        print(f"{'differs' if lines else 'equal  '} {name}")
        for line in lines:
            print(f"  {line}")
    print(f"{equal} of {len(names)} relations are equal; Trino has them in the schema {schema}")
    return 0 if equal == len(names) else 1


if __name__ == "__main__":
    sys.exit(main())
