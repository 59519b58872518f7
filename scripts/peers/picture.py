"""Bars on a logarithmic scale, as an SVG."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from html import escape

WIDTH, LEFT, RIGHT, BAR, GAP, TOP = 860, 250, 70, 13, 16, 60
LEAST = 0.01
COLOURS = ("#8c8c8c", "#c8a24a", "#b0563c", "#6fa8dc", "#1f5fa8")


@dataclass(frozen=True)
class Bar:
    """`seconds` None: over the bound."""

    series: int
    seconds: float | None


def picture(title: str, series: Sequence[str], groups: Sequence[tuple[str, Sequence[Bar]]], bound: float) -> str:
    """One group of bars for each task, one colour for each series."""
    height = TOP + sum(GAP + BAR * len(bars) for _, bars in groups) + 40
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {height}" font-family="sans-serif">',
        f'<rect width="{WIDTH}" height="{height}" fill="white"/>',
        _text(10, 20, title, "start", "bold"),
        *_legend(series),
        *_grid(bound, height),
    ]
    y = TOP
    for name, bars in groups:
        y += GAP
        parts.append(_text(LEFT - 8, y + BAR * len(bars) / 2 + 4, name.replace("`", ""), "end"))
        for bar in bars:
            parts += _bar(bar, y, bound)
            y += BAR
    return "\n".join([*parts, "</svg>", ""])


def _x(seconds: float, bound: float) -> float:
    share = math.log10(max(seconds, LEAST) / LEAST) / math.log10(bound / LEAST)
    return LEFT + min(share, 1.0) * (WIDTH - LEFT - RIGHT)


def _bar(bar: Bar, y: float, bound: float) -> list[str]:
    seconds = bound if bar.seconds is None else bar.seconds
    x = _x(seconds, bound)
    told = f"over {bound:g} s" if bar.seconds is None else f"{seconds:.2g} s" if seconds < 10 else f"{seconds:.0f} s"
    width = max(x - LEFT, 1)
    rect = f'<rect x="{LEFT}" y="{y}" width="{width:.1f}" height="{BAR - 2}" fill="{COLOURS[bar.series]}"/>'
    return [rect, _text(LEFT + width + 4, y + BAR - 3, told, "start", size=10)]


def _legend(series: Sequence[str]) -> list[str]:
    parts = []
    for index, name in enumerate(series):
        x = 10 + index * 165
        parts.append(f'<rect x="{x}" y="32" width="11" height="11" fill="{COLOURS[index]}"/>')
        parts.append(_text(x + 16, 42, name, "start"))
    return parts


def _grid(bound: float, height: int) -> list[str]:
    parts = []
    seconds = LEAST
    while seconds <= bound:
        x = _x(seconds, bound)
        parts.append(f'<line x1="{x:.1f}" y1="{TOP}" x2="{x:.1f}" y2="{height - 30}" stroke="#dddddd"/>')
        parts.append(_text(x, height - 14, f"{seconds:g} s", "middle", size=10))
        seconds = round(seconds * 10, 6)
    return parts


def _text(x: float, y: float, text: str, anchor: str, weight: str = "normal", size: int = 12) -> str:
    style = f'text-anchor="{anchor}" font-weight="{weight}" font-size="{size}"'
    return f'<text x="{x:.1f}" y="{y:.1f}" {style}>{escape(text)}</text>'
