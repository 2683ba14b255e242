"""The output folder of a prediction: begin it, continue it, or refuse it."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from freeloc.errors import FreelocError, ImageError, OutputError
from freeloc.images.find import is_system_name
from freeloc.prediction.manifest import DoneImage, Manifest
from freeloc.writers import Writer

__all__ = ["ImageToPredict", "OutputFolder"]

_MAX_SHOWN: Final = 3
"""Maximum number of differing settings in a message."""


@dataclass(frozen=True, slots=True)
class ImageToPredict:
    """One image of a prediction.

    Attributes:
        path: path of the image, as specified by the caller.
        name: base name of its output files.
    """

    path: Path
    name: str

    def is_done_by(self, done: DoneImage) -> bool:
        """Return whether a manifest's entry is about this image as it is now."""
        if done.size is None and done.error is None:
            return False  # it was not read from a file, so nothing tells whether it is the same
        return done == DoneImage(
            str(self.path), self.name, *_stamp(self.path), done.files, done.positions, done.error
        )


class OutputFolder:
    """The output folder of one prediction.

    Use `open` to create one, within a lock on the folder.

    Attributes:
        manifest: what has been written.
        is_new: whether the prediction begins; otherwise, it continues where an earlier process stopped.
    """

    def __init__(self, manifest: Manifest, images: Sequence[ImageToPredict], *, is_new: bool) -> None:
        self.manifest = manifest
        self.is_new = is_new
        self._images = images
        self._writers: Sequence[Writer] = ()

    @classmethod
    def open(
        cls,
        folder: Path,
        settings: Mapping[str, Any],
        images: Sequence[ImageToPredict],
        writers: Sequence[Writer],
        *,
        overwrite: bool = False,
    ) -> OutputFolder:
        """Compare a folder with what is to be written there, and prepare it and the writers for that.

        Args:
            folder: the output folder, which need not exist.
            settings: everything that determines the predictions, as JSON values.
            images: the images.
            writers: the writers, not yet entered.
            overwrite: whether to remove an earlier output.

        Raises:
            OutputError: the folder contains an output with other settings or of other images, or files that
                freeloc has not written.
        """
        settings = json.loads(json.dumps(settings, default=str))
        earlier = Manifest.read(folder)
        if earlier is not None and not overwrite and (earlier.finished or earlier.has_predictions):
            _check_settings(earlier, settings)
            _check_images(earlier, images)
            _check_writers(earlier, writers)
            if earlier.finished:
                earlier.complete_finish()
            output = cls(earlier, images, is_new=False)
        else:
            _check_places(folder, set() if earlier is None else earlier.files, writers)
            if earlier is not None:
                earlier.remove_output()
            output = cls(Manifest(folder, settings), images, is_new=True)
        if not output.manifest.finished:
            output._begin(writers)
        return output

    @property
    def done(self) -> int:
        """Number of images that are done, including skipped ones."""
        return len(self.manifest.images)

    @property
    def skipped(self) -> list[ImageError]:
        """The errors of the images that were skipped."""
        return [
            ImageError(done.error, path=Path(done.image))
            for done in self.manifest.images
            if done.error is not None
        ]

    @property
    def progress(self) -> str:
        """How many images are done, and how to go on."""
        done = f"{self.done} of {len(self._images)} images are done"
        return f"{done}: start again with the same arguments to do the rest"

    def skip(self, error: ImageError) -> None:
        """List the next image as one that cannot be read."""
        self._add_image(error=str(error))

    def complete(self, files: Sequence[Path]) -> None:
        """List the next image as done, with the files that were written for it alone."""
        folder = self.manifest.folder
        inside = [file for file in files if file.is_relative_to(folder)]
        self._add_image(files=tuple(file.relative_to(folder).as_posix() for file in inside))

    def finish(self) -> None:
        """Mark the output as finished, when the writers have completed their files."""
        folder, listed = self.manifest.folder, self.manifest.files
        for writer in self._writers:
            for file in writer.files:
                # A writer of another package may not have called `path_of`.
                if file.is_relative_to(folder) and file.relative_to(folder).as_posix() not in listed:
                    self.manifest.list_written_file(file)
        self.manifest.finish()

    def stop(self) -> None:
        """Close an unfinished output, or remove it if it contains no prediction."""
        with suppress(FreelocError):  # the error that stopped the prediction matters more
            if self.manifest.has_predictions:
                self.manifest.close()
            else:
                self.manifest.remove_output()

    def _begin(self, writers: Sequence[Writer]) -> None:
        self._writers = writers
        self.manifest.open()
        positions: Mapping[str, int] = self.manifest.images[-1].positions if self.done else {}
        for writer in writers:
            writer.on_new_file = self.manifest.list_file
            if not self.is_new:
                writer.resume(positions.get(writer.name, 0))

    def _add_image(self, *, files: tuple[str, ...] = (), error: str | None = None) -> None:
        image = self._images[self.done]
        positions = {writer.name: writer.position() for writer in self._writers}
        positions = {name: position for name, position in positions.items() if position}
        self.manifest.add_image(
            DoneImage(str(image.path), image.name, *_stamp(image.path), files, positions, error)
        )


def _stamp(path: Path) -> tuple[int | None, int | None]:
    """Return size and modification time of a file; None if it does not exist or cannot be examined."""
    try:
        status = path.stat()
    except (OSError, ValueError):
        return None, None
    return status.st_size, status.st_mtime_ns


def _check_settings(earlier: Manifest, settings: Mapping[str, Any]) -> None:
    names = [*settings, *(name for name in earlier.settings if name not in settings)]
    changed = [name for name in names if not _is_same(name, earlier.settings.get(name), settings.get(name))]
    if not changed:
        return
    if "preset" in changed and "scales" in changed:
        changed.remove("scales")  # the preset determines them
    described = [
        f"{name} {_show(earlier.settings.get(name))} instead of {_show(settings.get(name))}"
        for name in changed[:_MAX_SHOWN]
    ]
    more = f" and {len(changed) - _MAX_SHOWN} more" if len(changed) > _MAX_SHOWN else ""
    raise _refused(earlier, f"with {', '.join(described)}{more}", "use the same settings")


def _is_same(name: str, earlier: object, now: object) -> bool:
    if name == "model" and isinstance(now, dict) and now.get("hash") is None:
        return False  # a model that was changed in memory may have been changed again
    return earlier == now


def _check_images(earlier: Manifest, images: Sequence[ImageToPredict]) -> None:
    for index, done in enumerate(earlier.images):
        if index < len(images) and images[index].is_done_by(done):
            continue
        if index < len(images) and (str(images[index].path), images[index].name) == (done.image, done.name):
            raise _refused(earlier, f"of {done.image} before it was changed", "restore it")
        raise _refused(earlier, f"of other images, such as {done.image}", "specify the same images")
    if earlier.finished and len(images) > len(earlier.images):
        new = images[len(earlier.images)].path
        raise _refused(earlier, f"of other images, without {new}", "specify the same images")


def _check_writers(earlier: Manifest, writers: Sequence[Writer]) -> None:
    unable = [writer.name for writer in writers if not writer.can_resume()]
    if unable and not earlier.finished:
        raise _refused(earlier, f"in the format {unable[0]}, which cannot be continued", "start anew")


def _check_places(folder: Path, listed: set[str], writers: Sequence[Writer]) -> None:
    """Refuse to mix the files of a new output with others."""
    for writer in writers:
        place = None if writer.place is None else folder / writer.place
        if place is None:
            continue
        found = [path for path in place.rglob("*") if not path.is_dir()] if place.is_dir() else [place]
        for path in found:
            name = path.relative_to(folder).as_posix()
            if name not in listed and os.path.lexists(path) and not is_system_name(path.name):
                raise OutputError(
                    f"{folder} already contains {name}, and no manifest says that freeloc wrote it: remove it, or "
                    "choose another output folder",
                    path=path,
                    parameter="out",
                )


def _refused(earlier: Manifest, what: str, fix: str) -> OutputError:
    state = "finished" if earlier.finished else "unfinished"
    return OutputError(
        f"{earlier.folder} contains {state} predictions {what}: {fix}, choose another output folder, or set "
        "overwrite to replace them",
        path=earlier.folder,
        parameter="overwrite",
    )


def _show(value: object) -> str:
    if isinstance(value, dict):  # the model
        version, digest = value.get("version"), value.get("hash")
        details = [*([str(version)] if version else []), f"hash {str(digest)[:8]}" if digest else "in memory"]
        return f"{value.get('name') or 'without a name'} ({', '.join(details)})"
    return "none" if value is None else repr(value)
