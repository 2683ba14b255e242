"""The images and videos of a prediction, and the names of their output files."""

from __future__ import annotations

import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from freeloc.errors import ConfigurationError
from freeloc.images.video_formats import is_video
from freeloc.prediction.manifest import DoneImage
from freeloc.writers import Writer, output_names

__all__ = [
    "ImageToPredict",
    "base_names",
    "check_takes_frames",
    "file_stamp",
    "frame_name",
    "list_images",
]


@dataclass(frozen=True, slots=True)
class ImageToPredict:
    """One image of a prediction, or one video.

    Attributes:
        path: path of the file, as specified by the caller.
        name: base name of its output files; the name of a frame follows after ``/``.
        is_video: whether it is a video.
    """

    path: Path
    name: str
    is_video: bool = False

    def is_done_by(self, done: DoneImage) -> bool:
        """Return whether a manifest's entry is about this file as it is now."""
        if done.size is None and done.error is None:
            return False  # it was not read from a file, so nothing tells whether it is the same
        if (done.frames is not None) != self.is_video:
            return False
        now = (str(self.path), self.name, *file_stamp(self.path))
        return (done.image, done.name, done.size, done.modified) == now


def list_images(paths: Sequence[str | Path]) -> list[ImageToPredict]:
    """Return the images and videos of a prediction in the order of their paths."""
    files = [Path(path) for path in paths]
    videos = [is_video(path) for path in files]
    return [ImageToPredict(*each) for each in zip(files, base_names(files, videos), videos, strict=True)]


def base_names(paths: Sequence[Path], videos: Sequence[bool]) -> list[str]:
    """Return the base names of the output files of images and videos.

    The frames of ``clip.mp4`` are called ``clip/000000`` and so on, or ``clip.mp4/000000`` if there are images in
    a folder ``clip``.

    Args:
        paths: the images and videos.
        videos: for each path, whether it is a video.
    """
    names = output_names(paths)
    folders = {_normalized(str(parent)) for name in names for parent in PurePosixPath(name).parents}
    return [
        f"{name}{path.suffix}" if video and _normalized(name) in folders else name
        for path, name, video in zip(paths, names, videos, strict=True)
    ]


def frame_name(name: str, frame: int | None) -> str:
    """Return the base name of the output files of a frame; None stands for an image that is no video.

    Args:
        name: base name of the image or video.
        frame: number of the frame.
    """
    return name if frame is None else f"{name}/{frame:06}"


def check_takes_frames(writers: Sequence[Writer], video: Path) -> None:
    """Check that all writers can write the results of the frames of a video.

    Raises:
        ConfigurationError: one of them cannot.
    """
    for writer in writers:
        if not writer.takes_frames:
            raise ConfigurationError(
                f"the format {writer.name!r} lists image files, and {video} is a video: leave it out, or choose "
                "another format",
                parameter="formats",
            )


def file_stamp(path: Path) -> tuple[int | None, int | None]:
    """Return size and modification time of a file; None if it does not exist or cannot be examined."""
    try:
        status = path.stat()
    except (OSError, ValueError):
        return None, None
    return status.st_size, status.st_mtime_ns


def _normalized(name: str) -> str:
    return unicodedata.normalize("NFC", name).casefold()
