"""A frame of a video as an image that can be predicted."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path

from PIL import Image

__all__ = ["VideoFrame"]


@dataclass(frozen=True, slots=True, eq=False)
class VideoFrame:
    """A decoded frame of a video, whose pixels are converted when they are needed.

    Attributes:
        path: the video.
        number: number of the frame, counted from 0 in the order of presentation.
        time: when the frame is presented, in seconds; see `freeloc.images.video.read_frames`.
        convert: function that returns the upright frame in mode RGB, or raises an `ImageError`.
        pixel_aspect_ratio: width of a pixel of the upright frame, divided by its height.
    """

    path: Path
    number: int
    time: float
    convert: Callable[[], Image.Image]
    pixel_aspect_ratio: Fraction = Fraction(1)
