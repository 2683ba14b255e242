"""Class names next to points, and captions below panels."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Final

from PIL import Image, ImageDraw

from freeloc.inference.result import ClassLocation
from freeloc.visualization.fonts import fit_text
from freeloc.visualization.palette import BACKGROUND, MUTED_TEXT, OUTLINE, TEXT
from freeloc.visualization.panel_layout import PanelLayout, text_size

__all__ = ["add_caption", "draw_class_names"]

_SIDES: Final = ((1, 0), (-1, 0), (0, 1), (0, -1), (1, 1), (-1, 1), (1, -1), (-1, -1))
"""Directions from a point to its label, in order of preference: right, left, below, above, then diagonally."""

_Rectangle = tuple[float, float, float, float]
"""Left, top, right and bottom edge, in pixels of the panel."""


def draw_class_names(panel: Image.Image, layout: PanelLayout, locations: Sequence[ClassLocation]) -> None:
    """Draw each class name next to its point, where it overlaps other names and points least."""
    radius = layout.point_radius + 3
    points = [layout.to_panel(location.x, location.y) for location in locations]
    occupied = [(x - radius, y - radius, x + radius, y + radius) for x, y in points]
    size = text_size(layout.panel.height)
    for location, (x, y) in zip(locations, points, strict=True):
        if not (math.isfinite(x) and math.isfinite(y)):
            continue
        label = _label(location.name, size, round(layout.panel.width * 0.6))
        width, height = label.size
        candidates = []
        for right, down in _SIDES:
            left = x + right * (radius + 2 + width / 2) - width / 2
            top = y + down * (radius + 2 + height / 2) - height / 2
            left = min(max(left, 2), layout.panel.width - width - 2)
            top = min(max(top, 2), layout.panel.height - height - 2)
            candidates.append((left, top, left + width, top + height))
        best = min(candidates, key=lambda candidate: sum(_overlap(candidate, other) for other in occupied))
        occupied.append(best)
        panel.paste(label, (round(best[0]), round(best[1])), label)


def add_caption(panel: Image.Image, title: str, note: str) -> Image.Image:
    """Return a panel with a title and a note added below it, both shortened to fit its width."""
    size = text_size(panel.height)
    height = round(size * 2)
    captioned = Image.new("RGB", (panel.width, panel.height + height), BACKGROUND)
    captioned.paste(panel)
    draw = ImageDraw.Draw(captioned)
    gap = round(0.75 * size)
    available = panel.width - 4 - gap
    # If both the title and the note are too long, the title gets slightly less than half of the width.
    reserved = min(math.ceil(fit_text(title, size, available).width), round(0.45 * available))
    note_line = fit_text(note, size, available - reserved)
    title_line = fit_text(title, size, available - math.ceil(note_line.width))
    title_line.draw(draw, 2, panel.height, height, TEXT)
    note_line.draw(draw, 2 + math.ceil(title_line.width) + gap, panel.height, height, MUTED_TEXT)
    return captioned


def _overlap(first: _Rectangle, second: _Rectangle) -> float:
    """Return the area of the intersection of two rectangles."""
    width = min(first[2], second[2]) - max(first[0], second[0])
    height = min(first[3], second[3]) - max(first[1], second[1])
    return max(0.0, width) * max(0.0, height)


def _label(text: str, size: int, width: int) -> Image.Image:
    """Return an image of white text on a dark, rounded rectangle, which is readable on any background."""
    line = fit_text(text, size, width - 12)
    height = round(size * 1.55)
    oversampling = 4
    plate = Image.new("L", (oversampling * (math.ceil(line.width) + 12), oversampling * height), 0)
    corners = (0, 0, plate.width - 1, plate.height - 1)
    ImageDraw.Draw(plate).rounded_rectangle(corners, oversampling * 5, fill=190)
    opacity = plate.resize((plate.width // oversampling, height), Image.Resampling.BOX)
    label = Image.new("RGBA", opacity.size, (*OUTLINE, 0))
    label.putalpha(opacity)
    letters = Image.new("RGBA", label.size, (*TEXT, 0))
    line.draw(ImageDraw.Draw(letters), 6, 0, height, (*TEXT, 255))
    return Image.alpha_composite(label, letters)
