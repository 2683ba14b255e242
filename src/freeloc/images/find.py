"""Find images by file name, folder or glob pattern."""

from __future__ import annotations

import glob
import os
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path

from freeloc._validation import check_arguments
from freeloc.errors import ImageError, MissingImageError
from freeloc.io.folders import expand_user
from freeloc.io.limits import check_resources
from freeloc.io.paths import is_broken_link
from freeloc.io.regular_file import broken_link, special_kind
from freeloc.io.standard_input import kept_input

__all__ = [
    "SUFFIXES",
    "UNSUPPORTED_SUFFIXES",
    "VIDEO_SUFFIXES",
    "FoundImages",
    "advice",
    "find_images",
    "is_system_name",
]

_EXTRA_SUFFIXES = {"pi_heif": (".heic", ".heif", ".hif"), "pylibjxl": (".jxl",)}
"""File suffixes of the formats that require a package of the extra ``formats``."""

_INSTALLED = [suffix for name, suffixes in _EXTRA_SUFFIXES.items() if find_spec(name) for suffix in suffixes]
_NOT_INSTALLED = {suffix for suffixes in _EXTRA_SUFFIXES.values() for suffix in suffixes}.difference(
    _INSTALLED
)

_NAMES = "jpg jpeg png jpe jfif mpo apng webp tif tiff gif bmp ppm pgm pbm pnm pfm jp2 j2k jpx avif"
SUFFIXES = (*(f".{name}" for name in _NAMES.split()), *_INSTALLED)
"""File suffixes of supported image formats, in lower case, most common first."""

_UNSUPPORTED_NAMES = "svg pdf psd eps raw dng cr2 cr3 nef arw orf rw2 raf"
UNSUPPORTED_SUFFIXES = frozenset((*(f".{name}" for name in _UNSUPPORTED_NAMES.split()), *_NOT_INSTALLED))
"""File suffixes of image formats that freeloc cannot read."""

_VIDEO_NAMES = "mp4 m4v mov qt 3gp 3g2 mkv webm avi ts mts m2ts mpg mpeg vob flv wmv asf ogv"
VIDEO_SUFFIXES = frozenset(f".{name}" for name in _VIDEO_NAMES.split())
"""File suffixes of supported video formats, in lower case."""

_SYSTEM_NAMES = frozenset(
    (
        *("thumbs.db", "ehthumbs.db", "ehthumbs_vista.db", "desktop.ini", "icon\r"),
        *("__macosx", "$recycle.bin", "recycler", "system volume information", "lost+found"),
        *("@eadir", "#recycle", "#snapshot", "__pycache__"),
    )
)
"""Files and folders that operating systems, archive programs and storage devices create, in lower case."""


def is_system_name(name: str) -> bool:
    """Return whether a file or folder is hidden or was created by the operating system, not by the user.

    Such files are never part of a dataset, although ``._a.jpg``, which macOS writes next to ``a.jpg`` on foreign
    disks and in archives, has an image suffix.

    Example:
        >>> [name for name in ("a.jpg", "._a.jpg", "Thumbs.db", "__MACOSX") if is_system_name(name)]
        ['._a.jpg', 'Thumbs.db', '__MACOSX']
    """
    return name.startswith((".", "~$")) or name.lower() in _SYSTEM_NAMES


def advice(suffixes: Iterable[str]) -> str:
    """Return what to do with images of unsupported formats, such as "convert to JPEG".

    Args:
        suffixes: their suffixes, in lower case.
    """
    convert = "convert to JPEG"
    return (
        convert
        if _NOT_INSTALLED.isdisjoint(suffixes)
        else f"run pip install 'freeloc[formats]', or {convert}"
    )


@dataclass(frozen=True, slots=True)
class FoundImages:
    """The result of `find_images`.

    Attributes:
        paths: the images in the order of the patterns, without duplicates.
        unsupported: for each suffix, the number of files skipped because their format is not supported.
        broken_links: links with the suffix of an image, skipped because they lead to files that do not exist.
        videos: number of videos that were skipped in folders, because only their names select them.
    """

    paths: tuple[Path, ...]
    unsupported: dict[str, int]
    broken_links: tuple[Path, ...] = ()
    videos: int = 0


@check_arguments
def find_images(
    patterns: Sequence[str | Path], *, recursive: bool = True, exclude: Sequence[Path] = ()
) -> FoundImages:
    """Find all images that match the patterns, and the videos that are named.

    Args:
        patterns: each is one of

            * a file, which may have any suffix;
            * a folder, which stands for all files below it whose suffix is in `SUFFIXES`, sorted;
            * a glob pattern with ``*``, ``?``, ``[…]`` or ``**``, which stands for the matching files whose suffix
              is in `SUFFIXES` and for all images in matching folders, sorted. A pattern that ends in the suffix of
              a video, such as ``*.mp4``, stands for the matching files with that suffix.

            Folders and glob patterns skip hidden and system files (`is_system_name`). Suffixes are matched
            case-insensitively.
        recursive: whether a folder includes its subfolders.
        exclude: folders to leave out of the search, such as those of the output of an earlier run.

    Raises:
        ConfigurationError: ``patterns`` is not a list of paths.
        ImageError: a pattern matches nothing, a folder contains no image, or a path names a pipe, a socket, a
            device or a link to a file that does not exist.
    """
    search = _Search(exclude, recursive=recursive)
    found: dict[tuple[Path, str], Path] = {}
    real_folders: dict[Path, Path] = {}
    for pattern in patterns:
        for path in search.matches(pattern):
            folder = path.parent
            if folder not in real_folders:
                real_folders[folder] = folder.resolve()
            found.setdefault((real_folders[folder], path.name), path)
    return FoundImages(
        tuple(found.values()), dict(search.unsupported), tuple(search.broken_links), search.videos
    )


class _Search:
    """State of a single call to `find_images`."""

    def __init__(self, exclude: Sequence[Path], *, recursive: bool) -> None:
        self.unsupported: Counter[str] = Counter()
        self.broken_links: dict[Path, None] = {}
        self.videos = 0
        self._recursive = recursive
        self._exclude = {expand_user(folder).resolve() for folder in exclude}

    def matches(self, pattern: str | Path) -> Iterator[Path]:
        path = expand_user(pattern)
        unsupported, links, videos = self.unsupported.total(), len(self.broken_links), self.videos
        empty = True
        for image in self._images(path):
            empty = False
            yield image
        if not empty:
            return
        if self.unsupported.total() > unsupported:
            formats = ", ".join(sorted(self.unsupported))
            what_to_do = advice(self.unsupported)
            problem = f"{pattern} contains only images in unsupported formats ({formats}): {what_to_do}"
        elif len(self.broken_links) > links:
            problem = f"{pattern} contains only links to files that do not exist: restore the files"
        elif self.videos > videos:
            problem = f"{pattern} contains no images, only videos: specify the videos by name"
        elif path.is_dir():
            otherwise = "" if self._recursive else ", or include its subfolders"
            problem = f"the folder {pattern} contains no images: choose another folder{otherwise}"
        else:
            problem = f"no image matches {pattern}: check the pattern"
        raise ImageError(problem, path=path)

    def _images(self, path: Path) -> Iterator[Path]:
        """Return the images that a file, folder or glob pattern stands for."""
        kind = special_kind(path)
        if kind is not None:
            raise ImageError(
                f"cannot read image {path}: it is {kind}, not a file; specify an image file", path=path
            )
        if path.is_dir():
            return self._walk(path, set(), path.resolve())
        if path.exists() or kept_input(path) is not None:
            return iter((path,))
        link = broken_link(path)
        if link is not None:
            raise MissingImageError(f"cannot read image {path}: {link}; check its name", path=path)
        if glob.has_magic(str(path)):
            return self._expand(path)
        raise MissingImageError(f"cannot find {path}: no such file or folder; check the path", path=path)

    def _expand(self, pattern: Path) -> Iterator[Path]:
        # Path.glob would also yield hidden files; before Python 3.13, a final "**" would yield folders only.
        names = glob.glob(str(pattern), recursive=True)  # noqa: PTH207
        # Folders before the first wildcard may have any name. glob skips hidden names, unless the pattern asks for
        # them.
        fixed = next(index for index, part in enumerate(pattern.parts) if glob.has_magic(part))
        for path in sorted(map(Path, names), key=lambda path: path.parts):
            found = [part for part in path.parts[fixed:] if not part.startswith(".")]
            if self._is_excluded(path) or any(map(is_system_name, found)):
                continue
            if path.is_dir():
                yield from self._walk(path, set(), path.resolve())
            elif self._is_image(path, named=pattern.suffix.lower()):
                yield path

    def _walk(self, folder: Path, visited: set[Path], real: Path) -> Iterator[Path]:
        """Yield the images below a folder, sorted by name; ``visited`` prevents infinite recursion via links."""
        if real in visited:
            return
        visited.add(real)
        try:
            with os.scandir(folder) as scan:
                entries = sorted(scan, key=lambda entry: entry.name)
        except OSError as error:
            check_resources(error)
            raise ImageError(
                f"cannot read the folder {folder}: {error.strerror}; check its permissions", path=folder
            ) from error
        for entry in entries:
            if is_system_name(entry.name):
                continue
            path = Path(entry.path)
            if path.is_dir():  # entry.is_dir would raise an error for a link to itself
                real_path = path.resolve()
                if self._recursive and real_path not in self._exclude:
                    yield from self._walk(path, visited, real_path)
            elif self._is_image(path):
                yield path

    def _is_excluded(self, path: Path) -> bool:
        # A link in an excluded folder may lead to an image elsewhere.
        real = path.resolve() if path.is_dir() else path.parent.resolve()
        return not self._exclude.isdisjoint((real, *real.parents))

    def _is_image(self, path: Path, named: str | None = None) -> bool:
        """Return whether a path is an image or a named video, and remember the files that are skipped.

        Args:
            path: the path.
            named: the suffix of the pattern that it matches, in lower case; None in a folder.
        """
        suffix = path.suffix.lower()
        if suffix in SUFFIXES and is_broken_link(path):
            self.broken_links[path] = None
        if not path.is_file():
            return False
        if suffix in VIDEO_SUFFIXES and suffix != named:
            self.videos += 1
        if suffix in UNSUPPORTED_SUFFIXES:
            self.unsupported[suffix] += 1
        return suffix in SUFFIXES or (suffix in VIDEO_SUFFIXES and suffix == named)
