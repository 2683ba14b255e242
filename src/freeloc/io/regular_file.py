"""Open files for reading, and only regular files, because opening or reading a pipe may block forever."""

from __future__ import annotations

import errno
import os
import stat
from io import BufferedReader, BytesIO
from pathlib import Path

from freeloc.io.standard_input import kept_input

__all__ = [
    "BrokenLinkError",
    "SpecialFileError",
    "broken_link",
    "check_regular",
    "open_regular",
    "read_regular",
    "special_kind",
]

_FOLDER = "a folder"

_KINDS = {
    stat.S_IFDIR: _FOLDER,
    stat.S_IFIFO: "a pipe",
    stat.S_IFSOCK: "a socket",
    stat.S_IFCHR: "a device",
    stat.S_IFBLK: "a device",
}

# Opening a pipe that nobody writes to would block. O_NONBLOCK has no effect on regular files.
_FLAGS = os.O_RDONLY | sum(
    getattr(os, name, 0) for name in ("O_NONBLOCK", "O_NOCTTY", "O_CLOEXEC", "O_BINARY")
)


class SpecialFileError(OSError):
    """A path that should name a regular file names a folder, a pipe, a socket or a device.

    ``strerror`` is the reason, for messages, such as "it is a pipe, not a file".
    """

    def __init__(self, path: Path, kind: str) -> None:
        what_it_is_not = "" if kind == _FOLDER else ", not a file"
        super().__init__(errno.EINVAL, f"it is {kind}{what_it_is_not}", str(path))

    def __str__(self) -> str:
        return str(self.strerror)


class BrokenLinkError(FileNotFoundError):
    """A path names a link to a file that does not exist.

    ``strerror`` is the reason, for messages, such as "it is a link to a.jpg, which does not exist".
    """

    def __init__(self, path: Path, reason: str) -> None:
        super().__init__(errno.ENOENT, reason, str(path))

    def __str__(self) -> str:
        return str(self.strerror)


def broken_link(path: Path) -> str | None:
    """Return where a path leads, as in `BrokenLinkError`; None if it is not a link, or leads somewhere."""
    try:
        target = os.readlink(path)  # noqa: PTH115 - Path.exists raises for some paths
    except (OSError, ValueError):
        return None
    return None if os.path.exists(path) else f"it is a link to {target}, which does not exist"  # noqa: PTH110


def special_kind(path: Path) -> str | None:
    """Return what a path names if it is neither a regular file nor a folder: "a pipe", "a socket" or "a device".

    A dash, which stands for standard input in many programs, is a pipe unless a file has that name or the content
    of standard input has been kept (`freeloc.io.standard_input`).

    Returns:
        The kind; None for regular files, folders, and paths that do not exist or cannot be examined.
    """
    try:
        kind = _kind(path)
    except (OSError, ValueError):
        return None
    return None if kind == _FOLDER else kind


def check_regular(path: Path) -> None:
    """Check that a path names a regular file, for libraries that open files themselves.

    Raises:
        SpecialFileError: the path names a folder, a pipe, a socket or a device.
        BrokenLinkError: the path names a link to a file that does not exist.
        OSError: the path does not exist or cannot be examined.
    """
    kind = _kind(path)
    if kind is not None:
        raise SpecialFileError(path, kind)


def open_regular(path: Path) -> BufferedReader:
    """Open a regular file for reading in binary mode; never blocks, whatever the path names.

    Raises:
        SpecialFileError: the path names a folder, a pipe, a socket or a device.
        BrokenLinkError: the path names a link to a file that does not exist.
        OSError: the file does not exist or cannot be opened.
        ValueError: the path contains a null character.
    """
    content = kept_input(path)
    if content is not None:
        return BufferedReader(BytesIO(content))
    check_regular(path)  # before opening, because opening a device may change its state
    descriptor = os.open(path, _FLAGS)
    kind = _kind(descriptor)  # another file may have taken the place of the one that was checked
    if kind is not None:
        os.close(descriptor)
        raise SpecialFileError(path, kind)
    return os.fdopen(descriptor, "rb")


def read_regular(path: Path) -> bytes:
    """Return the content of a regular file; see `open_regular`."""
    with open_regular(path) as file:
        return file.read()


def _kind(path: Path | int) -> str | None:
    try:
        mode = os.stat(path).st_mode  # noqa: PTH116 - also for file descriptors
    except FileNotFoundError:
        if isinstance(path, int):
            raise
        reason = broken_link(path)
        if reason is not None:
            raise BrokenLinkError(path, reason) from None
        if str(path) != "-":
            raise
        if kept_input(path) is None:
            return "a pipe (standard input)"
        return None
    return None if stat.S_ISREG(mode) else _KINDS.get(stat.S_IFMT(mode), "a special file")
