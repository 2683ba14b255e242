"""Fixtures of training runs: generated scenes, the smallest backbone, a small head."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from freeloc.datasets.dataset import Dataset
from freeloc.demo.scenes import SceneSettings, generate_scenes
from freeloc.features.extract import extract
from freeloc.geometry.pyramid import Pyramid
from freeloc.models.model import Model
from freeloc.nn.backbones.base import Backbone
from freeloc.nn.backbones.registry import load_backbone
from freeloc.runtime import Network, compile_network
from freeloc.training import preparation
from freeloc.training.settings import TrainingSettings
from freeloc.training.train import train
from tests.training.small_run import COUNT, RECIPE, SCALES

_RUN_OPTIONS = {"resume": False, "quiet": True, "val": None}


@pytest.fixture(scope="module")
def scenes(tmp_path_factory: pytest.TempPathFactory) -> Dataset:
    return generate_scenes(tmp_path_factory.mktemp("scenes"), COUNT, SceneSettings(seed=5), boxes=False)


@pytest.fixture(scope="module")
def backbone() -> Backbone:
    return load_backbone("efficientnet_lite0")


@pytest.fixture(scope="module")
def network(backbone: Backbone) -> Network:
    return compile_network(backbone, runtime="openvino")


@pytest.fixture(scope="module")
def filled_cache(
    scenes: Dataset, backbone: Backbone, network: Network, tmp_path_factory: pytest.TempPathFactory
) -> Path:
    """A feature cache with everything that the recipe requires."""
    folder = tmp_path_factory.mktemp("features")
    paths = [sample.path for sample in scenes]
    extract(paths, backbone, network, Pyramid(SCALES), cache_folder=folder, quiet=True)
    return folder


@pytest.fixture
def quick(
    backbone: Backbone, network: Network, filled_cache: Path, monkeypatch: pytest.MonkeyPatch
) -> Callable[..., Model]:
    """`train` with the test recipe and cache, on a backbone that is already loaded and compiled."""
    monkeypatch.setattr(preparation, "load_backbone", lambda *_arguments: backbone)
    monkeypatch.setattr(preparation, "compile_network", lambda *_arguments, **_options: network)

    def call(dataset: Dataset, out: Path, **options: Any) -> Model:
        run = {name: options.pop(name, default) for name, default in _RUN_OPTIONS.items()}
        given: dict[str, Any] = {
            "recipe": RECIPE,
            "seed": 3,
            "cache_folder": filled_cache,
            "runtime": "openvino",
            "report": False,
        }
        settings = TrainingSettings(backbone="efficientnet_lite0", **(given | options))
        return train(dataset, out, settings, **run)

    return call


@pytest.fixture(scope="module")
def reference(
    one_thread: None, scenes: Dataset, filled_cache: Path, tmp_path_factory: pytest.TempPathFactory
) -> Path:
    """The run folder of one uninterrupted run, from loading the backbone to the last file."""
    folder = tmp_path_factory.mktemp("reference") / "run"
    train(
        scenes,
        folder,
        TrainingSettings(
            backbone="efficientnet_lite0",
            recipe=RECIPE,
            seed=3,
            runtime="openvino",
            cache_folder=filled_cache,
            report=False,
        ),
        quiet=True,
    )
    return folder
