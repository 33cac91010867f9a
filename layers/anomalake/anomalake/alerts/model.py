"""The alert, in L4M's terms."""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal

from anomalake.alerts.timestamps import ZonedTimestamp


@dataclass(frozen=True, slots=True)
class TimeSeries:
    """An affected metric: one measure for one combination of dimension values, and what was observed.

    `dimensions` are pairs of name and value, at most one for each name; `metric_value` has at most 20 decimals.
    """

    time_series_id: str | None
    dimensions: tuple[tuple[str, str], ...]
    metric_value: Decimal | None


@dataclass(frozen=True, slots=True)
class Contribution:
    """Share of one value of one dimension in the anomaly, in whole per cent."""

    dimension_name: str
    dimension_value: str
    value_contribution: int


@dataclass(frozen=True, slots=True)
class Cause:
    """A root cause: a combination of dimension values below which metrics are off by a common share.

    Attributes
    ----------
    dimensions
        Pairs of name and value; empty: the measure as a whole.
    share_off
        ``actual / expected - 1``, four decimals: -0.62 is 62 % less; None where nothing was expected.
    explained
        Its share in the deviations in its direction that are not noise, 0 to 1, four decimals.
    gain
        Evidence in nats, less the cost of naming it and a margin; two decimals.
    """

    dimensions: tuple[tuple[str, str], ...]
    share_off: float | None
    explained: float
    gain: float


@dataclass(frozen=True, slots=True)
class Alert:
    """One alert about one measure.

    Attributes
    ----------
    alert_id
        Identity: the first 32 hex digits of the SHA-256 of `alert_event_id`, `metric_name` and the instant.
    digest
        SHA-256 of the body's canonical JSON, 64 hex digits. Same identity and same digest: a repeat.
        Same identity and another digest: a clash.
    detector
        The detector's name in its ARN: 1 to 63 letters, digits, ``-`` and ``_``.
    original
        The text that the alert was read from, unchanged.
    """

    alert_id: str
    digest: str
    detector: str
    detector_arn: str
    alert_event_id: str
    anomaly_group_id: str | None
    timestamp: ZonedTimestamp
    metric_name: str
    anomaly_score: float
    alert_name: str | None
    alert_arn: str | None
    alert_description: str | None
    console_url: str | None
    time_series: tuple[TimeSeries, ...]
    contributions: tuple[Contribution, ...]
    original: str

    @property
    def day(self) -> str:
        """UTC date of the interval's start, ``YYYY-MM-DD``."""
        return self.timestamp.utc.strftime("%Y-%m-%d")

    @property
    def dimension_names(self) -> tuple[str, ...]:
        """Names of the dimensions of the affected metrics, sorted."""
        return tuple(sorted({name for series in self.time_series for name, _ in series.dimensions}))
