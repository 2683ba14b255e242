"""Write overlays to image files."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Final, NamedTuple

from PIL import Image

from freeloc.errors import OutputError
from freeloc.io import atomic

__all__ = ["save_image"]


class _Format(NamedTuple):
    """A file format: its name in Pillow, its maximum side length, and the options for saving."""

    name: str
    max_side: int
    options: dict[str, Any]


_JPEG: Final = _Format("JPEG", 65_500, {"quality": 92, "subsampling": 0})
_FORMATS: Final = {
    ".png": _Format("PNG", 2**31 - 1, {}),
    ".jpg": _JPEG,
    ".jpeg": _JPEG,
    ".webp": _Format("WEBP", 16_383, {"quality": 90}),
}


def save_image(image: Image.Image, path: Path) -> None:
    """Write an image atomically; the suffix of ``path`` selects PNG, JPEG or WebP.

    Raises:
        OutputError: the suffix is unknown, the image is larger than the format supports, or the file cannot be
            written.
    """
    format_ = _FORMATS.get(path.suffix.lower())
    if format_ is None:
        raise OutputError(
            f"cannot write {path}: unknown image format; use a suffix of .png, .jpg or .webp", path=path
        )
    if max(image.size) > format_.max_side:
        raise OutputError(
            f"cannot write {path}: {image.width}×{image.height} pixels exceed the limit of {format_.name}; "
            "use a path that ends in .png",
            path=path,
        )
    if format_ is _JPEG and image.mode != "RGB":
        image = image.convert("RGB")
    with atomic.atomic_path(path) as temporary:
        image.save(temporary, format_.name, **format_.options)
