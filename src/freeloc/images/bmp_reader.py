"""Pillow's BMP reader, corrected for palettes of gray values."""

from __future__ import annotations

from PIL import BmpImagePlugin, ImagePalette

__all__ = ["BmpReader"]

_CORE_HEADER = 12


class BmpReader(BmpImagePlugin.BmpImageFile):
    """Reads a BMP file.

    If a palette consists of ascending gray values, Pillow reads the pixels as gray values, but with the wrong
    number of bits if the palette is short. This class then reads them as a palette image.
    """

    def _open(self) -> None:
        super()._open()
        if self.mode not in ("1", "L") or self.fp is None:
            return
        position = self.fp.tell()
        self.fp.seek(14)
        is_core = int.from_bytes(self.fp.read(4), "little") == _CORE_HEADER
        self.fp.seek(24 if is_core else 28)
        bits = int.from_bytes(self.fp.read(2), "little")
        self.fp.seek(position)
        if bits == {"1": 1, "L": 8}[self.mode]:
            return
        values = bytes((0, 255)) if self.mode == "1" else bytes(range(2**bits))
        self._mode = "P"
        self.palette = ImagePalette.raw(
            "RGB", bytes(value for gray in values for value in (gray, gray, gray))
        )
        raw_mode = "P" if bits == 8 else f"P;{bits}"
        self.tile = [
            tile._replace(args=(raw_mode, *tile.args[1:]))
            for tile in self.tile
            if isinstance(tile.args, tuple)
        ]
