"""Lists of image paths, in files and on standard input."""

from __future__ import annotations

import glob
import os
import re
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Final

from freeloc.errors import ImageError, MissingImageError
from freeloc.images.formats import PREFIX_LENGTH, is_image_start
from freeloc.images.video_formats import VIDEO_PREFIX_LENGTH, find_demuxer
from freeloc.io.folders import expand_user
from freeloc.io.limits import check_resources
from freeloc.io.regular_file import read_regular
from freeloc.io.standard_input import DASH, keep_input, read_standard_input
from freeloc.io.terminal import is_terminal, print_status

__all__ = ["expand_path_lists"]

_BINARY: Final = re.compile(rb"[\x01-\x08\x0b\x0c\x0e-\x1f]")
"""Bytes that neither names of files nor the text between them contain."""

_BYTE_ORDER_MARK: Final = b"\xef\xbb\xbf"
_UTF_16_MARKS: Final = (b"\xff\xfe", b"\xfe\xff")
"""The first bytes of files that PowerShell writes."""


def expand_path_lists(words: Sequence[str], *, quiet: bool = False) -> list[str | Path]:
    """Replace the lists among the words of a command line by the paths in them.

    ``@FILE`` is a text file, and ``-`` is standard input, with one file, folder or glob pattern per line, or
    separated by null characters, as ``find -print0`` prints them. Blank lines are ignored, and text in UTF-16 is
    recognized by its byte order mark. A path is relative to the current folder or, if there is no such file, to
    the folder of the list. If standard input is an image or a video, ``-`` is this file, and
    `freeloc.io.regular_file.open_regular` opens it under this name. A word that is also the name of a file is
    that file.

    Args:
        words: files, folders, glob patterns and lists.
        quiet: whether not to tell the user of a terminal what the program waits for.

    Raises:
        ImageError: a list cannot be read, is empty, is not text, or contains a path that does not exist.
    """
    paths: list[str | Path] = []
    input_read = False
    for word in words:
        if os.path.lexists(word) or not (word == "-" or word.startswith("@")):
            paths.append(word)
        elif word != "-":
            file = expand_user(word[1:])
            paths += _paths_in(_read_list(file), str(file), file.parent)
        elif not input_read:
            input_read = True
            paths += _read_input(quiet=quiet)
    return paths


def _read_input(*, quiet: bool) -> list[Path]:
    """Return the paths on standard input, or ``-`` alone if it is an image or a video."""
    if is_terminal(sys.stdin) and not quiet:
        print_status("reading paths from standard input, one per line; Ctrl-D ends the list")
    try:
        data = read_standard_input()
    except OSError as error:
        raise ImageError(f"cannot read standard input: {error.strerror or error}") from error
    prefix = data[:VIDEO_PREFIX_LENGTH]
    is_video = _BINARY.search(prefix) is not None and find_demuxer(prefix) is not None
    if is_image_start(data[:PREFIX_LENGTH]) or is_video:
        keep_input(data)
        return [DASH]
    return list(_paths_in(data, "standard input", None))


def _read_list(file: Path) -> bytes:
    try:
        return read_regular(file)
    except (OSError, ValueError) as error:  # ValueError: the path contains a null character
        check_resources(error)
        reason = getattr(error, "strerror", None) or str(error)
        kind = MissingImageError if isinstance(error, FileNotFoundError) else ImageError
        raise kind(
            f"cannot read the list of images {file}: {reason}; specify a text file with one path per line",
            path=file,
        ) from error


def _paths_in(data: bytes, source: str, folder: Path | None) -> Iterator[Path]:
    """Yield the paths in a list.

    Args:
        data: the content of the list.
        source: the list, for messages.
        folder: the folder of the list; None if it has none.
    """
    if data.startswith(_UTF_16_MARKS):
        data = data.decode("utf-16", "replace").encode()
    if _BINARY.search(data):
        raise ImageError(f"{source} is neither an image nor a list of paths: write one path per line")
    separator = b"\0" if b"\0" in data else b"\n"
    names = [name.strip(b"\r\n") for name in data.removeprefix(_BYTE_ORDER_MARK).split(separator)]
    if not any(name.strip() for name in names):
        raise ImageError(f"{source} contains no paths: write one path per line")
    for line, name in enumerate(names, start=1):
        if name.strip():
            yield _find(os.fsdecode(name), folder, f"{source}:{line}")


def _find(name: str, folder: Path | None, place: str) -> Path:
    """Return the path that a line of a list names; the blanks around a name count only if the file has them."""
    for spelling in dict.fromkeys((name, name.strip())):
        path = expand_user(spelling)
        for candidate in (path, path if folder is None else folder / path):
            if os.path.lexists(candidate):
                return candidate
            if glob.has_magic(str(candidate)) and glob.glob(str(candidate), recursive=True):  # noqa: PTH207
                return candidate
    raise MissingImageError(
        f"{place}: cannot find {name}: no such file or folder; check the path", path=Path(name)
    )
