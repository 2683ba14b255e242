"""Decode videos frame by frame.

PyAV, which the extra ``video`` installs, is loaded when a video is opened. Frames are turned upright by the
display matrix of the video, and their pixels are used as they are stored, even if they are not square.
"""

from __future__ import annotations

import struct
from collections.abc import Generator, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from fractions import Fraction
from functools import partial
from importlib.util import find_spec
from pathlib import Path
from typing import IO, TYPE_CHECKING, Final, cast

from PIL import Image

from freeloc.errors import ImageError, MissingDependencyError
from freeloc.geometry.orientation import matrix_orientation, swaps_sides
from freeloc.images.decode_errors import DECODER_ERRORS, check_size, image_error
from freeloc.images.exif_orientation import apply_orientation
from freeloc.images.identify import open_file
from freeloc.images.matroska_end import ends_early
from freeloc.images.video_formats import VIDEO_PREFIX_LENGTH, find_demuxer
from freeloc.images.video_frame import VideoFrame
from freeloc.io.limits import check_resources

if TYPE_CHECKING:
    import av
    from av.container import InputContainer
    from av.packet import Packet
    from av.video.stream import VideoStream

__all__ = ["VideoProperties", "check_video_available", "frame_sources", "read_frames", "read_properties"]

_REPAIR: Final = "replace it, repair it (ffmpeg -i FILE repaired.mp4), or leave it out"

_MICROSECOND: Final = Fraction(1, 1_000_000)
"""Unit of a container's start time and duration, in seconds."""

_CUT_ANYWHERE: Final = ("mpegts", "mpeg")
"""Demuxers of formats whose files may begin within a group of frames, as recordings of broadcasts do."""


@dataclass(frozen=True, slots=True)
class VideoProperties:
    """What the header of a video says.

    Attributes:
        time_base: unit of the timestamps, in seconds.
        rate: average number of frames per second; None if it is unknown.
        frame_count: number of frames; None if it is unknown. It may differ from the number of decoded frames.
    """

    time_base: Fraction
    rate: Fraction | None
    frame_count: int | None


def check_video_available() -> None:
    """Check, without loading it, that PyAV is installed.

    Raises:
        MissingDependencyError: it is not installed.
    """
    if find_spec("av") is None:
        raise MissingDependencyError(
            "reading videos requires PyAV, which is not installed: run pip install 'freeloc[video]'",
            extra="video",
        )


def read_properties(path: Path) -> VideoProperties:
    """Read the header of a video.

    Raises:
        MissingDependencyError: PyAV is not installed.
        ImageError: the file is not a video that can be read.
    """
    with _open(path) as video:
        return video.properties


def read_frames(path: Path, every: int = 1) -> Generator[VideoFrame, None, None]:
    """Decode the frames of a video in the order of presentation.

    The time of a frame is its presentation timestamp, from the start time of the file on, as players show it.
    Memory use does not grow with the length of the video.

    Args:
        path: the video.
        every: N yields the frames 0, N, 2N, …; the others are decoded as well, but not converted.

    Raises:
        MissingDependencyError: PyAV is not installed.
        ImageError: the file is not a video that can be read, or the rest of it is damaged or missing.
    """
    with _open(path) as video:
        for number, frame in enumerate(video.decode()):
            time = video.time_of(frame)
            if number % every == 0:
                orientation = video.orientation(frame)
                convert = partial(_upright_image, frame, orientation, path)
                yield VideoFrame(path, number, time, convert, video.pixel_aspect_ratio(orientation))


def frame_sources(path: Path, every: int = 1) -> Generator[VideoFrame, None, None]:
    """Yield the frames of a video for a prediction, in which an error must follow the results before it.

    Yields:
        The frames; see `read_frames`. An error becomes a last frame, which raises it when it is converted.
    """
    number, time = 0, 0.0
    try:
        for frame in read_frames(path, every):
            number, time = frame.number + every, frame.time
            yield frame
    except ImageError as error:
        yield VideoFrame(path, number, time, partial(_fail, error))


def _fail(error: ImageError) -> Image.Image:
    raise error


class _Video:
    """An open video, from which frames are decoded.

    Args:
        path: its path.
        container: the open file.
        stream: the stream of the container to decode.
        incomplete: whether the end of the file is missing.
    """

    def __init__(
        self, path: Path, container: InputContainer, stream: VideoStream, *, incomplete: bool
    ) -> None:
        self._path = path
        self._container = container
        self._stream = stream
        self._incomplete = incomplete
        self._unit = stream.time_base or _MICROSECOND
        # Files of this format have no presentation timestamps, but one packet per frame and tick.
        self._counts_ticks = container.format.name == "avi"
        self._start = self._start_time()
        self._last: Fraction | None = None
        self._orientation: tuple[int, int] | None = None

    @property
    def properties(self) -> VideoProperties:
        """What the header says."""
        stream = self._stream
        rate = stream.average_rate or stream.guessed_rate
        count = stream.frames or None
        if count is None and rate is not None:
            seconds = 0 if self._container.duration is None else self._container.duration * _MICROSECOND
            count = round(seconds * rate) or None
        return VideoProperties(self._unit, rate, count)

    def decode(self) -> Iterator[av.VideoFrame]:
        """Decode all frames.

        Raises:
            ImageError: a frame is damaged, the end of the file is missing, or there are no frames.
        """
        count = 0
        packets = self._container.demux(self._stream)
        while (frames := self._decode_next(packets, count)) is not None:
            for frame in frames:
                if frame.is_corrupt:
                    raise _damaged(self._path, count)
                yield frame
                count += 1
        if self._incomplete:
            raise _error(self._path, f"the file ends too early, after {count} complete frames", _REPAIR)
        if count == 0:
            raise _error(self._path, "it contains no frames", _REPAIR)

    def _decode_next(self, packets: Iterator[Packet[VideoStream]], count: int) -> list[av.VideoFrame] | None:
        """Return the frames that are complete with the next packet; None if there is no packet left.

        Args:
            packets: the packets.
            count: number of frames decoded so far.
        """
        try:
            packet = next(packets, None)
            is_encrypted = packet is not None and packet.has_sidedata("encryption_info")
            frames = None if packet is None or is_encrypted else packet.decode()
        except DECODER_ERRORS as error:
            check_resources(error)
            if count == 0 and self._container.format.name in _CUT_ANYWHERE:
                return []
            raise _damaged(self._path, count, error) from error
        if is_encrypted:
            raise _error(self._path, "it is encrypted", "save it without copy protection")
        return frames

    def time_of(self, frame: av.VideoFrame) -> float:
        """Return the time of the next frame in seconds, rounded to microseconds."""
        ticks = frame.dts if self._counts_ticks else frame.pts
        if ticks is not None and self._counts_ticks and self._last is None:
            self._start = ticks * self._unit  # the decoder delays the first frame by some ticks
        if ticks is not None:
            time = ticks * self._unit - self._start
        elif self._last is None:
            time = Fraction(0)
        else:
            time = self._last + 1 / (self._stream.average_rate or Fraction(25))
        self._last = time
        return round(float(time), 6)

    def orientation(self, frame: av.VideoFrame) -> int:
        """Return the EXIF orientation that corresponds to the display matrix of a frame."""
        # Frames whose side data were read are in a cycle of references, so that they stay in memory for long. The
        # rotation, which does not tell reflections, shows whether the matrix has changed.
        if self._orientation is None or frame.rotation != self._orientation[0]:
            self._orientation = frame.rotation, _read_orientation(frame)
        return self._orientation[1]

    def pixel_aspect_ratio(self, orientation: int) -> Fraction:
        """Return the width of a pixel of an upright frame, divided by its height."""
        ratio = self._stream.sample_aspect_ratio or Fraction(1)
        return 1 / ratio if swaps_sides(orientation) else ratio

    def _start_time(self) -> Fraction:
        """Return the start time of the file, which is that of its first stream, in seconds."""
        of_file = cast("int | None", self._container.start_time)  # PyAV's stubs omit None
        of_stream = self._stream.start_time
        first = None if of_stream is None else of_stream * self._unit
        if of_file is None:
            return first or Fraction(0)
        start = of_file * _MICROSECOND
        # The start time of the file is rounded.
        return first if first is not None and abs(first - start) <= _MICROSECOND else start


@contextmanager
def _open(path: Path) -> Iterator[_Video]:
    """Open a video, and close it on exit.

    Raises:
        MissingDependencyError: PyAV is not installed.
        ImageError: the file is not a video that can be read.
    """
    check_video_available()
    import av

    with open_file(path, "video") as file:
        prefix = file.read(VIDEO_PREFIX_LENGTH)
        if not prefix:
            raise _error(path, "it is empty (0 bytes)", "replace it, or leave it out")
        demuxer = find_demuxer(prefix)
        if demuxer is None:
            raise _error(
                path, "it is not a video in a supported format", "convert it to MP4, or leave it out"
            )
        incomplete = demuxer == "matroska" and ends_early(file)
        file.seek(0)
        try:
            # The names of other files in a video are never followed.
            container = av.open(file, "r", format=demuxer, io_open=_refuse, metadata_errors="replace")
        except DECODER_ERRORS as error:
            check_resources(error)
            raise _damaged(path, 0, error) from error
        with container:
            yield _Video(path, container, _find_stream(path, container), incomplete=incomplete)


def _refuse(url: str, *_more: object) -> IO[bytes]:
    raise PermissionError(f"the video refers to another file: {url}")


def _find_stream(path: Path, container: InputContainer) -> VideoStream:
    """Return the stream that players show; a cover picture of a piece of music is none."""
    from av.stream import Disposition

    best = container.streams.best("video")
    streams = [
        stream for stream in container.streams.video if Disposition.attached_pic not in stream.disposition
    ]
    if not streams:
        reason = "it contains sound, but no video" if container.streams.audio else "it contains no video"
        raise _error(path, reason, "choose another file, or leave it out")
    stream = best if best in streams else streams[0]
    # Without a decoder, there is no context, and the stream lacks the attributes that it takes from it.
    if getattr(stream, "codec_context", None) is None:
        raise _error(path, "its codec is not supported", "convert it to H.264 (ffmpeg -i FILE converted.mp4)")
    check_size((stream.width, stream.height), path)
    return stream


def _upright_image(frame: av.VideoFrame, orientation: int, path: Path) -> Image.Image:
    try:
        image: Image.Image = frame.to_image()
    except DECODER_ERRORS as error:
        check_resources(error)
        raise _damaged(path, None, error) from error
    return apply_orientation(image, orientation)


def _read_orientation(frame: av.VideoFrame) -> int:
    matrix = next((bytes(data) for data in frame.side_data if data.type.name == "DISPLAYMATRIX"), None)
    if matrix is None:
        return 1
    a, b, _, c, d = struct.unpack("=5i", matrix[:20])
    return matrix_orientation(a, b, c, d)


def _damaged(path: Path, count: int | None, error: Exception | None = None) -> ImageError:
    """Return the error for a video whose decoding fails after a number of frames."""
    after = f" after {count} frames" if count else ""
    detail = getattr(error, "strerror", None) or str(error or "a frame is damaged")
    reason = f"decoding failed{after} ({' '.join(detail.split())})"
    return _error(path, reason, f"the file may be damaged or incomplete: {_REPAIR}")


def _error(path: Path, reason: str, fix: str) -> ImageError:
    return image_error(path, reason, fix, noun="video")
