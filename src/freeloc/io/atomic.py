"""Files that are whole or not there: write under a temporary name, then rename."""

from __future__ import annotations

import contextlib
import os
import secrets
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from freeloc.errors import FreelocError

__all__ = ["atomic_path", "check_writable", "write_bytes", "write_error", "write_text"]


def write_error(path: Path, reason: str | OSError) -> FreelocError:
    """What a user is told where a file cannot be written."""
    if isinstance(reason, OSError):
        reason = reason.strerror or str(reason)
    return FreelocError(f"cannot write {path}: {reason}; give another output place")


def check_writable(path: Path) -> None:
    """See, before long work, that a file can come to stand at ``path``, as far as that shows without writing.

    Raises:
        FreelocError: it is a folder, a device or a pipe, or lies in a folder that is none.
    """
    try:
        kind = path.stat().st_mode
    except FileNotFoundError:
        kind = stat.S_IFREG
    except OSError as error:
        raise write_error(path, error) from error
    if not path.name or stat.S_ISDIR(kind):
        raise write_error(path, "it is a folder")
    if not stat.S_ISREG(kind):
        raise write_error(path, "it is a device or a pipe")


@contextmanager
def atomic_path(path: Path) -> Iterator[Path]:
    """Give a temporary name beside ``path``; on leaving without an error it takes the place of ``path``.

    The folder is made when it is missing. If the block raises, the temporary file is removed and whatever
    stood at ``path`` stays as it was. Where ``path`` is a link, the file that it leads to is replaced.

    Raises:
        FreelocError: the folder cannot be made or written to, or ``path`` is a folder, a device or a pipe.
    """
    asked = path
    if os.path.islink(path):  # noqa: PTH114 - Path.is_symlink raises for a name too long
        path = Path(os.path.realpath(path))
    check_writable(path)
    # Without the name itself, which may be as long as the system allows.
    temporary = path.with_name(f".{secrets.token_hex(8)}.part")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        yield temporary
        temporary.replace(path)
    except OSError as error:
        raise write_error(asked, error) from error
    finally:
        with contextlib.suppress(OSError):
            temporary.unlink(missing_ok=True)


def write_bytes(path: Path, data: bytes) -> None:
    """Write ``data`` to ``path`` as a whole."""
    with atomic_path(path) as temporary, temporary.open("wb") as file:
        file.write(data)
        file.flush()
        os.fsync(file.fileno())


def write_text(path: Path, text: str) -> None:
    """Write ``text`` to ``path`` as UTF-8, as a whole."""
    write_bytes(path, text.encode())
