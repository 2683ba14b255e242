"""JSON Lines files: one record per line, written whole or not at all."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from contextlib import ExitStack, suppress
from pathlib import Path
from types import TracebackType
from typing import IO, Any, Self

from freeloc.errors import FreelocError
from freeloc.io import atomic

__all__ = ["JsonLinesWriter"]


class JsonLinesWriter:
    """A JSON lines file that is whole or not there.

    Use it as a context manager. Lines go to a temporary file beside ``path`` as they come, so memory stays
    small however many images there are. On leaving without an error the file gets its name; after an
    error it is removed, and whatever stood at ``path`` stays as it was.

    Attributes:
        path: the file to write.
        count: lines written so far.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self.count = 0
        self._place = ExitStack()
        self._file: IO[bytes] | None = None

    def __enter__(self) -> Self:
        with ExitStack() as stack:
            temporary = stack.enter_context(atomic.atomic_path(self.path))
            self._file = stack.enter_context(temporary.open("wb"))
            self._place = stack.pop_all()
        return self

    def write(self, record: Mapping[str, Any]) -> None:
        """Write one record as one line of UTF-8.

        Raises:
            FreelocError: the disk is full or gone.
            ValueError: the writer is not open, or the record holds NaN or an infinite number.
        """
        if self._file is None:
            raise ValueError("a JsonLinesWriter writes inside its with block only")
        line = _line(record)
        try:
            self._file.write(line)
        except OSError as error:
            raise atomic.output_error(self.path, error) from error
        self.count += 1

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        file, self._file = self._file, None
        if file is not None and error is None:
            with self._place:
                file.flush()
                os.fsync(file.fileno())
            return
        # The block's own error must stay what it is: `atomic.atomic_path` takes any OSError for one of writing.
        with suppress(_GivenUp, FreelocError), self._place:
            raise _GivenUp


class _GivenUp(Exception):  # noqa: N818
    """The block inside the writer ended with an error."""


def _line(record: Mapping[str, Any]) -> bytes:
    try:
        text = json.dumps(record, ensure_ascii=False, allow_nan=False)
        return text.encode() + b"\n"
    except UnicodeEncodeError:
        # A file name that is no UTF-8 holds halves of surrogate pairs; JSON can name them, UTF-8 cannot.
        return json.dumps(record, allow_nan=False).encode() + b"\n"
