"""Write a gallery: one HTML page with all images, sorted by doubt or by class."""

from __future__ import annotations

from pathlib import Path
from types import TracebackType
from typing import ClassVar, Final

from PIL import Image

from freeloc.errors import ConfigurationError, OutputError
from freeloc.inference.result import Localization
from freeloc.io import atomic
from freeloc.visualization.gallery import Gallery, GalleryOptions
from freeloc.writers.base import Writer, WriterOptions

__all__ = ["GalleryWriter", "check_gallery_path"]

_FILE_NAME: Final = "gallery.html"
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


class GalleryWriter(Writer):
    """Writer of one page with the images in most doubt; see `freeloc.visualization.gallery`.

    The page is ``options.gallery`` or, by default, ``gallery.html`` in the output folder.
    """

    name: ClassVar[str] = "gallery"
    needs_folder: ClassVar[bool] = False
    needs_image = True

    def __init__(self, folder: Path | None, options: WriterOptions) -> None:
        super().__init__(folder, options)
        if options.gallery is None and folder is None:
            raise OutputError(
                "cannot write the gallery: there is no output folder; specify one, or a file for the gallery",
                parameter="gallery",
            )
        self._path = self.path_of(_FILE_NAME) if options.gallery is None else options.gallery
        check_gallery_path(self._path)
        self._gallery = Gallery(GalleryOptions(options.threshold, options.peaks, options.boxes))

    def write(self, result: Localization, image: Image.Image | None, path: Path, name: str) -> None:  # noqa: ARG002
        """Add one image to the page.

        Raises:
            ValueError: ``image`` is None.
        """
        if image is None:
            raise ValueError("a gallery needs the decoded image")
        self._gallery.add(str(path), result, image)

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
        if exception is None:
            atomic.write_text(self._path, self._gallery.render("Gallery of predictions"))
            self.files.append(self._path)
