"""The ports to the catalog of partitions and relations that a query engine reads."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Final, Protocol

from anomalake.errors import AnomalakeError

#: Kinds of relations of a database.
TABLE: Final = "table"
VIEW: Final = "view"


class CatalogError(AnomalakeError):
    """The catalog failed; the call may be repeated, and no alert is lost."""


@dataclass(frozen=True, slots=True, order=True)
class Partition:
    """One partition of every physical table.

    Attributes
    ----------
    detector
        Name of the detector, as in its ARN.
    day
        UTC date of the alerts, ``YYYY-MM-DD``.
    """

    detector: str
    day: str


class Catalog(Protocol):
    """The catalog of a lake's partitions."""

    def add_partitions(self, partitions: Iterable[Partition]) -> None:
        """Register partitions; those that are registered already are ignored.

        Raises
        ------
        CatalogError
            Some or all are not registered. The call may be repeated.
        """
        ...


class NoCatalog:
    """The catalog of a lake that is read by listing its folders, such as with DuckDB."""

    def add_partitions(self, partitions: Iterable[Partition]) -> None:
        """Do nothing: queries list the folders."""


class DdlDatabase(Protocol):
    """A database of the catalog, and the engine that makes its views and tables."""

    @property
    def name(self) -> str:
        """Name of the database."""
        ...

    def relations(self) -> Mapping[str, str]:
        """Return the names of its relations, with `TABLE` or `VIEW`; raises `CatalogError`."""
        ...

    def run(self, statement: str) -> None:
        """Run one statement of DDL; raises `CatalogError`. Several threads call it."""
        ...
