"""Parse the IPTC block of an image, in which older programs store keywords."""

from __future__ import annotations

from collections.abc import Iterator

from freeloc.datasets.keywords.metadata_error import MetadataError

__all__ = ["read_iptc"]

_MARKER = 0x1C
_CHARACTER_SET, _KEYWORD = (1, 90), (2, 25)
_UTF_8 = b"\x1b%G"
"""The escape sequence of ISO 2022 that announces UTF-8."""

_LONG = 0x8000
"""This bit of a length says that the other bits are the number of bytes of the length that follows."""

_ADVICE = "let the program that wrote it write it again"


def read_iptc(block: bytes) -> tuple[str, ...]:
    r"""Return the keywords in an IPTC block.

    Text is UTF-8 if the block says so, or if it contains characters that are not ASCII and is valid UTF-8, which
    text in Latin-1 practically never is. All other text is read as Windows-1252, which contains Latin-1.

    Raises:
        MetadataError: the block is damaged, or its text is not UTF-8 although the block says so.

    Example:
        >>> read_iptc(b"\x1c\x02\x19\x00\x03dog\x1c\x02\x19\x00\x04D\xfcne")
        ('dog', 'Düne')
    """
    keywords = []
    declares_utf_8 = False
    for key, value in _records(block):
        if key == _CHARACTER_SET:
            declares_utf_8 = value == _UTF_8
        elif key == _KEYWORD:
            keywords.append(value)
    return tuple(text for value in keywords if (text := _decode(value, declares_utf_8).strip("\0 ")))


def _records(block: bytes) -> Iterator[tuple[tuple[int, int], bytes]]:
    """Yield the record and dataset numbers, and the value, of each dataset in a block."""
    position = 0
    end = len(block.rstrip(b"\0"))  # blocks are padded with zeros, with which a value may also end
    while position < end:
        head = block[position : position + 5]
        if len(head) < 5 or head[0] != _MARKER:
            raise MetadataError(f"damaged at byte {position}: {_ADVICE}")
        length, start = int.from_bytes(head[3:]), position + 5
        if length & _LONG:
            start += length ^ _LONG
            length = int.from_bytes(block[position + 5 : start])
        position = start + length
        if position > len(block):
            raise MetadataError(f"truncated after {len(block)} bytes: {_ADVICE}")
        yield (head[1], head[2]), block[start:position]


def _decode(value: bytes, declares_utf_8: bool) -> str:
    try:
        return value.decode()
    except UnicodeDecodeError as error:
        if declares_utf_8:
            raise MetadataError(
                f"the keyword {value!r} is not UTF-8, as the block says: {_ADVICE}"
            ) from error
    try:
        return value.decode("cp1252")
    except UnicodeDecodeError:
        return value.decode("latin-1")
