"""Decode videos frame by frame.

PyAV, which the extra ``video`` installs, is loaded when a video is opened. Frames are turned upright by the
display matrix of the video, and their pixels are used as they are stored, even if they are not square.

Damaged frames are left out, with those up to the next keyframe, which are computed from them. They count in the
numbers of frames, unless the file has lost them without a trace.
"""

from __future__ import annotations

import struct
from collections.abc import Generator, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from fractions import Fraction
from functools import partial
from heapq import heappop, heappush
from importlib.util import find_spec
from pathlib import Path
from typing import IO, TYPE_CHECKING, Final, cast

from PIL import Image

from freeloc._log import get_logger
from freeloc.errors import ImageError, MissingDependencyError
from freeloc.geometry.orientation import matrix_orientation, swaps_sides
from freeloc.images.decode_errors import DECODER_ERRORS, check_size, image_error
from freeloc.images.exif_orientation import apply_orientation
from freeloc.images.identify import open_file
from freeloc.images.matroska_end import ends_early
from freeloc.images.video_formats import VIDEO_PREFIX_LENGTH, find_demuxer
from freeloc.images.video_frame import VideoFrame
from freeloc.io.limits import check_resources
from freeloc.io.progress import pluralize

if TYPE_CHECKING:
    import av
    from av.container import InputContainer
    from av.video.stream import VideoStream

__all__ = ["VideoProperties", "check_video_available", "frame_sources", "read_frames", "read_properties"]

_log = get_logger(__name__)

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


def read_frames(path: Path, every: int = 1, *, warns: bool = True) -> Generator[VideoFrame, None, None]:
    """Decode the frames of a video in the order of presentation.

    The time of a frame is its presentation timestamp, from the start time of the file on, as players show it.
    Memory use does not grow with the length of the video.

    Args:
        path: the video.
        every: N yields the frames 0, N, 2N, …; the others are decoded as well, but not converted.
        warns: whether to log at the end how many damaged frames were left out.

    Raises:
        MissingDependencyError: PyAV is not installed.
        ImageError: the file is not a video that can be read, or the rest of it is damaged or missing.
    """
    with _open(path) as video:
        try:
            for number, time, frame in video.decode():
                if number % every == 0:
                    orientation = video.orientation(frame)
                    convert = partial(_upright_image, frame, orientation, path)
                    yield VideoFrame(path, number, time, convert, video.pixel_aspect_ratio(orientation))
        finally:
            if warns and video.left_out:
                count = pluralize(video.left_out, "damaged frame")
                _log.warning("%s: left out %s, counting those up to the next keyframe", path, count)


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

    Attributes:
        left_out: number of damaged frames before the last one that was decoded.
    """

    def __init__(
        self, path: Path, container: InputContainer, stream: VideoStream, *, incomplete: bool
    ) -> None:
        self._path = path
        self._container = container
        self._stream = stream
        self._incomplete = incomplete
        self.left_out = 0
        self._error: Exception | None = None
        self._pending: list[int] = []  # timestamps of packets that have not become frames, a heap
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

    def decode(self) -> Iterator[tuple[int, float, av.VideoFrame]]:
        """Decode the frames that are not damaged, with their numbers and times.

        Raises:
            ImageError: the rest of the video is damaged, its end is missing, or there are no frames.
        """
        number = lost = 0
        damage: ImageError | None = None
        for frame in self._decode_packets():
            time = 0.0 if frame is None else self._time_of(frame)
            if frame is None or frame.is_corrupt:
                damage = damage or _damaged(self._path, number, self._error)
            if frame is None or frame.is_corrupt or (damage is not None and not frame.key_frame):
                lost += 1
                continue
            # Of some damaged packets, the decoder makes neither a frame nor an error.
            lost = max(lost, self._count_packets_before(frame))
            if damage is not None and (number or self._container.format.name not in _CUT_ANYWHERE):
                self.left_out += lost
                number += lost
            damage, lost = None, 0
            yield number, time, frame
            number += 1
        if damage is not None and (number or self._container.format.name not in _CUT_ANYWHERE):
            raise damage
        if self._incomplete:
            raise _error(self._path, f"the file ends too early, after {number} complete frames", _REPAIR)
        if number == 0:
            raise _error(self._path, "it contains no frames", _REPAIR)

    def _decode_packets(self) -> Iterator[av.VideoFrame | None]:
        """Decode all packets, and yield None for one that cannot be decoded."""
        packets = self._container.demux(self._stream)
        while True:
            try:
                packet = next(packets, None)
            except DECODER_ERRORS as error:  # the position of the next packet is unknown
                check_resources(error)
                self._error = error
                yield None
                return
            if packet is None:
                return
            if packet.has_sidedata("encryption_info"):
                raise _error(self._path, "it is encrypted", "save it without copy protection")
            if packet.pts is not None:
                heappush(self._pending, packet.pts)
            self._error = None
            try:
                frames = packet.decode()
            except DECODER_ERRORS as error:
                check_resources(error)
                self._error = error
                yield None
            else:
                yield from frames

    def _count_packets_before(self, frame: av.VideoFrame) -> int:
        """Return the number of packets before a frame, since the last call, that became no frame passed here."""
        count = 0
        while self._pending and frame.pts is not None and self._pending[0] <= frame.pts:
            count += heappop(self._pending) < frame.pts
        return count

    def _time_of(self, frame: av.VideoFrame) -> float:
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
