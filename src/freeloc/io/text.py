"""Read the files of datasets, most of them UTF-8 text, and report the line number of any encoding error."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from io import BufferedReader
from pathlib import Path

from freeloc.errors import DatasetError, MalformedFileError, MissingDatasetError
from freeloc.io.limits import check_resources
from freeloc.io.regular_file import broken_link, open_regular, read_regular, special_kind

__all__ = ["check_exists", "is_encodable", "open_file", "read_bytes", "read_text"]


def check_exists(path: Path, what: str) -> None:
    """Check that a path is a regular file or a folder.

    Args:
        path: the path.
        what: what it should name, such as "dataset".

    Raises:
        MissingDatasetError: the path does not exist.
        DatasetError: the path names a pipe, a socket or a device, or cannot be examined.
    """
    kind = special_kind(path)
    if kind is not None:
        raise DatasetError(
            f"cannot read {path}: it is {kind}, not a file; save its content to a file, and specify that file",
            path=path,
        )
    try:
        path.stat()
    except PermissionError as error:
        raise DatasetError(
            f"cannot read {path}: {error.strerror}; check the path and its permissions", path=path
        ) from error
    except (OSError, ValueError) as error:
        link = broken_link(path)
        problem = f"no such file or folder: {path}" if link is None else f"cannot read {path}: {link}"
        raise MissingDatasetError(f"{problem}; check the path of the {what}", path=path) from error


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


@contextmanager
def open_file(file: Path) -> Iterator[BufferedReader]:
    """Open a file in binary mode, to read it in parts within the context.

    Raises:
        MissingDatasetError: the file does not exist.
        DatasetError: the file cannot be read, or is not a regular file.
        ResourceError: too many files are open.
    """
    with _naming(file, (OSError, ValueError)):
        content = open_regular(file)
    with content, _naming(file, (OSError,)):
        yield content


def read_bytes(file: Path) -> bytes:
    """Return the content of a file.

    Raises:
        MissingDatasetError: the file does not exist.
        DatasetError: the file cannot be read, or is not a regular file.
        ResourceError: too many files are open.
    """
    with _naming(file, (OSError, ValueError)):
        return read_regular(file)


@contextmanager
def _naming(file: Path, kinds: tuple[type[Exception], ...]) -> Iterator[None]:
    """Convert errors of some kinds to errors that name the file."""
    try:
        yield
    except kinds as error:  # ValueError: the path contains a null character
        check_resources(error)
        reason = getattr(error, "strerror", None) or error
        kind = MissingDatasetError if isinstance(error, FileNotFoundError) else DatasetError
        raise kind(f"cannot read {file}: {reason}; check the path and its permissions", path=file) from error


def read_text(file: Path) -> str:
    """Return the text of a UTF-8 file without byte order marks at its start, leaving line endings unchanged.

    Raises:
        DatasetError: the file cannot be read.
        MalformedFileError: the file is not UTF-8; the error's ``line`` is that of the first invalid byte.
    """
    data = read_bytes(file)
    try:
        return data.decode().lstrip("\ufeff")  # several, if programs added one each
    except UnicodeDecodeError as error:
        line = 1 + data.count(b"\n", 0, error.start)
        raise MalformedFileError(file, line, "the text is not UTF-8: save the file as UTF-8") from error
