"""Frames: numbered lists of arrays that two processes exchange through pipes.

Arrays are sent as raw bytes after their type and shape. Nothing is pickled, so reading a frame executes no code.
"""

from __future__ import annotations

import json
import struct
from collections.abc import Sequence
from dataclasses import dataclass
from enum import IntEnum
from typing import Any, BinaryIO, Final

import numpy as np
import numpy.typing as npt

__all__ = ["Frame", "FrameKind", "read_frame", "write_frame"]

_HEADER: Final = struct.Struct("<QBB")  # number, kind and number of arrays
_ARRAY: Final = struct.Struct("<BB")  # index of the type and number of axes
_SIDE: Final = struct.Struct("<Q")
_TYPES: Final = tuple(np.dtype(name) for name in ("u1", "<f4", "<f8", "<i4", "<i8"))


class FrameKind(IntEnum):
    """What a frame contains."""

    COMPILE = 0
    """Request to compile a network: structure, weights and options."""
    RUN = 1
    """Request to run the network: canvas and extra inputs."""
    RESULT = 2
    """Reply to either request: the network's properties, or its outputs."""
    ERROR = 3
    """Reply to a request that failed: class and message of the exception."""


@dataclass(frozen=True, eq=False)
class Frame:
    """A request, or the reply to it.

    Attributes:
        number: number of the request; its reply has the same number.
        kind: what the frame contains.
        arrays: the arrays, of type uint8, float32, float64, int32 or int64.
    """

    number: int
    kind: FrameKind
    arrays: Sequence[npt.NDArray[Any]]

    @classmethod
    def of_facts(
        cls, number: int, kind: FrameKind, facts: dict[str, Any], arrays: Sequence[npt.NDArray[Any]] = ()
    ) -> Frame:
        """Create a frame whose last array contains facts as JSON."""
        text = np.frombuffer(json.dumps(facts).encode(), np.uint8)
        return cls(number, kind, (*arrays, text))

    def facts(self) -> dict[str, Any]:
        """Return the facts of a frame created by `of_facts`."""
        facts: dict[str, Any] = json.loads(self.arrays[-1].tobytes())
        return facts


def write_frame(stream: BinaryIO, frame: Frame) -> None:
    """Write a frame to an unbuffered stream.

    Raises:
        OSError: the other process no longer reads.
    """
    head = bytearray(_HEADER.pack(frame.number, frame.kind, len(frame.arrays)))
    contiguous = [np.ascontiguousarray(array) for array in frame.arrays]
    for array in frame.arrays:
        head += _ARRAY.pack(_TYPES.index(array.dtype), array.ndim)
        for side in array.shape:
            head += _SIDE.pack(side)
    _write(stream, memoryview(head))
    for array in contiguous:
        if array.size:
            _write(stream, _bytes_of(array))


def read_frame(stream: BinaryIO) -> Frame | None:
    """Read the next frame.

    Returns:
        The frame; None if the other process has closed the stream, even in the middle of a frame.
    """
    head = _read(stream, _HEADER.size)
    if head is None:
        return None
    number, kind, count = _HEADER.unpack(head)
    arrays: list[npt.NDArray[Any]] = []
    for _ in range(count):
        description = _read(stream, _ARRAY.size)
        if description is None:
            return None
        index, axes = _ARRAY.unpack(description)
        sides = _read(stream, axes * _SIDE.size)
        if sides is None:
            return None
        shape = [side for (side,) in _SIDE.iter_unpack(sides)]
        arrays.append(np.empty(shape, _TYPES[index]))
    for array in arrays:
        if array.size and not _read_into(stream, _bytes_of(array)):
            return None
    return Frame(number, FrameKind(kind), arrays)


def _bytes_of(array: npt.NDArray[Any]) -> memoryview:
    """Return the memory of a contiguous array."""
    return array.reshape(-1).data.cast("B")


def _write(stream: BinaryIO, data: memoryview) -> None:
    """Write all bytes: an unbuffered stream may accept only some of them at a time."""
    while data:
        data = data[stream.write(data) :]


def _read(stream: BinaryIO, size: int) -> bytes | None:
    data = bytearray(size)
    return bytes(data) if _read_into(stream, memoryview(data)) else None


def _read_into(stream: BinaryIO, data: memoryview) -> bool:
    while data:
        count = stream.readinto(data)  # type: ignore[attr-defined]
        if not count:
            return False
        data = data[count:]
    return True
