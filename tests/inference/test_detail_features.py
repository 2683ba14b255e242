"""Detail features in the results of prediction, and the boxes drawn with them."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from torch.nn import functional

from freeloc.datasets import Dataset
from freeloc.geometry.grid import CellLayout
from freeloc.images.canvas import load_for_scale, make_canvas
from freeloc.inference.boxes import boxes_from_map
from freeloc.inference.localizer import Localizer
from freeloc.inference.result import LocationMode
from freeloc.nn.backbones.registry import load_backbone
from freeloc.runtime import Runtime


@pytest.mark.parametrize("runtime", ["openvino", "torch"])
def test_results_hold_detail_features_of_the_scale_nearest_1_4(
    tiny_run: Path, tiny_scenes: Dataset, runtime: Runtime
) -> None:
    localizer = Localizer.load(tiny_run, scales=(0.7, 1.0), runtime=runtime, precision="float32")
    path = tiny_scenes.samples[0].path
    result = localizer.predict(path)
    assert result.cues is not None
    assert result.cues.detail is not None
    grid = result.cues.detail.grid
    assert grid.scale == 1.0
    assert grid.layout == CellLayout(16, offset=11.5)
    backbone = load_backbone("efficientnet_lite0")
    image, _size = load_for_scale(path, 1.0)
    coarse = localizer.pyramid.grid(result.image_size, 1.0, backbone.layout)
    canvas = make_canvas(image, coarse, backbone.pad_color)
    with torch.no_grad():
        _features, detail = backbone.forward_with_detail(torch.from_numpy(canvas)[None])
    unit = functional.normalize(detail[0], dim=0).numpy()[:, : grid.valid_rows, : grid.valid_cols]
    np.testing.assert_allclose(result.cues.detail.values, unit, atol=2e-3)
    np.testing.assert_array_equal(result.cues.labels, np.flatnonzero(result.probabilities >= 0.01))
    (finest,) = [part for part in localizer.score_maps(path) if part.grid.scale == 1.0]
    assert finest.aligned is not None
    np.testing.assert_allclose(result.cues.fine_maps, finest.aligned[result.cues.labels], atol=1e-4)
    (many,) = localizer.predict_many([path])
    assert many.cues is not None
    assert many.cues.detail is not None
    np.testing.assert_allclose(many.cues.detail.values, result.cues.detail.values, atol=2e-3)


def test_an_int8_network_has_detail_features(tiny_int8: Path, tiny_scenes: Dataset) -> None:
    paths = [sample.path for sample in tiny_scenes][:2]
    exact, int8 = (
        Localizer.load(tiny_int8, runtime="openvino", precision=precision)
        for precision in ("float32", "int8")
    )
    for one, other in zip(exact.predict_many(paths), int8.predict_many(paths), strict=True):
        details = [None if each.cues is None else each.cues.detail for each in (one, other)]
        first, second = (each.values.astype(np.float32) for each in details if each is not None)
        cosines = (first * second).sum(axis=0)
        assert np.median(cosines) > 0.95


def test_a_network_without_detail_features_draws_boxes_from_maps(
    tiny_localizer: Localizer, tiny_scenes: Dataset
) -> None:
    path = tiny_scenes.samples[0].path
    maps = [replace(part, detail=None) for part in tiny_localizer.score_maps(path)]
    result = tiny_localizer.localize(maps)
    assert result.cues is not None
    assert result.cues.detail is None
    expected = boxes_from_map(
        result.normalized_maps(), result.probabilities, result.lattice, result.decision.box_threshold
    )
    np.testing.assert_array_equal(result.detections().boxes, expected.boxes)
    np.testing.assert_array_equal(result.detections().score, expected.score)


@pytest.mark.parametrize("location", ["fused", "paper"])
def test_boxes_of_one_class_are_those_of_all(
    tiny_run: Path, tiny_scenes: Dataset, location: LocationMode
) -> None:
    localizer = Localizer.load(tiny_run, location=location)
    result = localizer.predict(tiny_scenes.samples[0].path)
    everything = result.detections()
    assert len(everything)
    assert everything.score.max() <= result.probabilities.max()
    width, height = result.image_size.width, result.image_size.height
    assert (everything.boxes >= 0).all()
    assert (everything.boxes <= [width, height, width, height]).all()
    for label, name in enumerate(result.classes):
        own = everything.boxes[everything.label == label]
        assert [(box.x1, box.y1, box.x2, box.y2) for box in result.boxes(name)] == [tuple(box) for box in own]
