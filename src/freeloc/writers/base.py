"""Interface of writers, and the options that they share."""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import ClassVar, Self

from PIL import Image

from freeloc._literals import MapSize, Pictures
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
    map_size: MapSize = "image"
    gallery: Path | None = None
    pictures: Pictures = "auto"

    def __post_init__(self) -> None:
        check_fields(self)


class Writer(ABC):
    """Base class of writers, which write the prediction results of one image per call.

    A writer is a context manager: it opens resources on entry and completes its files on exit. If the block ends
    with an error, a file with the results of all images must not be created, and an earlier file at its path must
    remain unchanged. Files for single images are written immediately, each either completely or not at all.

    Subclasses inherit a constructor and a context manager that opens nothing. An installed package can
    provide a writer through an entry point in the group ``freeloc.writers``.

    Attributes:
        name: name by which users select the writer.
        needs_folder: whether it requires an output folder.
        needs_image: whether it requires the decoded image; known once the writer is entered.
        folder: the output folder; None if results go to standard output.
        options: what to write.
        files: files completed so far.
    """

    name: ClassVar[str]
    needs_folder: ClassVar[bool] = True
    needs_image: bool = False
    folder: Path | None
    options: WriterOptions
    files: list[Path]

    def __init__(self, folder: Path | None, options: WriterOptions) -> None:
        self.folder = folder
        self.options = options
        self.files = []

    def __enter__(self) -> Self:
        """Open the writer's resources."""
        return self

    @abstractmethod
    def write(self, result: Localization, image: Image.Image | None, path: Path, name: str) -> None:
        """Write the result of one image.

        Args:
            result: scores, points and maps.
            image: the decoded image, upright and RGB, possibly reduced by a factor of 2, 4 or 8; None unless
                `needs_image`.
            path: path of the image file, as specified by the caller.
            name: base name for the image's output files: unique within the run, without a suffix, and with
                ``/`` between folders; see `freeloc.writers.output_names.output_names`.

        Raises:
            OutputError: a file cannot be written.
        """
        raise NotImplementedError

    def __exit__(  # noqa: B027 - most writers have nothing to complete
        self,
        exception_type: type[BaseException] | None,
        exception: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        """Complete the files, or discard incomplete ones if the block ended with an error."""

    def path_of(self, file: str) -> Path:
        """Return the path of a file in the output folder.

        Raises:
            ValueError: the writer has no output folder.
        """
        if self.folder is None:
            raise ValueError(f"the writer {self.name!r} has no output folder")
        return self.folder / file
