"""Size of an entry of the feature cache; known without torch."""

from __future__ import annotations

from freeloc._literals import CacheFormat

__all__ = ["entry_bytes"]


def entry_bytes(cells: int, channels: int, cache_format: CacheFormat) -> int:
    """Return the size of an entry in bytes, without the file's header."""
    return cells * channels * 2 if cache_format == "float16" else cells * channels + channels * 4
