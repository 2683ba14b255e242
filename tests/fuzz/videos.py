"""Fuzz videos of the usual formats and codecs."""

from __future__ import annotations

import math
from fractions import Fraction
from pathlib import Path
from random import Random

import numpy as np

from freeloc.errors import ImageError
from freeloc.images.video import frame_sources, read_frames, read_properties
from freeloc.images.video_formats import is_video
from tests.fuzz.mutations import change_bytes, count_changes
from tests.fuzz.target import Target, require
from tests.video_files import turn_video, write_video

__all__ = ["Videos"]

_KINDS = (
    ("mp4", "libx264"),
    ("mov", "mpeg4"),
    ("mkv", "libx264"),
    ("webm", "libvpx-vp9"),
    ("avi", "mpeg4"),
    ("ts", "libx264"),
    ("flv", "flv"),
)

_MAX_FRAMES = 60
"""A damaged header may announce any number of frames."""


class Videos(Target):
    """Videos, decoded frame by frame."""

    def prepare(self, folder: Path) -> None:
        """Write a video of each kind, because encoding takes longer than decoding."""
        self._seeds: list[tuple[str, bytes]] = []
        for number, (suffix, codec) in enumerate(_KINDS):
            frames = np.random.default_rng(number).integers(0, 256, (9, 3, 4, 3), np.uint8)
            path = folder / f"{number}.{suffix}"
            write_video(
                path,
                frames.repeat(16, 1).repeat(16, 2),
                time_base=Fraction(1, 25) if suffix == "avi" else Fraction(1, 1000),
                codec=codec,
                pixels="yuv420p",
            )
            if suffix == "mp4":
                turn_video(path, 6)
            self._seeds.append((suffix, path.read_bytes()))

    def make(self, rng: Random, folder: Path) -> None:
        """Write a video with some changes."""
        suffix, data = rng.choice(self._seeds)
        (folder / f"clip.{suffix}").write_bytes(change_bytes(rng, data, count_changes(rng, 5)))

    def use(self, rng: Random, folder: Path) -> None:
        """Read the header and the frames; both ways to read frames must agree."""
        (path,) = folder.iterdir()
        require(is_video(path), "the suffix is that of a video")
        every = rng.choice((1, 1, 2, 5))
        found = []
        error: ImageError | None = None
        try:
            require(read_properties(path).time_base > 0, "the unit of time is not positive")
            for frame in read_frames(path, every):
                require(math.isfinite(frame.time), "a time is not finite")
                image = frame.convert()
                require(image.mode == "RGB" and min(image.size) > 0, "a frame is not RGB")
                found.append(frame.number)
                if len(found) >= _MAX_FRAMES:
                    break
        except ImageError as caught:
            error = caught
        require(found == sorted(set(found)), f"the frames are {found}")
        require(all(number % every == 0 for number in found), f"the frames are {found}")
        if len(found) < _MAX_FRAMES:
            count = sum(1 for _ in frame_sources(path, every))
            require(count == len(found) + (error is not None), "frame_sources yields other frames")
        if error is not None:
            raise error
