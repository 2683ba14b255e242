"""The images and videos of a prediction, and the names of their output files."""

from __future__ import annotations

import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from freeloc.images.video_formats import is_video
from freeloc.prediction.manifest import DoneImage
from freeloc.writers import output_names

__all__ = ["ImageToPredict", "file_stamp", "list_images"]


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

    def frame_name(self, frame: int | None) -> str:
        """Return the base name of the output files of a frame; None stands for an image that is no video."""
        return self.name if frame is None else f"{self.name}/{frame:06}"

    def is_done_by(self, done: DoneImage) -> bool:
        """Return whether a manifest's entry is about this file as it is now."""
        if done.size is None and done.error is None:
            return False  # it was not read from a file, so nothing tells whether it is the same
        if (done.frames is not None) != self.is_video:
            return False
        now = (str(self.path), self.name, *file_stamp(self.path))
        return (done.image, done.name, done.size, done.modified) == now


def list_images(paths: Sequence[str | Path]) -> list[ImageToPredict]:
    """Return the images and videos of a prediction in the order of their paths.

    The frames of ``clip.mp4`` are called ``clip/000000`` and so on, or ``clip.mp4/000000`` if there are images in
    a folder ``clip``.
    """
    files = [Path(path) for path in paths]
    names = output_names(files)
    folders = {_normalized(str(parent)) for name in names for parent in PurePosixPath(name).parents}
    images = []
    for path, name in zip(files, names, strict=True):
        video = is_video(path)
        taken = video and _normalized(name) in folders
        images.append(ImageToPredict(path, f"{name}{path.suffix}" if taken else name, video))
    return images


def file_stamp(path: Path) -> tuple[int | None, int | None]:
    """Return size and modification time of a file; None if it does not exist or cannot be examined."""
    try:
        status = path.stat()
    except (OSError, ValueError):
        return None, None
    return status.st_size, status.st_mtime_ns


def _normalized(name: str) -> str:
    return unicodedata.normalize("NFC", name).casefold()
