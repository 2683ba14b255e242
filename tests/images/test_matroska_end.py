"""Whether a Matroska file ends early."""

from __future__ import annotations

from io import BytesIO
from pathlib import Path

import pytest

from freeloc.images.matroska_end import ends_early
from tests.video_files import gray_frames, write_video

HEADER = b"\x1a\x45\xdf\xa3\x82\x42\x86"  # two bytes long
SEGMENT = b"\x18\x53\x80\x67"


@pytest.mark.parametrize(
    ("size", "length"),
    [
        (b"\x85", 5),
        (b"\x40\x05", 5),
        (b"\x01\x00\x00\x00\x00\x00\x00\x05", 5),
        (b"\x10\x00\x01\x00", 256),
    ],
)
def test_a_segment_of_known_length(size: bytes, length: int) -> None:
    whole = HEADER + SEGMENT + size + bytes(length)
    assert not ends_early(BytesIO(whole))
    assert not ends_early(BytesIO(whole + b"more"))
    assert ends_early(BytesIO(whole[:-1]))


@pytest.mark.parametrize("size", [b"\xff", b"\x7f\xff", b"\x01\xff\xff\xff\xff\xff\xff\xff"])
def test_a_segment_of_unknown_length(size: bytes) -> None:
    """A recording that was streamed."""
    assert not ends_early(BytesIO(HEADER + SEGMENT + size))


def test_what_is_no_matroska_file() -> None:
    for content in (b"", b"\0", b"\x1a", HEADER, HEADER + SEGMENT, HEADER + b"\xec\x81\0", b"RIFF....AVI "):
        assert not ends_early(BytesIO(content))


def test_a_file_of_ffmpeg(tmp_path: Path) -> None:
    data = write_video(tmp_path / "a.mkv", gray_frames(3)).read_bytes()
    assert not ends_early(BytesIO(data))
    assert ends_early(BytesIO(data[:-1]))
