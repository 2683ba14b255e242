"""Agreement of the plain torch loop with freeloc, and the definition of "within one cell"."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from benchmarks.plain_torch import (
    PlainTorch,
    measure_agreement,
    near_maximum,
    within_cell,
    within_winning_cell,
)
from benchmarks.workload import QUICK, open_workload
from freeloc._literals import Padding, Resize
from freeloc.datasets import Dataset
from freeloc.geometry.grid import CellLayout
from freeloc.geometry.pyramid import Pyramid
from freeloc.geometry.size import Size
from freeloc.images.decode import load_image
from freeloc.inference.fusion import localize
from freeloc.inference.localizer import Localizer
from freeloc.inference.options import LocalizerOptions
from freeloc.inference.result import Localization
from freeloc.inference.score_map import ScoreMap
from freeloc.nn.backbones.registry import load_backbone

SCALES = (0.5, 1.0)
LAYOUT = CellLayout(32, 16.0)
IMAGE_SIZE = Size(1000, 500)  # twice the size of scale 1


# --- the loop ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("padding", "resize", "channels_last"),
    [("square", "once", False), ("stride", "once", True), ("paper", "paper", True)],
)
def test_scores_maps_and_points_agree_with_freeloc(
    tiny_localizer: Localizer, tiny_scenes: Dataset, padding: Padding, resize: Resize, channels_last: bool
) -> None:
    model = tiny_localizer.model.with_header(padding=padding, resize=resize)
    backbone = load_backbone(model.header.backbone)
    options = LocalizerOptions(scales=SCALES, runtime="openvino", precision="float32")
    localizer = Localizer.from_model(model, backbone, options)
    plain = PlainTorch(model, backbone, scales=SCALES, padding=padding, channels_last=channels_last)
    image = tiny_scenes.samples[0].path
    found, expected = plain.predict(image), localizer.predict(image)
    assert found.path == image
    np.testing.assert_allclose(found.scores, expected.scores, atol=1e-3)
    np.testing.assert_allclose(found.maps, expected.maps, atol=1e-3)
    for found_map, expected_map in zip(plain.score_maps(image), localizer.score_maps(image), strict=True):
        assert found_map.grid == expected_map.grid
        assert found_map.grid.pools_padding == (padding == "paper")
        assert (found_map.grid.intermediate is None) == (resize == "once")
        np.testing.assert_allclose(found_map.values, expected_map.values, atol=1e-3)


def test_square_padding_is_that_of_the_paper(tiny_localizer: Localizer, tiny_scenes: Dataset) -> None:
    model = tiny_localizer.model
    plain = PlainTorch(model, load_backbone(model.header.backbone), scales=(1.0,))
    ((grid),) = (scale_map.grid for scale_map in plain.score_maps(load_image(tiny_scenes.samples[0].path)))
    assert grid.canvas.width == grid.canvas.height == 512


def test_the_given_backbone_is_not_changed(tiny_localizer: Localizer, tiny_scenes: Dataset) -> None:
    backbone = load_backbone(tiny_localizer.model.header.backbone)
    before = [parameter.stride() for parameter in backbone.parameters()]
    PlainTorch(tiny_localizer.model, backbone, scales=(0.5,), channels_last=True).predict(
        tiny_scenes.samples[0].path
    )
    assert [parameter.stride() for parameter in backbone.parameters()] == before


def test_float32_agrees_with_torch(tiny_coco: Path, tiny_run: Path) -> None:
    workload = open_workload(tiny_coco, tiny_run, split=None, scales=QUICK.scales, precision="float32")
    agreement = measure_agreement(workload, QUICK)
    assert agreement["largest_score_difference"] < 0.01
    assert len(agreement["points_within_one_cell"]) == 3  # the finest scale is 1
    for percent in agreement["points_within_one_cell"].values():
        assert percent["all_classes"] >= 95
    assert all(abs(row["difference"]) < 1 for row in agreement["map"].values())


# --- distances of points -------------------------------------------------------------------------------------


@pytest.fixture
def maps() -> list[ScoreMap]:
    generator = np.random.default_rng(4)
    grids = Pyramid((1.0, 2.0)).grids(IMAGE_SIZE, LAYOUT)
    return [
        ScoreMap.of(generator.random((2, grid.valid_rows, grid.valid_cols), dtype=np.float32), grid)
        for grid in grids
    ]


def moved(result: Localization, x: float, y: float) -> Localization:
    return replace(result, points=result.points + np.array([x, y]))


@pytest.mark.parametrize(("scale", "side"), [(1.0, 64.0), (2.0, 32.0)])
def test_a_cell_of_a_scale_in_image_pixels(maps: list[ScoreMap], scale: float, side: float) -> None:
    result = localize(maps, ("a", "b"))
    assert within_cell(result, result, LAYOUT, scale).all()
    assert within_cell(moved(result, side, -side), result, LAYOUT, scale).all()
    assert not within_cell(moved(result, side + 1, 0), result, LAYOUT, scale).any()
    assert not within_cell(moved(result, 0, -side - 1), result, LAYOUT, scale).any()


def test_the_cell_of_the_winning_scale_counts(maps: list[ScoreMap]) -> None:
    coarse, fine = maps
    coarse.values[0, 1, 1] = 2  # class 0 is found at scale 1, class 1 at scale 2
    fine.values[1, 3, 3] = 2
    maps = [ScoreMap.of(scale_map.values, scale_map.grid) for scale_map in maps]
    result = localize(maps, ("a", "b"), mode="paper")
    assert within_winning_cell(moved(result, 33, 0), result, maps).tolist() == [True, False]
    assert within_winning_cell(moved(result, 0, 32), result, maps).tolist() == [True, True]
    assert within_winning_cell(moved(result, 65, 0), result, maps).tolist() == [False, False]


def test_points_where_the_map_is_within_a_percent_of_its_maximum(maps: list[ScoreMap]) -> None:
    result = localize(maps, ("a", "b"))
    assert near_maximum(result, result).all()
    raised = result.maps.copy()
    raised[0, 2, 3] = 0.991 * raised[0].max()
    raised[1, 2, 3] = 0.989 * raised[1].max()
    expected = replace(result, maps=raised)
    points = result.lattice.to_image([[2, 3], [2, 3]])
    assert near_maximum(replace(result, points=points), expected).tolist() == [True, False]
