"""Where the image of a result comes from."""

from __future__ import annotations

import os
from dataclasses import replace
from pathlib import Path
from typing import Any

from PIL import Image

from freeloc.images.decode import ImageSource
from freeloc.images.hashed_image import HashedImage
from freeloc.images.video_frame import VideoFrame
from freeloc.inference.result import Localization

__all__ = ["image_title", "origin_of", "with_image"]


def origin_of(source: ImageSource) -> dict[str, Any]:
    """Return the fields of a result that say where its image comes from: ``path``, ``frame`` and ``time``."""
    if isinstance(source, VideoFrame):
        return {"path": source.path, "frame": source.number, "time": source.time}
    if isinstance(source, HashedImage):
        return {"path": source.path}
    return {"path": Path(source) if isinstance(source, str | os.PathLike) else None}


def with_image(result: Localization, image: Image.Image | None) -> Localization:
    """Return a result with its decoded image, unless the image can be read from its file again."""
    is_file = result.path is not None and result.frame is None
    return result if is_file else replace(result, image=image)


def image_title(name: str, frame: int | None, time: float | None) -> str:
    """Return the name of an image, for people; that of a frame consists of its video, its number and its time.

    Example:
        >>> image_title("a.jpg", None, None), image_title("clip.mp4", 120, 4.004)
        ('a.jpg', 'clip.mp4, frame 120 at 4.004 s')
    """
    return name if frame is None or time is None else f"{name}, frame {frame} at {time:.3f} s"
