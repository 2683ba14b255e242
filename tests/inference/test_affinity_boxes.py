"""Boxes and masks drawn with detail features, on maps and features of known objects."""

from __future__ import annotations

import numpy as np
import pytest

from freeloc.errors import ConfigurationError
from freeloc.geometry.grid import CellLayout
from freeloc.geometry.lattice import Lattice
from freeloc.geometry.pyramid import Pyramid
from freeloc.geometry.size import Size
from freeloc.inference.affinity_boxes import BoxCandidates, choose_boxes
from freeloc.inference.boxes import BoxOptions, boxes_from_map
from freeloc.inference.detail_features import DetailFeatures
from freeloc.inference.instance_cues import InstanceCues
from freeloc.inference.result import Localization
from freeloc.metrics import Detections

SIZE = Size(500, 350)
LATTICE = Lattice.with_spacing(SIZE, 8.0)
GRID = Pyramid().grid(SIZE, 1.4, CellLayout(32, offset=23.0))
FINE = GRID.subdivided(2)

Box = tuple[float, float, float, float]


def detail_of(*objects: Box) -> DetailFeatures:
    """Detail features of an image in which each object has features of its own, unlike the background."""
    values = np.zeros((1 + len(objects), 2 * GRID.rows, 2 * GRID.cols), np.float32)
    values[0] = 1
    centers = np.stack(np.meshgrid(np.arange(FINE.cols), np.arange(FINE.rows))[::-1], axis=-1)
    x, y = np.moveaxis(FINE.to_image(centers), -1, 0)
    for number, (x1, y1, x2, y2) in enumerate(objects, start=1):
        inside = (x >= x1) & (x < x2) & (y >= y1) & (y < y2)
        values[0, inside], values[number, inside] = 0.1, 1
    return DetailFeatures.of_canvas(values, GRID).normalized()


def spot(x: float, y: float, height: float = 0.9, width: float = 30) -> np.ndarray:
    distances = (LATTICE.xs[None] - x) ** 2 + (LATTICE.ys[:, None] - y) ** 2
    return (height * np.exp(-distances / (2 * width**2))).astype(np.float32)


def draw(
    maps: np.ndarray, detail: DetailFeatures, probabilities: list[float], **options: object
) -> Detections:
    labels = np.flatnonzero(np.array(probabilities) >= 0.01)
    cues = InstanceCues(labels, maps[labels], detail)
    candidates = BoxCandidates.find(maps, LATTICE, cues)
    return choose_boxes(candidates, probabilities, BoxOptions(**options))  # type: ignore[arg-type]


def iou(found: np.ndarray, box: Box) -> float:
    corner = np.array(box)
    sides = np.clip(np.minimum(found[2:], corner[2:]) - np.maximum(found[:2], corner[:2]), 0, None)
    union = np.prod(found[2:] - found[:2]) + np.prod(corner[2:] - corner[:2]) - np.prod(sides)
    return float(np.prod(sides) / union)


def test_the_box_fits_the_object_although_the_map_covers_only_one_end() -> None:
    thing = (100.0, 90.0, 400.0, 240.0)
    maps = spot(150, 160)[None]
    found = draw(maps, detail_of(thing), [0.8])
    assert iou(found.boxes[0], thing) > 0.85
    plain = boxes_from_map(maps, [0.8], LATTICE)
    assert iou(plain.boxes[0], thing) < 0.4
    assert 0.4 < found.score[0] <= 0.8
    assert (np.diff(found.score) <= 0).all()


def test_two_objects_with_the_same_features_get_a_box_each() -> None:
    left, right = (40.0, 100.0, 140.0, 240.0), (340.0, 100.0, 460.0, 240.0)
    values = detail_of(left, right).values.astype(np.float32)
    values[1] += values[2]
    same = DetailFeatures(values[:2], FINE).normalized()
    maps = np.maximum(spot(90, 170), spot(400, 170, 0.8))[None]
    found = draw(maps, same, [1.0])
    assert max(iou(box, left) for box in found.boxes[:3]) > 0.7
    assert max(iou(box, right) for box in found.boxes[:3]) > 0.7


def test_classes_are_independent_and_scores_are_proportional_to_probabilities() -> None:
    thing, other = (60.0, 60.0, 200.0, 200.0), (280.0, 120.0, 460.0, 300.0)
    detail = detail_of(thing, other)
    maps = np.stack([spot(120, 120), spot(400, 50), spot(370, 210)])
    found = draw(maps, detail, [0.9, 0.001, 0.5])
    assert set(found.label) == {0, 2}
    assert iou(found.boxes[found.label == 2][0], other) > 0.85
    alone = draw(maps[2:], detail, [0.25])
    np.testing.assert_allclose(alone.boxes, found.boxes[found.label == 2])
    np.testing.assert_allclose(2 * alone.score, found.score[found.label == 2])
    candidates = BoxCandidates.find(maps, LATTICE, InstanceCues(np.array([0, 2]), maps[[0, 2]], detail))
    only = choose_boxes(candidates, [0.9, 0.001, 0.5], only=2)
    np.testing.assert_array_equal(only.boxes, found.boxes[found.label == 2])
    assert set(only.label) == {2}


def test_options_limit_the_boxes() -> None:
    left, right = (40.0, 100.0, 140.0, 240.0), (340.0, 100.0, 460.0, 240.0)
    maps = np.maximum(spot(90, 170), spot(400, 170, 0.8))[None]
    detail = detail_of(left, right)
    assert len(draw(maps, detail, [1.0], max_boxes=1)) == 1
    many, few = (draw(maps, detail, [1.0], iou_threshold=threshold) for threshold in (0.9, 0.05))
    assert len(few) < len(many)


@pytest.mark.parametrize("probabilities", [[0.001], [0.9]])
def test_nothing_is_drawn_for_improbable_classes_and_empty_maps(probabilities: list[float]) -> None:
    empty = np.zeros((1, LATTICE.rows, LATTICE.cols), np.float32)
    found = draw(empty if probabilities[0] > 0.5 else empty + 1, detail_of(), probabilities)
    assert found.boxes.shape == (0, 4)


def result_of(maps: np.ndarray, detail: DetailFeatures | None, scores: list[float]) -> Localization:
    count = len(maps)
    labels = np.flatnonzero(np.array(scores) > -4)
    return Localization(
        SIZE,
        tuple(f"class{i}" for i in range(count)),
        np.array(scores, np.float32),
        np.zeros((count, 2)),
        maps.max(axis=(1, 2)),
        maps,
        LATTICE,
        "fused",
        cues=None if detail is None else InstanceCues(labels, maps[labels], detail),
    )


def covered(mask: np.ndarray, box: Box) -> float:
    exact = np.zeros((SIZE.height, SIZE.width), np.bool_)
    x1, y1, x2, y2 = map(round, box)
    exact[y1:y2, x1:x2] = True
    return float(np.count_nonzero(mask & exact) / np.count_nonzero(mask | exact))


def test_the_mask_covers_the_object_although_the_map_covers_only_one_end() -> None:
    thing = (100.0, 90.0, 400.0, 240.0)
    maps = np.stack([spot(150, 160), spot(300, 300)])
    result = result_of(maps, detail_of(thing), [3.0, -9.0])
    mask = result.mask("class0")
    assert mask.shape == (SIZE.height, SIZE.width)
    assert mask.dtype == np.bool_
    assert covered(mask, thing) > 0.85
    assert not result.mask("class1").any()
    assert np.count_nonzero(result.mask("class0", level=0.05)) > np.count_nonzero(mask)
    with pytest.raises(ConfigurationError, match="does not have the class 'cow'"):
        result.mask("cow")
    with pytest.raises(ConfigurationError, match="level"):
        result.mask("class0", level=1.5)


def test_without_detail_features_the_mask_is_where_the_map_is_high() -> None:
    maps = np.stack([spot(150, 160), spot(300, 300)])
    result = result_of(maps, None, [3.0, -9.0])
    rows, cols = LATTICE.upsampling_weights()
    expected = rows @ maps[0] @ cols.T >= 0.5 * maps[0].max()
    np.testing.assert_array_equal(result.mask("class0", level=0.5), expected)
    assert not result.mask("class1").any()
    default = rows @ maps[0] @ cols.T >= result.decision.box_threshold * maps[0].max()
    assert np.mean(default != result.mask("class0")) < 1e-3


def test_an_empty_map_has_an_empty_mask() -> None:
    empty = np.zeros((1, LATTICE.rows, LATTICE.cols), np.float32)
    for detail in (detail_of(), None):
        assert not result_of(empty, detail, [3.0]).mask("class0").any()
