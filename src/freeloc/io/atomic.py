"""Atomic file writes: a file is written either completely or not at all."""

from __future__ import annotations

import contextlib
import errno
import os
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from freeloc.errors import MissingFileError, OutputError, ResourceError
from freeloc.io.folders import expand_user
from freeloc.io.limits import resource_error
from freeloc.io.temporary_files import delete_abandoned_files, temporary_name

__all__ = [
    "atomic_path",
    "check_output_folder",
    "check_writable",
    "output_error",
    "write_bytes",
    "write_text",
]

_searched: set[Path] = set()
"""Folders in which this process has looked for abandoned temporary files; each is searched only once."""


def output_error(path: Path, reason: str | OSError | ValueError) -> OutputError | ResourceError:
    """Return the error for a file or folder that cannot be written."""
    if not isinstance(reason, str):
        shortage = resource_error(reason)
        if shortage is not None:
            return shortage
        reason = getattr(reason, "strerror", None) or str(reason)
    return OutputError(f"cannot write {path}: {reason}; choose another output path", path=path)


def check_writable(path: Path) -> None:
    """Check, before a long-running job starts, that a file can be written to a path.

    An empty temporary file is created in the folder, or in its nearest parent that exists, and deleted at once.
    This detects missing permissions and read-only disks, but not that the disk will be full.

    Raises:
        OutputError: the path is a folder, a device or a pipe, a parent folder is a file, or no file can be
            created.
    """
    path = expand_user(path)
    _check_is_no_folder(path)
    target = Path(os.path.realpath(path))  # the file that `atomic_path` replaces
    _check_folder(target.parent, path)


def _check_is_no_folder(path: Path) -> None:
    try:
        mode = path.stat().st_mode
    except FileNotFoundError:
        mode = stat.S_IFREG
    except (OSError, ValueError) as error:  # ValueError: the path contains a null character
        raise output_error(path, error) from error
    if not path.name or stat.S_ISDIR(mode):
        raise output_error(path, "it is a folder")
    if not stat.S_ISREG(mode):
        raise output_error(path, "it is a device or a pipe")


def check_output_folder(path: Path) -> None:
    """Check, before a long-running job starts, that files can be written to a folder, which need not exist.

    As in `check_writable`, an empty temporary file is created and deleted.

    Raises:
        OutputError: the path or a parent folder is something else than a folder, the path is not valid, or no file
            can be created.
    """
    path = expand_user(path)
    _check_folder(path, path)


def _check_folder(path: Path, output: Path) -> None:
    """Check that a folder exists or can be created, and that files can be written to it.

    Args:
        path: the folder.
        output: the path to name in errors.
    """
    try:
        for folder in (path, *path.parents):
            with contextlib.suppress(FileNotFoundError):
                if not stat.S_ISDIR(folder.stat().st_mode):
                    raise output_error(output, f"{'it' if folder == output else folder} is not a folder")
                _create_and_delete(folder)
                return
            if os.path.islink(folder):  # noqa: PTH114 - as below
                raise output_error(output, f"{'it' if folder == output else folder} is a broken link")
    except (
        OSError,
        ValueError,
    ) as error:  # such as a link to itself, a name that is too long, a null character
        raise output_error(output, error) from error


def _create_and_delete(folder: Path) -> None:
    """Create an empty file in an existing folder, and delete it.

    Raises:
        OSError: no file can be created.
    """
    probe = folder / temporary_name()
    try:
        probe.touch(exist_ok=False)
    except (
        FileNotFoundError
    ) as error:  # a file system such as /proc, or the folder was deleted in this moment
        raise PermissionError(errno.EACCES, "no file can be created there") from error
    probe.unlink(missing_ok=True)


@contextmanager
def atomic_path(path: Path) -> Iterator[Path]:
    """Yield a temporary path; the file written there replaces ``path`` if the block ends without an error.

    A leading ``~/`` is expanded, and missing parent folders are created. Temporary files that killed processes
    left in the folder are deleted (`freeloc.io.temporary_files`). If the block raises an error, the temporary file
    is deleted and the file at ``path`` remains unchanged. If ``path`` is a symbolic link, its target is replaced.

    Yields:
        A path in the same folder as ``path``; the block must write a file to it.

    Raises:
        OutputError: the folder cannot be created or written to, or ``path`` is a folder, a device or a pipe.
    """
    target = path = expand_user(path)
    if os.path.islink(path):  # noqa: PTH114 - Path.is_symlink raises for names that are too long
        target = Path(os.path.realpath(path))
    _check_is_no_folder(target)
    temporary = target.with_name(temporary_name())
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        _delete_abandoned_files_once(target.parent)
        yield temporary
        temporary.replace(target)
    except MissingFileError:  # raised by the block, about another file
        raise
    except OSError as error:
        raise output_error(path, error) from error
    finally:
        with contextlib.suppress(OSError):
            temporary.unlink(missing_ok=True)


def _delete_abandoned_files_once(folder: Path) -> None:
    folder = folder.absolute()
    if folder not in _searched:
        _searched.add(folder)
        delete_abandoned_files(folder)


def write_bytes(path: Path, data: bytes) -> None:
    """Write bytes to a file atomically; see `atomic_path`."""
    with atomic_path(path) as temporary, temporary.open("wb") as file:
        file.write(data)
        file.flush()
        os.fsync(file.fileno())


def write_text(path: Path, text: str) -> None:
    """Write text to a file atomically, as UTF-8 without changing line endings; see `atomic_path`."""
    write_bytes(path, text.encode())
