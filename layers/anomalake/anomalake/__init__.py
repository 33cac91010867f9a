"""anomalake turns anomaly alerts into tables that Athena and QuickSight query.

`open_lake` is the way in from Python: ``anomalake.open_lake("./lake").query("SELECT * FROM metric_values")``.
`backtest` and `detect` find anomalies and send their alerts there. docs/tour.ipynb shows them at work.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from anomalake.api import LakeHandle, backtest, detect, open_lake

__all__ = ["LakeHandle", "backtest", "detect", "open_lake"]


def __getattr__(name: str) -> Any:
    # Lazily: the alert's path imports this package too, and must not import query engines.
    if name in __all__:
        from anomalake import api

        return getattr(api, name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
