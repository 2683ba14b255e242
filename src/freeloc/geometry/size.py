"""Image sizes, and lengths relative to the paper's reference size."""

from __future__ import annotations

from dataclasses import dataclass

__all__ = ["REFERENCE_SIDE", "Size", "normalized_length"]


REFERENCE_SIDE = 500
"""Longest side of an image at scale 1, in pixels (paper, section 4)."""


@dataclass(frozen=True, slots=True)
class Size:
    """Width and height, in whole pixels."""

    width: int
    height: int

    def __post_init__(self) -> None:
        if self.width < 1 or self.height < 1:
            raise ValueError(f"width and height must be at least one pixel, got {self.width}×{self.height}")

    @property
    def longest(self) -> int:
        """The longer side, in pixels."""
        return max(self.width, self.height)


def normalized_length(image_size: Size, pixels: float) -> float:
    """Convert a length in pixels of the image at scale 1 to pixels of the original image."""
    return pixels * image_size.longest / REFERENCE_SIDE
