"""Masks as Label Studio's brush encodes them: run lengths of the bytes of an RGBA picture, packed into bits.

A header states the number of bytes, the number of bits of a value, and four numbers of bits of a length. The runs
follow: each is a 1, two bits that choose the number of bits of its length, the length less one, and the value.
Label Studio shows the pixels whose alpha value is not 0.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from freeloc._typing import BoolArray
from freeloc.writers.masks import row_runs

__all__ = ["brush_rle"]

_CHANNELS: Final = 4
_VALUE_BITS: Final = 8
_PRESENT: Final = 255
_LENGTH_BITS: Final = (3, 4, 8, 16)


def brush_rle(mask: BoolArray) -> list[int]:
    """Return the encoding of a (height, width) mask as a list of bytes, as it stands in the JSON of a region.

    Example:
        >>> import numpy as np
        >>> len(brush_rle(np.zeros((1000, 1000), np.bool_)))
        216
    """
    bits = [f"{_CHANNELS * mask.size:032b}", f"{_VALUE_BITS - 1:05b}"]
    bits += [f"{size - 1:04b}" for size in _LENGTH_BITS]
    value = 0
    for length in row_runs(mask):
        bits += _run(_CHANNELS * length, value)
        value = _PRESENT - value
    text = "".join(bits)
    text += "0" * (-len(text) % 8)
    return list(int(text, 2).to_bytes(len(text) // 8, "big"))


def _run(length: int, value: int) -> Iterator[str]:
    """Yield the bits of a run, which is divided if no length holds its own."""
    longest = 1 << _LENGTH_BITS[-1]
    while length > 0:
        part = min(length, longest)
        size = next(index for index, bits in enumerate(_LENGTH_BITS) if part <= 1 << bits)
        yield f"1{size:02b}{part - 1:0{_LENGTH_BITS[size]}b}{value:0{_VALUE_BITS}b}"
        length -= part
