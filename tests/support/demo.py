"""A demo that takes less time than the whole one: ten weeks of flights, and the hours of the blizzard."""

from __future__ import annotations

from datetime import date, datetime

from anomalake.demo import storm

#: A backtest of ten weeks tests the last three, so its alerts are not about the blizzard.
LAST = date(2013, 3, 10)
SPAN = (datetime(2013, 2, 7, 5, tzinfo=storm.ZONE), datetime(2013, 2, 10, 9, tzinfo=storm.ZONE))
