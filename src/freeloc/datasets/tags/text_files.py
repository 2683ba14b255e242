"""The dataset format for text files of tags, one next to each image, as for training image generators."""

from __future__ import annotations

import re
from itertools import islice
from pathlib import Path

from freeloc._log import get_logger
from freeloc.datasets.builder import DatasetBuilder
from freeloc.datasets.class_names import clean_name
from freeloc.datasets.dataset import Dataset
from freeloc.datasets.image_tree import ImageTree, first_images
from freeloc.datasets.options import OpenOptions
from freeloc.datasets.sidecar_files import SidecarFinder
from freeloc.datasets.tags.reader import TagListFormat
from freeloc.datasets.tags.rows import RowProblem, TagRow, TagTable
from freeloc.errors import DatasetError, MalformedFileError
from freeloc.io.paths import why_not_a_file
from freeloc.io.progress import pluralize
from freeloc.io.text import read_text

__all__ = ["TextFilesFormat", "split_text"]

_log = get_logger(__name__)

_SUFFIX = ".txt"

_SEPARATORS = re.compile(r"[,\r\n]")

_TRIED = 20
"""Number of text files that are read to guess the format of a folder."""

_NUMBERS = re.compile(r"[\d\s.eE+-]+")
"""What lines of numbers consist of, such as the classes and boxes of a YOLO dataset."""


class TextFilesFormat(TagListFormat):
    """Dataset format for a folder of images with a text file of tags next to each: ``a.txt`` for ``a.jpg``.

    Tags are separated by commas or line ends, and are not changed otherwise. An image without a text file is an
    image without tags.
    """

    layout = "txt: a folder of images with a text file of tags next to each (photo.txt or photo.jpg.txt)"
    reads_minus_one = False

    def detect(self, path: Path) -> bool:  # noqa: ARG002 - the same for all paths
        """Return False: a text file next to an image may contain anything."""
        return False

    def guess(self, path: Path) -> bool:
        """Return whether the first text files next to images contain tags, and none contains lines of numbers."""
        if not path.is_dir():
            return False
        finder = SidecarFinder(_SUFFIX)
        files = (sidecars[0] for image in first_images(path) if (sidecars := finder.find(image)))
        rows = [_read(file) for file in islice(files, _TRIED)]
        return any(tags for tags, _ in rows) and not any(problem for _, problem in rows)

    def open(self, path: Path, options: OpenOptions) -> Dataset:
        """Read the text files of all images in a folder and its subfolders."""
        tree = ImageTree.read(path, options, self.layout)
        finder = SidecarFinder(_SUFFIX)
        files = [next(iter(finder.find(image)), None) for image in tree.images]
        missing = files.count(None)
        if missing == len(files):
            raise DatasetError(
                f"{path} has no text files of tags next to its {pluralize(missing, 'image')}: add one for each, "
                "such as photo.txt for photo.jpg",
                path=path,
            )
        if missing:
            count = pluralize(missing, "image")
            _log.warning("%s: %s without a text file, read as images without tags", path, count)
        rows = [_row(image, file, tree) for image, file in zip(tree.images, files, strict=True)]
        rows += [TagRow(link, None, link, tree.split_of(link)) for link in tree.broken_links]
        return self._build(path, [TagTable(path, tuple(rows))], DatasetBuilder(path, options))


def split_text(text: str) -> tuple[str, ...]:
    r"""Return the different tags in a text, separated by commas or line ends.

    Example:
        >>> split_text("1girl, long_hair,  smile\nhat,")
        ('1girl', 'long_hair', 'smile', 'hat')
    """
    return tuple(dict.fromkeys(filter(None, map(clean_name, _SEPARATORS.split(text)))))


def _row(image: Path, file: Path | None, tree: ImageTree) -> TagRow:
    tags, problem = ((), None) if file is None else _read(file)
    problems = () if problem is None else (problem,)
    return TagRow(file or image, None, image, tree.split_of(image), tags, problems=problems)


def _read(file: Path) -> tuple[tuple[str, ...], RowProblem | None]:
    """Return the tags in a text file, and the problem if it does not contain tags."""
    reason = why_not_a_file(file)
    if reason is not None:
        return (), RowProblem("malformed_file", f"the text file {reason}: remove or rename it")
    try:
        text = read_text(file)
    except MalformedFileError as error:
        return (), RowProblem("malformed_file", error.reason, error.line)
    except DatasetError:
        return (), RowProblem("malformed_file", "the text file cannot be read: check its permissions")
    tags = split_text(text)
    for line, content in enumerate(text.split("\n"), start=1):
        if len(content.split()) > 1 and _NUMBERS.fullmatch(content):
            numbers = content.strip()[:40]
            reason = f"{numbers!r} is a line of numbers, as in a list of boxes, and no tags: remove the file"
            return tags, RowProblem("bad_value", reason, line)
        if "\0" in content:
            return tags, RowProblem("malformed_file", "this is not a text file: remove or rename it", line)
    return tags, None
