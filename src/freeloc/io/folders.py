"""Where freeloc keeps what it can make again: feature caches and converted networks."""

from __future__ import annotations

import os
from pathlib import Path

__all__ = ["cache_dir"]


def cache_dir() -> Path:
    """The cache folder: ``FREELOC_CACHE``, else ``freeloc`` under ``XDG_CACHE_HOME`` or ``~/.cache``.

    Everything below it may be deleted at any time; it is made again when needed.
    """
    named = os.environ.get("FREELOC_CACHE")
    if named:
        return Path(named)
    base = os.environ.get("XDG_CACHE_HOME")
    return (Path(base) if base else Path.home() / ".cache") / "freeloc"
