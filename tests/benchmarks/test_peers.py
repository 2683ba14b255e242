"""Other packages run freeloc's model, and their points are mapped to the image correctly."""

import os
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from torch.nn import functional

from benchmarks.onnx_cam import OnnxCam, PlainClassifier
from benchmarks.peers import (
    Classifier,
    Peer,
    PytorchGradCam,
    TorchCam,
    cell_points,
    import_peer,
    open_peers,
    pixel_points,
)
from benchmarks.plain_torch import PlainTorch
from benchmarks.yolo import Yolo
from freeloc._typing import Uint8Array
from freeloc.datasets import Dataset
from freeloc.errors import MissingDependencyError, ModelError
from freeloc.geometry.grid import CellLayout
from freeloc.geometry.pyramid import Pyramid
from freeloc.geometry.size import Size
from freeloc.images.canvas import load_canvases
from freeloc.images.decode import load_image
from freeloc.inference.localizer import Localizer
from freeloc.inference.score_map import ScoreMap
from freeloc.models.model import Model
from freeloc.nn.backbones.base import Backbone
from freeloc.nn.backbones.registry import load_backbone


@pytest.fixture(scope="module")
def model(tiny_localizer: Localizer) -> Model:
    return tiny_localizer.model


@pytest.fixture(scope="module")
def backbone(model: Model) -> Backbone:
    return load_backbone(model.header.backbone)


@pytest.fixture(scope="module")
def image(tiny_scenes: Dataset) -> Uint8Array:
    return load_image(tiny_scenes.samples[1].path)


def created(create: Callable[[], Peer]) -> Peer:
    try:
        return create()
    except MissingDependencyError as error:
        pytest.skip(str(error))


@pytest.mark.parametrize("tuned", [False, True])
def test_the_classifier_is_the_model_at_one_scale(
    model: Model, backbone: Backbone, image: Uint8Array, tuned: bool
) -> None:
    classifier = Classifier(model, backbone, tuned=tuned)
    ((grid, canvas),) = load_canvases(image, Pyramid((1.0,)), backbone.layout, backbone.pad_color)
    classifier.valid = (grid.valid_rows, grid.valid_cols)
    scores = classifier(backbone.normalization(torch.from_numpy(canvas)[None]))
    plain = PlainTorch(model, backbone, scales=(1.0,), padding="stride").predict(image)
    np.testing.assert_allclose(scores.detach()[0].numpy(), plain.scores, atol=1e-4)
    assert scores.requires_grad


def test_tuned_runs_no_backward_pass_through_the_backbone(model: Model, backbone: Backbone) -> None:
    tuned, documented = (Classifier(model, backbone, tuned=choice) for choice in (True, False))
    assert not any(
        parameter.requires_grad for parameter in (*tuned.body.parameters(), *tuned.head.parameters())
    )
    assert [name for name, weight in tuned.named_parameters() if weight.requires_grad] == ["projection.bias"]
    assert all(parameter.requires_grad for parameter in documented.parameters())
    assert not any(parameter.requires_grad for parameter in backbone.parameters())


def test_other_poolings_are_rejected(model: Model, backbone: Backbone) -> None:
    with pytest.raises(ModelError, match="uses average pooling"):
        Classifier(model.with_header(pooling="average"), backbone, tuned=True)


def test_points_of_upsampled_maps_are_cell_centers() -> None:
    grid = Pyramid((0.7,)).grid(Size(431, 640), 0.7, CellLayout(32, 23.0))
    assert (grid.valid_rows, grid.valid_cols) < (grid.rows, grid.cols), "padding must not count"
    positions = [(row, col) for row in range(grid.valid_rows) for col in range(grid.valid_cols)]
    values = torch.rand(len(positions), grid.rows, grid.cols, generator=torch.Generator().manual_seed(2))
    values[:, grid.valid_rows :] += 2
    values[:, :, grid.valid_cols :] += 2
    for number, (row, col) in enumerate(positions):
        values[number, row, col] = 2
    upsampled = functional.interpolate(
        values[None], (grid.canvas.height, grid.canvas.width), mode="bilinear", align_corners=False
    )[0].numpy()
    # The pixel nearest to a cell's center is half a canvas pixel away from it.
    pixel = grid.image_size.width / grid.content.width
    np.testing.assert_allclose(pixel_points(upsampled, grid), grid.to_image(positions), atol=0.51 * pixel)
    cells = ScoreMap.of(values.numpy()[:, : grid.valid_rows, : grid.valid_cols], grid)
    np.testing.assert_allclose(cell_points(cells), grid.to_image(positions))


def test_a_missing_package_is_named() -> None:
    with pytest.raises(MissingDependencyError, match=r"nothing was not measured.*pip install --group bench"):
        import_peer("no_such_module_anywhere", "nothing")

    def fails() -> Peer:
        raise MissingDependencyError("nothing was not measured")

    assert open_peers([fails, fails]) == ([], ["nothing was not measured"])


@pytest.mark.parametrize("tuned", [False, True])
def test_both_peers_agree_and_return_the_scores_of_the_model(
    model: Model, backbone: Backbone, image: Uint8Array, tuned: bool
) -> None:
    classes = list(range(len(model.header.classes)))
    torchcam = created(lambda: TorchCam(model, backbone, tuned=tuned))
    gradcam = created(lambda: PytorchGradCam(model, backbone, tuned=tuned))
    batched = created(lambda: PytorchGradCam(model, backbone, tuned=tuned, batched=True))
    plain = PlainTorch(model, backbone, scales=(1.0,), padding="stride").predict(image)
    scores, points = torchcam.locate(image, classes)
    np.testing.assert_allclose(scores, plain.scores, atol=1e-4)
    for other in (gradcam, batched):
        others, other_points = other.locate(image, classes)
        np.testing.assert_allclose(others, scores, atol=1e-4)
        assert other_points.shape == (len(classes), 2)
        # Two implementations of one method agree up to the pixels of the upsampled maps.
        near = np.abs(other_points - points).max(axis=1) <= 1.5
        assert near.mean() >= 0.8  # a map may have two equally high peaks


def test_the_exported_classifier_is_the_one_in_torch(
    model: Model, backbone: Backbone, image: Uint8Array
) -> None:
    backbone = model.adapt_backbone(backbone)
    peer = created(lambda: OnnxCam(backbone, 8))
    network = PlainClassifier(backbone, 8)
    for picture in (image, image[:, : image.shape[1] // 2]):
        ((grid, canvas),) = load_canvases(picture, Pyramid((1.0,)), backbone.layout, backbone.pad_color)
        maps, wanted = network(backbone.normalization(torch.from_numpy(canvas)[None]))
        scores, points = peer.locate(picture, [5, 2])
        np.testing.assert_allclose(scores, wanted[0].numpy(), atol=1e-4)
        valid = maps[0, [5, 2], : grid.valid_rows, : grid.valid_cols].numpy()
        np.testing.assert_allclose(points, cell_points(ScoreMap.of(valid, grid)))


def test_the_detector_runs_offline_and_leaves_the_environment_alone(
    backbone: Backbone, image: Uint8Array, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    before = dict(os.environ)
    peer = created(lambda: Yolo(backbone, 7))
    assert dict(os.environ) == before
    scores, points = peer.locate(image, [1, 2])
    assert (scores.shape, points.shape) == ((7,), (2, 2))
    assert not list(tmp_path.iterdir())


def test_torchcam_computes_grad_cam(model: Model, backbone: Backbone, image: Uint8Array) -> None:
    peer = created(lambda: TorchCam(model, backbone, tuned=True))
    ((grid, canvas),) = load_canvases(image, Pyramid((1.0,)), backbone.layout, backbone.pad_color)
    adapted = model.adapt_backbone(backbone)
    activations = adapted.projection(adapted(torch.from_numpy(canvas)[None])).requires_grad_(True)
    valid = model.head(activations)[:, :, : grid.valid_rows, : grid.valid_cols]
    label = int(valid.amax(dim=(2, 3)).argmax())
    (gradient,) = torch.autograd.grad(valid[:, label].amax(), activations)
    cam = (gradient.mean(dim=(2, 3), keepdim=True) * activations).sum(dim=1).relu()[0].detach().numpy()
    expected = cell_points(ScoreMap.of(cam[None, : grid.valid_rows, : grid.valid_cols], grid))
    _, points = peer.locate(image, [label])
    np.testing.assert_allclose(points, expected)
