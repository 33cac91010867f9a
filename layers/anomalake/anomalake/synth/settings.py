"""Settings of a synthetic shop, and its combinations of dimension values."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, timedelta
from itertools import product
from typing import Final

import numpy as np
import numpy.typing as npt

from anomalake.errors import AnomalakeError
from anomalake.frequencies import FREQUENCIES
from anomalake.model.metrics import Combination

PLATFORMS: Final = ("pc_web", "mobile_web", "mobile_app")
MARKETPLACES: Final = ("us", "uk", "de", "fr", "es", "it", "jp")
MEASURES: Final = ("views", "revenue")

#: Default number of intervals of history by frequency: 30 days, 60 days, 90 days, half a year, 12 months, three years.
DEFAULT_INTERVALS: Final = {
    "PT5M": 8_640, "PT10M": 8_640, "PT15M": 8_640, "PT30M": 8_640, "PT1H": 8_760, "P1D": 1_095,
}  # fmt: skip

#: Month and day of the hard shop's holidays.
HOLIDAYS: Final = (
    (1, 1), (1, 6), (2, 14), (3, 17), (4, 1), (5, 1), (6, 19), (7, 4),
    (8, 15), (10, 3), (10, 31), (11, 11), (12, 24), (12, 25), (12, 26), (12, 31),
)  # fmt: skip

MAX_SERIES: Final = 1_000_000
_DAY: Final = 86_400


class ShopSettingsError(AnomalakeError, ValueError):
    """Invalid settings of a shop."""


@dataclass(frozen=True, slots=True)
class ShopSettings:
    """Settings of a shop.

    Attributes
    ----------
    seed
        The same seed and settings give the same shop.
    hard
        Whether to generate the hard shop.
    frequency
        One of `DEFAULT_INTERVALS`.
    intervals
        Number of intervals; default: that of `DEFAULT_INTERVALS`.
    series
        Combinations of dimension values; each has two metrics, views and revenue. The default is 3 platforms × 7
        marketplaces; more add the dimension ``product``.
    start
        UTC date of the first interval.
    anomalies
        Whether there are anomalies and level shifts.

    Raises
    ------
    ShopSettingsError
        A value is out of range.
    """

    seed: int = 1
    hard: bool = False
    frequency: str = "PT1H"
    intervals: int | None = None
    series: int = len(PLATFORMS) * len(MARKETPLACES)
    start: date = date(2023, 1, 1)
    anomalies: bool = True

    def __post_init__(self) -> None:
        if self.frequency not in DEFAULT_INTERVALS:
            raise ShopSettingsError(f"frequency {self.frequency!r}: expected one of {', '.join(DEFAULT_INTERVALS)}")
        for name, value, least, most in (
            ("seed", self.seed, 0, 2**63 - 1),
            ("intervals", self.n_intervals, 1, 10_000_000),
            ("series", self.series, 1, MAX_SERIES),
        ):
            if not least <= value <= most:
                raise ShopSettingsError(f"{name} {value:,}: expected {least:,} to {most:,}")
        try:
            self.start + timedelta(seconds=self.n_intervals * self.seconds)
        except OverflowError:
            raise ShopSettingsError(
                f"intervals {self.n_intervals:,} from {self.start}: expected an end before the year 10000"
            ) from None

    @property
    def n_intervals(self) -> int:
        """Number of intervals, or the default."""
        return DEFAULT_INTERVALS[self.frequency] if self.intervals is None else self.intervals

    @property
    def seconds(self) -> int:
        """Length of an interval."""
        return FREQUENCIES[self.frequency].seconds

    @property
    def starts(self) -> npt.NDArray[np.datetime64]:
        """Starts of the intervals, UTC, ``datetime64[s]``."""
        first = np.datetime64(self.start, "s")
        return first + np.arange(self.n_intervals) * np.timedelta64(self.seconds, "s")

    @property
    def dimension_names(self) -> tuple[str, ...]:
        """``platform``, ``marketplace``, and ``product`` if there are more series than combinations of these two."""
        return ("platform", "marketplace", *(("product",) if self._products > 1 else ()))

    @property
    def combinations(self) -> tuple[Combination, ...]:
        """The combinations of dimension values, sorted."""
        pairs = list(product(PLATFORMS, MARKETPLACES))
        if self._products == 1:
            return tuple(sorted(pairs[: self.series]))
        width = max(4, len(str(self._products)))
        many = (
            (platform, marketplace, f"p{number:0{width}}")
            for number in range(1, self._products + 1)
            for platform, marketplace in pairs
        )
        return tuple(sorted(item for _, item in zip(range(self.series), many, strict=False)))

    @property
    def holidays(self) -> tuple[date, ...]:
        """Holidays of the hard shop from the first interval to the last; none for the easy shop."""
        if not self.hard:
            return ()
        last = self.start + timedelta(days=((self.n_intervals - 1) * self.seconds) // _DAY)
        days = (date(year, *day) for year in range(self.start.year, last.year + 1) for day in HOLIDAYS)
        return tuple(day for day in days if self.start <= day <= last)

    @property
    def _products(self) -> int:
        return -(-self.series // (len(PLATFORMS) * len(MARKETPLACES)))
