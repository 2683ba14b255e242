"""Videos for tests, written by PyAV or byte by byte."""

from __future__ import annotations

import struct
from collections.abc import Iterable, Sequence
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest

av = pytest.importorskip("av", reason="the extra video is not installed")

MATRICES = {
    1: (1, 0, 0, 1),
    2: (-1, 0, 0, 1),
    3: (-1, 0, 0, -1),
    4: (1, 0, 0, -1),
    5: (0, 1, 1, 0),
    6: (0, 1, -1, 0),
    7: (0, -1, -1, 0),
    8: (0, -1, 1, 0),
}
"""The entries a, b, c and d of QuickTime's display matrix for each EXIF orientation."""


def gray_frames(count: int, size: tuple[int, int] = (96, 64)) -> list[npt.NDArray[np.uint8]]:
    """Frames of one gray level each, by which they can be told apart: see `gray_number`."""
    return [np.full((size[1], size[0], 3), 10 + 18 * (index % 13), np.uint8) for index in range(count)]


def gray_number(image: Any) -> int:
    """The number of a frame of `gray_frames`, modulo 13, from its pixels."""
    return round((float(np.asarray(image).mean()) - 10) / 18)


def write_video(
    path: Path,
    frames: Iterable[npt.NDArray[np.uint8]],
    times: Sequence[Fraction] | None = None,
    *,
    time_base: Fraction = Fraction(1, 1000),
    codec: str = "libx264",
    pixels: str = "yuv444p",
    options: dict[str, str] | None = None,
    **container: str,
) -> Path:
    """Write a video, without loss unless the codec is another one.

    Args:
        path: the file.
        frames: (height, width, 3) uint8 RGB frames.
        times: when each is presented, in seconds; default: 25 frames per second.
        time_base: unit of the times in the file.
        codec: FFmpeg's encoder.
        pixels: its pixel format.
        options: options of the encoder.
        container: options of the file format.
    """
    if options is None:
        options = {"qp": "0", "preset": "ultrafast"} if codec == "libx264" else {}
    with av.open(str(path), "w", options=container) as file:
        stream = file.add_stream(codec, rate=25, options=options)
        stream.pix_fmt = pixels
        stream.codec_context.time_base = time_base
        for index, array in enumerate(frames):
            if index == 0:
                stream.height, stream.width = array.shape[:2]
            frame = av.VideoFrame.from_ndarray(array, format="rgb24")
            time = Fraction(index, 25) if times is None else times[index]
            frame.pts, frame.time_base = round(time / time_base), time_base
            file.mux(stream.encode(frame))
        file.mux(stream.encode(None))
    return path


def turn_video(path: Path, orientation: int) -> None:
    """Set the display matrix of an MP4 file, in the header of its track (ISO/IEC 14496-12, 8.3.2)."""
    data = bytearray(path.read_bytes())
    place = data.index(b"tkhd") + 44
    a, b, c, d = (entry << 16 for entry in MATRICES[orientation])
    data[place : place + 36] = struct.pack(">9i", a, b, 0, c, d, 0, 0, 0, 1 << 30)
    path.write_bytes(data)


def write_sound(path: Path) -> Path:
    """Write an MP4 file with half a second of silence and no video."""
    with av.open(str(path), "w", format="mp4") as file:
        stream = file.add_stream("aac", rate=44100)
        for index in range(20):
            frame = av.AudioFrame.from_ndarray(np.zeros((1, 1024), np.float32), format="fltp", layout="mono")
            frame.rate, frame.pts = 44100, index * 1024
            file.mux(stream.encode(frame))
        file.mux(stream.encode(None))
    return path


def presentation_times(path: Path) -> list[Fraction]:
    """Return the presentation timestamps of a video as PyAV reads them, in seconds."""
    with av.open(str(path)) as file:
        return [frame.pts * frame.time_base for frame in file.decode(video=0)]
