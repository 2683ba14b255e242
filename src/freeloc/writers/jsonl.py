"""JSON Lines output: one file with one record per image."""

from __future__ import annotations

import os
from contextlib import ExitStack, suppress
from pathlib import Path
from types import TracebackType
from typing import IO, ClassVar, Self

from PIL import Image

from freeloc.errors import FreelocError
from freeloc.inference.result import Localization
from freeloc.io import atomic
from freeloc.writers.base import Writer, WriterOptions
from freeloc.writers.record import json_line, localization_record

__all__ = ["JsonlWriter"]


class JsonlWriter(Writer):
    """Writer of ``predictions.jsonl``, which is either complete or absent.

    Each line is written to a temporary file immediately, so memory use does not grow with the number of images.
    After an error, the temporary file is removed and an earlier ``predictions.jsonl`` remains unchanged.
    """

    name: ClassVar[str] = "jsonl"

    def __init__(self, folder: Path | None, options: WriterOptions) -> None:
        super().__init__(folder, options)
        self._path = self.path_of("predictions.jsonl")
        self._cleanup = ExitStack()
        self._file: IO[bytes] | None = None

    def __enter__(self) -> Self:
        """Open a temporary file."""
        with ExitStack() as stack:
            temporary = stack.enter_context(atomic.atomic_path(self._path))
            self._file = stack.enter_context(temporary.open("wb"))
            self._cleanup = stack.pop_all()
        return self

    def write(self, result: Localization, image: Image.Image | None, path: Path, name: str) -> None:  # noqa: ARG002
        """Write the record of one image as one line of UTF-8.

        Raises:
            OutputError: the line cannot be written.
            ValueError: the writer is not open.
        """
        if self._file is None:
            raise ValueError("a JsonlWriter can only write inside its with block")
        line = json_line(localization_record(result, self.options, image_name=str(path)))
        try:
            self._file.write(line)
        except OSError as error:
            raise atomic.output_error(self._path, error) from error

    def __exit__(
        self,
        exception_type: type[BaseException] | None,
        exception: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        """Rename the temporary file, or remove it if the block ended with an error."""
        file, self._file = self._file, None
        if file is not None and exception is None:
            with self._cleanup:
                file.flush()
                os.fsync(file.fileno())
            self.files.append(self._path)
            return
        # An exception makes `atomic_path` delete the temporary file. An OSError would become an OutputError, so a
        # private type is raised instead.
        with suppress(_Discarded, FreelocError), self._cleanup:
            raise _Discarded


class _Discarded(Exception):  # noqa: N818
    """The with block ended with an error."""
