"""Find images by file name, folder or glob pattern."""

from __future__ import annotations

import glob
import os
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from freeloc._validation import check_arguments
from freeloc.errors import ImageError
from freeloc.io.folders import expand_user
from freeloc.io.limits import check_resources
from freeloc.io.regular_file import special_kind

__all__ = ["SUFFIXES", "UNSUPPORTED_SUFFIXES", "FoundImages", "find_images", "is_system_name"]

_NAMES = "jpg jpeg png jpe jfif mpo apng webp tif tiff gif bmp ppm pgm pbm pnm pfm jp2 j2k jpx avif"
SUFFIXES = tuple(f".{name}" for name in _NAMES.split())
"""File suffixes of supported image formats, in lower case, most common first."""

_UNSUPPORTED_NAMES = "heic heif jxl svg pdf psd eps raw dng cr2 cr3 nef arw orf rw2 raf"
UNSUPPORTED_SUFFIXES = frozenset(f".{name}" for name in _UNSUPPORTED_NAMES.split())
"""File suffixes of image formats that freeloc cannot read."""

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


@dataclass(frozen=True, slots=True)
class FoundImages:
    """The result of `find_images`.

    Attributes:
        paths: the images in the order of the patterns, without duplicates.
        unsupported: for each suffix, the number of files skipped because their format is not supported.
    """

    paths: tuple[Path, ...]
    unsupported: dict[str, int]


@check_arguments
def find_images(patterns: Sequence[str | Path], *, exclude: Path | None = None) -> FoundImages:
    """Find all images that match the patterns.

    Args:
        patterns: each is one of

            * a file, which may have any suffix;
            * a folder, which stands for all files below it whose suffix is in `SUFFIXES`, sorted;
            * a glob pattern with ``*``, ``?``, ``[…]`` or ``**``, which stands for the matching files whose suffix
              is in `SUFFIXES` and for all images in matching folders, sorted.

            Folders and glob patterns skip hidden and system files (`is_system_name`). Suffixes are matched
            case-insensitively.
        exclude: a folder to leave out of the search, such as the output of an earlier run.

    Raises:
        ConfigurationError: ``patterns`` is not a list of paths.
        ImageError: a pattern matches nothing, a folder contains no image, or a path names a pipe, a socket or a
            device.
    """
    search = _Search(exclude)
    found: dict[tuple[Path, str], Path] = {}
    real_folders: dict[Path, Path] = {}
    for pattern in patterns:
        for path in search.matches(pattern):
            folder = path.parent
            if folder not in real_folders:
                real_folders[folder] = folder.resolve()
            found.setdefault((real_folders[folder], path.name), path)
    return FoundImages(tuple(found.values()), dict(search.unsupported))


class _Search:
    """State of a single call to `find_images`."""

    def __init__(self, exclude: Path | None) -> None:
        self.unsupported: Counter[str] = Counter()
        self._exclude = None if exclude is None else expand_user(exclude).resolve()

    def matches(self, pattern: str | Path) -> Iterator[Path]:
        path = expand_user(pattern)
        kind = special_kind(path)
        if kind is not None:
            raise ImageError(
                f"cannot read image {path}: it is {kind}, not a file; specify an image file", path=path
            )
        unsupported_before = self.unsupported.total()
        if path.is_dir():
            images = self._walk(path, set(), path.resolve())
            problem = f"the folder {pattern} contains no images: choose another folder"
        elif path.exists():
            images = iter((path,))
            problem = ""
        elif glob.has_magic(str(path)):
            images = self._expand(path)
            problem = f"no image matches {pattern}: check the pattern"
        else:
            raise ImageError(f"cannot find {pattern}: no such file or folder; check the path", path=path)
        empty = True
        for image in images:
            empty = False
            yield image
        if empty and self.unsupported.total() > unsupported_before:
            suffixes = ", ".join(sorted(self.unsupported))
            raise ImageError(
                f"{pattern} contains only images in unsupported formats ({suffixes}): convert them to JPEG",
                path=path,
            )
        if empty:
            raise ImageError(problem, path=path)

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
            elif path.is_file() and self._is_image(path):
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
                if real_path != self._exclude:
                    yield from self._walk(path, visited, real_path)
            elif path.is_file() and self._is_image(path):
                yield path

    def _is_excluded(self, path: Path) -> bool:
        return self._exclude is not None and path.resolve().is_relative_to(self._exclude)

    def _is_image(self, path: Path) -> bool:
        suffix = path.suffix.lower()
        if suffix in UNSUPPORTED_SUFFIXES:
            self.unsupported[suffix] += 1
        return suffix in SUFFIXES
