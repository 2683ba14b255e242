"""Files of caches: an array in ``.npy`` format, followed by checksums of the file and of what it contains.

``numpy.load`` reads such a file and ignores the checksums. The first one covers the array's shape, type and
values, and the second one the entry's *identity*, a text such as the path of the entry within its cache. So they
detect a damaged or truncated entry, an array with other contents, and an entry that was copied over another one.

The checksum of the file is CRC-32, which detects accidental damage, needs no further package, and takes about
0.05 ms for an entry of 200 kB, a fifth of the time of BLAKE2b. Training reads every entry in every epoch, so an
entry is checked only when a run uses it for the first time, when its values have to be read from disk anyway.
After that, the file's stamp (`freeloc.io.file_stamp`) shows whether it was written again, in which case it is
checked again. The identity is short, so a BLAKE2b hash of it is stored.
"""

from __future__ import annotations

import hashlib
import io
import json
import math
import mmap
import os
import re
import struct
import tokenize
import zlib
from functools import lru_cache
from pathlib import Path
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from freeloc.io.atomic import atomic_path
from freeloc.io.file_stamp import FileStamp
from freeloc.io.regular_file import open_regular

__all__ = ["DAMAGE", "map_entry", "write_entry"]

DAMAGE: Final = (
    *(ValueError, EOFError, TypeError, AttributeError, SyntaxError, OverflowError),
    *(struct.error, tokenize.TokenError),
)
"""Exceptions raised when a damaged entry is read."""

_PREFIX: Final = struct.Struct("<6sBBH")
"""Start of a ``.npy`` file of version 1.0: magic string, version, and length of the header after it."""

_TRAILER: Final = struct.Struct("<8sI12s")
"""End of the file: magic string, CRC-32 of everything before it, and hash of the identity."""

_MAGIC: Final = b"freeloc\1"

_TO_JSON: Final = str.maketrans("'()", '"[]')
_TRAILING_COMMA: Final = re.compile(r",\s*([}\]])")


def write_entry(path: Path, array: npt.NDArray[Any], identity: str) -> None:
    """Write an entry atomically.

    Args:
        path: the file to write.
        array: the array; it must not contain Python objects.
        identity: text that identifies the entry; `map_entry` must be called with the same text.

    Raises:
        OutputError: the file cannot be written.
    """
    buffer = io.BytesIO()
    np.save(buffer, array, allow_pickle=False)
    with atomic_path(path) as temporary, temporary.open("wb") as file:
        file.write(buffer.getbuffer())
        file.write(_TRAILER.pack(_MAGIC, zlib.crc32(buffer.getbuffer()), _hash_identity(identity)))


def map_entry(path: Path, identity: str, checked: int = 0) -> tuple[npt.NDArray[Any], int]:
    """Memory-map the array of an entry and check it; ``np.load`` takes five times as long.

    Args:
        path: the file.
        identity: text that identifies the entry.
        checked: the number returned when the file was checked before; the same version of the file is not checked
            again.

    Returns:
        The read-only array, and a number that identifies this version of the file.

    Raises:
        OSError: the file cannot be opened.
        ValueError: the entry is damaged, or is another entry; any exception in `DAMAGE` may occur instead.
    """
    with open_regular(path) as file:
        # A hash instead of the stamp itself, because a caller keeps one for each of up to a million entries.
        stamp = hash(FileStamp.of(file.fileno()))
        memory = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)
    end = len(memory) - _TRAILER.size
    if end < 0:
        raise ValueError("the file is truncated")
    # Checked before the header is parsed, because NumPy prints warnings about some damaged headers.
    if stamp != checked:
        with memoryview(memory) as view, view[:end] as content:
            expected = (_MAGIC, zlib.crc32(content), _hash_identity(identity))
        if _TRAILER.unpack_from(memory, end) != expected:
            raise ValueError("the checksum is missing or does not match")
    magic, major, minor, length = _PREFIX.unpack_from(memory)
    if (magic, major, minor) != (b"\x93NUMPY", 1, 0):
        raise ValueError(
            f"the file is not a .npy file of version 1.0: it starts with {magic!r} {major}.{minor}"
        )
    start = _PREFIX.size + length
    shape, dtype = _parse_header(memory[_PREFIX.size - 2 : start])
    count = math.prod(shape)
    if end != start + count * dtype.itemsize:
        raise ValueError("the array does not have the size that its header states")
    return np.frombuffer(memory, dtype, count, start).reshape(shape), stamp


def _hash_identity(identity: str) -> bytes:
    return hashlib.blake2b(os.fsencode(identity), digest_size=12).digest()


@lru_cache(maxsize=4096)
def _parse_header(data: bytes) -> tuple[tuple[int, ...], np.dtype[Any]]:
    """Return the shape and data type in a ``.npy`` header; ``data`` starts with the two bytes of its length.

    The result is cached, because the maps of a dataset have few distinct shapes.
    """
    # NumPy would use Python's own parser, which in Python 3.11 and 3.12 raises SystemError now and then if another
    # thread uses it as well, as torch does (https://github.com/python/cpython/issues/106905). The headers that
    # NumPy writes differ from JSON in a few characters.
    text = data[2:].decode("latin-1").translate(_TO_JSON).replace("False", "false")
    header = json.loads(_TRAILING_COMMA.sub(r"\1", text))
    if header.keys() != {"descr", "fortran_order", "shape"} or header["fortran_order"] is not False:
        raise ValueError("the array has an unsupported layout")
    descr, shape = header["descr"], tuple(header["shape"])
    if isinstance(descr, list):
        descr = [(name, kind, *map(tuple, inner)) for name, kind, *inner in descr]
    dtype = np.lib.format.descr_to_dtype(descr)
    if dtype.hasobject:
        raise ValueError("the array contains Python objects")
    return shape, dtype
