"""Pillow's PNG reader, restricted to the chunks that determine the pixels and the orientation.

Pillow refuses a PNG file if its color profile or a text is larger than one megabyte, or if any chunk before the
pixels has a wrong checksum. Neither affects the pixels, so `PngReader` hides all other ancillary chunks from
Pillow. It also refuses wrong checksums of the pixel data, which Pillow ignores, and corrects transparent colors
that Pillow misinterprets.
"""

from __future__ import annotations

import bisect
import io
import os
import struct
import zlib
from collections.abc import Iterator
from typing import IO, TYPE_CHECKING, NamedTuple

import numpy as np
from PIL import Image, PngImagePlugin

if TYPE_CHECKING:
    from _typeshed import WriteableBuffer

__all__ = ["Chunk", "PngReader", "read_chunks"]

_SIGNATURE_LENGTH = 8

_MAX_METADATA = 1_000_000
"""Maximum number of bytes, before and after decompression, of a chunk that contains the orientation."""

_MAX_ORIENTATION_CHUNKS = 8

_ORIENTATION_KEYWORDS = (b"Raw profile type exif", b"Raw profile type APP1", b"XML:com.adobe.xmp")

_READ_AT_ONCE = 2**20


class Chunk(NamedTuple):
    """A chunk of a PNG file: its type, the position of its length field, and the length of its data."""

    kind: bytes
    start: int
    length: int

    @property
    def end(self) -> int:
        """The position after the checksum."""
        return self.start + 12 + self.length

    @property
    def is_critical(self) -> bool:
        """Whether the pixels cannot be read without the chunk."""
        return not self.kind[0] & 0x20


class PngReader(PngImagePlugin.PngImageFile):
    """Reads a PNG file; see the module docstring.

    An animation is read as the single image that it contains for programs without support for animations, which
    is normally its first frame.
    """

    def _open(self) -> None:
        if self.fp is None:
            raise ValueError("the file is closed")
        self.fp = _essential_part(self.fp)
        first = next(read_chunks(self.fp), None)
        if first is not None and first.kind != b"IHDR":
            # Pillow would go on to the next IHDR, so the orientation depended on how much of the file is read.
            raise SyntaxError("the first chunk of the PNG file is not IHDR")
        self.fp.seek(0)
        super()._open()
        self._transparent_color = self._correct_transparency()

    def load_prepare(self) -> None:
        """Check the pixel data before it is decoded."""
        if self.fp is None:
            raise ValueError("the file is closed")
        position = self.fp.tell()
        for chunk in read_chunks(self.fp):
            if chunk.kind in (b"IDAT", b"IEND") and not _is_intact(self.fp, chunk):
                raise SyntaxError(f"wrong checksum in {chunk.kind.decode()}")
        self.fp.seek(position)
        super().load_prepare()

    def load_end(self) -> None:
        """Apply the transparent color of an image with 16 bits per channel, which Pillow cannot represent."""
        super().load_end()
        if self._transparent_color is not None and self.fp is not None:
            self.fp.seek(0)
            low = _LowBytes(self.fp)
            values = np.asarray(self).astype(np.uint16) << 8 | np.asarray(low)
            opaque = (values != np.array(self._transparent_color, np.uint16)).any(axis=2)
            self.putalpha(Image.fromarray(opaque.astype(np.uint8) * np.uint8(255)))

    def _correct_transparency(self) -> tuple[int, int, int] | None:
        """Correct the transparent color, and return it if the image has 16 bits per color channel.

        The file stores the color in the image's bit depth, but Pillow compares it with values of 8 bits.
        """
        color = self.info.get("transparency")
        layout = self.png.im_rawmode if self.png is not None else ""
        if isinstance(color, int) and self.mode == "L":
            depth = {"L;2": 2, "L;4": 4}.get(layout, 8)
            self.info["transparency"] = (color & (2**depth - 1)) * 255 // (2**depth - 1)
        if isinstance(color, tuple) and layout == "RGB;16B":
            del self.info["transparency"]
            red, green, blue = color
            return red, green, blue
        if isinstance(color, tuple):
            self.info["transparency"] = tuple(value & 255 for value in color)
        return None


class _LowBytes(PngReader):
    """Reads the low instead of the high bytes of a color image with 16 bits per channel."""

    def load_prepare(self) -> None:
        super().load_prepare()
        self.tile = [tile._replace(args="RGB;16L") for tile in self.tile]

    def load_end(self) -> None:
        PngImagePlugin.PngImageFile.load_end(self)


def read_chunks(file: IO[bytes]) -> Iterator[Chunk]:
    """Yield the complete chunks of a file; the file's position may be changed between two of them."""
    end = file.seek(0, os.SEEK_END)
    position = _SIGNATURE_LENGTH
    while position + 12 <= end:
        file.seek(position)
        length, kind = struct.unpack(">I4s", file.read(8))
        chunk = Chunk(kind, position, length)
        if chunk.end > end:
            return
        yield chunk
        position = chunk.end
        if kind == b"IEND":
            return


def _essential_part(file: IO[bytes]) -> IO[bytes]:
    """Return the file without the ancillary chunks that are not needed, or that are damaged."""
    end = file.seek(0, os.SEEK_END)
    parts = [(0, min(_SIGNATURE_LENGTH, end))]
    position = _SIGNATURE_LENGTH
    left_out, orientations = False, 0
    for chunk in read_chunks(file):
        position = chunk.end
        needed = chunk.is_critical or chunk.kind == b"tRNS"
        if not needed and orientations < _MAX_ORIENTATION_CHUNKS and _has_orientation(file, chunk):
            needed = True
            orientations += 1
        if needed:
            parts.append((chunk.start, chunk.end))
        else:
            left_out = True
    if position < end:
        parts.append((position, end))  # a truncated chunk, or what follows the last one
    file.seek(0)
    return io.BufferedReader(_Parts(file, parts)) if left_out else file


def _has_orientation(file: IO[bytes], chunk: Chunk) -> bool:
    """Return whether a chunk is intact and may contain the orientation."""
    if chunk.kind not in (b"eXIf", b"tEXt", b"zTXt", b"iTXt") or chunk.length > _MAX_METADATA:
        return False
    file.seek(chunk.start + 8)
    data = file.read(chunk.length)
    if chunk.kind == b"eXIf":
        return _is_intact(file, chunk)
    keyword, _, rest = data.partition(b"\0")
    if keyword not in _ORIENTATION_KEYWORDS or not _is_intact(file, chunk):
        return False
    if chunk.kind == b"zTXt":
        return rest[:1] == b"\0" and _expands_within_limit(rest[1:])
    if chunk.kind == b"iTXt" and rest[:1] != b"\0":
        return _expands_within_limit(rest[2:].split(b"\0", 2)[-1])
    return True


def _expands_within_limit(data: bytes) -> bool:
    decompressor = zlib.decompressobj()
    try:
        decompressor.decompress(data, _MAX_METADATA)
    except zlib.error:
        return False
    return not decompressor.unconsumed_tail


def _is_intact(file: IO[bytes], chunk: Chunk) -> bool:
    """Return whether a chunk's checksum is right."""
    file.seek(chunk.start + 4)
    left, checksum = 4 + chunk.length, 0
    while left:
        data = file.read(min(left, _READ_AT_ONCE))
        if not data:
            return False
        left -= len(data)
        checksum = zlib.crc32(data, checksum)
    return file.read(4) == checksum.to_bytes(4)


class _Parts(io.RawIOBase):
    """Parts of a file, joined to a file that can be read and positioned; closing it leaves the file open."""

    def __init__(self, file: IO[bytes], parts: list[tuple[int, int]]) -> None:
        self._file = file
        self._parts = parts
        self._starts = [0]
        for start, end in parts:
            self._starts.append(self._starts[-1] + end - start)
        self._position = 0

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def tell(self) -> int:
        return self._position

    def seek(self, offset: int, whence: int = os.SEEK_SET) -> int:
        base = {os.SEEK_SET: 0, os.SEEK_CUR: self._position, os.SEEK_END: self._starts[-1]}[whence]
        self._position = max(0, base + offset)
        return self._position

    def readinto(self, buffer: WriteableBuffer) -> int:
        view = memoryview(buffer).cast("B")
        index = bisect.bisect_right(self._starts, self._position) - 1
        if index >= len(self._parts):
            return 0
        start, end = self._parts[index]
        inside = start + self._position - self._starts[index]
        self._file.seek(inside)
        data = self._file.read(min(len(view), end - inside))
        view[: len(data)] = data
        self._position += len(data)
        return len(data)
