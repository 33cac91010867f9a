"""anomalake turns anomaly alerts into tables that Athena and QuickSight query.

`open_lake` is the way in from Python: ``anomalake.open_lake("./lake").query("SELECT * FROM metric_values")``.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from anomalake.api import open_lake

__all__ = ["open_lake"]


def __getattr__(name: str) -> Any:
    # Lazily: the alert's path imports this package too, and must not import query engines.
    if name == "open_lake":
        from anomalake.api import open_lake

        return open_lake
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
