"""Charts of accuracy against time as small SVG files, which do not depend on a plotting library."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from xml.sax.saxutils import escape

__all__ = ["Series", "draw_chart"]

_WIDTH, _HEIGHT = 860, 520
_LEFT, _RIGHT, _TOP, _BOTTOM = 70, 30, 48, 60
_COLORS = ("#0b62a4", "#c4451c", "#2b7a3d", "#7b4fa3")
_STEPS = (0.1, 0.2, 0.5, 1.0, 2.0, 5.0, 10.0, 20.0)
_LETTER, _LINE = 5.6, 12
"""Approximate width and height of a letter in a label."""

_FONT = 'font-family="system-ui, sans-serif" fill="#222"'


@dataclass(frozen=True, slots=True)
class Series:
    """The choices of one model.

    Attributes:
        name: name in the legend.
        points: milliseconds and accuracy of each choice.
        best: milliseconds, accuracy and label of the choices on the frontier, by increasing time.
    """

    name: str
    points: Sequence[tuple[float, float]]
    best: Sequence[tuple[float, float, str]]


@dataclass(frozen=True, slots=True)
class _Axes:
    """Mapping of values to positions in the chart: a logarithmic axis of time, and a linear axis of accuracy."""

    low_ms: float
    high_ms: float
    low: float
    high: float

    def x(self, ms: float) -> float:
        fraction = math.log(ms / self.low_ms) / math.log(self.high_ms / self.low_ms)
        return _LEFT + fraction * (_WIDTH - _LEFT - _RIGHT)

    def y(self, value: float) -> float:
        return _TOP + (self.high - value) / (self.high - self.low) * (_HEIGHT - _TOP - _BOTTOM)


def draw_chart(series: Sequence[Series], *, title: str, x_label: str, y_label: str) -> str:
    """Draw the chart as SVG text.

    Args:
        series: one per model, with one or more points in total.
        title: title above the chart.
        x_label: label of the time axis.
        y_label: label of the accuracy axis.
    """
    axes = _axes([point for one in series for point in one.points])
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {_WIDTH} {_HEIGHT}" role="img">',
        f"<title>{escape(title)}</title>",
        f'<rect width="{_WIDTH}" height="{_HEIGHT}" fill="#fff"/>',
        _text(_LEFT, 26, title, size=16, anchor="start"),
        *_grid(axes),
        _text((_LEFT + _WIDTH - _RIGHT) / 2, _HEIGHT - 14, x_label),
        f'<g transform="translate(18 {(_TOP + _HEIGHT - _BOTTOM) / 2}) rotate(-90)">{_text(0, 0, y_label)}</g>',
    ]
    for number, one in enumerate(series):
        parts += _drawn(one, axes, _COLORS[number % len(_COLORS)], number)
    parts += _labels([choice for one in series for choice in one.best], axes)
    return "\n".join([*parts, "</svg>", ""])


def _axes(points: Sequence[tuple[float, float]]) -> _Axes:
    times, values = zip(*points, strict=True)
    margin = max(0.05 * (max(values) - min(values)), 0.5)
    return _Axes(min(times) / 1.15, max(times) * 1.3, min(values) - margin, max(values) + margin)


def _drawn(one: Series, axes: _Axes, color: str, number: int) -> list[str]:
    dots = [
        f'<circle cx="{axes.x(ms):.1f}" cy="{axes.y(value):.1f}" r="2.5" fill="{color}" opacity="0.3"/>'
        for ms, value in one.points
    ]
    corners = " ".join(f"{axes.x(ms):.1f},{axes.y(value):.1f}" for ms, value, _ in one.best)
    line = f'<polyline points="{corners}" fill="none" stroke="{color}" stroke-width="2"/>'
    best = [
        f'<circle cx="{axes.x(ms):.1f}" cy="{axes.y(value):.1f}" r="4.5" fill="{color}"/>'
        for ms, value, _ in one.best
    ]
    y = _HEIGHT - _BOTTOM - 16 - 18 * number
    legend = f'<circle cx="{_WIDTH - _RIGHT - 14}" cy="{y - 4}" r="4.5" fill="{color}"/>' + _text(
        _WIDTH - _RIGHT - 26, y, one.name, anchor="end"
    )
    return [*dots, line, *best, legend]


def _labels(best: Sequence[tuple[float, float, str]], axes: _Axes) -> list[str]:
    """Return labels next to the dots, omitting those that would overlap others (the table lists all choices)."""
    written: list[tuple[float, float, float]] = []
    parts = []
    for ms, value, label in best:
        x, y, width = axes.x(ms) + 7, axes.y(value) + 15, _LETTER * len(label)
        if x + width > _WIDTH - _RIGHT:
            x, y = axes.x(ms) - 7 - width, axes.y(value) - 8
        if all(x + width < left or x > right or abs(y - line) > _LINE for left, right, line in written):
            written.append((x, x + width, y))
            parts.append(_text(x, y, label, size=11, anchor="start"))
    return parts


def _grid(axes: _Axes) -> list[str]:
    lines = []
    right, bottom = _WIDTH - _RIGHT, _HEIGHT - _BOTTOM
    for value in _linear_ticks(axes.low, axes.high):
        y = axes.y(value)
        lines.append(f'<path d="M{_LEFT} {y:.1f}H{right}" stroke="#ddd"/>')
        lines.append(_text(_LEFT - 8, y + 4, f"{value:g}", anchor="end"))
    for value in _log_ticks(axes.low_ms, axes.high_ms):
        x = axes.x(value)
        lines.append(f'<path d="M{x:.1f} {_TOP}V{bottom}" stroke="#ddd"/>')
        lines.append(_text(x, bottom + 20, f"{value:g}"))
    return lines


def _linear_ticks(low: float, high: float) -> list[float]:
    step = next((step for step in _STEPS if (high - low) / step <= 8), _STEPS[-1])
    return [round(number * step, 6) for number in range(math.ceil(low / step), math.floor(high / step) + 1)]


def _log_ticks(low: float, high: float) -> list[float]:
    decades = range(math.floor(math.log10(low)), math.ceil(math.log10(high)) + 1)
    return [
        digit * 10.0**decade
        for decade in decades
        for digit in (1, 2, 5)
        if low <= digit * 10.0**decade <= high
    ]


def _text(x: float, y: float, text: str, *, size: int = 12, anchor: str = "middle") -> str:
    return f'<text x="{x:.1f}" y="{y:.1f}" font-size="{size}" text-anchor="{anchor}" {_FONT}>{escape(text)}</text>'
