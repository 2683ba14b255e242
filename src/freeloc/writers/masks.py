"""Masks as run-length encodings and as polygons, for the formats that store them.

The run-length encoding is COCO's: runs of absent and present pixels in column-major order, compressed to ASCII.
Polygons follow the outer edges of pixels in image coordinates: (0, 0) is the top-left corner of the image.
"""

from __future__ import annotations

import warnings
from importlib import import_module
from types import ModuleType
from typing import Any

import numpy as np

from freeloc._typing import BoolArray, Float64Array
from freeloc.errors import MissingDependencyError
from freeloc.geometry.size import Size
from freeloc.writers.image_record import MaskRecord

__all__ = [
    "EDITABLE_TOLERANCE",
    "check_mask",
    "check_mask_packages",
    "decode_mask",
    "encode_mask",
    "mask_part",
    "mask_polygons",
    "row_runs",
]

_MIN_AREA = 4.0
"""Minimum area of a polygon, in pixels."""

_TOLERANCE = 0.35
"""Maximum distance of a polygon from the boundary that it simplifies, in pixels. The boundary passes centers of
pixels at 0.35 (at corners) to 0.5 pixels, so that the polygon contains the centers of the same pixels."""

EDITABLE_TOLERANCE = 1.0
"""The same for polygons that people edit: they move the corners one by one."""


def check_mask_packages() -> None:
    """Check that the packages that encode masks are installed.

    Raises:
        MissingDependencyError: one of them is not.
    """
    _load("pycocotools.mask")
    _load("contourpy")


def encode_mask(mask: BoolArray) -> dict[str, Any]:
    """Return the run-length encoding of a (height, width) mask, as the JSON values of a `MaskRecord`.

    Raises:
        MissingDependencyError: pycocotools is not installed.
    """
    encoded = _load("pycocotools.mask").encode(np.asfortranarray(mask, dtype=np.uint8))
    return {"size": list(encoded["size"]), "counts": encoded["counts"].decode("ascii")}


def check_mask(record: MaskRecord, size: Size) -> None:
    """Check the run-length encoding of a mask in a file, whose damage pycocotools would turn into random pixels.

    Args:
        record: the encoding.
        size: size of the image.

    Raises:
        ValueError: the mask has another size than the image, or its runs do not cover it.

    Example:
        >>> check_mask(MaskRecord((2, 3), "123"), Size(3, 2))
    """
    height, width = record.size
    if (width, height) != (size.width, size.height):
        raise ValueError(f"it has {width}×{height} pixels, and the image has {size.width}×{size.height}")
    runs = _runs(record.counts)
    if any(run < 0 for run in runs) or sum(runs) != width * height:
        raise ValueError(f"its run lengths are not those of {width}×{height} pixels")


def _runs(counts: str) -> list[int]:
    """Return the lengths of runs in COCO's compressed encoding.

    A number is written in digits of five bits, the lowest first; 32 more says that another one follows. A digit is
    the character 48 places behind it. From the fourth one on, runs are differences from the run before the last.
    """
    runs: list[int] = []
    value = bits = 0
    for char in counts:
        digit = ord(char) - 48
        if not 0 <= digit < 64:
            raise ValueError(f"it contains {char!r}, which no run-length encoding does")
        value |= (digit & 31) << bits
        bits += 5
        if digit & 32:
            continue
        if digit & 16:
            value -= 1 << bits  # the highest bit is the sign
        runs.append(value + runs[-2] if len(runs) > 2 else value)
        value = bits = 0
    if bits:
        raise ValueError("its last run length is cut off")
    return runs


def decode_mask(record: MaskRecord) -> BoolArray:
    """Return the (height, width) mask of a record.

    Raises:
        MissingDependencyError: pycocotools is not installed.
    """
    values = {"size": list(record.size), "counts": record.counts.encode("ascii")}
    with warnings.catch_warnings():
        # Its array does not know NumPy 2's argument of copying, and NumPy says so.
        warnings.simplefilter("ignore", DeprecationWarning)
        return np.array(_load("pycocotools.mask").decode(values), dtype=np.bool_)


def mask_polygons(mask: BoolArray, tolerance: float = _TOLERANCE) -> list[Float64Array]:
    """Return the outer boundaries of a mask's regions, largest first.

    Holes are filled, since label tools cannot represent them in polygons. Regions smaller than 4 pixels are left
    out.

    Args:
        mask: (height, width).
        tolerance: maximum distance of the polygon from the boundary, in pixels. By default, the polygon contains
            the centers of the same pixels; 0 keeps every corner.

    Returns:
        For each region, its (N, 2) corners x, y in image coordinates, without repeating the first one.

    Raises:
        MissingDependencyError: contourpy is not installed.
    """
    # Pixel centers are at half-integers. Around the image, absent pixels close the boundaries.
    padded = np.pad(mask, 1).astype(np.float64)
    height, width = padded.shape
    generator = _load("contourpy").contour_generator(
        np.arange(width) - 0.5, np.arange(height) - 0.5, padded, fill_type="OuterOffset"
    )
    points, offsets = generator.filled(0.5, 2.0)
    rings = [
        np.asarray(ring[: bounds[1] - 1], dtype=np.float64)
        for ring, bounds in zip(points, offsets, strict=True)
    ]
    areas = [_area(ring) for ring in rings]
    order = sorted(range(len(rings)), key=lambda index: -areas[index])
    return [_simplify(rings[index], tolerance) for index in order if areas[index] >= _MIN_AREA]


def _simplify(ring: Float64Array, tolerance: float) -> Float64Array:
    """Return the corners of a closed polygon that are needed to stay close to it (Ramer, Douglas and Peucker)."""
    # Two corners are kept in any case: they divide the ring into two open lines.
    opposite = int(np.argmax(np.hypot(*(ring - ring[0]).T)))
    closed = np.vstack([ring, ring[:1]])
    kept = np.zeros(len(closed), np.bool_)
    kept[[0, opposite]] = True
    parts = [(0, opposite), (opposite, len(ring))]
    while parts:
        first, last = parts.pop()
        if last - first < 2:
            continue
        distances = _distances(closed[first + 1 : last], closed[first], closed[last])
        farthest = int(np.argmax(distances))
        if distances[farthest] > tolerance:
            middle = first + 1 + farthest
            kept[middle] = True
            parts += [(first, middle), (middle, last)]
    return closed[:-1][kept[:-1]]


def _distances(points: Float64Array, start: Float64Array, end: Float64Array) -> Float64Array:
    """Return the distances of (N, 2) points from the line between two others."""
    line = end - start
    along = np.clip((points - start) @ line / (line @ line), 0, 1)
    distances: Float64Array = np.hypot(*(points - start - along[:, None] * line).T)
    return distances


def mask_part(mask: BoolArray) -> tuple[int, int, BoolArray] | None:
    """Return the left column, the top row and the pixels of the smallest part of a mask that contains all of it.

    Returns:
        None if no pixel is present.

    Example:
        >>> mask_part(np.array([[False, False], [False, True]]))
        (1, 1, array([[ True]]))
    """
    rows, cols = np.flatnonzero(mask.any(axis=1)), np.flatnonzero(mask.any(axis=0))
    if not len(rows):
        return None
    left, top = int(cols[0]), int(rows[0])
    return left, top, mask[top : int(rows[-1]) + 1, left : int(cols[-1]) + 1]


def row_runs(mask: BoolArray) -> list[int]:
    """Return the lengths of runs of absent and present pixels of a (height, width) mask, row after row.

    The first run is of absent pixels, and may be empty.

    Example:
        >>> row_runs(np.array([[True, False], [False, True]]))
        [0, 1, 2, 1]
    """
    pixels = np.concatenate([[False], mask.ravel()])
    changes = np.flatnonzero(pixels[1:] != pixels[:-1])
    return [int(length) for length in np.diff(changes, prepend=0, append=mask.size)]


def _area(ring: Float64Array) -> float:
    x, y = ring.T
    return abs(float(x @ np.roll(y, -1) - y @ np.roll(x, -1))) / 2


def _load(module: str) -> ModuleType:
    try:
        return import_module(module)
    except ImportError as error:
        package = module.split(".", maxsplit=1)[0]
        raise MissingDependencyError(
            f"masks require {package}, which is not installed: run pip install 'freeloc[masks]'",
            extra="masks",
        ) from error
