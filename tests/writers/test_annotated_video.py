"""Annotated videos: all frames at their times, each with the latest result."""

from __future__ import annotations

import dataclasses
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from freeloc.images.video import read_frames
from freeloc.inference.result import Localization
from freeloc.visualization.frame_annotation import FrameAnnotation
from freeloc.writers import WriterOptions
from freeloc.writers.annotated_video import AnnotatedVideoWriter
from tests.video_files import av, gray_frames, presentation_times, turn_video, write_video

TIMES = [Fraction(time, 1000) for time in (0, 40, 100, 110, 333, 334, 700, 1033, 2001, 4004)]
SIZE = (90, 60)


@pytest.fixture
def clip(tmp_path: Path) -> Path:
    return write_video(tmp_path / "clip.mp4", gray_frames(10, SIZE), TIMES)


def at_frame(result: Localization, number: int) -> Localization:
    """Return the result with its points at a place that tells the frame."""
    points = np.full_like(result.points, 30) + [3 * number, 0]
    return dataclasses.replace(result, points=points, frame=number, time=float(TIMES[number]))


def annotate(writer: AnnotatedVideoWriter, clip: Path, result: Localization, numbers: range) -> None:
    for number in numbers:
        writer.write(at_frame(result, number), None, clip, f"sub/clip/{number:06}")
    writer.end_video(clip, "sub/clip")


@pytest.mark.parametrize("every", [1, 3, 4, 100])
def test_all_frames_with_the_latest_result(
    tmp_path: Path, clip: Path, tiny_result: Localization, every: int
) -> None:
    options = WriterOptions(threshold=0.0)
    with AnnotatedVideoWriter(tmp_path / "out", options) as writer:
        annotate(writer, clip, tiny_result, range(0, 10, every))
        assert not list((tmp_path / "out").rglob("*.part"))
    path = tmp_path / "out" / "videos" / "sub" / "clip.mp4"
    assert writer.files == [path]
    assert presentation_times(path) == TIMES
    with av.open(str(path)) as video:
        found = [frame.to_image() for frame in video.decode(video=0)]
    assert len(found) == 10
    for number, (frame, source) in enumerate(zip(found, read_frames(clip), strict=True)):
        latest = number // every * every
        expected = FrameAnnotation(at_frame(tiny_result, latest), threshold=0.0).draw(source.convert())
        assert _difference(frame, expected) < 6
        if number != latest:
            other = FrameAnnotation(at_frame(tiny_result, number), threshold=0.0).draw(source.convert())
            assert _difference(frame, expected) < _difference(frame, other)


def _difference(first: Image.Image, second: Image.Image) -> float:
    """Return the mean absolute difference, without the colors, which are stored at half the resolution."""
    one, other = (np.asarray(image.convert("L"), float) for image in (first, second))
    return float(np.abs(one - other).mean())


def test_turned_videos_and_odd_sizes(tmp_path: Path, tiny_result: Localization) -> None:
    clip = write_video(tmp_path / "clip.mp4", gray_frames(4, (60, 91)), TIMES[:4])
    turn_video(clip, 6)
    with AnnotatedVideoWriter(tmp_path / "out", WriterOptions()) as writer:
        annotate(writer, clip, tiny_result, range(4))
    with av.open(str(writer.files[0])) as video:
        sizes = {frame.to_image().size for frame in video.decode(video=0)}
    assert sizes == {(92, 60)}


def test_an_error_or_another_video_leaves_no_unfinished_file(
    tmp_path: Path, clip: Path, tiny_result: Localization
) -> None:
    out = tmp_path / "out"
    other = write_video(tmp_path / "other.mp4", gray_frames(2, SIZE), TIMES[:2])
    with pytest.raises(KeyboardInterrupt), AnnotatedVideoWriter(out, WriterOptions()) as writer:
        for number in (0, 4):
            writer.write(at_frame(tiny_result, number), None, clip, f"clip/{number:06}")
        annotate(writer, other, tiny_result, range(2))
        for number in (0, 4):
            writer.write(at_frame(tiny_result, number), None, clip, f"clip/{number:06}")
        raise KeyboardInterrupt
    assert [path.relative_to(out).as_posix() for path in out.rglob("*") if path.is_file()] == [
        "videos/sub/clip.mp4"
    ]
    assert presentation_times(out / "videos" / "sub" / "clip.mp4") == TIMES[:2]


def test_images_are_ignored(tmp_path: Path, tiny_result: Localization) -> None:
    with AnnotatedVideoWriter(tmp_path / "out", WriterOptions()) as writer:
        writer.write(tiny_result, None, Path("a.jpg"), "a")
    assert writer.files == []
    assert not (tmp_path / "out").exists()
