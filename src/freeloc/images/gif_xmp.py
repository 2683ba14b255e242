"""Find the XMP packet of a GIF file, which Pillow does not read."""

from __future__ import annotations

from typing import IO, Final

__all__ = ["find_gif_xmp"]

_APPLICATION: Final = b"\xff"
_XMP: Final = b"XMP DataXMP"

_TRAILER: Final = b"\x01\xff\xfe\xfd\xfc"
"""Start of the bytes after the packet by which readers that do not know XMP find the end of it."""


def find_gif_xmp(file: IO[bytes]) -> bytes | None:
    """Return the XMP packet of a GIF file; None if there is none before the first damage."""
    file.seek(0)
    header = file.read(13)
    if len(header) == 13:
        _skip_colors(file, header[10])
    while (block := file.read(1)) in (b"!", b","):
        if block == b",":
            descriptor = file.read(9)
            if len(descriptor) < 9:
                return None
            _skip_colors(file, descriptor[8])
            file.read(1)  # the size of the first codes
        elif file.read(1) == _APPLICATION and _read_block(file)[1:] == _XMP:
            return _read_packet(file)
        while _read_block(file)[1:]:
            pass
    return None


def _skip_colors(file: IO[bytes], flags: int) -> None:
    """Skip the table of colors, if flags say that there is one."""
    if flags & 0x80:
        file.read(3 << (flags & 7) + 1)


def _read_block(file: IO[bytes]) -> bytes:
    """Return a block with its length, which is the first byte."""
    length = file.read(1)
    return length + file.read(length[0]) if length else b""


def _read_packet(file: IO[bytes]) -> bytes:
    """Return a packet, which is not divided into blocks: its own characters are read as their lengths."""
    parts = []
    while len(part := _read_block(file)) > 1:
        parts.append(part)
    packet = b"".join(parts)
    end = packet.rfind(_TRAILER)
    return packet if end < 0 else packet[:end]
