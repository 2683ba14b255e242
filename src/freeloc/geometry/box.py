"""Predicted boxes with scores."""

from __future__ import annotations

from dataclasses import dataclass

__all__ = ["Box"]


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
