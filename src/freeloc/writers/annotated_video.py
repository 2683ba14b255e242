"""Write annotated videos: all frames of a video, each with the latest result drawn on it."""

from __future__ import annotations

from collections.abc import Generator
from itertools import chain
from pathlib import Path
from types import TracebackType
from typing import ClassVar, Final, TypeAlias

from PIL import Image

from freeloc.geometry.size import Size
from freeloc.images.video import read_frames, read_properties
from freeloc.inference.result import Localization
from freeloc.io.atomic import atomic_path
from freeloc.visualization.frame_annotation import FrameAnnotation
from freeloc.visualization.video_file import VideoFile
from freeloc.writers.base import Writer, WriterOptions

__all__ = ["AnnotatedVideoWriter"]

_FOLDER: Final = "videos"

_Annotation: TypeAlias = Generator[None, Localization | None, None]
"""Takes the results of a video one by one, and None after the last."""


class AnnotatedVideoWriter(Writer):
    """Writer of one ``videos/NAME.mp4`` per video, with all of its frames at their times, but without sound.

    Each frame shows the result of the latest predicted frame. The writer decodes the video once more, so that the
    frames that are not predicted need not be kept for it. Images are ignored.

    A video is written under a temporary name until it is complete. It cannot be continued, so an interrupted
    prediction begins it anew.
    """

    name: ClassVar[str] = "video"
    place: ClassVar[str | None] = _FOLDER
    of_videos: ClassVar[bool] = True

    def __init__(self, folder: Path | None, options: WriterOptions) -> None:
        super().__init__(folder, options)
        self._annotation: _Annotation | None = None
        self._video = ""

    def write(self, result: Localization, image: Image.Image | None, path: Path, name: str) -> None:  # noqa: ARG002
        """Write the frames before that of a result.

        Raises:
            OutputError: the file cannot be written.
            ImageError: the video has changed.
        """
        if result.frame is None:
            return
        video = name.rpartition("/")[0]
        if self._annotation is None or video != self._video:
            self._close()  # a video that was skipped because it is damaged
            self._video = video
            self._annotation = _annotate(path, self.path_of(f"{_FOLDER}/{video}.mp4"), self.options)
            next(self._annotation)
        self._annotation.send(result)

    def end_video(self, path: Path, name: str) -> None:  # noqa: ARG002
        """Write the remaining frames, and complete the file.

        Raises:
            OutputError: the file cannot be written.
            ImageError: the video has changed.
        """
        if self._annotation is None:
            return
        for _ in self._annotation:  # resumes it with None, after which it ends
            pass
        self._annotation = None
        self.files.append(self.path_of(f"{_FOLDER}/{name}.mp4"))

    def __exit__(
        self,
        exception_type: type[BaseException] | None,
        exception: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        """Delete the temporary file of an unfinished video."""
        self._close()

    def resume(self, position: int) -> None:
        """Continue with the first frame of the next video."""

    def _close(self) -> None:
        annotation, self._annotation = self._annotation, None
        if annotation is not None:
            annotation.close()


def _annotate(source: Path, target: Path, options: WriterOptions) -> _Annotation:
    """Write an annotated video as its results come; the file exists when the generator has ended.

    Args:
        source: the video.
        target: the file to write.
        options: what to draw.
    """

    def draw(result: Localization) -> FrameAnnotation:
        return FrameAnnotation(result, threshold=options.threshold, peaks=options.peaks, boxes=options.boxes)

    result = yield
    if result is None:
        return
    frames = read_frames(source, warns=False)
    properties = read_properties(source)
    annotation: FrameAnnotation | None = None
    with atomic_path(target) as temporary:
        first = next(frames)
        size, shape = Size(*first.convert().size), first.pixel_aspect_ratio
        with VideoFile(temporary, size, properties.time_base, properties.rate, shape) as file:
            for frame in chain((first,), frames):
                if result is not None and result.frame == frame.number:
                    annotation, result = draw(result), (yield)
                image = frame.convert()
                file.add(image if annotation is None else annotation.draw(image), frame.time)
