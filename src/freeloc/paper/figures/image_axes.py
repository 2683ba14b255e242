"""Draw images in matplotlib figures, with maps, boxes and crosses in image coordinates."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np
from PIL import Image

from freeloc._typing import Float32Array, Uint8Array
from freeloc.visualization.colormap import apply_colormap
from freeloc.visualization.plots import DARK, YELLOW, outline

if TYPE_CHECKING:
    from matplotlib.axes import Axes

__all__ = ["BoxTuple", "draw_box", "draw_cross", "overlay_map", "show_image"]

BoxTuple = tuple[float, float, float, float]
"""``x1, y1, x2, y2`` in image pixels."""

_LONGEST = 560
"""Images whose longest side exceeds this number of pixels are reduced to it, which keeps files small without
visible loss."""


def show_image(area: Axes, image: Uint8Array, score_map: Float32Array | None = None) -> None:
    """Draw an upright image, and set up the axes in image coordinates with equal aspect.

    Args:
        area: the axes.
        image: (H, W, 3) uint8 RGB.
        score_map: (rows, cols) values from 0 to 1, drawn over the image; low values are transparent.

    Raises:
        ValueError: the image is not 8-bit RGB.
    """
    if image.dtype != np.uint8 or image.ndim != 3 or image.shape[2] != 3:
        raise ValueError(f"an image must be (H, W, 3) uint8, not {image.shape} {image.dtype}")
    height, width = image.shape[:2]
    ratio = min(1.0, _LONGEST / max(height, width))
    size = max(1, round(width * ratio)), max(1, round(height * ratio))
    reduced = Image.fromarray(image)
    if ratio < 1:
        reduced = reduced.resize(size, Image.Resampling.LANCZOS, reducing_gap=3.0)
    shown = np.asarray(reduced) if score_map is None else overlay_map(reduced, score_map)
    area.imshow(shown, extent=(0, width, height, 0), aspect="equal")
    area.set_xlim(0, width)
    area.set_ylim(height, 0)
    area.set_xticks([])
    area.set_yticks([])
    for spine in area.spines.values():
        spine.set(visible=True, color=DARK, linewidth=0.5)


def overlay_map(image: Image.Image, score_map: Float32Array) -> Uint8Array:
    """Dim an image, remove most of its color, and blend the colors of a score map over it.

    Args:
        image: an image in mode RGB.
        score_map: (rows, cols) values from 0 to 1, evenly spaced over the whole image, as on a
            `freeloc.geometry.lattice.Lattice`; NaN counts as 0.

    Returns:
        (H, W, 3) uint8 RGB, with the size of the image.
    """
    values = np.clip(np.nan_to_num(np.asarray(score_map, np.float32)), 0, 1)
    raster = Image.fromarray(values).resize(image.size, Image.Resampling.BILINEAR)
    strength = np.clip(np.asarray(raster), 0, 1)
    gray = np.asarray(image.convert("L"), np.float32)[..., None]
    dimmed = 0.62 * (0.25 * np.asarray(image, np.float32) + 0.75 * gray) + 30
    opacity = 0.78 * np.clip((strength - 0.12) / 0.6, 0, 1)[..., None]
    blended: Uint8Array = np.rint(dimmed * (1 - opacity) + apply_colormap(strength) * opacity).astype(
        np.uint8
    )
    return blended


def draw_box(
    area: Axes, box: BoxTuple, color: str = YELLOW, *, dashed: bool = False, width: float = 1.6
) -> None:
    """Draw the outline of a box, clipped to the image."""
    from matplotlib.patches import Rectangle

    right_end, bottom_end = area.get_xlim()[1], area.get_ylim()[0]
    x1, x2 = sorted(min(max(x, 0.0), right_end) for x in (box[0], box[2]))
    y1, y2 = sorted(min(max(y, 0.0), bottom_end) for y in (box[1], box[3]))
    rectangle = Rectangle((x1, y1), x2 - x1, y2 - y1, fill=False, edgecolor=color, linewidth=width)
    rectangle.set_linestyle((0, (3, 2)) if dashed else "-")
    rectangle.set_path_effects(outline(width))
    rectangle.set_clip_on(False)  # lines along the border are drawn at full width
    area.add_patch(rectangle)


def draw_cross(area: Axes, x: float, y: float, color: str = YELLOW) -> None:
    """Mark a point with a ×; a point with a non-finite coordinate is skipped."""
    if math.isfinite(x) and math.isfinite(y):
        (mark,) = area.plot([x], [y], "x", color=color, markersize=7, markeredgewidth=2, clip_on=False)
        mark.set_path_effects(outline(2))
