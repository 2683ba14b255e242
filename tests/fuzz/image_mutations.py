"""Changes of the parts of image files: chunks of PNG, segments of JPEG, tags of TIFF, boxes of JPEG 2000 and AVIF."""

from __future__ import annotations

import struct
import zlib
from collections.abc import Callable
from random import Random

from tests.fuzz.mutations import change_bytes

__all__ = ["change_image"]

_NUMBERS = (
    0,
    1,
    2,
    3,
    4,
    5,
    7,
    8,
    16,
    32,
    127,
    255,
    256,
    257,
    1000,
    32767,
    32768,
    65535,
    65536,
    2**31 - 1,
    2**31,
    2**32 - 1,
)


def change_image(rng: Random, data: bytes, changes: int) -> bytes:
    """Return an image file with some parts changed, of its format or of its bytes."""
    for _ in range(changes):
        structured = _structured_change(data)
        if structured is None or rng.random() < 0.35:
            data = change_bytes(rng, data, 1)
            continue
        try:
            data = structured(rng, data)
        except (struct.error, IndexError, ValueError):  # an earlier change has destroyed the structure
            data = change_bytes(rng, data, 1)
    return data


def _structured_change(data: bytes) -> Callable[[Random, bytes], bytes] | None:
    if data.startswith(b"\x89PNG"):
        return _change_png
    if data.startswith(b"\xff\xd8"):
        return _change_jpeg
    if data[:4] in {b"II*\0", b"MM\0*"}:
        return _change_tiff
    if data.startswith(b"BM"):
        return _change_bmp
    if data.startswith(b"RIFF"):
        return _change_riff
    if data[4:8] in {b"jP  ", b"ftyp"}:
        return _change_boxes
    return None


def _number(rng: Random, size: int) -> int:
    return rng.choice(_NUMBERS) % (1 << (8 * size))


def _rearrange(rng: Random, parts: list[bytes], first: int = 0) -> None:
    """Swap, delete, repeat or shuffle parts from the index ``first`` on."""
    if len(parts) <= first:
        return
    place = rng.randrange(first, len(parts))
    action = rng.randrange(4)
    if action == 0:
        other = rng.randrange(first, len(parts))
        parts[place], parts[other] = parts[other], parts[place]
    elif action == 1:
        del parts[place]
    elif action == 2:
        parts.insert(rng.randrange(first, len(parts) + 1), parts[place])
    else:
        tail = parts[first:]
        rng.shuffle(tail)
        parts[first:] = tail


# --- PNG ---------------------------------------------------------------------------------------------------


def _change_png(rng: Random, data: bytes) -> bytes:
    chunks: list[tuple[bytes, bytes]] = []
    position = 8
    while position + 8 <= len(data):
        (length,) = struct.unpack_from(">I", data, position)
        chunks.append((data[position + 4 : position + 8], data[position + 8 : position + 8 + length]))
        position += 12 + length
    place = rng.randrange(len(chunks))
    kind, body = chunks[place]
    action = rng.randrange(5)
    if action == 0:
        parts = [kind + body for kind, body in chunks]
        _rearrange(rng, parts, rng.choice((0, 1)))
        chunks = [(part[:4], part[4:]) for part in parts]
    elif action == 1 and chunks[0][0] == b"IHDR":
        header = bytearray(chunks[0][1])
        field, size = rng.choice(((0, 4), (4, 4), (8, 1), (9, 1), (10, 1), (11, 1), (12, 1)))
        header[field : field + size] = _number(rng, size).to_bytes(size, "big")
        chunks[0] = (b"IHDR", bytes(header))
    elif action == 2 and kind == b"IDAT":
        try:
            raw = zlib.decompress(body)
        except zlib.error:
            raw = body
        chunks[place] = (kind, zlib.compress(change_bytes(rng, raw, 1)))
    elif action == 3:
        new = rng.choice(
            (
                b"tRNS",
                b"PLTE",
                b"eXIf",
                b"iCCP",
                b"acTL",
                b"fcTL",
                b"fdAT",
                b"tEXt",
                b"zTXt",
                b"gAMA",
                b"abCd",
            )
        )
        content = rng.choice(
            (b"", rng.randbytes(6), rng.randbytes(26), b"x\0\0" + zlib.compress(bytes(2_000_000)))
        )
        chunks.insert(rng.randrange(1, len(chunks) + 1), (new, content))
    else:
        chunks[place] = (kind, change_bytes(rng, body, 1))
    wrong = rng.randrange(len(chunks)) if rng.random() < 0.1 and chunks else -1
    parts = []
    for index, (kind, body) in enumerate(chunks):
        checksum = zlib.crc32(kind + body) ^ (index == wrong)
        parts.append(struct.pack(">I", len(body)) + kind + body + struct.pack(">I", checksum))
    return data[:8] + b"".join(parts)


# --- JPEG --------------------------------------------------------------------------------------------------


def _change_jpeg(rng: Random, data: bytes) -> bytes:
    segments, position = [], 2
    while data[position] == 0xFF and data[position + 1] != 0xDA:
        (length,) = struct.unpack_from(">H", data, position + 2)
        segments.append(data[position : position + 2 + length])
        position += 2 + length
    scan = data[position:]
    action = rng.randrange(4)
    place = rng.randrange(len(segments))
    segment = bytearray(segments[place])
    if action == 0:
        _rearrange(rng, segments)
    elif action == 1:
        frames = [index for index, each in enumerate(segments) if each[1] in {0xC0, 0xC1, 0xC2}]
        frame = bytearray(segments[frames[0]])
        field, size = rng.choice(((4, 1), (5, 2), (7, 2), (9, 1), (10, 1), (11, 1), (12, 1)))
        frame[field : field + size] = _number(rng, size).to_bytes(size, "big")
        segments[frames[0]] = bytes(frame)
    elif action == 2:
        segment[1] = rng.choice(
            (0xC0, 0xC1, 0xC2, 0xC3, 0xC4, 0xC9, 0xDB, 0xDD, 0xE0, 0xE1, 0xE2, 0xED, 0xEE, 0xFE)
        )
        segments[place] = bytes(segment)
    else:
        body = change_bytes(rng, bytes(segment[4:]), 1)[:65533]
        segments[place] = bytes(segment[:2]) + struct.pack(">H", len(body) + 2) + body
    return data[:2] + b"".join(segments) + scan


# --- TIFF and BMP ------------------------------------------------------------------------------------------


def _change_tiff(rng: Random, data: bytes) -> bytes:
    order = "<" if data[:2] == b"II" else ">"
    (start,) = struct.unpack_from(f"{order}I", data, 4)
    (count,) = struct.unpack_from(f"{order}H", data, start)
    entries = [data[start + 2 + 12 * index : start + 14 + 12 * index] for index in range(count)]
    place = rng.randrange(len(entries))
    tag, kind, length, value = struct.unpack(f"{order}HHII", entries[place])
    action = rng.randrange(6)
    if action == 0:
        _rearrange(rng, entries)
    elif action == 1:
        kind = rng.randrange(20)
    elif action == 2:
        length = rng.choice((*_NUMBERS, length + 1, length - 1)) % 2**32
    elif action == 3:
        tag = rng.choice(
            (254, 256, 258, 259, 262, 266, 273, 274, 277, 278, 279, 284, 317, 320, 322, 338, 339, 529, 34665)
        )
    elif order == ">" and kind == 3 and length == 1:
        value = _number(rng, 2) << 16
    else:
        value = rng.choice((*_NUMBERS, value + 1, 32773, 50000, 32946, 34712)) % 2**32
    if action:
        entries[place] = struct.pack(f"{order}HHII", tag, kind, length, value)
    table = struct.pack(f"{order}H", len(entries)) + b"".join(entries)
    if len(entries) == count:
        return data[:start] + table + data[start + len(table) :]
    # A table of another length goes to the end.
    head = data[:4] + struct.pack(f"{order}I", len(data))
    return head + data[8:] + table + struct.pack(f"{order}I", rng.choice((0, 8, len(data))))


def _change_bmp(rng: Random, data: bytes) -> bytes:
    buffer = bytearray(data)
    field, size = rng.choice(
        (
            (2, 4),
            (10, 4),
            (14, 4),
            (18, 4),
            (22, 4),
            (26, 2),
            (28, 2),
            (30, 4),
            (34, 4),
            (46, 4),
            (54, 4),
            (58, 4),
            (62, 4),
        )
    )
    buffer[field : field + size] = _number(rng, size).to_bytes(size, "little")
    return bytes(buffer)


# --- RIFF and boxes ----------------------------------------------------------------------------------------


def _change_riff(rng: Random, data: bytes) -> bytes:
    chunks, position = [], 12
    while position + 8 <= len(data):
        (length,) = struct.unpack_from("<I", data, position + 4)
        length += length % 2
        chunks.append(data[position : position + 8 + length])
        position += 8 + length
    place = rng.randrange(len(chunks))
    if rng.random() < 0.4:
        _rearrange(rng, chunks)
    else:
        body = change_bytes(rng, chunks[place][8:], 1)
        chunks[place] = chunks[place][:4] + struct.pack("<I", len(body)) + body + bytes(len(body) % 2)
    content = b"WEBP" + b"".join(chunks)
    return b"RIFF" + struct.pack("<I", len(content)) + content


def _change_boxes(rng: Random, data: bytes) -> bytes:
    boxes, position = [], 0
    while position + 8 <= len(data):
        (length,) = struct.unpack_from(">I", data, position)
        length = length if length >= 8 else len(data) - position
        boxes.append(data[position : position + length])
        position += length
    place = rng.randrange(len(boxes))
    if rng.random() < 0.3:
        _rearrange(rng, boxes, rng.choice((0, 1)))
    else:
        body = change_bytes(rng, boxes[place][8:], 1)
        boxes[place] = struct.pack(">I", len(body) + 8) + boxes[place][4:8] + body
    return b"".join(boxes)
