"""A stand-in for Athena and its Glue database."""

from __future__ import annotations

import re
import threading
from functools import lru_cache

import sqlglot
from sqlglot import exp

from anomalake.lake.ports import TABLE, VIEW, CatalogError
from anomalake.query.relations import PHYSICAL

_STATEMENTS = (
    (re.compile(r'CREATE OR REPLACE VIEW "(\w+)"'), VIEW),
    (re.compile(r"CREATE EXTERNAL TABLE IF NOT EXISTS `(\w+)`"), TABLE),
    (re.compile(r"DROP (?:VIEW|TABLE) IF EXISTS `?(\w+)`?"), None),
)


class FakeDatabase:
    """`DdlDatabase` that knows which relations exist, and refuses what Athena refuses.

    Attributes
    ----------
    statements
        The statements that were run, in the order in which they ended.
    broken
        Names of relations whose statements fail.
    """

    def __init__(self, name: str = "anomalake", existing: dict[str, str] | None = None) -> None:
        self.name = name
        self.existing = dict.fromkeys(PHYSICAL, TABLE) | (existing or {})
        self.statements: list[str] = []
        self.broken: set[str] = set()
        self._lock = threading.Lock()

    def relations(self) -> dict[str, str]:
        with self._lock:
            return dict(self.existing)

    def run(self, statement: str) -> None:
        name, kind = next((match[1], kind) for form, kind in _STATEMENTS if (match := form.match(statement)))
        with self._lock:
            if name in self.broken:
                raise CatalogError(f"{name}: Athena refuses it")
            if kind == VIEW:
                assert self.existing.get(name) != TABLE, f"{name} is a table"
                missing = _read(statement) - self.existing.keys()
                assert not missing, f"{name} reads {missing}"
            if kind is None:
                expected = VIEW if "DROP VIEW" in statement else TABLE
                assert self.existing.get(name, expected) == expected, f"{name} is a {self.existing[name]}"
                self.existing.pop(name, None)
            else:
                self.existing[name] = kind
            self.statements.append(statement)


@lru_cache(maxsize=1_000)
def _read(statement: str) -> frozenset[str]:
    """Names of the relations that a view reads."""
    query = sqlglot.parse_one(statement, read="athena").expression
    return frozenset(table.name for table in query.find_all(exp.Table)) - {cte.alias for cte in query.find_all(exp.CTE)}
