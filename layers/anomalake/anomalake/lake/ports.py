"""The port to the catalog that tells a query engine which partitions a lake has."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Protocol

from anomalake.errors import AnomalakeError


class CatalogError(AnomalakeError):
    """The catalog did not do what was asked: it may next time, and no alert is lost by it."""


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
    """Where a query engine looks up what a lake holds."""

    def add_partitions(self, partitions: Iterable[Partition]) -> None:
        """Make partitions known; those that are known already are passed over.

        Raises
        ------
        CatalogError
            Some or all are not known yet. The call may be repeated.
        """
        ...


class NoCatalog:
    """For a lake whose folders are its catalog, such as one that DuckDB reads."""

    def add_partitions(self, partitions: Iterable[Partition]) -> None:
        """Do nothing: a listing tells."""
