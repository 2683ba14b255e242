"""Arrange images in a grid."""

from __future__ import annotations

from collections.abc import Sequence

from PIL import Image

from freeloc.visualization.palette import BACKGROUND, Color
from freeloc.visualization.panel_layout import PANEL_GAP

__all__ = ["draw_grid"]


def draw_grid(
    images: Sequence[Image.Image], columns: int, *, gap: int = PANEL_GAP, background: Color = BACKGROUND
) -> Image.Image:
    """Return an image that contains several images arranged in rows and columns.

    Each column is as wide as its widest image, and narrower images are centered in it. Each row is as high as its
    tallest image.

    Args:
        images: at least one image.
        columns: images per row.
        gap: space between images and around the grid, in pixels.
        background: color of the space that no image covers.

    Raises:
        ValueError: ``images`` is empty, or ``columns`` is less than 1.
    """
    if not images or columns < 1:
        raise ValueError("a grid needs at least one image and one column")
    rows = [images[start : start + columns] for start in range(0, len(images), columns)]
    widths = [max(row[col].width for row in rows if col < len(row)) for col in range(len(rows[0]))]
    heights = [max(image.height for image in row) for row in rows]
    size = (sum(widths) + gap * (len(widths) + 1), sum(heights) + gap * (len(heights) + 1))
    grid = Image.new("RGB", size, background)
    top = gap
    for row, height in zip(rows, heights, strict=True):
        left = gap
        for image, width in zip(row, widths, strict=False):
            grid.paste(image, (left + (width - image.width) // 2, top))
            left += width + gap
        top += height + gap
    return grid
