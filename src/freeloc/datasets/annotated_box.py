"""The annotated box of one object, read for evaluation only."""

from __future__ import annotations

import operator
from dataclasses import dataclass

from freeloc._validation import describe_value
from freeloc.errors import ConfigurationError
from freeloc.geometry.box import MAX_EDGE, Corners

__all__ = ["AnnotatedBox"]


@dataclass(frozen=True, slots=True)
class AnnotatedBox:
    """The annotated box of one object, in image coordinates (the center of the top-left pixel is (0.5, 0.5)).

    Attributes:
        label: index of the object's class in the dataset's classes.
        x1: left edge.
        y1: top edge.
        x2: right edge.
        y2: bottom edge.
        difficult: VOC's flag for an object that is hard to recognize; VOC's evaluation ignores such objects.
        crowd: COCO's flag for a box around a group of objects.

    Raises:
        ConfigurationError: the label is not an index, or the edges are not numbers of pixels in ascending order.
    """

    label: int
    x1: float
    y1: float
    x2: float
    y2: float
    difficult: bool = False
    crowd: bool = False

    def __post_init__(self) -> None:
        # Written out, because there may be a million boxes.
        try:
            valid = operator.index(self.label) >= 0 and (
                -MAX_EDGE <= self.x1 <= self.x2 <= MAX_EDGE and -MAX_EDGE <= self.y1 <= self.y2 <= MAX_EDGE
            )
        except TypeError:
            valid = False
        if not valid:
            corners = ", ".join(map(describe_value, (self.x1, self.y1, self.x2, self.y2)))
            raise ConfigurationError(
                f"a box has the label {describe_value(self.label)} and the edges {corners}: the label must be the "
                f"index of a class, and the edges numbers x1, y1, x2, y2 from {-MAX_EDGE:g} to {MAX_EDGE:g} with "
                "x1 ≤ x2 and y1 ≤ y2",
                parameter="boxes",
            )

    @property
    def corners(self) -> Corners:
        """The edges ``x1, y1, x2, y2``."""
        return self.x1, self.y1, self.x2, self.y2

    def moved_to(self, corners: Corners) -> AnnotatedBox:
        """Return the same object's box with other edges."""
        return AnnotatedBox(self.label, *corners, difficult=self.difficult, crowd=self.crowd)
