"""Pillow's JPEG 2000 reader, corrected for bit depths other than 8."""

from __future__ import annotations

from typing import IO, Any

from PIL import Jpeg2KImagePlugin

from freeloc.images.decode_errors import UnsupportedVariantError
from freeloc.images.jpeg2000_boxes import read_boxes

__all__ = ["Jpeg2000Reader"]

_START = b"\xff\x4f\xff\x51"
"""The first two markers of the compressed image, which the description of its channels follows."""

_CHANNEL_COUNT = 38
"""Position of the number of channels after `_START`."""


class Jpeg2000Reader(Jpeg2KImagePlugin.Jpeg2KImageFile):
    """Reads a JPEG 2000 file.

    Pillow lets the brightest values of deep color images overflow to black, so these are refused. It reads values
    of fewer than 8 bits as too dark, which this class corrects.
    """

    _bits = 8

    def _open(self) -> None:
        super()._open()
        if self.fp is None:
            return
        position = self.fp.tell()
        depths = _bit_depths(self.fp)
        self.fp.seek(position)
        is_gray = self.mode in ("L", "I;16")
        if len(depths) != 1 or (not is_gray and max(depths) > 8) or (self.mode == "P" and min(depths) < 8):
            listed = "/".join(map(str, sorted(depths)))
            raise UnsupportedVariantError(
                f"it is a JPEG 2000 image with {listed} bits per channel ({self.mode})"
            )
        (self._bits,) = depths

    def load(self) -> Any:
        """Decode the pixels."""
        is_decoded = not self.tile
        pixels = super().load()
        if not is_decoded and self._bits < 8:
            shift, white = 8 - self._bits, 2**self._bits - 1
            scaled = [round((value >> shift) * 255 / white) for value in range(256)]
            self.im = self.im.point(scaled * len(self.getbands()), None)
        return pixels


def _bit_depths(file: IO[bytes]) -> set[int]:
    """Return the bit depths of the channels."""
    file.seek(0)
    start = file.read(4)
    if start != _START:
        place = next((box.start for box in read_boxes(file) if box.kind == b"jp2c"), None)
        if place is not None:
            file.seek(place)
            start = file.read(4)
    if start != _START:
        raise SyntaxError("the compressed image is missing")
    description = file.read(_CHANNEL_COUNT)
    count = int.from_bytes(description[-2:])
    channels = file.read(3 * count)
    depths = {(channels[index] & 0x7F) + 1 for index in range(0, len(channels), 3)}
    if len(channels) < 3 * count or not depths:
        raise SyntaxError("the description of the channels is truncated")
    return depths
