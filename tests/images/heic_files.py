"""HEIC files as cameras write them, made by pillow-heif, which can also write them."""

from __future__ import annotations

from io import BytesIO
from typing import Any

from PIL import Image

from tests.images.sample_images import exif_of

__all__ = ["heic_bytes"]


def heic_bytes(image: Image.Image, orientation: int = 1, *, quality: int = 95) -> bytes:
    """An image as HEIC; the pixels are stored as given, with a transformation that turns them."""
    from pillow_heif.as_plugin import _save_heif  # Pillow calls it if the plugin is registered

    writable: Any = image
    writable.encoderinfo = {"quality": quality, "exif": exif_of(orientation).tobytes()}
    buffer = BytesIO()
    _save_heif(writable, buffer, "")
    return buffer.getvalue()
