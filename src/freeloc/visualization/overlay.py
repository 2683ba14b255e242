"""Overlays: an image with its points, followed by one panel per class with the score map."""

from __future__ import annotations

from collections.abc import Sequence

from PIL import Image

from freeloc._typing import Uint8Array
from freeloc.inference.origin import image_title
from freeloc.inference.result import Localization
from freeloc.visualization.image_grid import draw_grid
from freeloc.visualization.labels import add_caption
from freeloc.visualization.panel_layout import even_columns
from freeloc.visualization.panels import NamedBox, PanelPainter

__all__ = ["NamedBox", "draw_overlay", "draw_panels"]


def draw_overlay(
    image: Uint8Array | Image.Image,
    localization: Localization,
    *,
    classes: Sequence[str] | None = None,
    threshold: float | None = None,
    boxes: Sequence[NamedBox] | int = (),
    peaks: int = 0,
    panel_height: int = 360,
    max_classes: int = 12,
) -> Image.Image:
    """Draw an image with the points of all classes, followed by one panel per class with its score map.

    Rows are at most `freeloc.visualization.panel_layout.ROW_WIDTH` wide. For another number of panels per row,
    pass the panels of `draw_panels` to `draw_grid`.

    Args:
        image: the upright image in which objects were localized, as (H, W, 3) uint8 RGB or a Pillow image of mode
            RGB. It may be reduced by a factor of 2, 4 or 8, as by a JPEG decoder.
        localization: scores, points and maps.
        classes: the classes to draw, in this order; default: the present classes, most probable first.
        threshold: probability from which a class counts as present; default: the model's threshold for each class.
        boxes: annotated boxes, drawn as green outlines; or the maximum number of the model's own boxes per class,
            drawn as blue outlines. The panel of the image shows all boxes, and the panel of a class shows those of
            the class.
        peaks: maximum number of peaks per class; those other than the point are drawn as small crosses.
        panel_height: maximum height of the image in a panel, in pixels of the overlay. The maximum width is
            `freeloc.visualization.panel_layout.PANEL_WIDTH`.
        max_classes: maximum number of classes to draw.

    Returns:
        An image of mode RGB.

    Raises:
        ConfigurationError: the model lacks one of the classes.
        ValueError: the image is not 8-bit RGB, or its size does not match the localization.
    """
    panels = draw_panels(
        image,
        localization,
        classes=classes,
        threshold=threshold,
        boxes=boxes,
        peaks=peaks,
        panel_height=panel_height,
        max_classes=max_classes,
    )
    return draw_grid(panels, even_columns(len(panels), panels[0].width))


def draw_panels(
    image: Uint8Array | Image.Image,
    localization: Localization,
    *,
    classes: Sequence[str] | None = None,
    threshold: float | None = None,
    boxes: Sequence[NamedBox] | int = (),
    peaks: int = 0,
    panel_height: int = 360,
    max_classes: int = 12,
) -> list[Image.Image]:
    """Return the panels of `draw_overlay`, starting with the image; all have the same size and a caption."""
    painter = PanelPainter(image, localization, boxes=boxes, peaks=peaks, panel_height=panel_height)
    if classes is None:
        locations = localization.present(threshold)
    else:
        locations = tuple(localization[name] for name in classes)
    note = _note(
        localization, len(locations), threshold, all_present=classes is None, max_classes=max_classes
    )
    locations = locations[:max_classes]
    name = localization.path.name if localization.path else "image"
    title = image_title(name, localization.frame, localization.time)
    maps = [
        add_caption(painter.draw_map(location), location.name, f"{location.probability:.2f}")
        for location in locations
    ]
    return [add_caption(painter.draw_image(locations), title, note), *maps]


def _note(
    localization: Localization, count: int, threshold: float | None, *, all_present: bool, max_classes: int
) -> str:
    """Return the note in the caption of the image, which says how many classes are drawn."""
    if all_present and count == 0:
        if threshold is None and localization.decision.calibration is not None:
            return "no class reaches its threshold"
        return f"no class reaches {localization.decision.threshold if threshold is None else threshold:.2f}"
    note = f"{count} class" if count == 1 else f"{count} classes"
    return f"{max_classes} of {note}" if count > max_classes else note
