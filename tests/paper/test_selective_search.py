"""Selective search: its boxes, their coordinates, and caching."""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from freeloc._typing import Float64Array
from freeloc.errors import FreelocError
from freeloc.features.entry_file import write_entry
from freeloc.images.image_info import read_image_info
from freeloc.paper.selective_search import ProposalCache, ProposalOptions, propose_boxes, selective_search

pytest.importorskip("cv2.ximgproc", reason="the extra reproduce is not installed")

OBJECT = (120, 60, 280, 220)


def overlap(boxes: np.ndarray, truth: tuple[int, int, int, int]) -> Float64Array:
    low = np.maximum(boxes[:, :2], truth[:2])
    high = np.minimum(boxes[:, 2:], truth[2:])
    common: Float64Array = np.clip(high - low, 0, None).prod(axis=1)
    areas = (boxes[:, 2:] - boxes[:, :2]).prod(axis=1)
    ratio: Float64Array = common / (areas + (truth[2] - truth[0]) * (truth[3] - truth[1]) - common)
    return ratio


def scene() -> np.ndarray:
    noise = np.random.default_rng(0).integers(0, 12, (300, 400, 3))
    pixels = np.full((300, 400, 3), (30, 120, 40)) + noise
    x1, y1, x2, y2 = OBJECT
    pixels[y1:y2, x1:x2] = (200, 40, 30) + noise[y1:y2, x1:x2]
    return pixels.astype(np.uint8)


@pytest.fixture
def image(tmp_path: Path) -> Path:
    Image.fromarray(scene()).save(tmp_path / "scene.png")
    return tmp_path / "scene.png"


@pytest.mark.parametrize("side", [128, 256, 1000])
def test_a_plain_object_is_met_in_the_images_own_pixels(side: int) -> None:
    boxes = selective_search(scene(), ProposalOptions(side=side))
    assert boxes.dtype == np.float32
    assert overlap(boxes, OBJECT).max() > 0.9
    assert (boxes[:, :2] >= 0).all()
    assert (boxes[:, 2:] <= (400, 300)).all()
    sides = (boxes[:, 2:] - boxes[:, :2]).min()
    assert sides >= 8 * min(400 / side, 1) if side < 400 else sides >= 8
    assert len(np.unique(boxes, axis=0)) == len(boxes)


def test_the_same_image_gives_the_same_boxes_in_the_same_order() -> None:
    first, again = (selective_search(scene()) for _ in range(2))
    np.testing.assert_array_equal(first, again)


def test_a_picture_without_any_difference_still_answers() -> None:
    boxes = selective_search(np.full((40, 60, 3), 90, np.uint8))
    assert boxes.shape[1] == 4


def test_proposals_are_kept_by_content_and_options(image: Path, tmp_path: Path) -> None:
    store = ProposalCache.open(tmp_path / "kept", ProposalOptions(side=128))
    contents = [info.content_hash for info in read_image_info([image])]
    (made,) = propose_boxes([image], contents, store, quiet=True)
    (entry,) = store.folder.glob("*/*.npy")
    np.testing.assert_array_equal(made, selective_search(image, store.options))
    sound = entry.read_bytes()
    write_entry(entry, made[:3], f"{store.folder.name}/{entry.name}")
    (again,) = propose_boxes([image], contents, store, quiet=True)
    np.testing.assert_array_equal(again, made[:3])  # the file is used
    flipped = bytearray(sound)
    flipped[200] ^= 1
    for damaged in (b"\x93NUMPY and no more", sound[:-1], flipped):
        entry.write_bytes(damaged)
        (mended,) = propose_boxes([image], contents, store, quiet=True)
        np.testing.assert_array_equal(mended, made)
        assert entry.read_bytes() == sound
    np.save(entry, made[:3])
    (mended,) = propose_boxes([image], contents, store, quiet=True)
    np.testing.assert_array_equal(mended, made)
    assert ProposalCache.open(tmp_path / "kept", ProposalOptions(side=256)).folder != store.folder


def test_without_contrib_it_says_what_to_install(monkeypatch: pytest.MonkeyPatch, image: Path) -> None:
    import cv2

    monkeypatch.delattr(cv2, "ximgproc")
    with pytest.raises(FreelocError, match="opencv-contrib-python-headless"):
        selective_search(image)
    monkeypatch.setitem(sys.modules, "cv2", None)
    with pytest.raises(FreelocError, match=r"freeloc\[reproduce\]"):
        selective_search(image)


@pytest.mark.images
def test_most_objects_of_real_images_are_met(voc_root: Path, tmp_path: Path) -> None:
    from freeloc.datasets import DatasetChecks, open_dataset

    some = open_dataset(voc_root, split="val", boxes=True, checks=DatasetChecks(quiet=True)).samples[:20]
    paths = [sample.path for sample in some]
    contents = [info.content_hash for info in read_image_info(paths)]
    found = propose_boxes(paths, contents, ProposalCache.open(tmp_path), quiet=True)
    best = [
        overlap(boxes, (box.x1, box.y1, box.x2, box.y2)).max()  # type: ignore[arg-type]
        for sample, boxes in zip(some, found, strict=True)
        for box in sample.boxes or ()
        if not box.difficult
    ]
    assert np.mean(np.array(best) >= 0.5) > 0.7
