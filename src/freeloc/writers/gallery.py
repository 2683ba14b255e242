"""Write a gallery: one HTML page with images, points and maps, sorted by doubt or by class."""

from __future__ import annotations

from pathlib import Path
from types import TracebackType
from typing import ClassVar, Final, Self

from PIL import Image

from freeloc.errors import ConfigurationError, OutputError
from freeloc.inference.origin import image_title
from freeloc.inference.result import Localization
from freeloc.io import atomic
from freeloc.io.appended_file import AppendedFile
from freeloc.visualization.gallery import Gallery, GalleryOptions
from freeloc.writers.appending import AppendingWriter
from freeloc.writers.base import WriterOptions

__all__ = ["GalleryWriter", "check_gallery_path"]

_FILE_NAME: Final = "gallery.html"
_UNFINISHED: Final = "gallery.unfinished.jsonl"
_SUFFIXES: Final = (".html", ".htm")


def check_gallery_path(path: Path) -> None:
    """Check, before a long-running job starts, that a gallery can be written to a path.

    Raises:
        ConfigurationError: the suffix is not that of an HTML file.
        OutputError: the file cannot be written.
    """
    if path.suffix.lower() not in _SUFFIXES:
        raise ConfigurationError(
            f"gallery is {str(path)!r}: it must be the path of an HTML file, such as gallery.html",
            parameter="gallery",
        )
    atomic.check_writable(path)


class GalleryWriter(AppendingWriter):
    """Writer of one page with the images in most doubt; see `freeloc.visualization.gallery`.

    The page is ``options.gallery`` or, by default, ``gallery.html`` in the output folder.
    """

    name: ClassVar[str] = "gallery"
    place: ClassVar[str | None] = _FILE_NAME
    needs_folder: ClassVar[bool] = False
    needs_image = True

    def __init__(self, folder: Path | None, options: WriterOptions) -> None:
        super().__init__(folder, options)
        path = options.gallery
        if path is None and folder is not None:
            path = folder / _FILE_NAME
        if path is None:
            raise OutputError(
                "cannot write the gallery: there is no output folder; specify one, or a file for the gallery",
                parameter="gallery",
            )
        check_gallery_path(path)
        self._gallery = Gallery(GalleryOptions(options.threshold, options.peaks, options.boxes))

    def __enter__(self) -> Self:
        """Open the file from which an interrupted gallery is continued, and restore the images in it.

        Raises:
            OutputError: the file cannot be written, or is damaged.
        """
        path = self.temporary_path_of(_UNFINISHED)
        if path is not None:
            self._file = AppendedFile(path, self._keep)
            if self._keep is not None:
                self._restore(path)
        return self

    def write(self, result: Localization, image: Image.Image | None, path: Path, name: str) -> None:  # noqa: ARG002
        """Add one image to the page.

        Raises:
            ValueError: ``image`` is None.
        """
        if image is None:
            raise ValueError("a gallery needs the decoded image")
        line = self._gallery.add(image_title(str(path), result.frame, result.time), result, image)
        if self._file is not None:
            self._file.append(line)

    def __exit__(
        self,
        exception_type: type[BaseException] | None,
        exception: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        """Write the page, unless the block ended with an error.

        Raises:
            OutputError: the file cannot be written.
        """
        self.close()
        if exception is None:
            path = self.options.gallery or self.path_of(_FILE_NAME)
            atomic.write_text(path, self._gallery.render("Gallery of predictions"))
            self.files.append(path)

    def _restore(self, path: Path) -> None:
        try:
            with path.open("rb") as lines:
                for line in lines:
                    self._gallery.add_line(line)
        except (OSError, ValueError) as error:
            raise atomic.output_error(path, error) from error
