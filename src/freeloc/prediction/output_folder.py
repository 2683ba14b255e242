"""The output folder of a prediction: begin it, continue it, or refuse it."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any, Final

from freeloc.errors import FreelocError, ImageError, OutputError
from freeloc.images.find import is_system_name
from freeloc.io.progress import pluralize
from freeloc.prediction.image_to_predict import ImageToPredict, file_stamp
from freeloc.prediction.manifest import DoneImage, Manifest
from freeloc.writers import Writer

__all__ = ["OutputFolder"]

_MAX_SHOWN: Final = 3
"""Maximum number of differing settings in a message."""


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
        last = manifest.images[-1] if manifest.images else None
        # Of the current video:
        self._frames = 0 if last is None or last.complete else last.frames or 0
        self._frame_files: list[Path] = []

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
        """Number of images and videos that are done, including skipped ones."""
        return sum(done.complete for done in self.manifest.images)

    @property
    def results_done(self) -> int:
        """Number of results, or errors in their place, of the images and frames that are done."""
        return sum(
            1 if done.frames is None else done.frames + (done.error is not None)
            for done in self.manifest.images
        )

    @property
    def predictions(self) -> int:
        """Number of images and frames that were predicted."""
        done = [image for image in self.manifest.images if image.is_predicted]
        return sum(1 if image.frames is None else image.frames for image in done)

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
        done = self.describe_done()
        verb = "is" if done.startswith(("0 of 1 ", "1 frame ")) else "are"
        return f"{done} {verb} done: start again with the same arguments to do the rest"

    def describe_done(self) -> str:
        """Return how many images are done, as "2 of 7 images", or how many frames of a video."""
        total = len(self._images)
        noun = "videos" if all(image.is_video for image in self._images) else "images"
        files = f"{self.done} of {pluralize(total, noun.removesuffix('s'))}"
        last = self.manifest.images[-1] if self.manifest.images else None
        if last is None or last.complete:
            return files
        frames = f"{pluralize(last.frames or 0, 'frame')} of {last.image}"
        return frames if total == 1 else f"{files} and {frames}"

    def skip(self, error: ImageError) -> None:
        """List the next image or video as one that cannot be read, or the rest of the current video."""
        self._add_image(error=str(error))

    def complete(self, files: Sequence[Path]) -> None:
        """List the next image as done, or the current video.

        Args:
            files: files that were written for it alone; of a video, those that are not about a single frame.
        """
        self._add_image(files=files)

    def complete_frame(self, files: Sequence[Path]) -> None:
        """List the next frame of the current video as done.

        If a writer writes one file per video, the frames are listed with the whole video, so that an interrupted
        prediction begins it anew.

        Args:
            files: files that were written for it alone.
        """
        self._frames += 1
        if any(writer.of_videos for writer in self._writers):
            self._frame_files += files
        else:
            self._add_image(files=files, complete=False)

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
        positions: Mapping[str, int] = self.manifest.images[-1].positions if self.manifest.images else {}
        for writer in writers:
            writer.on_new_file = self.manifest.list_file
            if not self.is_new:
                writer.resume(positions.get(writer.name, 0))

    def _add_image(
        self, *, files: Sequence[Path] = (), error: str | None = None, complete: bool = True
    ) -> None:
        image, folder = self._images[self.done], self.manifest.folder
        inside = [file for file in (*self._frame_files, *files) if file.is_relative_to(folder)]
        positions = {writer.name: writer.position() for writer in self._writers}
        done = DoneImage(
            str(image.path),
            image.name,
            *file_stamp(image.path),
            files=tuple(file.relative_to(folder).as_posix() for file in inside),
            positions={name: position for name, position in positions.items() if position},
            error=error,
            frames=self._frames if image.is_video else None,
            complete=complete,
        )
        self.manifest.add_image(done)
        self._frame_files.clear()
        if complete:
            self._frames = 0


def _check_settings(earlier: Manifest, settings: Mapping[str, Any]) -> None:
    names = [*settings, *(name for name in earlier.settings if name not in settings)]
    changed = [name for name in names if not _is_same(name, earlier.settings.get(name), settings.get(name))]
    # A version without an option has done what the option does if it is not used.
    changed = [name for name in changed if name in earlier.settings or settings[name] is not False]
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
