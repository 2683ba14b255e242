"""The pictures of an image in a gallery: the image with its points, and the maps of its most probable classes."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from PIL import Image

from freeloc.inference.result import ClassLocation, Localization
from freeloc.visualization.panels import PanelPainter

__all__ = ["draw_gallery_panels"]

_MAX_MAPS: Final = 4
"""Maximum number of maps per image."""

_PANEL_HEIGHT: Final = 180
"""Maximum height of a picture, in pixels."""


def draw_gallery_panels(
    image: Image.Image,
    result: Localization,
    present: Sequence[ClassLocation],
    doubtful: ClassLocation | None,
    *,
    peaks: int,
    boxes: int,
) -> tuple[Image.Image, list[tuple[ClassLocation, Image.Image]]]:
    """Draw the pictures of an image, all of the same size.

    Args:
        image: the image; possibly reduced, as for `freeloc.visualization.draw_overlay`.
        result: its prediction.
        present: the present classes, most probable first.
        doubtful: the class of which the map is drawn if no class is present.
        peaks: maximum number of peaks per class.
        boxes: maximum number of boxes per class.

    Returns:
        The image with the points of the present classes, and up to four classes with their maps.

    Raises:
        ValueError: the image does not match the prediction.
    """
    painter = PanelPainter(image, result, boxes=boxes, peaks=peaks, panel_height=_PANEL_HEIGHT)
    mapped = [*(present[:_MAX_MAPS] or filter(None, [doubtful]))]
    return painter.draw_image(present), [(each, painter.draw_map(each)) for each in mapped]
