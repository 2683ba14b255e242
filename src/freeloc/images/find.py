"""Which images a user's words name: files, folders, patterns."""

from __future__ import annotations

import glob
import os
from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path

from freeloc.errors import FreelocError

__all__ = ["OTHER_SUFFIXES", "SUFFIXES", "ImageFinder"]

_WORDS = "jpg jpeg png jpe jfif mpo apng webp tif tiff gif bmp ppm pgm pbm pnm pfm jp2 j2k jpx avif"
SUFFIXES = tuple(f".{word}" for word in _WORDS.split())
"""Name endings of images, in lower case, the commonest first."""

_OTHER_WORDS = "heic heif jxl svg pdf psd eps raw dng cr2 cr3 nef arw orf rw2 raf"
OTHER_SUFFIXES = frozenset(f".{word}" for word in _OTHER_WORDS.split())
"""Name endings of pictures that freeloc does not read."""


class ImageFinder:
    """The images that a user's words name, and what else lay beside them.

    Each word is a file (taken whatever its ending), a folder (all files below it whose ending is one of
    `SUFFIXES`, sorted) or a pattern with ``*``, ``?``, ``[…]`` or ``**`` (its matches, sorted: files whose
    ending is known, and folders as above). Names that begin with a dot are passed over in folders and
    patterns. Upper and lower case of endings do not matter.

    Attributes:
        paths: in the order of the words; a file that several words name comes once, at its first place.
        unread: how many pictures of each ending were passed over because freeloc does not read their kind.

    Args:
        arguments: the words.
        leave_out: a folder that is passed over where a folder or pattern leads to it, such as the pictures
            of an earlier run.

    Raises:
        FreelocError: a word names nothing, or a folder or pattern holds no image.
    """

    def __init__(self, arguments: Sequence[str | Path], *, leave_out: Path | None = None) -> None:
        self.unread: Counter[str] = Counter()
        self._leave_out = None if leave_out is None else leave_out.resolve()
        found: dict[tuple[Path, str], Path] = {}
        real_folders: dict[Path, Path] = {}
        for argument in arguments:
            for path in self._matches(argument):
                folder = path.parent
                if folder not in real_folders:
                    real_folders[folder] = folder.resolve()
                found.setdefault((real_folders[folder], path.name), path)
        self.paths = list(found.values())

    def _matches(self, argument: str | Path) -> Iterator[Path]:
        path = Path(argument).expanduser()
        before = self.unread.total()
        if path.is_dir():
            images = self._walk(path, set(), path.resolve())
            problem = f"the folder {argument} holds no image: name another"
        elif path.exists():
            images = iter((path,))
            problem = ""
        elif glob.has_magic(str(path)):
            images = self._expand(path)
            problem = f"no image matches {argument}: check the pattern"
        else:
            raise FreelocError(f"there is no file or folder {argument}: check the name")
        nothing = True
        for image in images:
            nothing = False
            yield image
        if nothing and self.unread.total() > before:
            kinds = ", ".join(sorted(self.unread))
            raise FreelocError(
                f"{argument} holds pictures of kinds that freeloc does not read ({kinds}): convert them to JPEG"
            )
        if nothing:
            raise FreelocError(problem)

    def _expand(self, pattern: Path) -> Iterator[Path]:
        # Path.glob would also give hidden files, and before Python 3.13 only folders for a last "**".
        names = glob.glob(str(pattern), recursive=True)  # noqa: PTH207
        for path in sorted(map(Path, names), key=lambda path: path.parts):
            if self._is_left_out(path):
                continue
            if path.is_dir():
                yield from self._walk(path, set(), path.resolve())
            elif path.is_file() and self._is_image(path):
                yield path

    def _walk(self, folder: Path, visited: set[Path], real: Path) -> Iterator[Path]:
        """Images below a folder, sorted; ``visited`` ends the circles that links can make."""
        if real in visited:
            return
        visited.add(real)
        try:
            with os.scandir(folder) as scan:
                entries = sorted(scan, key=lambda entry: entry.name)
        except OSError as error:
            raise FreelocError(
                f"cannot read the folder {folder}: {error.strerror}; check its permissions"
            ) from error
        for entry in entries:
            if entry.name.startswith("."):
                continue
            path = Path(entry.path)
            if path.is_dir():  # entry.is_dir would raise for a link that leads to itself
                below = path.resolve()
                if below != self._leave_out:
                    yield from self._walk(path, visited, below)
            elif path.is_file() and self._is_image(path):
                yield path

    def _is_left_out(self, path: Path) -> bool:
        return self._leave_out is not None and path.resolve().is_relative_to(self._leave_out)

    def _is_image(self, path: Path) -> bool:
        suffix = path.suffix.lower()
        if suffix in OTHER_SUFFIXES:
            self.unread[suffix] += 1
        return suffix in SUFFIXES
