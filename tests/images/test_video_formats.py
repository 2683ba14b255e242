"""What counts as a video: by suffix, and by content."""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path

import pytest
from PIL import Image

from freeloc.images.video_formats import VIDEO_PREFIX_LENGTH, find_demuxer, is_video
from tests.video_files import gray_frames, write_video

DEMUXERS = {
    "mp4": "mov",
    "mov": "mov",
    "mkv": "matroska",
    "webm": "matroska",
    "avi": "avi",
    "ts": "mpegts",
    "mpg": "mpeg",
    "flv": "flv",
    "wmv": "asf",
    "ogv": "ogg",
}
CODECS = {"webm": "libvpx-vp9", "ogv": "libvpx", "mpg": "mpeg2video", "wmv": "wmv2", "avi": "mpeg4"}


@pytest.mark.parametrize("suffix", DEMUXERS)
def test_videos_are_known_by_their_content(tmp_path: Path, suffix: str) -> None:
    path = tmp_path / f"a.{suffix}"
    codec = CODECS.get(suffix, "libx264")
    write_video(path, gray_frames(12), time_base=Fraction(1, 25), codec=codec, pixels="yuv420p")
    assert find_demuxer(path.read_bytes()[:VIDEO_PREFIX_LENGTH]) == DEMUXERS[suffix]
    assert is_video(path)
    bare = path.rename(tmp_path / "bare")
    assert is_video(bare)


def test_images_and_text_are_no_videos(tmp_path: Path) -> None:
    for suffix in ("png", "jpg", "webp", "gif", "tif", "bmp", "avif"):
        path = tmp_path / f"a.{suffix}"
        Image.new("RGB", (64, 64)).save(path)
        assert not is_video(path)
        assert not is_video(path.rename(tmp_path / f"bare-{suffix}"))
    (tmp_path / "text").write_text("Ogg.jpg\n" * 100)
    assert not is_video(tmp_path / "text")
    assert not is_video(tmp_path / "gone")
    assert not is_video(tmp_path)
    assert is_video(tmp_path / "gone.MP4"), "the error will say so"
