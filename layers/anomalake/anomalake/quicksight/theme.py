"""Colours of the dashboard."""

from __future__ import annotations

from typing import Any

#: Colours of series.
SERIES = ("#4E79A7", "#F28E2B", "#59A14F", "#B07AA1", "#76B7B2", "#9C755F", "#D4B000", "#FF9DA7", "#9AA0A6")

#: Classes of severity, as on the page, most severe first: least severity, name, colour.
CLASSES = (
    (85, "extreme", "#5C0F6B"),
    (70, "high", "#BB2A5B"),
    (50, "moderate", "#E0651F"),
    (0, "low", "#E9A227"),
)


def theme() -> dict[str, Any]:
    """Return the ThemeConfiguration with the colours of the page."""
    text, surface, ground, accent = "#1A2330", "#FFFFFF", "#F4F5F7", "#1C5D99"
    good, fair, bad = "#1F7A4D", "#8A6100", "#B3261E"
    return {
        "DataColorPalette": {
            "Colors": list(SERIES),
            "MinMaxGradient": ["#CFE1F2", "#08306B"],
            "EmptyFillColor": "#DDE1E7",
        },
        "UIColorPalette": {
            "PrimaryForeground": text,
            "PrimaryBackground": surface,
            "SecondaryForeground": text,
            "SecondaryBackground": ground,
            "Accent": accent,
            "AccentForeground": surface,
            "Danger": bad,
            "DangerForeground": surface,
            "Warning": fair,
            "WarningForeground": surface,
            "Success": good,
            "SuccessForeground": surface,
            "Dimension": accent,
            "DimensionForeground": surface,
            "Measure": good,
            "MeasureForeground": surface,
        },
        "Sheet": {
            "Tile": {"Border": {"Show": True}},
            "TileLayout": {"Gutter": {"Show": True}, "Margin": {"Show": True}},
        },
    }
