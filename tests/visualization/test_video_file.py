"""Video files, read back by PyAV."""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from freeloc.errors import OutputError
from freeloc.geometry.size import Size
from freeloc.visualization import video_file
from freeloc.visualization.video_file import VideoFile
from tests.video_files import av, gray_frames, gray_number, presentation_times

TIMES = [Fraction(time, 1000) for time in (0, 40, 100, 110, 333, 334, 700, 1033, 2001, 4004)]


def write(
    path: Path, size: tuple[int, int], time_base: Fraction = Fraction(1, 1000), **words: Fraction
) -> None:
    with VideoFile(path, Size(*size), time_base, **words) as file:
        for pixels, time in zip(gray_frames(10, size), TIMES, strict=True):
            file.add(Image.fromarray(pixels), float(time))


@pytest.mark.parametrize("time_base", [Fraction(1, 1000), Fraction(1, 90000), Fraction(1, 10**6)])
@pytest.mark.parametrize("encoder", ["libx264", "mpeg4"])
def test_frames_and_times(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, encoder: str, time_base: Fraction
) -> None:
    """MPEG-4 part 2 stores 65,535 times per second at most."""
    chosen = {name: options for name, options in video_file._ENCODERS.items() if name == encoder}
    monkeypatch.setattr(video_file, "_ENCODERS", chosen)
    path = tmp_path / "a.mp4"
    write(path, (96, 64), time_base)
    found = presentation_times(path)
    error = 1e-5 if encoder == "mpeg4" else 1e-9
    assert [float(time) for time in found] == pytest.approx([float(time) for time in TIMES], abs=error)
    with av.open(str(path)) as video:
        frames = [frame.to_image() for frame in video.decode(video=0)]
        assert video.streams.video[0].codec_context.name == {"libx264": "h264"}.get(encoder, encoder)
    assert list(map(gray_number, frames)) == list(range(10))
    data = path.read_bytes()
    assert data.index(b"moov") < data.index(b"mdat"), "a browser can show it while it loads it"


@pytest.mark.parametrize("size", [(95, 64), (96, 63), (31, 17), (1, 1)])
def test_odd_sides_are_extended(tmp_path: Path, size: tuple[int, int]) -> None:
    path = tmp_path / "a.mp4"
    write(path, size)
    with av.open(str(path)) as video:
        frames = [frame.to_image() for frame in video.decode(video=0)]
    assert {frame.size for frame in frames} == {(size[0] + size[0] % 2, size[1] + size[1] % 2)}
    assert list(map(gray_number, frames)) == list(range(10))


def test_colors_and_the_shape_of_pixels(tmp_path: Path) -> None:
    path = tmp_path / "a.mp4"
    color = Image.new("RGB", (96, 64), (200, 60, 30))
    with VideoFile(path, Size(96, 64), Fraction(1, 25), Fraction(25), Fraction(16, 11)) as file:
        file.add(color, 0.0)
        file.add(color.resize((48, 32)), 0.04)  # of another size
    with av.open(str(path)) as video:
        assert video.streams.video[0].sample_aspect_ratio == Fraction(16, 11)
        frames = [frame.to_image() for frame in video.decode(video=0)]
    for frame in frames:
        assert np.abs(np.asarray(frame, int) - np.asarray(color, int)).max() <= 4
    assert [frame.size for frame in frames] == [(96, 64)] * 2


def test_times_that_do_not_increase_are_moved(tmp_path: Path) -> None:
    path = tmp_path / "a.mp4"
    with VideoFile(path, Size(32, 32), Fraction(1, 100)) as file:
        for time in (0.0, 0.0, 0.5, 0.3):
            file.add(Image.new("RGB", (32, 32)), time)
    assert presentation_times(path) == [0, Fraction(1, 100), Fraction(1, 2), Fraction(51, 100)]


def test_a_file_that_cannot_be_written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(OutputError, match="cannot write .*a.mp4: No such file or directory"):
        write(tmp_path / "gone" / "a.mp4", (32, 32))
    monkeypatch.setattr(video_file, "_ENCODERS", {"nothing": {}})
    with pytest.raises(OutputError, match="no encoder for H.264 or MPEG-4"):
        write(tmp_path / "a.mp4", (32, 32))


@pytest.mark.parametrize("name", ["http:a.mp4", "a%03d.mp4", "\udcff.mp4", "狗 🐶.mp4"])
def test_any_name(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    monkeypatch.chdir(tmp_path)
    write(Path(name), (32, 32))
    assert [path.name for path in tmp_path.iterdir()] == [name]
