"""TIFF files written byte by byte from the TIFF 6.0 specification, independently of Pillow and libtiff."""

from __future__ import annotations

import struct
import zlib
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

MIN_IS_WHITE, MIN_IS_BLACK, RGB, PALETTE, CMYK, YCBCR, LAB = 0, 1, 2, 3, 5, 6, 8
UNSIGNED, SIGNED, FLOAT = 1, 2, 3
UNCOMPRESSED, LZW, DEFLATE, PACKBITS = 1, 5, 8, 32773
UNSPECIFIED, ASSOCIATED, UNASSOCIATED = 0, 1, 2

_SHORT, _LONG, _LONG8 = 3, 4, 16


def tiff_bytes(
    samples: np.ndarray,
    bits: int,
    photometric: int,
    *,
    order: str = "<",
    planar: int = 1,
    fill_order: int = 1,
    sample_format: int = UNSIGNED,
    extra: Sequence[int] = (),
    compression: int = UNCOMPRESSED,
    predictor: int = 1,
    rows_per_strip: int | None = None,
    tile: int | None = None,
    big: bool = False,
    tags: Mapping[int, tuple[int, Sequence[int]]] | None = None,
) -> bytes:
    """Return the content of a TIFF file.

    Args:
        samples: (H, W) or (H, W, S) values, in the range that ``bits`` and ``sample_format`` allow.
        bits: bits per sample.
        photometric: how the samples are interpreted.
        order: ``"<"`` for a little-endian and ``">"`` for a big-endian file.
        planar: 1 stores the samples of a pixel together, 2 stores each channel in a plane of its own.
        fill_order: 1 starts with the highest bit of a byte, 2 with the lowest.
        sample_format: unsigned, signed or floating-point samples.
        extra: meaning of the samples that follow the colors.
        compression: uncompressed, deflate, PackBits (literal runs only) or LZW (literal codes only).
        predictor: 2 stores the differences between horizontal neighbors (8, 16 and 32 bits only).
        rows_per_strip: default: one strip for the whole image.
        tile: side of the square tiles; None for strips.
        big: whether to write a BigTIFF file.
        tags: further tags: their type and values, which replace tags of the same number.
    """
    samples = samples[..., None] if samples.ndim == 2 else samples
    height, width, count = samples.shape
    planes = [samples] if planar == 1 else [samples[..., i : i + 1] for i in range(count)]
    if tile is None:
        step = rows_per_strip or height
        blocks = [plane[top : top + step] for plane in planes for top in range(0, height, step)]
    else:
        blocks = [
            _tile(plane, top, left, tile)
            for plane in planes
            for top in range(0, height, tile)
            for left in range(0, width, tile)
        ]
    chunks = [_compress(_pack(block, bits, order, predictor), compression) for block in blocks]
    if fill_order == 2:
        chunks = [_reverse_bits(chunk) for chunk in chunks]
    entries: dict[int, tuple[int, Sequence[int]]] = {
        256: (_LONG, [width]),
        257: (_LONG, [height]),
        258: (_SHORT, [bits] * count),
        259: (_SHORT, [compression]),
        262: (_SHORT, [photometric]),
        277: (_SHORT, [count]),
        284: (_SHORT, [planar]),
    }
    if fill_order != 1:
        entries[266] = (_SHORT, [fill_order])
    if predictor != 1:
        entries[317] = (_SHORT, [predictor])
    if extra:
        entries[338] = (_SHORT, list(extra))
    if sample_format != UNSIGNED:
        entries[339] = (_SHORT, [sample_format] * count)
    offsets, sizes = (324, 325) if tile else (273, 279)
    if tile:
        entries[322], entries[323] = (_LONG, [tile]), (_LONG, [tile])
    else:
        entries[278] = (_LONG, [rows_per_strip or height])
    start = 16 if big else 8
    positions = np.cumsum([start, *map(len, chunks)]).tolist()
    entries[offsets] = (_LONG, positions[:-1])
    entries[sizes] = (_LONG, [len(chunk) for chunk in chunks])
    entries |= tags or {}
    head = (
        struct.pack(f"{order}2sHHHQ", _mark(order), 43, 8, 0, positions[-1])
        if big
        else struct.pack(f"{order}2sHI", _mark(order), 42, positions[-1])
    )
    return b"".join((head, *chunks, _directory(entries, order, positions[-1], big)))


def _mark(order: str) -> bytes:
    return b"II" if order == "<" else b"MM"


def _tile(plane: np.ndarray, top: int, left: int, side: int) -> np.ndarray:
    block = np.zeros((side, side, plane.shape[2]), plane.dtype)
    content = plane[top : top + side, left : left + side]
    block[: content.shape[0], : content.shape[1]] = content
    return block


def _pack(block: np.ndarray, bits: int, order: str, predictor: int) -> bytes:
    if bits in (8, 16, 32, 64):
        kind = block.dtype.kind if block.dtype.kind in "if" else "u"
        values = block.astype(f"{kind}{bits // 8}")
        if predictor == 2:
            values[:, 1:] -= values[:, :-1].copy()
        data = np.frombuffer(values.astype(f"{order}{kind}{bits // 8}").tobytes(), np.uint8)
    else:
        rows = block.reshape(len(block), -1).astype(np.int64)
        shifts = np.arange(bits - 1, -1, -1)
        data = np.packbits(
            (rows[..., None] >> shifts & 1).reshape(len(rows), -1).astype(np.uint8), axis=1
        ).ravel()
    return data.tobytes()


def _reverse_bits(data: bytes) -> bytes:
    return np.packbits(np.unpackbits(np.frombuffer(data, np.uint8)).reshape(-1, 8)[:, ::-1]).tobytes()


def _compress(data: bytes, compression: int) -> bytes:
    if compression == DEFLATE:
        return zlib.compress(data)
    if compression == PACKBITS:
        runs = [data[i : i + 128] for i in range(0, len(data), 128)]
        return b"".join(bytes([len(run) - 1]) + run for run in runs)
    if compression == LZW:
        # A clear code before every 250 literals keeps all codes at 9 bits.
        codes = [code for i in range(0, len(data), 250) for code in (256, *data[i : i + 250])] + [257]
        return np.packbits(
            np.array([[code >> bit & 1 for bit in range(8, -1, -1)] for code in codes], np.uint8)
        ).tobytes()
    assert compression == UNCOMPRESSED
    return data


def _directory(
    entries: Mapping[int, tuple[int, Sequence[Any]]], order: str, position: int, big: bool
) -> bytes:
    entry_size, inline = (20, 8) if big else (12, 4)
    words = "Q" if big else "I"
    count = struct.pack(f"{order}Q" if big else f"{order}H", len(entries))
    beyond = position + len(count) + entry_size * len(entries) + inline
    table, data = [count], b""
    for tag, (kind, values) in sorted(entries.items()):
        code = {1: "B", _SHORT: "H", _LONG: "I", _LONG8: "Q", 7: "B"}[kind]
        packed = struct.pack(f"{order}{len(values)}{code}", *values)
        if len(packed) > inline:
            value = struct.pack(f"{order}{words}", beyond + len(data))
            data += packed + b"\0" * (len(packed) % 2)
        else:
            value = packed.ljust(inline, b"\0")
        table.append(struct.pack(f"{order}HH{words}", tag, kind, len(values)) + value)
    return b"".join((*table, struct.pack(f"{order}{words}", 0), data))
