"""Files that are whole or not there: write under a temporary name, then rename."""

from __future__ import annotations

import contextlib
import os
import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from freeloc.errors import FreelocError

__all__ = ["replacing", "write_bytes", "write_text"]


@contextmanager
def replacing(path: Path) -> Iterator[Path]:
    """Give a temporary name beside ``path``; on leaving without an error it takes the place of ``path``.

    The folder is made when it is missing. If the block raises, the temporary file is removed and whatever
    stood at ``path`` stays as it was.

    Raises:
        FreelocError: the folder cannot be made or written to.
    """
    if not path.name:
        raise FreelocError(f"cannot write {path}: it is a folder; give another output place")
    temporary = path.with_name(f".{path.name}.{secrets.token_hex(4)}.part")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        yield temporary
        temporary.replace(path)
    except OSError as error:
        reason = error.strerror or str(error)
        raise FreelocError(f"cannot write {path}: {reason}; give another output place") from error
    finally:
        with contextlib.suppress(OSError):
            temporary.unlink(missing_ok=True)


def write_bytes(path: Path, data: bytes) -> None:
    """Write ``data`` to ``path`` as a whole."""
    with replacing(path) as temporary, temporary.open("wb") as file:
        file.write(data)
        file.flush()
        os.fsync(file.fileno())


def write_text(path: Path, text: str) -> None:
    """Write ``text`` to ``path`` as UTF-8, as a whole."""
    write_bytes(path, text.encode())
