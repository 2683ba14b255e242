"""Fixtures for tests of features."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from freeloc.runtime import compile_network
from tests.features.world import Counted, World, patches


@pytest.fixture(scope="module")
def images(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    folder = tmp_path_factory.mktemp("images")
    rng = np.random.default_rng(0)
    paths = []
    for index, (width, height) in enumerate(
        [(200, 150), (90, 300), (64, 64), (400, 40), (31, 17), (500, 375)]
    ):
        paths.append(folder / f"{index}.png")
        Image.fromarray(rng.integers(0, 256, (height, width, 3), dtype=np.uint8)).save(paths[-1])
    return paths


@pytest.fixture
def world(images: list[Path], tmp_path: Path) -> World:
    backbone = patches()
    return World(
        list(images), backbone, Counted(compile_network(backbone, runtime="torch")), tmp_path / "cache"
    )


@pytest.fixture
def batched(world: World, tmp_path: Path) -> World:
    rng = np.random.default_rng(7)
    paths = list(world.paths)
    for index, (width, height) in enumerate(
        [(150, 200), (210, 150), (199, 150), (64, 60), (151, 200), (200, 149)]
    ):
        paths.append(tmp_path / f"{index}.png")
        Image.fromarray(rng.integers(0, 256, (height, width, 3), dtype=np.uint8)).save(paths[-1])
    network = compile_network(world.backbone, runtime="torch", batch=3)
    return World(paths, world.backbone, Counted(network), tmp_path / "batched")
