"""Masks as run lengths and polygons; the polygons are filled again."""

from __future__ import annotations

import sys

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as npst

from freeloc._typing import BoolArray
from freeloc.errors import MissingDependencyError
from freeloc.geometry.size import Size
from freeloc.io.typed_json import convert_json
from freeloc.writers.image_record import MaskRecord
from freeloc.writers.masks import (
    EDITABLE_TOLERANCE,
    check_mask,
    check_mask_packages,
    decode_mask,
    encode_mask,
    mask_polygons,
)

MASKS = npst.arrays(np.bool_, st.tuples(st.integers(1, 30), st.integers(1, 30)))


@given(MASKS)
def test_an_encoded_mask_is_read_back(mask: BoolArray) -> None:
    encoded = encode_mask(mask)
    assert encoded["size"] == list(mask.shape)
    assert np.array_equal(decode_mask(convert_json(encoded, MaskRecord)), mask)


@given(MASKS)
def test_every_encoded_mask_is_accepted(mask: BoolArray) -> None:
    record = convert_json(encode_mask(mask), MaskRecord)
    check_mask(record, Size(mask.shape[1], mask.shape[0]))


@pytest.mark.parametrize(
    ("counts", "message"),
    [
        ("", "its run lengths are not those of 3×2 pixels"),
        ("12", "its run lengths are not those of 3×2 pixels"),
        ("1230", "its run lengths are not those of 3×2 pixels"),  # a run of 2 more
        ("6O1", "its run lengths are not those of 3×2 pixels"),  # a run of -1
        ("12P", "its last run length is cut off"),
        ("12/", "it contains '/'"),
        ("12é", "it contains 'é'"),
    ],
)
def test_a_damaged_encoding_is_refused(counts: str, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        check_mask(MaskRecord((2, 3), counts), Size(3, 2))


def test_a_mask_of_another_size_is_refused() -> None:
    with pytest.raises(ValueError, match="it has 3×2 pixels, and the image has 2×3"):
        check_mask(MaskRecord((2, 3), "123"), Size(2, 3))


def test_the_encoding_is_that_of_coco() -> None:
    """Runs in column-major order, beginning with absent pixels: 1, 2, 3 and 0 more than the run before the last."""
    mask = np.array([[0, 1, 0], [1, 0, 0]], dtype=np.bool_)
    # Column by column, the pixels are 0 1 1 0 0 0: runs of 1, 2 and 3, and each is a digit from "0".
    assert encode_mask(mask)["counts"] == "123"


def filled(polygons: list[np.ndarray], shape: tuple[int, int]) -> BoolArray:
    """Return the pixels whose centers lie in a polygon: those from which a ray crosses it an odd number of times."""
    x, y = np.meshgrid(np.arange(shape[1]) + 0.5, np.arange(shape[0]) + 0.5)
    found = np.zeros(shape, np.bool_)
    for polygon in polygons:
        inside = np.zeros(shape, np.bool_)
        for (x1, y1), (x2, y2) in zip(polygon, np.roll(polygon, -1, axis=0), strict=True):
            if y1 != y2:
                inside ^= ((y1 > y) != (y2 > y)) & (x < x1 + (y - y1) * (x2 - x1) / (y2 - y1))
        found |= inside
    return found


def test_polygons_enclose_the_pixels_of_every_region() -> None:
    mask = np.zeros((40, 60), dtype=np.bool_)
    mask[5:15, 8:30] = True
    mask[20:40, 40:60] = True  # up to the border of the image
    mask[30, 3] = True  # too small for a polygon
    polygons = mask_polygons(mask)
    assert len(polygons) == 2
    corners = [(polygon.min(axis=0).tolist(), polygon.max(axis=0).tolist()) for polygon in polygons]
    assert corners == [([40.0, 20.0], [60.0, 40.0]), ([8.0, 5.0], [30.0, 15.0])]
    mask[30, 3] = False
    assert np.array_equal(filled(polygons, mask.shape), mask)


@given(MASKS)
def test_simplified_polygons_contain_the_same_pixels(mask: BoolArray) -> None:
    every_corner = filled(mask_polygons(mask, tolerance=0), mask.shape)
    assert np.array_equal(filled(mask_polygons(mask), mask.shape), every_corner)


def test_a_polygon_to_edit_has_few_corners() -> None:
    rows, cols = np.mgrid[:300, :400]
    disk = np.hypot(rows - 150, cols - 200) < 120
    (polygon,), (same_pixels,) = mask_polygons(disk, EDITABLE_TOLERANCE), mask_polygons(disk)
    assert len(polygon) < len(same_pixels) / 4 < 60
    radii = np.hypot(*(polygon - (200.5, 150.5)).T)
    assert np.abs(radii - 120).max() < 1.5
    changed = filled([polygon], disk.shape) ^ disk
    assert changed.sum() < 0.01 * disk.sum()
    square = np.zeros((50, 50), np.bool_)
    square[10:40, 10:40] = True
    assert len(mask_polygons(square)[0]) <= 8
    assert len(mask_polygons(square, EDITABLE_TOLERANCE)[0]) <= 5


def test_holes_are_filled() -> None:
    mask = np.ones((12, 12), dtype=np.bool_)
    mask[4:8, 4:8] = False
    (polygon,) = mask_polygons(mask)
    assert filled([polygon], mask.shape).all()


def test_nothing_has_no_polygon() -> None:
    assert mask_polygons(np.zeros((5, 5), dtype=np.bool_)) == []


@pytest.mark.parametrize("package", ["pycocotools.mask", "contourpy"])
def test_a_missing_package_is_named(package: str, monkeypatch: pytest.MonkeyPatch) -> None:
    check_mask_packages()
    monkeypatch.setitem(sys.modules, package, None)
    name = package.split(".", maxsplit=1)[0]
    with pytest.raises(MissingDependencyError, match=rf"require {name}, .*pip install 'freeloc\[masks\]'"):
        check_mask_packages()
