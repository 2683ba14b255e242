"""Detect whether a file was replaced or modified while it was in use."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

__all__ = ["FileStamp"]


@dataclass(frozen=True, slots=True)
class FileStamp:
    """What the file system knows about a version of a file.

    Two equal stamps mean that the file's content is the same, except if it was overwritten in place within the
    resolution of the file system's clock, a few milliseconds. Comparing stamps costs microseconds; hashing the
    file again would cost as much as reading it.

    Attributes:
        device: number of the device that contains the file.
        inode: number of the file; a replaced file has another one.
        size: length in bytes.
        modified: time of the last write, in nanoseconds.
        changed: time of the last change of content or attributes, in nanoseconds. Unlike ``modified``, it cannot
            be set to an earlier time.
    """

    device: int
    inode: int
    size: int
    modified: int
    changed: int

    @classmethod
    def of(cls, file: Path | int) -> FileStamp:
        """Return the stamp of a path or of an open file's descriptor.

        Raises:
            OSError: the file does not exist or cannot be accessed.
        """
        status = os.stat(file)  # noqa: PTH116 - a descriptor has no path
        return cls(status.st_dev, status.st_ino, status.st_size, status.st_mtime_ns, status.st_ctime_ns)
