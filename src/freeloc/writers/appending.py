"""What writers have in common that append to one file as images are predicted."""

from __future__ import annotations

from pathlib import Path
from types import TracebackType
from typing import Self

from freeloc.io.appended_file import AppendedFile
from freeloc.writers.base import Writer, WriterOptions

__all__ = ["AppendingWriter", "GrowingFileWriter"]


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

    def close(self) -> None:
        """Close the file, if it is open.

        Raises:
            OutputError: the disk reports that it did not store everything.
        """
        file, self._file = self._file, None
        if file is not None:
            file.close()


class GrowingFileWriter(AppendingWriter):
    """Base of writers whose only file, `place`, grows with each image; other programs can read it meanwhile."""

    def __enter__(self) -> Self:
        """Open the file, if there is an output folder."""
        if self.folder is not None and self.place is not None:
            path = self.path_of(self.place)
            self._file = AppendedFile(path, self._keep)
            self.files.append(path)
        return self

    def append(self, piece: bytes) -> None:
        """Write a piece at the end of the file.

        Raises:
            OutputError: the piece cannot be written.
            ValueError: the writer is not open.
        """
        if self._file is None:
            raise ValueError(f"a {type(self).__name__} can only write inside its with block")
        self._file.append(piece)

    def __exit__(
        self,
        exception_type: type[BaseException] | None,
        exception: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        """Close the file."""
        self.close()
