"""The plain torch loop computes what freeloc computes."""

import numpy as np
import pytest

from benchmarks.baseline import PlainTorch
from freeloc.datasets import Dataset
from freeloc.geometry.grid import Padding
from freeloc.images.decode import load_image
from freeloc.inference.localizer import Localizer
from freeloc.inference.options import LocalizerOptions
from freeloc.nn.backbones.registry import load_backbone

SCALES = (0.5, 1.0)


@pytest.mark.parametrize(("padding", "channels_last"), [("square", False), ("stride", True)])
def test_scores_maps_and_points_are_freelocs(
    tiny_localizer: Localizer, tiny_scenes: Dataset, padding: Padding, channels_last: bool
) -> None:
    model = tiny_localizer.model.with_header(padding=padding)
    backbone = load_backbone(model.header.backbone)
    options = LocalizerOptions(scales=SCALES, runtime="openvino", precision="float32")
    ours = Localizer.from_model(model, backbone, options)
    plain = PlainTorch(model, backbone, scales=SCALES, padding=padding, channels_last=channels_last)
    image = tiny_scenes.samples[0].path
    found, expected = plain.predict(image), ours.predict(image)
    assert found.path == image
    np.testing.assert_allclose(found.scores, expected.scores, atol=1e-3)
    np.testing.assert_allclose(found.maps, expected.maps, atol=1e-3)
    for mine, theirs in zip(plain.score_maps(image), ours.score_maps(image), strict=True):
        assert mine.grid == theirs.grid
        np.testing.assert_allclose(mine.values, theirs.values, atol=1e-3)


def test_squares_are_the_papers(tiny_localizer: Localizer, tiny_scenes: Dataset) -> None:
    model = tiny_localizer.model
    plain = PlainTorch(model, load_backbone(model.header.backbone), scales=(1.0,))
    ((grid),) = (scale_map.grid for scale_map in plain.score_maps(load_image(tiny_scenes.samples[0].path)))
    assert grid.canvas.width == grid.canvas.height == 512


def test_the_given_backbone_is_not_touched(tiny_localizer: Localizer, tiny_scenes: Dataset) -> None:
    backbone = load_backbone(tiny_localizer.model.header.backbone)
    before = [parameter.stride() for parameter in backbone.parameters()]
    PlainTorch(tiny_localizer.model, backbone, scales=(0.5,), channels_last=True).predict(
        tiny_scenes.samples[0].path
    )
    assert [parameter.stride() for parameter in backbone.parameters()] == before
