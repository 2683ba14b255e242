"""The manifest of an output folder: how its predictions were made, and which images and files are done.

``predictions.manifest.jsonl`` grows while images are predicted. Its lines are JSON objects::

    {"manifest": 1, "settings": {"model": {…}, "preset": "best", …}}
    {"file": "predictions.jsonl"}              a file that freeloc writes, listed before it exists; with
                                               "temporary": true, it is deleted when all others are complete
    {"image": "album/1.jpg", "name": "1",      an image whose files are complete: its path and `output_names`
     "size": 20315, "modified": 1760000000000, size and modification time (ns) of the image file
     "files": ["overlays/1.jpg"],              files of this image alone
     "positions": {"jsonl": 2417},             where each writer continues after this image
     "error": null}                            why the image could not be read, if it was skipped
    {"image": "clip.mp4", "name": "clip", …,   a video: "frames" is the number of its frames that are done, and the
     "frames": 25, "complete": false}          last of its lines is "complete"
    {"finished": true}                         the last line; without it, the output is unfinished

A process that is killed leaves a manifest that ends anywhere, even within a line. When the output is finished, the
manifest is replaced by one that lists each file once, so that interruptions leave no trace in it.
"""

from __future__ import annotations

import contextlib
import json
import math
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path, PurePosixPath
from typing import Annotated, Any, Final

from msgspec import Meta

from freeloc.errors import OutputError
from freeloc.io.appended_file import AppendedFile
from freeloc.io.atomic import output_error, write_bytes
from freeloc.io.limits import check_resources
from freeloc.io.regular_file import read_regular
from freeloc.io.temporary_files import delete_abandoned_files
from freeloc.io.typed_json import check_depth, convert_json
from freeloc.writers.record import json_line

__all__ = ["MANIFEST_NAME", "DoneImage", "Manifest"]

MANIFEST_NAME: Final = "predictions.manifest.jsonl"

_VERSION: Final = 1
_MAX_DEPTH: Final = 8

_Length = Annotated[int, Meta(ge=0)]


@dataclass(frozen=True)
class DoneImage:
    """An image or video whose files are complete, or that was skipped.

    Attributes:
        image: path of the file, as specified by the caller.
        name: base name of its output files.
        size: length of the image file in bytes; None if it did not exist.
        modified: time of its last modification, in nanoseconds; None if it did not exist.
        files: files of this image alone, relative to the output folder.
        positions: for each writer that continues a file, where it continues after this image.
        error: why the image could not be read; None if it was predicted. Frames of a video may have been predicted
            before the error.
        frames: number of predicted frames of a video; None for an image.
        complete: whether this is all of it; false for a video with further frames.
    """

    image: str
    name: str
    size: int | None = None
    modified: int | None = None
    files: tuple[str, ...] = ()
    positions: Mapping[str, _Length] = field(default_factory=dict)
    error: str | None = None
    frames: _Length | None = None
    complete: bool = True

    @property
    def is_predicted(self) -> bool:
        """Whether there is a result of the image, or of at least one frame of the video."""
        return self.error is None or bool(self.frames)

    def to_dict(self) -> dict[str, Any]:
        """Return the entry as JSON values."""
        values = asdict(self)
        if self.frames is None:
            del values["frames"], values["complete"]
        return values


class Manifest:
    """The manifest of one output folder, in memory and on the disk.

    Args:
        folder: the output folder.
        settings: everything that determines the predictions, as JSON values.

    Attributes:
        folder: the output folder.
        settings: see above.
        images: the images and videos that are done, in order; the last video may be incomplete.
        finished: whether all images are done and all files are complete.
    """

    def __init__(self, folder: Path, settings: Mapping[str, Any]) -> None:
        self.folder = folder
        self.settings = settings
        self.images: list[DoneImage] = []
        self.finished = False
        self._listed: dict[str, bool] = {}
        self._frame_files: list[str] = []
        self._length: int | None = None
        self._file: AppendedFile | None = None

    @property
    def path(self) -> Path:
        """The manifest's file."""
        return self.folder / MANIFEST_NAME

    @property
    def files(self) -> set[str]:
        """All files that freeloc has written or begun to write, relative to the output folder."""
        of_images = (file for done in self.images for file in done.files)
        return {*self._listed, *self._frame_files, *of_images}

    @property
    def has_predictions(self) -> bool:
        """Whether at least one image was predicted."""
        return any(done.is_predicted for done in self.images)

    @classmethod
    def read(cls, folder: Path) -> Manifest | None:
        """Read the manifest of a folder, up to the last complete line.

        Returns:
            The manifest; None if the folder has none, or one without any complete line.

        Raises:
            OutputError: the manifest cannot be read or is damaged.
        """
        path = folder / MANIFEST_NAME
        try:
            data = read_regular(path)
        except FileNotFoundError:
            return None
        except OSError as error:
            check_resources(error)
            raise output_error(path, error) from error
        length = data.rfind(b"\n") + 1
        if length == 0:
            return None
        first, *lines = data[: length - 1].decode("utf-8", "replace").split("\n")
        try:
            manifest = cls(folder, _settings_of(_decode(first)))
            for line in lines:
                manifest._add_line(_decode(line))
        except ValueError as error:
            raise OutputError(
                f"{path} is damaged ({error}), so it is unknown which files freeloc wrote: remove the folder, or "
                "choose another output folder",
                path=path,
                parameter="out",
            ) from error
        manifest._length = length
        return manifest

    def open(self) -> None:
        """Open the file: continue the one that was read, or create one.

        Raises:
            OutputError: the file cannot be written.
        """
        self._delete_partial_files()
        self._file = AppendedFile(self.path, self._length)
        if self._length is None:
            self._append({"manifest": _VERSION, "settings": self.settings})

    def list_file(self, path: Path, temporary: bool = False) -> None:
        """List a file before it is written.

        Args:
            path: the file.
            temporary: whether it is deleted when the output is finished.

        Raises:
            OutputError: the manifest cannot be written, or freeloc has not written the existing file.
        """
        name = path.relative_to(self.folder).as_posix()
        if name in self._listed:
            return
        if path.is_symlink() or path.exists():
            raise OutputError(
                f"cannot write {path}: the file exists, and the manifest does not list it as written by freeloc; "
                "move it, or choose another output folder",
                path=path,
                parameter="out",
            )
        self._list(name, temporary=temporary)

    def list_written_file(self, path: Path) -> None:
        """List a file that freeloc has written without listing it before.

        Raises:
            OutputError: the manifest cannot be written.
        """
        self._list(path.relative_to(self.folder).as_posix(), temporary=False)

    def _list(self, name: str, *, temporary: bool) -> None:
        self._append({"file": name, "temporary": True} if temporary else {"file": name})
        self._listed[name] = temporary

    def add_image(self, done: DoneImage) -> None:
        """List an image as done, when all of its files are complete; or a frame of a video, or the whole of it.

        Args:
            done: the image. For a video, the files are those that no earlier entry of the video has listed.

        Raises:
            OutputError: the manifest cannot be written.
        """
        self._append(done.to_dict())
        self._keep(done)

    def finish(self) -> None:
        """Mark the output as finished.

        Raises:
            OutputError: the manifest cannot be written, or a temporary file cannot be removed.
        """
        self._append({"finished": True})
        self.close()
        self.finished = True
        self._tidy()

    def complete_finish(self) -> None:
        """Do what `finish` left to do if it was interrupted; the output is finished.

        Raises:
            OutputError: the manifest cannot be written, or a temporary file cannot be removed.
        """
        if self._length != len(self._final_lines()):
            self._delete_partial_files()
            self._tidy()

    def _tidy(self) -> None:
        """Remove the temporary files, and write the manifest without any trace of interruptions."""
        for name, is_temporary in self._listed.items():
            if is_temporary:
                _remove(self.folder / name)
        write_bytes(self.path, self._final_lines())

    def _final_lines(self) -> bytes:
        """Return a manifest that lists each file once."""
        of_images = {file for done in self.images for file in done.files}
        others = {name for name, is_temporary in self._listed.items() if not is_temporary} - of_images
        lines: Iterable[Mapping[str, Any]] = (
            {"manifest": _VERSION, "settings": self.settings},
            *({"file": name} for name in sorted(others)),
            *(done.to_dict() for done in self.images),
            {"finished": True},
        )
        return b"".join(map(json_line, lines))

    def _keep(self, done: DoneImage) -> None:
        """Keep one entry per image; the entries of a video follow each other, and each replaces the one before."""
        if self.images and not self.images[-1].complete:
            del self.images[-1]
        # The list of files of a video grows with each frame, so it is made only once.
        self._frame_files += done.files
        if done.complete:
            self.images.append(replace(done, files=tuple(self._frame_files)))
            self._frame_files.clear()
        else:
            self.images.append(replace(done, files=()))

    def close(self) -> None:
        """Close the file.

        Raises:
            OutputError: the disk reports that it did not store everything.
        """
        file, self._file = self._file, None
        if file is not None:
            file.close()

    def remove_output(self) -> None:
        """Remove all listed files, the folders that this leaves empty, and finally the manifest.

        Raises:
            OutputError: a file cannot be removed.
        """
        self.close()
        self._delete_partial_files()
        folders = set()
        for name in self.files:
            path = self.folder / name
            _remove(path)
            folders |= {self.folder / parent for parent in PurePosixPath(name).parents}
        for folder in sorted(folders - {self.folder}, key=lambda folder: len(folder.parts), reverse=True):
            with contextlib.suppress(OSError):  # it contains other files, or was never created
                folder.rmdir()
        _remove(self.path)

    def _append(self, values: Mapping[str, Any]) -> None:
        if self._file is None:
            raise ValueError("the manifest is not open")
        self._file.append(json_line(values))

    def _delete_partial_files(self) -> None:
        """Delete the temporary files that a killed process left next to the files that it was writing."""
        complete = {*self._frame_files, *(file for done in self.images for file in done.files)}
        pending = {MANIFEST_NAME, *self._listed} - complete
        for folder in {(self.folder / name).parent for name in pending}:
            delete_abandoned_files(folder, min_age=0)

    def _add_line(self, values: dict[str, Any]) -> None:
        if self.finished:
            raise ValueError("a line follows the last one")
        if values.get("finished") is True:
            if self.images and not self.images[-1].complete:
                raise ValueError("a video has no last line")
            self.finished = True
        elif "image" in values:
            done = convert_json(values, DoneImage)
            for name in done.files:
                _check_file_name(name)
            if self.images and not self.images[-1].complete and done.image != self.images[-1].image:
                raise ValueError("a video has no last line")
            self._keep(done)
        else:
            self._listed[_check_file_name(values.get("file"))] = values.get("temporary") is True


def _decode(line: str) -> dict[str, Any]:
    try:
        # Paths may contain lone surrogates, which stand for bytes that are not UTF-8; msgspec would reject them.
        values = json.loads(line, parse_constant=_reject_number, parse_float=_finite)
    except RecursionError as error:
        raise ValueError("the JSON is nested too deeply") from error
    if not isinstance(values, dict):
        raise ValueError("a line is not a JSON object")  # noqa: TRY004 - all damage is reported as a ValueError
    check_depth(values, _MAX_DEPTH)
    return values


def _finite(digits: str) -> float:
    value = float(digits)
    return value if math.isfinite(value) else _reject_number(digits)


def _reject_number(digits: str) -> float:
    raise ValueError(f"the number {digits[:20]} is out of range")


def _settings_of(values: Mapping[str, Any]) -> Mapping[str, Any]:
    settings = values.get("settings")
    if values.get("manifest") != _VERSION or not isinstance(settings, dict):
        raise ValueError("it is not a manifest of this version of freeloc")
    return settings


def _check_file_name(name: object) -> str:
    """Return the name of a listed file, which must lie below the output folder, because it may be removed."""
    if not isinstance(name, str) or not name or "\0" in name:
        raise ValueError("the name of a file is missing")
    path = PurePosixPath(name)
    if path.is_absolute() or ".." in path.parts or Path(name).drive or Path(name).is_absolute():
        raise ValueError("it lists a file outside of the folder")
    return name


def _remove(path: Path) -> None:
    try:
        path.unlink(missing_ok=True)
    except NotADirectoryError:
        pass
    except OSError as error:
        raise output_error(path, error) from error
