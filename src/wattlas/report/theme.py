"""Colours and type of the charts, for light and dark paper.

Categories take Okabe and Ito's palette (Color Universal Design, 2008), its light members darkened for white
paper; ordered values take viridis, cut where it would be too near the paper.
"""

from typing import Any

# Of at least 3:1 against the paper (WCAG 2.2, 1.4.11), and apart for the common kinds of colour blindness.
_LIGHT = ["#0072B2", "#C75100", "#00805D", "#A8467E", "#8A6D00", "#2E86B5", "#1B1F24"]
_DARK = ["#56B4E9", "#E69F00", "#1FBF92", "#CC79A7", "#F0E442", "#FF8A4C", "#E8ECF0"]


def _theme(ink: str, soft: str, grid: str, categories: list[str], extent: list[float]) -> dict[str, Any]:
    font = "system-ui, -apple-system, 'Segoe UI', Roboto, 'DejaVu Sans', sans-serif"
    return {
        "background": "transparent",
        "font": font,
        "view": {"stroke": "transparent"},
        "axis": {
            "labelColor": ink,
            "titleColor": ink,
            "gridColor": grid,
            "domainColor": soft,
            "tickColor": soft,
            "labelFontSize": 12,
            "titleFontSize": 13,
            "titleFontWeight": "normal",
            "titlePadding": 10,
        },
        "legend": {
            "labelColor": ink,
            "titleColor": ink,
            "labelFontSize": 12,
            "titleFontSize": 13,
            "symbolBaseFillColor": soft,
            "symbolBaseStrokeColor": soft,
        },
        "text": {"color": ink, "fontSize": 12},
        "rule": {"color": soft},
        "line": {"color": ink},
        "point": {"color": categories[0]},
        "bar": {"color": categories[0]},
        "range": {
            "category": categories,
            "ordinal": {"scheme": "viridis", "extent": extent},
            "ramp": {"scheme": "viridis", "extent": extent},
        },
    }


LIGHT = _theme("#1b1f24", "#555d66", "#e3e7ec", _LIGHT, [0.0, 0.72])
DARK = _theme("#e8ecf0", "#aab4bf", "#2a323b", _DARK, [0.38, 1.0])
