"""Image sizes, and lengths measured at the paper's reference size."""

from __future__ import annotations

from dataclasses import dataclass

__all__ = ["REFERENCE_SIDE", "Size", "normalized_length"]


REFERENCE_SIDE = 500
"""Longest side of an image at scale 1, in pixels (paper, section 4)."""


@dataclass(frozen=True, slots=True)
class Size:
    """Width and height in whole pixels."""

    width: int
    height: int

    def __post_init__(self) -> None:
        if self.width < 1 or self.height < 1:
            raise ValueError(f"a size needs at least one pixel each way, not {self.width}×{self.height}")

    @property
    def longest(self) -> int:
        """The longer side, in pixels."""
        return max(self.width, self.height)


def normalized_length(image_size: Size, pixels: float) -> float:
    """A length given in pixels of the 500-normalised image, in pixels of the original."""
    return pixels * image_size.longest / REFERENCE_SIDE
