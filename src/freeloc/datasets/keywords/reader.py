"""The dataset format for keywords that photo managers store in images and in XMP sidecars."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterable, Sequence
from itertools import islice
from pathlib import Path

from freeloc._class_names import quote_names
from freeloc._log import get_logger, warn_in_lines
from freeloc.datasets.builder import DatasetBuilder
from freeloc.datasets.dataset import Dataset
from freeloc.datasets.image_tree import ImageTree, first_images
from freeloc.datasets.keywords.image_keywords import ImageKeywords, has_keywords, read_keywords
from freeloc.datasets.keywords.keyword_paths import KeywordPath, ancestors
from freeloc.datasets.options import OpenOptions
from freeloc.datasets.problems import format_report
from freeloc.datasets.sidecar_files import SidecarFinder
from freeloc.datasets.tags.class_folders import subfolders
from freeloc.datasets.tags.reader import TagListFormat
from freeloc.datasets.tags.rows import TagRow, TagTable
from freeloc.errors import DatasetError
from freeloc.io.prefetch import prefetch
from freeloc.io.progress import pluralize, track

__all__ = ["KeywordsFormat"]

_log = get_logger(__name__)

_SUFFIX = ".xmp"

_TRIED = 20
"""Number of images in which keywords are looked for, to guess the format of a folder."""

_PROGRESS_FROM = 500
"""Minimum number of images for which progress is shown."""


class KeywordsFormat(TagListFormat):
    """Dataset format for a folder of images with keywords in their metadata or in XMP sidecars.

    The class of a keyword with levels, such as ``Animals/Dog``, is the last level. With the option ``ancestors``,
    the levels above it are tags as well. Otherwise, if another image has such a level as its keyword, its class is
    unknown in this image, which shows the class without being tagged with it.
    """

    layout = (
        "keywords: a folder of images that contain keywords, or have sidecars (photo.jpg.xmp or photo.xmp)"
    )
    reads_minus_one = False
    reads_ancestors = True

    def detect(self, path: Path) -> bool:  # noqa: ARG002 - the same for all paths
        """Return False: images of every format may have keywords."""
        return False

    def guess(self, path: Path) -> bool:
        """Return whether sidecars in a folder contain keywords or, without subfolders, its first images do."""
        if not path.is_dir():
            return False
        finder = SidecarFinder(_SUFFIX)
        sidecars = (sidecar for image in first_images(path) for sidecar in finder.find(image))
        if any(map(has_keywords, islice(sidecars, _TRIED))):
            return True
        loose = () if subfolders(path) else islice(first_images(path), _TRIED)
        return any(read_keywords(image, ()).paths for image in loose)

    def open(self, path: Path, options: OpenOptions) -> Dataset:
        """Read the keywords of all images in a folder and its subfolders."""
        tree = ImageTree.read(path, options, self.layout)
        keywords = _read_all(tree, quiet=options.checks.quiet)
        if not any(each.paths or each.problems for each in keywords):
            raise DatasetError(
                f"{path} has no keywords, neither in its {pluralize(len(keywords), 'image')} nor in sidecars next "
                "to them: let your photo manager write its keywords to the files",
                path=path,
            )
        used = {keyword for each in keywords for keyword in each.paths}
        above = {level for keyword in used for level in ancestors(keyword)}
        if options.checks.ancestors:
            used |= above
        else:
            _log_chosen_ancestors(path, options.classes or (), used, above)
        _log_paths_of_one_class(path, used)
        _log_missing_extensions(path, keywords)
        rows = (_row(each, used, tree, options) for each in keywords)
        links = (TagRow(link, None, link, tree.split_of(link)) for link in tree.broken_links)
        return self._build(path, [TagTable(path, (*rows, *links))], DatasetBuilder(path, options))


def _read_all(tree: ImageTree, *, quiet: bool) -> tuple[ImageKeywords, ...]:
    finder = SidecarFinder(_SUFFIX)
    pairs = ((image, finder.find(image)) for image in tree.images)
    found = prefetch(lambda pair: read_keywords(*pair), pairs)
    count = len(tree.images)
    return tuple(track(found, "reading keywords", count, quiet=quiet or count < _PROGRESS_FROM))


def _row(
    keywords: ImageKeywords, used: Collection[KeywordPath], tree: ImageTree, options: OpenOptions
) -> TagRow:
    """Return the tags of an image: its keywords and, if requested, the levels above them."""
    above = [level for keyword in keywords.paths for level in ancestors(keyword)]
    tags = _names((*keywords.paths, *above) if options.checks.ancestors else keywords.paths)
    levels = _names(level for level in above if level in used)
    # A class that is not chosen must not be listed as left out, because the image does not have it as a keyword.
    wanted = options.wanted_tags(levels)
    unknown = [name for name in levels if name not in tags and (wanted is None or name in wanted)]
    return TagRow(
        file=keywords.image,
        line=None,
        image=keywords.image,
        split=tree.split_of(keywords.image),
        tags=tags,
        unknown=tuple(unknown),
        problems=keywords.problems,
    )


def _names(paths: Iterable[KeywordPath]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(path[-1] for path in paths))


def _log_paths_of_one_class(folder: Path, used: Collection[KeywordPath]) -> None:
    """Log the classes of keywords that have the same last level, but other levels above it."""
    paths: dict[str, list[str]] = defaultdict(list)
    for path in sorted(used):
        if len(path) > 1:
            paths[path[-1]].append("/".join(path))
    lines = [f"{name!r}: {quote_names(several)}" for name, several in paths.items() if len(several) > 1]
    if lines:
        headline = f"{folder}: keywords with the same last level are one class"
        warn_in_lines(_log, format_report(headline, lines))


def _log_missing_extensions(folder: Path, keywords: Iterable[ImageKeywords]) -> None:
    """Log the images that lost the extended part of their XMP, as in a program that does not know it."""
    if lacking := [each.image for each in keywords if each.lacks_extension]:
        _log.warning(
            "%s: images without the extended XMP to which their metadata refer, and without keywords in it: %d, "
            "such as %s",
            *(folder, len(lacking), lacking[0]),
        )


def _log_chosen_ancestors(
    folder: Path, chosen: Sequence[str], used: Collection[KeywordPath], above: Collection[KeywordPath]
) -> None:
    """Log the chosen classes that only occur above other keywords."""
    names = {path[-1] for path in above}.difference(path[-1] for path in used)
    if missing := [name for name in chosen if name in names]:
        _log.warning(
            "%s: %s only above other keywords: set ancestors to read every level as a tag",
            *(folder, f"{quote_names(missing)} {'occurs' if len(missing) == 1 else 'occur'}"),
        )
