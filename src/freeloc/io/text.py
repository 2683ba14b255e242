"""Text files as they come: UTF-8, with or without a byte order mark, and a named line when they are not."""

from __future__ import annotations

from pathlib import Path

from freeloc.errors import FreelocError, MalformedFileError

__all__ = ["is_text", "read_bytes", "read_text"]


def is_text(name: str) -> bool:
    r"""Whether UTF-8 can write a name.

    It cannot where JSON escapes half of a pair (``"\ud800"``), or where a file's name is in another encoding.
    """
    try:
        name.encode()
    except UnicodeEncodeError:
        return False
    return True


def read_bytes(file: Path) -> bytes:
    """The bytes of a file.

    Raises:
        FreelocError: the file cannot be read.
    """
    try:
        return file.read_bytes()
    except OSError as error:
        raise FreelocError(
            f"cannot read {file}: {error.strerror or error}; check the path and its rights"
        ) from error


def read_text(file: Path) -> str:
    """The text of a UTF-8 file, without its byte order mark; line ends stay as they are.

    Raises:
        FreelocError: the file cannot be read.
        MalformedFileError: it is not UTF-8; names the line of the first wrong byte.
    """
    data = read_bytes(file)
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = 1 + data.count(b"\n", 0, error.start)
        raise MalformedFileError(file, line, "this is not UTF-8 text: save the file as UTF-8") from error
