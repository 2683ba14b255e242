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
from freeloc.writers.image_record import MaskRecord

__all__ = ["check_mask_packages", "decode_mask", "encode_mask", "mask_polygons", "row_runs"]

_MIN_AREA = 4.0
"""Minimum area of a polygon, in pixels."""


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


def mask_polygons(mask: BoolArray) -> list[Float64Array]:
    """Return the outer boundaries of a mask's regions, largest first.

    Holes are filled, since label tools cannot represent them in polygons. Regions smaller than 4 pixels are left
    out.

    Args:
        mask: (height, width).

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
    return [rings[index] for index in order if areas[index] >= _MIN_AREA]


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
