"""Overlays: an image with its points, followed by one panel per class with the score map."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final, TypeAlias

import numpy as np
from PIL import Image

from freeloc._typing import Float32Array, Uint8Array
from freeloc.datasets.dataset import AnnotatedBox
from freeloc.geometry.box import Box
from freeloc.geometry.size import Size
from freeloc.inference.result import ClassLocation, Localization
from freeloc.inference.score_map import sigmoid
from freeloc.visualization.colormap import apply_colormap
from freeloc.visualization.image_grid import draw_grid
from freeloc.visualization.labels import add_caption, draw_class_names
from freeloc.visualization.markers import draw_boxes, draw_point
from freeloc.visualization.palette import OUTLINE
from freeloc.visualization.panel_layout import PanelLayout, even_columns

__all__ = ["NamedBox", "draw_overlay", "draw_panels"]

NamedBox: TypeAlias = tuple[str, AnnotatedBox | Box]
"""A class name and a box of that class."""

_MIN_MAXIMUM: Final = 0.25
"""Maps with a lower maximum do not use the full range of colors, so that weak maps look weak."""

_MAX_RAW_SCORE: Final = 3.0
"""Raw maps with a higher maximum are shifted down to this maximum, because the sigmoid saturates at higher
scores."""


def draw_overlay(
    image: Uint8Array | Image.Image,
    localization: Localization,
    *,
    classes: Sequence[str] | None = None,
    threshold: float | None = None,
    boxes: Sequence[NamedBox] = (),
    panel_height: int = 360,
    columns: int | None = None,
    max_classes: int = 12,
) -> Image.Image:
    """Draw an image with the points of all classes, followed by one panel per class with its score map.

    Args:
        image: the upright image in which objects were localized, as (H, W, 3) uint8 RGB or a Pillow image of mode
            RGB. It may be reduced by a factor of 2, 4 or 8, as by a JPEG decoder.
        localization: scores, points and maps.
        classes: the classes to draw, in this order; default: the present classes, most probable first.
        threshold: probability from which a class counts as present; default: the model's threshold for each class.
        boxes: annotated boxes, drawn as green outlines. The panel of the image shows all boxes, and the panel of a
            class shows those of the class.
        panel_height: maximum height of the image in a panel, in pixels of the overlay. The maximum width is
            `freeloc.visualization.panel_layout.PANEL_WIDTH`.
        columns: panels per row; default: as many as fit into `freeloc.visualization.panel_layout.ROW_WIDTH`.
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
        panel_height=panel_height,
        max_classes=max_classes,
    )
    return draw_grid(panels, columns or even_columns(len(panels), panels[0].width))


def draw_panels(
    image: Uint8Array | Image.Image,
    localization: Localization,
    *,
    classes: Sequence[str] | None = None,
    threshold: float | None = None,
    boxes: Sequence[NamedBox] = (),
    panel_height: int = 360,
    max_classes: int = 12,
) -> list[Image.Image]:
    """Return the panels of `draw_overlay`, starting with the image; all have the same size and a caption."""
    size = localization.image_size
    image = _to_pillow(image, size)
    if classes is None:
        locations = localization.present(threshold)
    else:
        locations = tuple(localization[name] for name in classes)
    note = _note(
        localization, len(locations), threshold, all_present=classes is None, max_classes=max_classes
    )
    locations = locations[:max_classes]
    layout = PanelLayout.fit(size, panel_height)
    resized = image.resize(
        (layout.image.width, layout.image.height), Image.Resampling.LANCZOS, reducing_gap=3.0
    )
    title = localization.path.name if localization.path else "image"
    panels = [add_caption(_draw_image_panel(resized, layout, locations, boxes), title, note)]
    dimmed = _dim(resized)
    for location in locations:
        values = localization.maps[localization.classes.index(location.name)]
        if localization.mode == "paper":
            values = _normalize_raw_map(values)
        panel = _draw_map_panel(dimmed, values, layout)
        draw_boxes(panel, layout, (box for name, box in boxes if name == location.name))
        draw_point(panel, layout, location.x, location.y)
        panels.append(add_caption(panel, location.name, f"{location.probability:.2f}"))
    return panels


def _to_pillow(image: Uint8Array | Image.Image, size: Size) -> Image.Image:
    """Check that an image is RGB and matches the size of the original, and return it as a Pillow image."""
    if not isinstance(image, Image.Image):
        if image.dtype != np.uint8 or image.ndim != 3 or image.shape[2] != 3:
            raise ValueError(f"the image must be (H, W, 3) uint8, got {image.shape} {image.dtype}")
        image = Image.fromarray(image)
    elif image.mode != "RGB":
        raise ValueError(f"the image must have mode RGB, got {image.mode}")
    # JPEG decoders round reduced sizes up.
    if image.size not in [(-(-size.width // n), -(-size.height // n)) for n in (1, 2, 4, 8)]:
        raise ValueError(
            f"the image has {image.width}×{image.height} pixels, but the localization is for "
            f"{size.width}×{size.height}"
        )
    return image


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


def _normalize_raw_map(scores: Float32Array) -> Float32Array:
    """Convert raw scores to values between 0 and 1, so that the maximum stands out even if all scores are high."""
    return sigmoid(scores - max(0.0, float(scores.max()) - _MAX_RAW_SCORE))


def _draw_image_panel(
    image: Image.Image, layout: PanelLayout, locations: Sequence[ClassLocation], boxes: Sequence[NamedBox]
) -> Image.Image:
    panel = _center(image, layout)
    draw_boxes(panel, layout, (box for _, box in boxes))
    for location in locations:
        draw_point(panel, layout, location.x, location.y)
    draw_class_names(panel, layout, locations)
    return panel


def _draw_map_panel(dimmed: Float32Array, values: Float32Array, layout: PanelLayout) -> Image.Image:
    """Draw a map with values between 0 and 1 over the dimmed image; low values are transparent."""
    values = np.clip(np.nan_to_num(values), 0, 1)
    size = (layout.image.width, layout.image.height)
    resized = Image.fromarray(values).resize(size, Image.Resampling.BICUBIC)
    strength = np.clip(np.asarray(resized) / max(float(values.max()), _MIN_MAXIMUM), 0, 1)
    ramp = np.clip((strength - 0.12) / 0.6, 0, 1)
    opacity = (0.8 * ramp * ramp * (3 - 2 * ramp))[..., None]
    # The shade keeps light and dark areas of the image visible through the colors.
    shade = 0.8 + 0.3 * dimmed.mean(axis=2, keepdims=True) / 162
    mixed = dimmed * (1 - opacity) + apply_colormap(strength) * shade * opacity
    return _center(Image.fromarray(np.clip(mixed, 0, 255).astype(np.uint8)), layout)


def _dim(image: Image.Image) -> Float32Array:
    """Return a darker, nearly gray image, (height, width, 3) float32, against which the map stands out."""
    color = np.asarray(image, np.float32)
    gray = np.asarray(image.convert("L"), np.float32)[..., None]
    dimmed: Float32Array = (0.25 * color + 0.75 * gray) * np.float32(0.58) + np.float32(14)
    return dimmed


def _center(image: Image.Image, layout: PanelLayout) -> Image.Image:
    """Return a panel with the image centered in it."""
    panel = Image.new("RGB", (layout.panel.width, layout.panel.height), OUTLINE)
    panel.paste(image, (layout.left, layout.top))
    return panel
