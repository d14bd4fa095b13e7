"""Curves drawn as SVG: panels beside each other, with a colour for each name and a legend below."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from html import escape

COLOURS = ("#0072b2", "#d55e00", "#009e73", "#cc79a7", "#e69f00", "#56b4e9", "#000000")
"""Okabe and Ito's, which people tell apart whatever colours they see."""
WIDTH, HEIGHT, MARGIN, ROW = 460, 320, 56, 22
"""Of a panel with its margins, of a margin, and of a line of the legend, in pixels."""
STEEP = 3
"""A panel of losses shows at most so many times the lowest, so that the first epochs do not flatten the rest."""

Curve = Sequence[tuple[float, float]]


@dataclass(frozen=True)
class Panel:
    """Curves with the same axes."""

    title: str
    x_label: str
    curves: Mapping[str, Sequence[Curve]]
    """Some for each name, drawn in its colour."""
    losses: bool = False
    """Whether the values fall from high ones that need not be seen."""


def svg(panels: Sequence[Panel]) -> str:
    """The picture; names have the same colour in all panels."""
    names = list(dict.fromkeys(name for panel in panels for name in panel.curves))
    colours = {name: COLOURS[place % len(COLOURS)] for place, name in enumerate(names)}
    width, height = WIDTH * len(panels), HEIGHT + ROW * len(names)
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" width="{width}" height="{height}" '
        'font-family="sans-serif" font-size="12">',
        f'<rect width="{width}" height="{height}" fill="white"/>',
    ]
    for place, panel in enumerate(panels):
        parts += [f'<g transform="translate({place * WIDTH} 0)">', *drawn(panel, colours, place), "</g>"]
    for row, (name, colour) in enumerate(colours.items()):
        y = HEIGHT + row * ROW
        parts.append(f'<path d="M{MARGIN} {y}h28" stroke="{colour}" stroke-width="2"/>')
        parts.append(text(MARGIN + 36, y + 4, name, "start"))
    return "\n".join([*parts, "</svg>\n"])


def drawn(panel: Panel, colours: Mapping[str, str], place: int) -> list[str]:
    """Frame, grid, labels and curves of a panel."""
    points = [point for curves in panel.curves.values() for curve in curves for point in curve]
    right = max(x for x, _ in points)
    low, high = limits([y for _, y in points], panel.losses)
    inner_width, inner_height = WIDTH - 2 * MARGIN, HEIGHT - 2 * MARGIN

    def at(x: float, y: float) -> tuple[float, float]:
        return MARGIN + x / right * inner_width, HEIGHT - MARGIN - (y - low) / (high - low) * inner_height

    frame = f'x="{MARGIN}" y="{MARGIN}" width="{inner_width}" height="{inner_height}"'
    parts = [
        f'<clipPath id="panel{place}"><rect {frame}/></clipPath>',
        f'<rect {frame} fill="none" stroke="#888"/>',
        text(WIDTH / 2, MARGIN - 16, panel.title, "middle"),
        text(WIDTH / 2, HEIGHT - 16, panel.x_label, "middle"),
    ]
    for value in ticks(low, high):
        _, y = at(0, value)
        parts.append(f'<path d="M{MARGIN} {y:.1f}h{inner_width}" stroke="#ddd"/>')
        parts.append(text(MARGIN - 6, y + 4, f"{value:.4g}", "end"))
    for value in ticks(0, right):
        x, _ = at(value, low)
        parts.append(text(x, HEIGHT - MARGIN + 18, f"{value:.4g}", "middle"))
    for name, curves in panel.curves.items():
        for curve in curves:
            line = "L".join(f"{x:.1f} {y:.1f}" for x, y in (at(*point) for point in curve))
            parts.append(
                f'<path d="M{line}" clip-path="url(#panel{place})" fill="none" stroke="{colours[name]}" '
                'stroke-width="1.5" stroke-linejoin="round"/>'
            )
    return parts


def limits(values: Sequence[float], losses: bool) -> tuple[float, float]:
    """What the vertical axis shows, a little more than the values."""
    low, high = min(values), max(values)
    if losses:
        high = min(high, STEEP * low)
    space = (high - low) * 0.05 or 0.05
    return low - space, high + space


def ticks(low: float, high: float) -> list[float]:
    """About five round values from low to high."""
    rough = (high - low) / 5.1  # so that an axis that ends just beyond 1 has its fifths
    power = 10 ** math.floor(math.log10(rough))
    step = next(factor * power for factor in (1, 2, 5, 10) if factor * power >= rough)
    first, last = math.ceil(low / step - 1e-9), math.floor(high / step + 1e-9)
    return [count * step for count in range(first, last + 1)]


def text(x: float, y: float, words: str, anchor: str) -> str:
    """A line of text."""
    return f'<text x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}">{escape(words)}</text>'
