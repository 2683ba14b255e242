"""Files that grow while a command runs, such as the list of its results, and that a later process continues.

Unlike a file written through `freeloc.io.atomic`, such a file exists from the start, and what has been written to
it is not lost when the process ends. A process that is killed may leave an incomplete piece at the end. Whoever
continues the file therefore remembers how long it was after the last complete piece, and the rest is cut off.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import Final

from freeloc.io.atomic import check_writable, output_error

__all__ = ["AppendedFile"]

_FLAGS: Final = os.O_RDWR | getattr(os, "O_BINARY", 0) | getattr(os, "O_CLOEXEC", 0)


class AppendedFile:
    """A file open for appending; other programs can read each piece as soon as it is written.

    Args:
        path: the file; missing parent folders are created.
        keep: number of bytes to keep of the existing file, which ended a line at that length; None starts an empty
            file in place of any other.

    Attributes:
        path: the file.
        length: its length in bytes.

    Raises:
        OutputError: the file cannot be written, or ``keep`` does not fit the existing file.
    """

    def __init__(self, path: Path, keep: int | None = None) -> None:
        self.path = path
        self.length = keep or 0
        check_writable(path)
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            self._descriptor: int | None = os.open(path, _FLAGS | (os.O_CREAT if keep is None else 0), 0o666)
            try:
                self._cut()
            except BaseException:
                self.close()
                raise
        except OSError as error:
            raise output_error(path, error) from error

    def append(self, piece: bytes) -> None:
        """Write a piece at the end of the file.

        Raises:
            OutputError: the piece cannot be written; a part of it may have been.
            ValueError: the file is closed.
        """
        if self._descriptor is None:
            raise ValueError(f"{self.path} is closed")
        remaining = memoryview(piece)
        try:
            while remaining:
                remaining = remaining[os.write(self._descriptor, remaining) :]
        except OSError as error:
            raise output_error(self.path, error) from error
        self.length += len(piece)

    def close(self) -> None:
        """Close the file, once all of it is on the disk.

        Raises:
            OutputError: the disk reports that it did not store everything.
        """
        descriptor, self._descriptor = self._descriptor, None
        if descriptor is None:
            return
        try:
            try:
                os.fsync(descriptor)
            finally:
                os.close(descriptor)
        except OSError as error:
            raise output_error(self.path, error) from error

    def _cut(self) -> None:
        assert self._descriptor is not None  # noqa: S101 - for the type checker
        if os.fstat(self._descriptor).st_size < self.length or not self._ends_a_line():
            raise output_error(self.path, "it is not as an earlier call left it")
        os.ftruncate(self._descriptor, self.length)
        os.lseek(self._descriptor, self.length, os.SEEK_SET)

    def _ends_a_line(self) -> bool:
        assert self._descriptor is not None  # noqa: S101 - as above
        if self.length == 0:
            return True
        os.lseek(self._descriptor, self.length - 1, os.SEEK_SET)
        return os.read(self._descriptor, 1) == b"\n"
