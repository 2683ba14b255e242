"""Recognize files that exist, but that this user must not read."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Final

__all__ = ["FORBIDDEN", "is_forbidden"]

FORBIDDEN: Final = "permission denied; allow your user to read it"
"""End of the message about such a file, after a colon."""


def is_forbidden(path: Path, error: BaseException | None = None) -> bool:
    """Return whether a file cannot be read because this user lacks the permission for it or for its folder.

    Libraries that open files themselves report this in their own ways, so the file is examined as well.

    Args:
        path: the file.
        error: the exception raised by reading it, if it has been tried.
    """
    if isinstance(error, PermissionError):
        return True
    try:
        os.stat(path)  # noqa: PTH116 - as in `freeloc.io.paths`
    except PermissionError:
        return True
    except (OSError, ValueError):
        return False
    return not os.access(path, os.R_OK)
