"""Points and boxes drawn on the panels of an overlay."""

from __future__ import annotations

import math
from collections.abc import Iterable
from functools import lru_cache
from typing import TYPE_CHECKING, Final

from PIL import Image, ImageDraw

from freeloc.geometry.box import Box
from freeloc.visualization.palette import OUTLINE, POINT, Color
from freeloc.visualization.panel_layout import PanelLayout

if TYPE_CHECKING:  # the readers of datasets take a twentieth of a second to load
    from freeloc.datasets.dataset import AnnotatedBox

__all__ = ["draw_boxes", "draw_peaks", "draw_point"]

_PEAK_SIZE: Final = 0.6
"""Size of the crosses of peaks, as a fraction of the size of the cross of the point."""


def draw_point(panel: Image.Image, layout: PanelLayout, x: float, y: float) -> None:
    """Mark a point in image coordinates with a cross; a point with a non-finite coordinate is skipped."""
    _draw_cross(panel, layout, x, y, layout.point_radius)


def draw_peaks(panel: Image.Image, layout: PanelLayout, points: Iterable[tuple[float, float]]) -> None:
    """Mark positions in image coordinates with small crosses; see `draw_point`."""
    for x, y in points:
        _draw_cross(panel, layout, x, y, round(_PEAK_SIZE * layout.point_radius))


def draw_boxes(
    panel: Image.Image, layout: PanelLayout, boxes: Iterable[AnnotatedBox | Box], color: Color
) -> None:
    """Draw the outlines of boxes in image coordinates, each over the ones before it."""
    draw = ImageDraw.Draw(panel)
    for box in boxes:
        left, top = map(round, layout.to_panel(box.x1, box.y1))
        right, bottom = map(round, layout.to_panel(box.x2, box.y2))
        right, bottom = max(left, right - 1), max(top, bottom - 1)
        draw.rectangle((left - 1, top - 1, right + 1, bottom + 1), outline=OUTLINE, width=4)
        draw.rectangle((left, top, right, bottom), outline=color, width=2)


def _draw_cross(panel: Image.Image, layout: PanelLayout, x: float, y: float, radius: int) -> None:
    if not (math.isfinite(x) and math.isfinite(y)):
        return
    cross = _cross(radius)
    center_x, center_y = layout.to_panel(x, y)
    corner = round(center_x - cross.width / 2), round(center_y - cross.height / 2)
    panel.paste(cross, corner, cross)


@lru_cache(maxsize=16)
def _cross(radius: int) -> Image.Image:
    """Return a yellow × with a dark outline, drawn at eight times its size for antialiasing."""
    oversampling, center = 8, radius + 3
    side = 2 * center * oversampling
    cross = Image.new("RGBA", (side, side), (*OUTLINE, 0))
    draw = ImageDraw.Draw(cross)
    reach = radius * 0.78
    for color, width in ((OUTLINE, radius * 0.34 + 3.2), (POINT, radius * 0.34)):
        for sign in (1, -1):
            ends = [(oversampling * (center - reach), oversampling * (center - sign * reach))]
            ends.append((oversampling * (center + reach), oversampling * (center + sign * reach)))
            draw.line(ends, fill=color, width=round(oversampling * width))
            for x, y in ends:
                cap = oversampling * width / 2
                draw.ellipse((x - cap, y - cap, x + cap, y + cap), fill=color)
    return cross.resize((2 * center, 2 * center), Image.Resampling.BOX)
