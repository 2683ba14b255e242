"""A Pillow reader for JPEG XL files, which pylibjxl decodes."""

from __future__ import annotations

from typing import Any

import pylibjxl
from PIL import Image, ImageFile

from freeloc.images.decode_errors import UnsupportedVariantError
from freeloc.images.exif_orientation import exif_with_orientation

__all__ = ["JpegXlReader"]

_MODES = {(1, False): "L", (1, True): "LA", (3, False): "RGB", (3, True): "RGBA"}
"""Pillow's mode by the number of color channels and whether there is an alpha channel."""


class JpegXlReader(ImageFile.ImageFile):
    """Reads a JPEG XL file with 8 bits per channel, to which libjxl converts deeper images.

    libjxl turns the image upright by the orientation in its codestream, so the orientation in its EXIF and XMP
    metadata must not be applied again: `load` sets it to 1. This also holds for files made from a JPEG, which
    contain its metadata unchanged. The metadata, which may be compressed, is known after `load`.
    """

    format = "JXL"
    format_description = "JPEG XL"

    _encoded = b""

    def _open(self) -> None:
        if self.fp is None:
            raise ValueError("the file is closed")
        self._encoded = self.fp.read()
        header = pylibjxl.probe(self._encoded)
        if header["have_animation"]:
            # pylibjxl would return the last frame; of other animations, the first one is read.
            raise UnsupportedVariantError("it is an animated JPEG XL image")
        mode = _MODES.get((header["color_channels"], header["has_alpha"]))
        if mode is None or header["channels"] != Image.getmodebands(mode):
            raise UnsupportedVariantError(f"it is a JPEG XL image with {header['channels']} channels")
        self._mode = mode
        self._size = (header["width"], header["height"])
        self.info["exif"] = exif_with_orientation(b"", 1)

    def load(self) -> Any:
        """Decode the pixels and the metadata."""
        if self._encoded:
            pixels, metadata = pylibjxl.decode(self._encoded, metadata=True)
            self.im = Image.fromarray(pixels).im
            self._encoded = b""
            self._size = self.im.size
            self.info["exif"] = exif_with_orientation(metadata.get("exif", b""), 1)
            if "xmp" in metadata:
                self.info["xmp"] = metadata["xmp"]
        return super().load()
