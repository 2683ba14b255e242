"""The images below a folder, for datasets that have the tags of each image in the image or next to it."""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import islice
from pathlib import Path

from freeloc._log import get_logger
from freeloc.datasets.options import OpenOptions
from freeloc.datasets.tags.rows import split_of_path
from freeloc.errors import DatasetError, DatasetOptionError, ImageError
from freeloc.images.find import SUFFIXES, advice, find_images, is_system_name
from freeloc.io.progress import pluralize

__all__ = ["ImageTree", "first_images"]

_log = get_logger(__name__)

_FIRST_FOLDERS = 50
"""Number of folders in which `first_images` looks."""


@dataclass(frozen=True)
class ImageTree:
    """All images below a folder, sorted.

    Attributes:
        folder: the folder.
        images: the images, without hidden files and those of the operating system.
        broken_links: links with the suffix of an image to files that do not exist.
    """

    folder: Path
    images: tuple[Path, ...]
    broken_links: tuple[Path, ...]

    @classmethod
    def read(cls, folder: Path, options: OpenOptions, layout: str) -> ImageTree:
        """Find the images; the log counts the images in formats that freeloc cannot read.

        Args:
            folder: the folder.
            options: the options with which the dataset is opened.
            layout: the layout that was expected, for messages.

        Raises:
            DatasetError: it is not a folder, it contains no images, or an option does not apply to it.
        """
        if not folder.is_dir():
            raise DatasetError(f"{folder} is not a folder; expected {layout}", path=folder)
        if options.images is not None:
            raise DatasetOptionError(
                f"images is {options.images}, but the tags are read next to the images in {folder}: "
                "omit images, which applies only to lists of file names",
                path=folder,
                parameter="images",
            )
        try:
            found = find_images([folder])
        except ImageError as error:
            raise DatasetError(str(error), path=folder) from error
        if found.unsupported:
            count = pluralize(sum(found.unsupported.values()), "image")
            suffixes = ", ".join(sorted(found.unsupported))
            _log.warning(
                "%s: left out %s in unsupported formats (%s): %s",
                *(folder, count, suffixes, advice(found.unsupported)),
            )
        return cls(folder, found.paths, found.broken_links)

    def split_of(self, image: Path) -> str | None:
        """Return the split to which an image belongs: the top folder of its path, if this denotes a split."""
        return split_of_path(image.relative_to(self.folder).as_posix())


def first_images(folder: Path) -> Iterator[Path]:
    """Yield the images in a folder and its first subfolders by their names alone, to guess the folder's format."""
    for place, folders, names in islice(os.walk(folder), _FIRST_FOLDERS):
        folders[:] = sorted(name for name in folders if not is_system_name(name))
        for name in sorted(names):
            if os.path.splitext(name)[1].lower() in SUFFIXES and not is_system_name(name):  # noqa: PTH122
                yield Path(place, name)
