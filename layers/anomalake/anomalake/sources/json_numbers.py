"""A reader of JSON that keeps the texts of numbers."""

from __future__ import annotations

import json
from typing import Final


class JsonNumber(str):
    """A number of JSON, as it is written."""

    __slots__ = ()


#: Reads numbers as `JsonNumber`; NaN and Infinity, which are none, as float.
DECODER: Final = json.JSONDecoder(parse_int=JsonNumber, parse_float=JsonNumber)
