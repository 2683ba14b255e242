"""Image files whose content is identified by a hash, so that a file replaced in the meantime is noticed."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path
from typing import IO

from freeloc.errors import ImageError
from freeloc.images.decode_errors import image_error
from freeloc.images.identify import open_file
from freeloc.io.content_hash import hash_bytes, hash_file
from freeloc.io.file_stamp import FileStamp
from freeloc.io.limits import check_resources

__all__ = ["HashedImage", "open_and_hash", "open_hashed_image"]

_MAX_BYTES_IN_MEMORY = 64_000_000
"""A file of at most this size is read into memory once; a larger file is read twice, first to hash it and then to
decode it."""


@dataclass(frozen=True, slots=True)
class HashedImage:
    """An image file with the hash that its content must have.

    Attributes:
        path: the image file.
        content_hash: hash of the file's bytes; see `freeloc.io.content_hash`.
    """

    path: Path
    content_hash: str


@contextmanager
def open_and_hash(path: Path) -> Iterator[tuple[IO[bytes], str]]:
    """Open an image file and hash its content; what is read from the yielded file is what was hashed.

    Yields:
        The file, positioned at its start, and its content hash.

    Raises:
        ImageError: the file does not exist, is not a regular file, cannot be read, or changed while it was open.
    """
    with open_file(path) as file:
        try:
            before = FileStamp.of(file.fileno())
            if os.fstat(file.fileno()).st_size <= _MAX_BYTES_IN_MEMORY:
                data = file.read()
                content_hash = hash_bytes(data)
                encoded: IO[bytes] = BytesIO(data)
            else:
                content_hash = hash_file(file)
                file.seek(0)
                encoded = file
        except OSError as error:
            check_resources(error)
            raise image_error(path, error.strerror or str(error), "check the disk") from error
        yield encoded, content_hash
        # A replaced file stays open under its old content, but a file may also be overwritten in place.
        if encoded is file and FileStamp.of(file.fileno()) != before:
            raise _changed(path)


@contextmanager
def open_hashed_image(image: HashedImage) -> Iterator[IO[bytes]]:
    """Open an image file and check that its content is still the one that was hashed.

    Raises:
        ImageError: the content has changed; see `open_and_hash` for further reasons.
    """
    with open_and_hash(image.path) as (file, content_hash):
        if content_hash != image.content_hash:
            raise _changed(image.path)
        yield file


def _changed(path: Path) -> ImageError:
    return image_error(
        path,
        "the file was replaced or modified after it had been checked",
        "leave it unchanged and start again",
    )
