"""Atomic file writes: a file is written either completely or not at all."""

from __future__ import annotations

import contextlib
import os
import secrets
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from freeloc.errors import OutputError

__all__ = ["atomic_path", "check_writable", "output_error", "write_bytes", "write_text"]


def output_error(path: Path, reason: str | OSError) -> OutputError:
    """Return the error for a file that cannot be written."""
    if isinstance(reason, OSError):
        reason = reason.strerror or str(reason)
    return OutputError(f"cannot write {path}: {reason}; choose another output path", path=path)


def check_writable(path: Path) -> None:
    """Check, before a long-running job starts, that a file can be written to a path.

    Nothing is written, so the check does not detect missing permissions or a full disk.

    Raises:
        OutputError: the path is a folder, a device or a pipe, or a parent folder is a file.
    """
    try:
        mode = path.stat().st_mode
    except FileNotFoundError:
        mode = stat.S_IFREG
    except OSError as error:
        raise output_error(path, error) from error
    if not path.name or stat.S_ISDIR(mode):
        raise output_error(path, "it is a folder")
    if not stat.S_ISREG(mode):
        raise output_error(path, "it is a device or a pipe")


@contextmanager
def atomic_path(path: Path) -> Iterator[Path]:
    """Yield a temporary path; the file written there replaces ``path`` if the block ends without an error.

    Missing parent folders are created. If the block raises an error, the temporary file is deleted and the file at
    ``path`` remains unchanged. If ``path`` is a symbolic link, its target is replaced.

    Yields:
        A path in the same folder as ``path``; the block must write a file to it.

    Raises:
        OutputError: the folder cannot be created or written to, or ``path`` is a folder, a device or a pipe.
    """
    target = path
    if os.path.islink(path):  # noqa: PTH114 - Path.is_symlink raises for names that are too long
        target = Path(os.path.realpath(path))
    check_writable(target)
    # The temporary name does not include the file name, which may already have the maximum length.
    temporary = target.with_name(f".{secrets.token_hex(8)}.part")
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        yield temporary
        temporary.replace(target)
    except OSError as error:
        raise output_error(path, error) from error
    finally:
        with contextlib.suppress(OSError):
            temporary.unlink(missing_ok=True)


def write_bytes(path: Path, data: bytes) -> None:
    """Write bytes to a file atomically; see `atomic_path`."""
    with atomic_path(path) as temporary, temporary.open("wb") as file:
        file.write(data)
        file.flush()
        os.fsync(file.fileno())


def write_text(path: Path, text: str) -> None:
    """Write text to a file atomically, as UTF-8 without changing line endings; see `atomic_path`."""
    write_bytes(path, text.encode())
