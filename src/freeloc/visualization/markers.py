"""Points and boxes drawn on the panels of an overlay."""

from __future__ import annotations

import math
from collections.abc import Iterable
from functools import lru_cache

from PIL import Image, ImageDraw

from freeloc.datasets.dataset import AnnotatedBox
from freeloc.geometry.box import Box
from freeloc.visualization.palette import BOX, OUTLINE, POINT
from freeloc.visualization.panel_layout import PanelLayout

__all__ = ["draw_boxes", "draw_point"]


def draw_point(panel: Image.Image, layout: PanelLayout, x: float, y: float) -> None:
    """Mark a point in image coordinates with a cross; a point with a non-finite coordinate is skipped."""
    if not (math.isfinite(x) and math.isfinite(y)):
        return
    cross = _cross(layout.point_radius)
    center_x, center_y = layout.to_panel(x, y)
    corner = round(center_x - cross.width / 2), round(center_y - cross.height / 2)
    panel.paste(cross, corner, cross)


def draw_boxes(panel: Image.Image, layout: PanelLayout, boxes: Iterable[AnnotatedBox | Box]) -> None:
    """Draw the outlines of boxes in image coordinates."""
    draw = ImageDraw.Draw(panel)
    for box in boxes:
        left, top = map(round, layout.to_panel(box.x1, box.y1))
        right, bottom = map(round, layout.to_panel(box.x2, box.y2))
        right, bottom = max(left, right - 1), max(top, bottom - 1)
        draw.rectangle((left - 1, top - 1, right + 1, bottom + 1), outline=OUTLINE, width=4)
        draw.rectangle((left, top, right, bottom), outline=BOX, width=2)


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
