"""Interface of writers, and the options that they share."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import ClassVar, Self

from PIL import Image

from freeloc._literals import ImageFiles, MapSize, MaskEncoding, Pictures
from freeloc._validation import CountOrZero, Fraction, check_fields
from freeloc.inference.result import Localization

__all__ = ["Writer", "WriterOptions"]


@dataclass(frozen=True)
class WriterOptions:
    """Options shared by all writers; each writer uses those that apply to it.

    Attributes:
        threshold: minimum probability for a class to count as present; None uses the model's threshold for each
            class.
        peaks: maximum number of peaks per class; 0 writes none.
        boxes: maximum number of boxes per class; 0 writes none.
        masks: whether to write the pixels of each present class; requires ``pip install 'freeloc[masks]'``.
        mask_encoding: how annotations contain masks, in formats that have a choice; None selects the usual one of
            each format.
        min_box_score: minimum score of the boxes in annotations, which are meant to be corrected or trained on.
            Records and results for evaluation contain all boxes.
        image_files: what formats that are read together with their images do with the image files: "link" them,
            "copy" them, or leave them where they are ("none").
        merge_sidecars: whether XMP sidecars contain, besides the predicted classes, everything that existing ones
            contain, and the keywords in the images.
        map_size: resolution of the maps that are written.
        gallery: the HTML file of the gallery; None selects ``gallery.html`` in the output folder.
        pictures: whether results on a terminal include a small picture of each image: "auto" if the terminal says
            that it can show pictures, or "no".

    Raises:
        ConfigurationError: an option has the wrong type, or is unknown or out of range.
    """

    threshold: Fraction | None = None
    peaks: CountOrZero = 0
    boxes: CountOrZero = 0
    masks: bool = False
    mask_encoding: MaskEncoding | None = None
    min_box_score: Fraction = 0.35
    image_files: ImageFiles = "link"
    merge_sidecars: bool = False
    map_size: MapSize = "image"
    gallery: Path | None = None
    pictures: Pictures = "auto"

    def __post_init__(self) -> None:
        check_fields(self)


class Writer(ABC):
    """Base class of writers, which write the prediction results of one image per call.

    A writer is a context manager: it opens resources on entry and completes its files on exit. Files for single
    images are written immediately, each either completely or not at all.

    A prediction may be interrupted at any time and continued by another process, which must leave the same files
    as an uninterrupted one. A writer of one file per image has nothing to do for this. A writer of a file about
    all images appends each result to a file as it comes (`freeloc.io.appended_file.AppendedFile`), returns from
    `position` how long that file is, and continues there after `resume`. A writer that has an ``__exit__`` of its
    own, but no `resume`, is taken for one that cannot continue, and its unfinished output is refused.

    Subclasses inherit a constructor and a context manager that opens nothing. An installed package can
    provide a writer through an entry point in the group ``freeloc.writers``.

    Attributes:
        name: name by which users select the writer.
        needs_folder: whether it requires an output folder.
        needs_boxes: whether the format is of little use without boxes. If no number of boxes is requested, such a
            writer writes as many as `freeloc.inference.result.Localization.boxes` returns.
        needs_image: whether it requires the decoded image; known once the writer is entered.
        takes_frames: whether it can write the results of frames of videos.
        of_videos: whether it writes one file per video, with all of its frames. An interrupted video is then begun
            anew.
        lists_files: whether it writes the names of other writers' files (`image_files`), and so must be called
            after them.
        place: the file, or the folder of all files, that it writes in the output folder; None if their names
            depend on the images alone.
        folder: the output folder; None if results go to standard output.
        options: what to write.
        files: files written so far, in order.
        image_files: if `lists_files`, the files of the current image that other writers have written.
        on_new_file: function that is called with each file before it is written, and with whether it is
            temporary; None outside of `freeloc.prediction`.
    """

    name: ClassVar[str]
    needs_folder: ClassVar[bool] = True
    needs_boxes: ClassVar[bool] = False
    needs_image: bool = False
    takes_frames: ClassVar[bool] = True
    of_videos: ClassVar[bool] = False
    lists_files: ClassVar[bool] = False
    place: ClassVar[str | None] = None
    folder: Path | None
    options: WriterOptions
    files: list[Path]
    image_files: Sequence[Path] = ()
    on_new_file: Callable[[Path, bool], None] | None = None

    def __init__(self, folder: Path | None, options: WriterOptions) -> None:
        self.folder = folder
        self.options = options
        self.files = []

    def __enter__(self) -> Self:
        """Open the writer's resources."""
        return self

    @abstractmethod
    def write(self, result: Localization, image: Image.Image | None, path: Path, name: str) -> None:
        """Write the result of one image, or of one frame of a video.

        Args:
            result: scores, points and maps; those of a frame state its number and time.
            image: the decoded image, upright and RGB, possibly reduced by a factor of 2, 4 or 8; None unless
                `needs_image`.
            path: path of the image file or video, as specified by the caller.
            name: base name for the image's output files: unique within the run, without a suffix, and with
                ``/`` between folders; see `freeloc.writers.output_names.output_names`.

        Raises:
            OutputError: a file cannot be written.
        """
        raise NotImplementedError

    def end_video(self, path: Path, name: str) -> None:  # noqa: B027 - most writers have nothing to do for it
        """Complete the files of a video, when all of its results are written.

        Args:
            path: path of the video, as specified by the caller.
            name: base name for its output files, which those of its frames begin with.

        Raises:
            OutputError: a file cannot be written.
        """

    def __exit__(  # noqa: B027 - most writers have nothing to complete
        self,
        exception_type: type[BaseException] | None,
        exception: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        """Complete the files.

        If the block ended with an error, close them as they are, so that another process can continue them.
        """

    def position(self) -> int:
        """Return where to continue after the images written so far, such as the length of a file."""
        return 0

    def resume(self, position: int) -> None:  # noqa: B027 - as for `__exit__`
        """Continue the files of an earlier process; called before the writer is entered.

        Args:
            position: what `position` returned after the last image that counts as written. The earlier process may
                have written more after that, which must be discarded.
        """

    @classmethod
    def can_resume(cls) -> bool:
        """Return whether another process can continue what the writer has written."""
        return cls.__exit__ is Writer.__exit__ or cls.resume is not Writer.resume

    def image_file_names(self) -> tuple[str, ...]:
        """Return `image_files` as paths relative to the output folder, with ``/`` between folders."""
        if self.folder is None:
            return ()
        inside = [file for file in self.image_files if file.is_relative_to(self.folder)]
        return tuple(file.relative_to(self.folder).as_posix() for file in inside)

    def path_of(self, file: str) -> Path:
        """Return the path of a file in the output folder, and have it listed as written by freeloc.

        To be called before the file is written, in `write` or later, so that even a file that an interrupted
        process has just begun is known to be freeloc's.

        Args:
            file: path relative to the output folder, with ``/`` between folders.

        Raises:
            OutputError: there is a file at that path that freeloc has not written.
            ValueError: the writer has no output folder.
        """
        if self.folder is None:
            raise ValueError(f"the writer {self.name!r} has no output folder")
        path = self.folder / file
        if self.on_new_file is not None:
            self.on_new_file(path, False)
        return path

    def temporary_path_of(self, file: str) -> Path | None:
        """Return the path of a file that `resume` needs, and that is deleted when all files are complete.

        Args:
            file: path relative to the output folder, with ``/`` between folders.

        Returns:
            The path; None if there is no output folder, or if nobody would continue the output.

        Raises:
            OutputError: there is a file at that path that freeloc has not written.
        """
        if self.folder is None or self.on_new_file is None:
            return None
        path = self.folder / file
        self.on_new_file(path, True)
        return path
