"""Edges of boxes, and predicted boxes with scores."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, TypeAlias

import numpy as np

from freeloc._typing import Float64Array

__all__ = ["MAX_EDGE", "Box", "Corners", "are_in_range", "check_edges"]

Corners: TypeAlias = tuple[float, float, float, float]
"""Edges ``x1, y1, x2, y2`` of a box."""

MAX_EDGE: Final = 1e9
"""Maximum distance of an edge from the top-left corner of the image, in pixels. No image is that large, and the
areas of such boxes are still finite."""


def are_in_range(corners: Corners) -> bool:
    """Return whether all edges are numbers from −`MAX_EDGE` to `MAX_EDGE`, which excludes infinity and NaN."""
    return all(-MAX_EDGE <= edge <= MAX_EDGE for edge in corners)


def check_edges(boxes: Float64Array) -> None:
    """Check the edges of (M, 4) boxes.

    Raises:
        ValueError: an edge is out of range (see `are_in_range`), or a box ends before it starts.
    """
    if not ((np.abs(boxes) <= MAX_EDGE).all() and (boxes[:, :2] <= boxes[:, 2:]).all()):
        raise ValueError(f"boxes must have x1 ≤ x2 and y1 ≤ y2, and edges from {-MAX_EDGE:g} to {MAX_EDGE:g}")


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
