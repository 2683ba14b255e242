"""Images and PNG files used by several test modules."""

from __future__ import annotations

import struct
import zlib

import numpy as np
from PIL import Image


def scene(width: int = 48, height: int = 32) -> np.ndarray:
    """A smooth upright image without any symmetry."""
    y, x = np.mgrid[0:height, 0:width]
    red = 255 * x / max(width - 1, 1)
    green = 255 * y / max(height - 1, 1)
    blue = np.where((x < width / 3) & (y < height / 3), 255, 20)
    return np.stack((red, green, blue), axis=-1).astype(np.uint8)


def stored(upright: np.ndarray, orientation: int) -> np.ndarray:
    """Return an upright image as a camera stores it with an EXIF orientation.

    Based on the wording of the EXIF standard: where the stored row 0 and column 0 lie in the upright image.
    """
    row0_col0 = {
        1: lambda a: a,  # top, left
        2: lambda a: a[:, ::-1],  # top, right
        3: lambda a: a[::-1, ::-1],  # bottom, right
        4: lambda a: a[::-1],  # bottom, left
        5: lambda a: a.swapaxes(0, 1),  # left, top
        6: lambda a: a[:, ::-1].swapaxes(0, 1),  # right, top
        7: lambda a: a[::-1, ::-1].swapaxes(0, 1),  # right, bottom
        8: lambda a: a[::-1].swapaxes(0, 1),  # left, bottom
    }
    return np.ascontiguousarray(row0_col0[orientation](upright))


def exif_of(orientation: int) -> Image.Exif:
    exif = Image.Exif()
    exif[0x0112] = orientation
    return exif


def png_chunks(data: bytes) -> list[tuple[bytes, bytes]]:
    chunks, position = [], 8
    while position < len(data):
        (length,) = struct.unpack_from(">I", data, position)
        chunks.append((data[position + 4 : position + 8], data[position + 8 : position + 8 + length]))
        position += 12 + length
    return chunks


def png_bytes(chunks: list[tuple[bytes, bytes]]) -> bytes:
    parts = [b"\x89PNG\r\n\x1a\n"]
    for kind, body in chunks:
        parts.append(struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body)))
    return b"".join(parts)


def close_to(actual: np.ndarray, expected: np.ndarray, tolerance: float) -> bool:
    return actual.shape == expected.shape and bool(
        np.abs(actual.astype(int) - expected.astype(int)).mean() <= tolerance
    )
