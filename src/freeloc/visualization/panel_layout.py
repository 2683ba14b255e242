"""Sizes and positions in the panels of an overlay."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Final

from freeloc.geometry.size import Size

__all__ = ["PANEL_GAP", "PANEL_WIDTH", "ROW_WIDTH", "PanelLayout", "even_columns", "text_size"]

PANEL_WIDTH: Final = 640
"""Maximum width of an image in its panel, in pixels of the overlay."""

ROW_WIDTH: Final = 1720
"""Maximum width of a row of panels, in pixels; not applied if the number of columns is specified."""

PANEL_GAP: Final = 14
"""Space between panels and around the overlay, in pixels."""

_MIN_PANEL_SIZE: Final = Size(150, 60)
"""Minimum size of a panel; smaller panels have no space for a caption and a point."""


@dataclass(frozen=True, slots=True)
class PanelLayout:
    """Size and position of an image in its panel, in pixels of the overlay, from the panel's top-left corner.

    Attributes:
        left: left edge of the image.
        top: top edge of the image.
        image: size of the image in the panel.
        panel: size of the panel, without its caption.
        scale_x: pixels of the overlay per pixel of the original image, horizontally.
        scale_y: pixels of the overlay per pixel of the original image, vertically.
    """

    left: int
    top: int
    image: Size
    panel: Size
    scale_x: float
    scale_y: float

    @classmethod
    def fit(cls, image_size: Size, max_height: int) -> PanelLayout:
        """Scale an image to fit into `PANEL_WIDTH` and ``max_height``, and center it in its panel."""
        ratio = min(PANEL_WIDTH / image_size.width, max_height / image_size.height)
        width, height = max(1, round(image_size.width * ratio)), max(1, round(image_size.height * ratio))
        panel = Size(max(width, _MIN_PANEL_SIZE.width), max(height, _MIN_PANEL_SIZE.height))
        return cls(
            left=(panel.width - width) // 2,
            top=(panel.height - height) // 2,
            image=Size(width, height),
            panel=panel,
            scale_x=width / image_size.width,
            scale_y=height / image_size.height,
        )

    @classmethod
    def full(cls, image_size: Size, size: Size) -> PanelLayout:
        """Fill a panel of a certain size with the image."""
        scale_x, scale_y = size.width / image_size.width, size.height / image_size.height
        return cls(left=0, top=0, image=size, panel=size, scale_x=scale_x, scale_y=scale_y)

    def to_panel(self, x: float, y: float) -> tuple[float, float]:
        """Convert a point from image coordinates to a position in the panel."""
        return self.left + x * self.scale_x, self.top + y * self.scale_y

    @property
    def point_radius(self) -> int:
        """Half the size of the cross that marks a point."""
        return max(8, round(min(self.panel.width, self.panel.height) / 30))


def even_columns(panels: int, width: int) -> int:
    """Return the number of panels per row: as many as fit, or fewer if that makes the rows more even."""
    fitting = max(1, (ROW_WIDTH - PANEL_GAP) // (width + PANEL_GAP))
    return math.ceil(panels / math.ceil(panels / fitting))


def text_size(panel_height: int) -> int:
    """Return the font size for the text of a panel."""
    return min(28, max(13, round(panel_height / 23)))
