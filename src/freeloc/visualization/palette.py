"""Colors of overlays, in RGB."""

from __future__ import annotations

from typing import Final, TypeAlias

__all__ = ["BACKGROUND", "BOX", "MUTED_TEXT", "OUTLINE", "POINT", "PREDICTED_BOX", "TEXT", "Color"]

Color: TypeAlias = tuple[int, int, int]

BACKGROUND: Final[Color] = (22, 22, 27)
TEXT: Final[Color] = (240, 240, 243)
MUTED_TEXT: Final[Color] = (158, 158, 168)
POINT: Final[Color] = (255, 225, 25)
BOX: Final[Color] = (70, 220, 120)
"""Color of annotated boxes."""
PREDICTED_BOX: Final[Color] = (90, 190, 255)
"""Color of the boxes of a model."""
OUTLINE: Final[Color] = (10, 10, 12)
"""Color of the outlines of points and boxes, and of the margin around images that are smaller than their panel."""
