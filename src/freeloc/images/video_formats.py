"""The video formats that freeloc reads, and how their files begin.

PyAV, which the extra ``video`` installs, decodes videos with FFmpeg. FFmpeg knows some three hundred more formats.
They are never offered a file, because some of them open other files or network addresses that the file names.
`docs/predict.md` lists the formats.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import Final

from freeloc.images.find import SUFFIXES, VIDEO_SUFFIXES
from freeloc.images.formats import is_image_start
from freeloc.io.regular_file import open_regular

__all__ = ["VIDEO_PREFIX_LENGTH", "find_demuxer", "is_video"]

VIDEO_PREFIX_LENGTH: Final = 400
"""Number of bytes at the start of a file that identify its format."""

# A file whose beginning is cut off, such as a recording of a broadcast, has no other sign than its packets, which
# start with the same byte every 188 bytes, or every 192.
_DEMUXERS: Final[tuple[tuple[re.Pattern[bytes], str], ...]] = (
    (re.compile(rb"\0.{3}(ftyp|moov|mdat|wide|free|skip|pnot)", re.DOTALL), "mov"),
    (re.compile(rb"\x1a\x45\xdf\xa3"), "matroska"),
    (re.compile(rb"RIFF.{4}AVI ", re.DOTALL), "avi"),
    (re.compile(rb"G.{187}G.{187}G|.{4}G.{191}G", re.DOTALL), "mpegts"),
    (re.compile(rb"\0\0\x01\xba"), "mpeg"),
    (re.compile(rb"FLV\x01"), "flv"),
    (re.compile(rb"\x30\x26\xb2\x75\x8e\x66\xcf\x11"), "asf"),
    (re.compile(rb"OggS\0"), "ogg"),
)


def find_demuxer(prefix: bytes) -> str | None:
    """Return the name of FFmpeg's demuxer for a file that starts with ``prefix``.

    Args:
        prefix: the first `VIDEO_PREFIX_LENGTH` bytes of the file.

    Returns:
        The name; None if the file is an image, or no video in a supported format.
    """
    if is_image_start(prefix):  # HEIC and AVIF images are in the container of MP4 files
        return None
    return next((demuxer for pattern, demuxer in _DEMUXERS if pattern.match(prefix)), None)


def is_video(path: Path) -> bool:
    """Return whether a file is to be read as a video: by its suffix or, if that is unknown, by its content.

    A file that cannot be opened is none.
    """
    suffix = path.suffix.lower()
    if suffix in SUFFIXES:
        return False
    if suffix in VIDEO_SUFFIXES:
        return True
    try:
        with open_regular(path) as file:
            return find_demuxer(file.read(VIDEO_PREFIX_LENGTH)) is not None
    except (OSError, ValueError):
        return False
