"""Boxes of results as detections of supervision, which draws and merges them."""

from __future__ import annotations

import sys
from typing import Any

import numpy as np
import pytest

from freeloc.errors import ConfigurationError, MissingDependencyError
from freeloc.inference.result import Localization

sv: Any = pytest.importorskip("supervision", reason="supervision is not installed")


def test_detections_are_the_boxes_of_present_classes(tiny_result: Localization) -> None:
    found = tiny_result.to_supervision()
    expected = [
        (location.name, box) for location in tiny_result.present() for box in tiny_result.boxes(location.name)
    ]
    assert len(found) == len(expected) > 0
    assert found.data["class_name"].tolist() == [name for name, _ in expected]
    assert found.class_id.tolist() == [tiny_result.classes.index(name) for name, _ in expected]
    np.testing.assert_allclose(found.confidence, [box.score for _, box in expected], rtol=1e-6)
    np.testing.assert_allclose(
        found.xyxy, [(box.x1, box.y1, box.x2, box.y2) for _, box in expected], rtol=1e-6
    )
    everything = tiny_result.to_supervision(threshold=0)
    assert set(everything.class_id.tolist()) == set(range(4))
    assert len(tiny_result.to_supervision(boxes=1)) == len(tiny_result.present())


def test_masks_are_the_pixels_of_the_class_in_each_box(tiny_result: Localization) -> None:
    found = tiny_result.to_supervision(masks=True)
    assert found.mask.shape == (len(found), 60, 90)
    centers = np.stack(np.meshgrid(np.arange(90) + 0.5, np.arange(60) + 0.5), axis=-1)
    for mask, box, name in zip(found.mask, found.xyxy, found.data["class_name"], strict=True):
        inside = ((centers >= box[:2]) & (centers < box[2:])).all(axis=-1)
        np.testing.assert_array_equal(mask, tiny_result.mask(name) & inside)


def test_supervision_merges_filters_and_draws(tiny_result: Localization) -> None:
    nothing = tiny_result.to_supervision(threshold=1, masks=True)
    assert (len(nothing), nothing.mask.shape) == (0, (0, 60, 90))
    found = tiny_result.to_supervision(masks=True)
    merged = sv.Detections.merge([found, nothing])
    assert len(merged) == len(found)
    assert len(found[found.confidence > 2]) == 0
    scene = np.zeros((60, 90, 3), np.uint8)
    drawn = sv.MaskAnnotator().annotate(sv.BoxAnnotator(thickness=1).annotate(scene.copy(), found), found)
    assert drawn.any()


def test_arguments_are_checked(tiny_result: Localization) -> None:
    with pytest.raises(ConfigurationError, match="boxes is 0"):
        tiny_result.to_supervision(boxes=0)


def test_a_missing_package_is_named(tiny_result: Localization, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "supervision", None)
    with pytest.raises(MissingDependencyError, match="requires supervision, .*: run pip install supervision"):
        tiny_result.to_supervision()
