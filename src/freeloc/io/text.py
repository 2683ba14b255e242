"""Read UTF-8 text files, and report the line number of any encoding error."""

from __future__ import annotations

from pathlib import Path

from freeloc.errors import DatasetError, MalformedFileError
from freeloc.io.limits import check_resources

__all__ = ["is_encodable", "read_bytes", "read_text"]


def is_encodable(text: str) -> bool:
    r"""Return whether UTF-8 can encode a string.

    UTF-8 cannot encode half of a surrogate pair, which can come from a JSON escape (``"\ud800"``) or from a file
    name that is not UTF-8.
    """
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True


def read_bytes(file: Path) -> bytes:
    """Return the content of a file.

    Raises:
        DatasetError: the file cannot be read.
        ResourceError: too many files are open.
    """
    try:
        return file.read_bytes()
    except OSError as error:
        check_resources(error)
        reason = error.strerror or error
        raise DatasetError(
            f"cannot read {file}: {reason}; check the path and its permissions", path=file
        ) from error


def read_text(file: Path) -> str:
    """Return the text of a UTF-8 file without its byte order mark, leaving line endings unchanged.

    Raises:
        DatasetError: the file cannot be read.
        MalformedFileError: the file is not UTF-8; the error's ``line`` is that of the first invalid byte.
    """
    data = read_bytes(file)
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = 1 + data.count(b"\n", 0, error.start)
        raise MalformedFileError(file, line, "the text is not UTF-8: save the file as UTF-8") from error
