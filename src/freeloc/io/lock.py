"""Locks on outputs, so that two processes never write to the same run folder, output folder or model.

The operating system holds the lock, on an open file (``flock`` on Linux and macOS, ``LockFile`` on Windows). It
ends with the process that holds it, however that process ends. The lock file that a killed process leaves behind
therefore means nothing: the next process locks it, and removes it when it is done.
"""

from __future__ import annotations

import contextlib
import errno
import hashlib
import os
import re
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from freeloc._log import get_logger
from freeloc.errors import OutputError
from freeloc.io.atomic import check_output_folder, check_writable, output_error
from freeloc.io.folders import expand_user

__all__ = ["check_free_file", "check_free_folder", "lock_file", "lock_folder"]

_log = get_logger(__name__)

_FOLDER_LOCK = ".freeloc.lock"

_SIGNATURE: Final = re.compile(r"\d+, since \d{4}-\d\d-\d\d \d\d:\d\d")
_MAX_SIGNATURE: Final = 64
"""The text in a lock file, and the maximum number of its bytes that are read."""

_ATTEMPTS = 10
"""Number of attempts to create a lock file while another process removes its folder."""


@contextmanager
def lock_file(path: Path) -> Iterator[None]:
    """Let no other process write to a file within the block.

    A run folder is locked by the file of its model, so training excludes calibration of the same model, too.

    Args:
        path: the file, which need not exist; missing parent folders are created.

    Raises:
        OutputError: another process holds the lock, or the folder of the file cannot be written to.
    """
    check_writable(path)
    target = Path(os.path.realpath(path))  # the file that `atomic_path` replaces
    # A name of fixed length, because the file's name may already have the maximum length.
    digest = hashlib.sha256(os.fsencode(target.name)).hexdigest()[:16]
    with _lock(target.with_name(f".{digest}.lock"), path):
        yield


@contextmanager
def lock_folder(path: Path) -> Iterator[None]:
    """Let no other process write to a folder within the block; see `lock_file`."""
    with _lock(path / _FOLDER_LOCK, path):
        yield


@contextmanager
def _lock(file: Path, output: Path) -> Iterator[None]:
    created: list[Path] = []
    try:
        created += [folder for folder in file.parents if not folder.exists()]
        descriptor = _acquire(file)
    except OSError as error:
        raise output_error(output, error) from error
    if descriptor is None:
        raise OutputError(
            f"cannot write {output}: another freeloc process is writing to it{_describe_holder(file)}; wait until "
            "it has finished, or choose another output path",
            path=output,
            parameter="out",
        )
    _sign(descriptor)
    try:
        yield
    finally:
        _release(descriptor, file)
        for folder in created:
            with contextlib.suppress(OSError):  # it is not empty, or another process has already removed it
                folder.rmdir()


def check_free_folder(path: Path) -> None:
    """Check, before a long-running job starts, that files can be written to a folder, and that no process does.

    Raises:
        OutputError: another process holds the lock of the folder, or the folder cannot be written to.
    """
    check_output_folder(path)
    with lock_folder(expand_user(path)):
        pass


def check_free_file(path: Path) -> None:
    """Check, before a long-running job starts, that a file can be written, and that no process is writing to it.

    Raises:
        OutputError: another process holds the lock of the file, or the file cannot be written to.
    """
    with lock_file(expand_user(path)):
        pass


def _sign(descriptor: int) -> None:
    """Write to a lock file which process holds the lock; the first byte is the one that Windows locks."""
    started = time.strftime("%Y-%m-%d %H:%M")
    with contextlib.suppress(OSError):
        os.ftruncate(descriptor, 0)
        os.lseek(descriptor, 1, os.SEEK_SET)
        os.write(descriptor, f"{os.getpid()}, since {started}".encode())


def _describe_holder(file: Path) -> str:
    """Return which process holds a lock, as " (process 1234, since 2026-01-31 12:00)"; "" if that is unknown."""
    try:
        with file.open("rb") as content:
            content.seek(1)
            text = content.read(_MAX_SIGNATURE).decode("ascii")
    except (OSError, ValueError):
        return ""
    return f" (process {text})" if _SIGNATURE.fullmatch(text) else ""


def _acquire(file: Path) -> int | None:
    """Return the descriptor of the locked file; None if the lock is held by another process or thread."""
    for attempt in range(_ATTEMPTS):
        try:
            file.parent.mkdir(parents=True, exist_ok=True)
            descriptor = os.open(file, os.O_RDWR | os.O_CREAT, 0o666)
        except (FileNotFoundError, FileExistsError):
            # Another process may have removed the folder between two of these steps.
            if attempt == _ATTEMPTS - 1 or file.parent.is_file():
                raise
            continue
        try:
            is_locked = _try_lock(descriptor)
            # The process that held the lock may have removed the file after it was opened here.
            if is_locked and os.fstat(descriptor).st_nlink > 0:
                return descriptor
        except BaseException:
            os.close(descriptor)
            raise
        os.close(descriptor)
        if not is_locked:
            return None
    return None


if sys.platform == "win32":
    import msvcrt

    def _try_lock(descriptor: int) -> bool:
        try:
            msvcrt.locking(descriptor, msvcrt.LK_NBLCK, 1)
        except OSError:
            return False
        return True

    def _release(descriptor: int, file: Path) -> None:
        os.close(descriptor)
        with contextlib.suppress(OSError):  # Windows does not remove a file that another process has opened
            file.unlink()

else:
    import fcntl

    def _try_lock(descriptor: int) -> bool:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            if error.errno in (errno.ENOSYS, errno.EOPNOTSUPP, errno.ENOLCK):
                _log.warning(
                    "the file system has no locks: make sure that no other process writes to the output"
                )
                return True
            if error.errno in (errno.EAGAIN, errno.EACCES):
                return False
            raise
        return True

    def _release(descriptor: int, file: Path) -> None:
        # The file is removed while it is locked, so that the lock of another process cannot be on a removed file.
        with contextlib.suppress(OSError):
            file.unlink()
        os.close(descriptor)
