"""Images inside matplotlib figures, with maps, boxes and crosses; coordinates are those of the image."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt
from PIL import Image

from freeloc._typing import Float32Array
from freeloc.visualization.colormap import apply_colormap
from freeloc.visualization.plots import DARK, YELLOW, outline

if TYPE_CHECKING:
    from matplotlib.axes import Axes

__all__ = ["BoxTuple", "Uint8Array", "draw_box", "draw_cross", "show_image", "under_map"]

Uint8Array = npt.NDArray[np.uint8]

BoxTuple = tuple[float, float, float, float]
"""``x1, y1, x2, y2`` in image pixels."""

_LONGEST = 560
"""Images are shrunk to this side, in pixels: files stay small, and nothing is lost at the drawn size."""


def show_image(area: Axes, image: Uint8Array, score_map: Float32Array | None = None) -> None:
    """Draw an upright image, whose frame takes on its shape, in the coordinates of its pixels.

    Args:
        area: becomes the image's frame.
        image: (H, W, 3) uint8 RGB.
        score_map: (rows, cols) values from 0, see-through, to 1; drawn over the image.

    Raises:
        ValueError: the image is not RGB with 8 bits.
    """
    if image.dtype != np.uint8 or image.ndim != 3 or image.shape[2] != 3:
        raise ValueError(f"an image is (H, W, 3) uint8, not {image.shape} {image.dtype}")
    height, width = image.shape[:2]
    ratio = min(1.0, _LONGEST / max(height, width))
    size = max(1, round(width * ratio)), max(1, round(height * ratio))
    picture = Image.fromarray(image)
    if ratio < 1:
        picture = picture.resize(size, Image.Resampling.LANCZOS, reducing_gap=3.0)
    shown = np.asarray(picture) if score_map is None else under_map(picture, score_map)
    area.imshow(shown, extent=(0, width, height, 0), aspect="equal")
    area.set_xlim(0, width)
    area.set_ylim(height, 0)
    area.set_xticks([])
    area.set_yticks([])
    for spine in area.spines.values():
        spine.set(visible=True, color=DARK, linewidth=0.5)


def under_map(picture: Image.Image, score_map: Float32Array) -> Uint8Array:
    """An image, dimmed and nearly grey, under the colours of a map.

    Args:
        picture: of mode RGB.
        score_map: (rows, cols) values from 0 to 1, which lie regularly over the whole image, as on a
            `freeloc.geometry.lattice.Lattice`; NaN counts as 0.

    Returns:
        (H, W, 3) uint8 RGB, of the picture's size.
    """
    values = np.clip(np.nan_to_num(np.asarray(score_map, np.float32)), 0, 1)
    raster = Image.fromarray(values).resize(picture.size, Image.Resampling.BILINEAR)
    strength = np.clip(np.asarray(raster), 0, 1)
    grey = np.asarray(picture.convert("L"), np.float32)[..., None]
    dimmed = 0.62 * (0.25 * np.asarray(picture, np.float32) + 0.75 * grey) + 30
    opacity = 0.78 * np.clip((strength - 0.12) / 0.6, 0, 1)[..., None]
    mixed: Uint8Array = np.rint(dimmed * (1 - opacity) + apply_colormap(strength) * opacity).astype(np.uint8)
    return mixed


def draw_box(
    area: Axes, box: BoxTuple, colour: str = YELLOW, *, dashed: bool = False, width: float = 1.6
) -> None:
    """Draw the part of a box that lies on the shown image."""
    from matplotlib.patches import Rectangle

    right_end, bottom_end = area.get_xlim()[1], area.get_ylim()[0]
    x1, x2 = sorted(min(max(x, 0.0), right_end) for x in (box[0], box[2]))
    y1, y2 = sorted(min(max(y, 0.0), bottom_end) for y in (box[1], box[3]))
    rectangle = Rectangle((x1, y1), x2 - x1, y2 - y1, fill=False, edgecolor=colour, linewidth=width)
    rectangle.set_linestyle((0, (3, 2)) if dashed else "-")
    rectangle.set_path_effects(outline(width))
    rectangle.set_clip_on(False)  # a box along the border keeps the whole width of its line
    area.add_patch(rectangle)


def draw_cross(area: Axes, x: float, y: float, colour: str = YELLOW) -> None:
    """Draw a × at a point; none where the point is no number."""
    if math.isfinite(x) and math.isfinite(y):
        (mark,) = area.plot([x], [y], "x", color=colour, markersize=7, markeredgewidth=2, clip_on=False)
        mark.set_path_effects(outline(2))
