"""Colours: readable on their paper, and apart for eyes that do not tell red from green."""

import itertools

import pytest

from wattlas.report.theme import DARK, LIGHT

PAPER = {"light": "#f5f7f9", "dark": "#1a2027"}
THEMES = [("light", LIGHT), ("dark", DARK)]
# Viénot, Brettel and Mollon (1999), linear RGB: what deuteranopes and protanopes see.
DEUTERANOPIA = ((0.29275, 0.70725, 0.0), (0.29275, 0.70725, 0.0), (-0.02234, 0.02234, 1.0))
PROTANOPIA = ((0.11238, 0.88762, 0.0), (0.11238, 0.88762, 0.0), (0.00401, -0.00401, 1.0))


def linear(colour: str) -> list[float]:
    channels = [int(colour[i : i + 2], 16) / 255 for i in (1, 3, 5)]
    return [c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in channels]


def luminance(colour: str) -> float:
    r, g, b = linear(colour)
    return 0.2126 * r + 0.7152 * g + 0.0722 * b


def contrast(one: str, other: str) -> float:
    low, high = sorted((luminance(one), luminance(other)))
    return (high + 0.05) / (low + 0.05)


def lab(rgb: list[float]) -> tuple[float, float, float]:
    r, g, b = (max(c, 0.0) for c in rgb)
    xyz = (
        (0.4124 * r + 0.3576 * g + 0.1805 * b) / 0.9505,
        0.2126 * r + 0.7152 * g + 0.0722 * b,
        (0.0193 * r + 0.1192 * g + 0.9505 * b) / 1.089,
    )
    x, y, z = (v ** (1 / 3) if v > 0.008856 else 7.787 * v + 16 / 116 for v in xyz)
    return 116 * y - 16, 500 * (x - y), 200 * (y - z)


@pytest.mark.parametrize(("name", "theme"), THEMES)
def test_marks_have_contrast_to_the_paper(name, theme):
    for colour in theme["range"]["category"]:
        assert contrast(colour, PAPER[name]) >= 3.0, colour
    for part in ("labelColor", "titleColor"):
        assert contrast(theme["axis"][part], PAPER[name]) >= 7.0


@pytest.mark.parametrize(("name", "theme"), THEMES)
@pytest.mark.parametrize("eyes", [DEUTERANOPIA, PROTANOPIA])
def test_the_first_categories_stay_apart(name, theme, eyes):
    seen = []
    for colour in theme["range"]["category"][:4]:
        rgb = linear(colour)
        seen.append(lab([sum(w * c for w, c in zip(row, rgb, strict=True)) for row in eyes]))
    for one, other in itertools.combinations(seen, 2):
        assert sum((a - b) ** 2 for a, b in zip(one, other, strict=True)) ** 0.5 > 15
