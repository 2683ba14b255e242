"""What writers have in common that append to one file as images are predicted."""

from __future__ import annotations

from pathlib import Path

from freeloc.io.appended_file import AppendedFile
from freeloc.writers.base import Writer, WriterOptions

__all__ = ["AppendingWriter"]


class AppendingWriter(Writer):
    """Base of writers that append to one file, and continue it where an interrupted prediction has stopped."""

    def __init__(self, folder: Path | None, options: WriterOptions) -> None:
        super().__init__(folder, options)
        self._file: AppendedFile | None = None
        self._keep: int | None = None

    def position(self) -> int:
        """Return the length of the file in bytes."""
        return 0 if self._file is None else self._file.length

    def resume(self, position: int) -> None:
        """Keep ``position`` bytes of the existing file."""
        self._keep = position
