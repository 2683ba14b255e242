"""Every kind of backbone in both runtimes, from images to a trained model."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest
import torch
from torch import nn

from freeloc.datasets import Dataset
from freeloc.features.compute import feature_canvases
from freeloc.geometry.pyramid import Pyramid
from freeloc.inference.localizer import Localizer
from freeloc.nn.backbones.base import Backbone
from freeloc.nn.backbones.registry import load_backbone
from freeloc.runtime import Precision, Runtime, compile_network
from freeloc.training.recipe import Recipe
from freeloc.training.settings import TrainingSettings
from freeloc.training.train import train

Fill = Callable[[nn.Module, int], nn.Module]

EMBEDDED = ("efficientnet_lite0", "efficientnet_lite1", "efficientnet_lite2")
OTHERS = ("alexnet", "timm:resnet18", "timm:vit_tiny_patch16_224")

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def weights(
    request: pytest.FixtureRequest, alexnet_file: Path, tmp_path_factory: pytest.TempPathFactory
) -> Callable[[str], Path | None]:
    """A file of random weights for backbones without included weights."""
    made: dict[str, Path] = {"alexnet": alexnet_file}

    def find(name: str) -> Path | None:
        if name.startswith("timm:") and name not in made:
            timm: ModuleType = request.getfixturevalue("timm")
            fill: Fill = request.getfixturevalue("random_weights")
            path = tmp_path_factory.mktemp("timm") / "weights.pth"
            torch.save(fill(timm.create_model(name[5:], pretrained=False), 3).state_dict(), path)
            made[name] = path
        return made.get(name)

    return find


def relative_error(found: np.ndarray, wanted: np.ndarray) -> float:
    return float(np.linalg.norm(found - wanted) / np.linalg.norm(wanted))


@pytest.mark.parametrize("name", [*EMBEDDED, *OTHERS])
def test_both_runtimes_agree_as_docs_method_says(
    name: str, weights: Callable[[str], Path | None], tiny_scenes: Dataset
) -> None:
    backbone: Backbone = load_backbone(name, weights(name))
    pairs: list[tuple[Runtime, Precision]] = [
        ("openvino", "float32"),
        ("torch", "bfloat16"),
        ("openvino", "bfloat16"),
    ]
    reference = compile_network(backbone, runtime="torch", precision="float32")
    ((_grid, canvas),) = feature_canvases(tiny_scenes.samples[0].path, backbone, Pyramid((0.7,)))
    wanted = reference(canvas)
    assert float(np.abs(wanted).max()) > 0
    for runtime, precision in pairs:
        found = compile_network(backbone, runtime=runtime, precision=precision)(canvas)
        assert found.shape == wanted.shape
        allowed = 1e-4 if precision == "float32" else 6e-2
        assert relative_error(found, wanted) < allowed, (runtime, precision)


@pytest.mark.parametrize(
    ("name", "recipe_name"),
    [("alexnet", "paper"), ("timm:resnet18", "default"), ("timm:vit_tiny_patch16_224", "default")],
)
def test_from_tags_to_points_on_other_backbones(
    name: str,
    recipe_name: str,
    weights: Callable[[str], Path | None],
    tiny_training: Dataset,
    tiny_scenes: Dataset,
    tmp_path: Path,
) -> None:
    file = weights(name)
    few = Dataset(tiny_training.name, tiny_training.classes, tiny_training.samples[:6])
    recipe = Recipe.named(recipe_name, epochs=2, batch_size=3, scales=(0.5, 0.7))
    settings = TrainingSettings(
        backbone=name,
        weights=file,
        recipe=recipe,
        cache_folder=tmp_path / "cache",
        precision="float32",
        report=False,
    )
    train(few, tmp_path / "run", settings, quiet=True)
    image = tiny_scenes.samples[0].path
    results = [
        Localizer.load(
            tmp_path / "run", weights=file, scales=(0.7, 1.0), runtime=runtime, precision="float32"
        ).predict(image)
        for runtime in ("torch", "openvino")
    ]
    for result in results:
        assert np.isfinite(result.scores).all()
        assert result.map(result.classes[0]).shape == (result.image_size.height, result.image_size.width)
    np.testing.assert_allclose(results[0].scores, results[1].scores, rtol=1e-3, atol=1e-3)
    np.testing.assert_allclose(results[0].maps, results[1].maps, rtol=1e-3, atol=1e-3)
