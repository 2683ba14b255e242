"""What is drawn on the frames of a video: the points, names, peaks and boxes of the present classes."""

from __future__ import annotations

from typing import Final

import numpy as np
from PIL import Image

from freeloc.geometry.size import Size
from freeloc.inference.result import Localization
from freeloc.visualization.labels import draw_class_names
from freeloc.visualization.markers import draw_boxes, draw_peaks, draw_point
from freeloc.visualization.palette import PREDICTED_BOX
from freeloc.visualization.panel_layout import PanelLayout

__all__ = ["FrameAnnotation"]

_MAX_CLASSES: Final = 12
"""Maximum number of classes that are drawn, as on overlays."""

_MIN_SIDE: Final = 60
"""Minimum width and height of frames on which names are drawn, in pixels; smaller ones have no space for them."""


class FrameAnnotation:
    """The result of one frame, drawn on it and on the frames that follow it.

    Args:
        localization: the result.
        threshold: minimum probability for a class to count as present; None uses the model's thresholds.
        peaks: maximum number of peaks per class; those other than the point are small crosses.
        boxes: maximum number of boxes per class.
    """

    def __init__(
        self, localization: Localization, *, threshold: float | None = None, peaks: int = 0, boxes: int = 0
    ) -> None:
        self._size = localization.image_size
        self._locations = localization.present(threshold)[:_MAX_CLASSES]
        finite = [
            location.name
            for location in self._locations
            if np.isfinite(localization.maps[localization.classes.index(location.name)]).all()
        ]
        # The box with the highest score is drawn last, over the others.
        self._boxes = [
            box
            for name in (finite if boxes else ())
            for box in reversed(localization.boxes(name, count=boxes))
        ]
        self._peaks = [
            (peak.x, peak.y)
            for name in (finite if peaks > 1 else ())
            for peak in localization.peaks(name, count=peaks)[1:]
        ]

    def draw(self, image: Image.Image) -> Image.Image:
        """Return a copy of an upright frame in mode RGB with the annotation; frames may differ in size."""
        drawn = image.copy()
        layout = PanelLayout.full(self._size, Size(*image.size))
        draw_boxes(drawn, layout, self._boxes, PREDICTED_BOX)
        draw_peaks(drawn, layout, self._peaks)
        for location in self._locations:
            draw_point(drawn, layout, location.x, location.y)
        if min(image.size) >= _MIN_SIDE:
            draw_class_names(drawn, layout, self._locations)
        return drawn
