"""Edges of boxes, and predicted boxes with scores."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TypeAlias

__all__ = ["Box", "Corners"]

Corners: TypeAlias = tuple[float, float, float, float]
"""Edges ``x1, y1, x2, y2`` of a box."""


@dataclass(frozen=True, slots=True)
class Box:
    """A scored box in image coordinates.

    Attributes:
        x1: left edge, in pixels of the original image after its EXIF orientation is applied.
        y1: top edge.
        x2: right edge.
        y2: bottom edge.
        score: the probability of the box's class times the box's weight; between 0 and 1.
    """

    x1: float
    y1: float
    x2: float
    y2: float
    score: float
