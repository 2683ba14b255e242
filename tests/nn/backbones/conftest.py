"""Fixtures of the backbone tests: one thread, timm without its hub, and checkpoints with random weights."""

import importlib
import math
import os
import sys
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from types import ModuleType

import pytest
import torch
from torch import Tensor, nn

from tests.nn.backbones.alexnet_shapes import SHAPES

# Read when huggingface_hub is imported: no test may download weights, or use those in the user's cache.
os.environ["HF_HUB_OFFLINE"] = "1"
os.environ["HF_HUB_CACHE"] = str(Path(tempfile.gettempdir()) / "freeloc-tests-no-hub-cache")

_keep: list[torch.library.Library] = []


def _import_torchvision() -> None:
    """Import torchvision even if its compiled operators were built for another version of torch. In that case its
    import fails, because it registers two operators that are missing. No network here uses them, so empty
    definitions suffice.
    """
    try:
        importlib.import_module("torchvision")
    except RuntimeError:
        for name in [name for name in sys.modules if name.partition(".")[0] == "torchvision"]:
            del sys.modules[name]
        library = torch.library.Library("torchvision", "FRAGMENT")
        for operator in ("nms", "qnms"):
            library.define(f"{operator}(Tensor dets, Tensor scores, float iou_threshold) -> Tensor")
        _keep.append(library)
        importlib.import_module("torchvision")


@pytest.fixture(scope="module", autouse=True)
def _one_thread(one_thread: None) -> None:
    """Run all tests of backbones in one thread."""


@pytest.fixture(scope="session")
def torchvision() -> ModuleType:
    try:
        _import_torchvision()
    except (ImportError, RuntimeError, OSError) as error:
        pytest.skip(f"torchvision cannot be imported: {error}")
    return importlib.import_module("torchvision")


@pytest.fixture(scope="session")
def timm(torchvision: ModuleType) -> ModuleType:
    try:
        return importlib.import_module("timm")
    except (ImportError, RuntimeError, OSError) as error:
        pytest.skip(f"timm cannot be imported: {error}")


@pytest.fixture(scope="session")
def random_weights() -> Callable[[nn.Module, int], nn.Module]:
    """A function that sets every weight of a network to a value with an effect (timm initializes some to zero)."""

    def fill(network: nn.Module, seed: int) -> nn.Module:
        generator = torch.Generator().manual_seed(seed)
        with torch.no_grad():
            for parameter in network.parameters():
                parameter.add_(torch.randn(parameter.shape, generator=generator), alpha=0.02)
        return network.eval()

    return fill


@pytest.fixture(scope="session")
def alexnet_state() -> dict[str, Tensor]:
    """Random weights with the names and shapes of torchvision's AlexNet."""
    # A prime number of random values, repeated, which is fast and makes all kernels different.
    values = torch.randn(1_000_003, generator=torch.Generator().manual_seed(7))
    state: dict[str, Tensor] = {}
    for layer, shape in SHAPES.items():
        count = math.prod(shape)
        weight = values.repeat(count // len(values) + 1)[:count].reshape(shape)
        state[f"{layer}.weight"] = weight * (2 / math.prod(shape[1:])) ** 0.5
        state[f"{layer}.bias"] = values[: shape[0]] * 0.1
    return state


@pytest.fixture(scope="session")
def alexnet_file(
    alexnet_state: dict[str, Tensor], tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Path]:
    """A checkpoint with these weights; removed at the end, because it is large."""
    path = tmp_path_factory.mktemp("alexnet") / "alexnet.pth"
    torch.save(alexnet_state, path)
    yield path
    path.unlink()
