"""Panels of an overlay: the image with its points, and the score map of one class over the dimmed image."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cached_property
from typing import TYPE_CHECKING, Final, TypeAlias

import numpy as np
from PIL import Image

from freeloc._typing import Float32Array, Uint8Array
from freeloc.geometry.box import Box
from freeloc.geometry.size import Size
from freeloc.inference.result import ClassLocation, Localization
from freeloc.inference.score_map import sigmoid
from freeloc.visualization.colormap import apply_colormap
from freeloc.visualization.labels import draw_class_names
from freeloc.visualization.markers import draw_boxes, draw_peaks, draw_point
from freeloc.visualization.palette import BOX, OUTLINE, PREDICTED_BOX
from freeloc.visualization.panel_layout import PanelLayout

if TYPE_CHECKING:  # the readers of datasets take a twentieth of a second to load
    from freeloc.datasets.dataset import AnnotatedBox

__all__ = ["NamedBox", "PanelPainter"]

NamedBox: TypeAlias = "tuple[str, AnnotatedBox | Box]"
"""A class name and a box of that class."""

_MIN_MAXIMUM: Final = 0.25
"""Maps with a lower maximum do not use the full range of colors, so that weak maps look weak."""

_FAINT: Final = (0.3, 0.6)
"""Maps with a maximum below the first value are faint, above the second value they are not."""

_MIN_STRENGTH: Final = 0.12
"""Strength up to which maps are transparent."""

_MAX_RAW_SCORE: Final = 3.0
"""Raw maps with a higher maximum are shifted down to this maximum, because the sigmoid saturates at higher
scores."""


class PanelPainter:
    """Draws the panels of one image, all of the same size and without captions.

    Args:
        image: the upright image in which objects were localized, as (H, W, 3) uint8 RGB or a Pillow image of mode
            RGB. It may be reduced by a factor of 2, 4 or 8, as by a JPEG decoder.
        localization: scores, points and maps.
        boxes: annotated boxes, drawn as green outlines; or the maximum number of the model's own boxes per class,
            drawn as blue outlines.
        peaks: maximum number of peaks per class; those other than the point are drawn as small crosses.
        panel_height: maximum height of the image in a panel, in pixels.

    Raises:
        ValueError: the image is not 8-bit RGB, or its size does not match the localization.
    """

    def __init__(
        self,
        image: Uint8Array | Image.Image,
        localization: Localization,
        *,
        boxes: Sequence[NamedBox] | int = (),
        peaks: int = 0,
        panel_height: int = 360,
    ) -> None:
        image = _to_pillow(image, localization.image_size)
        self._localization = localization
        self._boxes = boxes
        self._peaks = peaks
        self._layout = PanelLayout.fit(localization.image_size, panel_height)
        size = (self._layout.image.width, self._layout.image.height)
        self._image = image.resize(size, Image.Resampling.LANCZOS, reducing_gap=3.0)

    def draw_image(self, locations: Sequence[ClassLocation]) -> Image.Image:
        """Draw the image with its boxes, and with the points, peaks and names of classes."""
        panel = _center(self._image, self._layout)
        if isinstance(self._boxes, int):
            for location in locations:
                self._draw_boxes(panel, location)
        else:
            draw_boxes(panel, self._layout, (box for _, box in self._boxes), BOX)
        for location in locations:
            self._draw_points(panel, location)
        draw_class_names(panel, self._layout, locations)
        return panel

    def draw_map(self, location: ClassLocation) -> Image.Image:
        """Draw the score map of one class over the dimmed image, with the boxes, point and peaks of the class."""
        values = self._localization.maps[self._localization.classes.index(location.name)]
        if self._localization.mode == "paper":
            values = _normalize_raw_map(values)
        panel = _center(_blend(self._dimmed, values), self._layout)
        self._draw_boxes(panel, location)
        self._draw_points(panel, location)
        return panel

    @cached_property
    def _dimmed(self) -> Float32Array:
        """A darker, nearly gray image, (height, width, 3) float32, against which maps stand out."""
        color = np.asarray(self._image, np.float32)
        gray = np.asarray(self._image.convert("L"), np.float32)[..., None]
        dimmed: Float32Array = (0.25 * color + 0.75 * gray) * np.float32(0.58) + np.float32(14)
        return dimmed

    def _draw_boxes(self, panel: Image.Image, location: ClassLocation) -> None:
        """Draw the boxes of one class."""
        if not isinstance(self._boxes, int):
            boxes = (box for name, box in self._boxes if name == location.name)
            draw_boxes(panel, self._layout, boxes, BOX)
        elif self._boxes > 0 and self._is_finite(location):
            found = self._localization.boxes(location.name, count=self._boxes)
            # The box with the highest score is drawn last, over the others.
            draw_boxes(panel, self._layout, reversed(found), PREDICTED_BOX)

    def _draw_points(self, panel: Image.Image, location: ClassLocation) -> None:
        """Draw the point of one class, and its other peaks."""
        if self._peaks > 1 and self._is_finite(location):
            peaks = self._localization.peaks(location.name, count=self._peaks)[1:]
            draw_peaks(panel, self._layout, ((peak.x, peak.y) for peak in peaks))
        draw_point(panel, self._layout, location.x, location.y)

    def _is_finite(self, location: ClassLocation) -> bool:
        """Return whether a map has no NaN or infinity, which only a damaged model produces."""
        index = self._localization.classes.index(location.name)
        return bool(np.isfinite(self._localization.maps[index]).all())


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


def _normalize_raw_map(scores: Float32Array) -> Float32Array:
    """Convert raw scores to values between 0 and 1, so that the maximum stands out even if all scores are high."""
    return sigmoid(scores - max(0.0, float(scores.max()) - _MAX_RAW_SCORE))


def _blend(dimmed: Float32Array, values: Float32Array) -> Image.Image:
    """Draw a map with values between 0 and 1 over a dimmed image; low values are transparent."""
    values = np.clip(np.nan_to_num(values), 0, 1)
    height, width = dimmed.shape[:2]
    resized = Image.fromarray(values).resize((width, height), Image.Resampling.BICUBIC)
    full = max(float(values.max()), _MIN_MAXIMUM)
    strength = np.clip(np.asarray(resized) / full, 0, 1)
    ramp = np.clip((strength - _transparent_strength(values, full)) / 0.6, 0, 1)
    opacity = (0.8 * ramp * ramp * (3 - 2 * ramp))[..., None]
    # The shade keeps light and dark areas of the image visible through the colors.
    shade = 0.8 + 0.3 * dimmed.mean(axis=2, keepdims=True) / 162
    mixed = dimmed * (1 - opacity) + apply_colormap(strength) * shade * opacity
    return Image.fromarray(np.clip(mixed, 0, 255).astype(np.uint8))


def _transparent_strength(values: Float32Array, full: float) -> float:
    """Return the strength up to which a map is transparent.

    A faint map is low everywhere, so that its colors would cover the image with haze. Only values above half of
    its maximum and above its median are drawn.

    Args:
        values: the map.
        full: the value whose strength is 1.
    """
    maximum = float(values.max())
    faintness = float(np.interp(maximum, _FAINT, (1, 0)))
    haze = max(0.5 * maximum, float(np.median(values))) / full
    return max(_MIN_STRENGTH, faintness * haze)


def _center(image: Image.Image, layout: PanelLayout) -> Image.Image:
    """Return a panel with the image centered in it."""
    panel = Image.new("RGB", (layout.panel.width, layout.panel.height), OUTLINE)
    panel.paste(image, (layout.left, layout.top))
    return panel
