"""Embed images in HTML pages as data URIs."""

from __future__ import annotations

import base64
import io

from PIL import Image

__all__ = ["data_uri", "encode_jpeg", "media_type"]


def data_uri(data: bytes) -> str:
    """Return the bytes of a PNG, JPEG or SVG file as a data URI.

    Raises:
        ValueError: the bytes are of another format.
    """
    return f"data:{media_type(data)};base64,{base64.b64encode(data).decode('ascii')}"


def media_type(data: bytes) -> str:
    """Return the media type of the bytes of a PNG, JPEG or SVG file.

    Raises:
        ValueError: the bytes are of another format.
    """
    if data.startswith(b"\x89PNG\r\n\x1a\n"):
        return "image/png"
    if data.startswith(b"\xff\xd8\xff"):
        return "image/jpeg"
    if data.lstrip()[:5] in {b"<?xml", b"<svg "} and b"<svg" in data[:2000]:
        return "image/svg+xml"
    raise ValueError("the data of a figure must be the bytes of a PNG, JPEG or SVG file")


def encode_jpeg(image: Image.Image, quality: int = 75) -> bytes:
    """Return an RGB image as the bytes of a JPEG file; small images take about 10 KB."""
    buffer = io.BytesIO()
    image.save(buffer, "JPEG", quality=quality, optimize=True)
    return buffer.getvalue()
