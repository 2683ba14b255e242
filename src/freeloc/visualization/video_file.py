"""Write frames to a video file."""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path
from types import TracebackType
from typing import Any, Final, Self

import numpy as np
from PIL import Image

from freeloc.errors import OutputError
from freeloc.geometry.size import Size
from freeloc.io.atomic import output_error

__all__ = ["VideoFile"]

_ENCODERS: Final[dict[str, dict[str, str]]] = {
    # With its macroblock tree, x264 does not always encode the same frames in the same way.
    "libx264": {"crf": "20", "preset": "veryfast", "x264-params": "mbtree=0"},
    "libopenh264": {"rc_mode": "quality"},
    "mpeg4": {"flags": "+qscale", "global_quality": "354"},  # quantizer 3
}
"""FFmpeg's encoders, best first, with their options; an FFmpeg under the LGPL does not have the first one."""

_MAX_MPEG4_TICKS: Final = 65535
"""Maximum number of units of time per second that MPEG-4 part 2 can store."""

_BT709: Final = 1
_LIMITED_RANGE: Final = 1
"""FFmpeg's numbers of the color space of high-definition video, and of values from 16 to 235."""


class VideoFile:
    """An MP4 file with one video stream, to which frames are added at increasing times.

    The video is encoded as H.264 if the installed FFmpeg can do so, and as MPEG-4 part 2 otherwise. Both require
    even sides, so an odd one is extended by repeating its last row or column.

    Args:
        path: the file.
        size: size of the frames.
        time_base: unit of their times, in seconds.
        rate: average number of frames per second; None if it is unknown.
        pixel_aspect_ratio: width of a pixel divided by its height.

    Raises:
        OutputError: the file cannot be written.
    """

    def __init__(
        self,
        path: Path,
        size: Size,
        time_base: Fraction,
        rate: Fraction | None = None,
        pixel_aspect_ratio: Fraction = Fraction(1),
    ) -> None:
        import av

        self._path = path
        self._size = size
        encoder = _find_encoder()
        if encoder == "mpeg4" and time_base.denominator > _MAX_MPEG4_TICKS:
            time_base = Fraction(1, _MAX_MPEG4_TICKS)
        self._time_base = time_base
        self._last = -1
        try:
            # With the protocol, no part of the path is taken for another one. The index is put at the beginning of
            # the file, so that browsers show it while they load it.
            url = f"file:{path.absolute()}"
            self._container = av.open(url, "w", format="mp4", options={"movflags": "+faststart"})
            stream: Any = self._container.add_stream(encoder, rate=rate or 25, options=_ENCODERS[encoder])
        except Exception as error:
            raise _failed(path, error) from error
        stream.width, stream.height = size.width + size.width % 2, size.height + size.height % 2
        stream.pix_fmt = "yuv420p"
        context = stream.codec_context
        context.time_base = time_base
        context.sample_aspect_ratio = pixel_aspect_ratio
        context.colorspace = context.color_primaries = context.color_trc = _BT709
        context.color_range = _LIMITED_RANGE
        self._stream = stream

    def __enter__(self) -> Self:
        """Return the file itself."""
        return self

    def add(self, image: Image.Image, time: float) -> None:
        """Add a frame.

        Args:
            image: the frame, in mode RGB; it is resized if it has another size.
            time: when it is presented, in seconds.

        Raises:
            OutputError: the file cannot be written.
        """
        import av

        if image.size != (self._size.width, self._size.height):
            image = image.resize((self._size.width, self._size.height))
        pixels = np.asarray(image)
        right, bottom = self._size.width % 2, self._size.height % 2
        if right or bottom:
            pixels = np.pad(pixels, ((0, bottom), (0, right), (0, 0)), mode="edge")
        frame = av.VideoFrame.from_ndarray(np.ascontiguousarray(pixels), format="rgb24")
        frame = frame.reformat(format="yuv420p", dst_colorspace=_BT709, dst_color_range=_LIMITED_RANGE)
        # Encoders refuse times that do not increase.
        self._last = frame.pts = max(self._last + 1, round(Fraction(time) / self._time_base))
        frame.time_base = self._time_base
        self._encode(frame)

    def __exit__(
        self,
        exception_type: type[BaseException] | None,
        exception: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        """Complete the file; if the block ended with an error, close it as it is.

        Raises:
            OutputError: the file cannot be written.
        """
        if exception is None:
            self._encode(None)
        try:
            self._container.close()
        except Exception as error:
            if exception is None:
                raise _failed(self._path, error) from error

    def _encode(self, frame: Any) -> None:
        try:
            self._container.mux(self._stream.encode(frame))
        except Exception as error:
            raise _failed(self._path, error) from error


def _find_encoder() -> str:
    """Return the name of the best encoder that the installed FFmpeg has."""
    from av.codec import Codec
    from av.codec.codec import UnknownCodecError

    for name in _ENCODERS:
        try:
            Codec(name, "w")
        except UnknownCodecError:
            continue
        return name
    raise OutputError(
        "cannot write a video: the installed FFmpeg has no encoder for H.264 or MPEG-4; install "
        "another build of PyAV",
        parameter="formats",
    )


def _failed(path: Path, error: Exception) -> Exception:
    detail = getattr(error, "strerror", None) or str(error)
    return output_error(path, error if isinstance(error, OSError) else detail)
