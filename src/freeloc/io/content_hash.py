"""Content hashes of files, used as cache keys for everything computed from a file."""

from __future__ import annotations

import hashlib
from typing import IO

__all__ = ["hash_bytes", "hash_file"]

_DIGITS = 32


def hash_bytes(data: bytes) -> str:
    """Return the first 32 hexadecimal digits of the SHA-256 hash of ``data``."""
    return hashlib.sha256(data).hexdigest()[:_DIGITS]


def hash_file(file: IO[bytes]) -> str:
    """Hash the rest of an open file in chunks; the result equals that of `hash_bytes`."""
    return hashlib.file_digest(file, "sha256").hexdigest()[:_DIGITS]  # type: ignore[arg-type]
