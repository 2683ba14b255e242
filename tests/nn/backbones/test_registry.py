"""Backbones by name."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
import torch

from freeloc.errors import BackboneError, FreelocError, MissingDependencyError
from freeloc.nn.backbones.base import Backbone
from freeloc.nn.backbones.efficientnet_lite import EfficientNetLite
from freeloc.nn.backbones.registry import BACKBONE_ALIASES, BACKBONES, DEFAULT_BACKBONE, load_backbone
from tests.packages import installed, write_package

if TYPE_CHECKING:
    from freeloc.datasets import Dataset


def test_names_are_known_without_torch() -> None:
    code = (
        "import sys; from freeloc.nn.backbones.registry import DEFAULT_BACKBONE, BACKBONES; "
        "assert DEFAULT_BACKBONE in BACKBONES.names(); "
        "print(*(name for name in ('torch', 'numpy', 'openvino', 'timm') if name in sys.modules))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == ""


def test_names_and_aliases() -> None:
    assert DEFAULT_BACKBONE == "efficientnet_lite2"
    embedded = ("efficientnet_lite0", "efficientnet_lite1", "efficientnet_lite2")
    assert BACKBONES.names() == (*embedded, "alexnet", "overfeat", "timm:NAME")
    assert {"lite0", "lite1", "lite2", "dinov2-small", "siglip2-base", "fastvit-t8"} < set(BACKBONE_ALIASES)
    for full in BACKBONE_ALIASES.values():
        assert full in BACKBONES.names() or full.startswith("timm:")


def test_an_alias_loads_the_backbone_under_its_full_name() -> None:
    short, full = load_backbone("lite0"), load_backbone("efficientnet_lite0")
    assert isinstance(short, Backbone)
    assert short.name == full.name == "efficientnet_lite0"
    assert short.fingerprint == full.fingerprint


def test_the_default_is_loaded() -> None:
    backbone = load_backbone()
    assert backbone.name == DEFAULT_BACKBONE
    assert (backbone.channels, backbone.width) == (352, 1280)


def test_weights_may_be_a_path_or_its_text(tmp_path: Path) -> None:
    path = tmp_path / "other.pth"
    torch.save(EfficientNetLite("efficientnet_lite0").state_dict(), path)
    other = load_backbone("lite0", path)
    assert other.fingerprint == load_backbone("lite0", str(path)).fingerprint
    assert other.fingerprint != load_backbone("lite0").fingerprint


@pytest.mark.parametrize("name", ["alexnet", "lite1", "overfeat"])
def test_weights_that_are_not_there_are_named(name: str, tmp_path: Path) -> None:
    with pytest.raises(FreelocError, match=r"gone\.pth does not exist"):
        load_backbone(name, tmp_path / "gone.pth")


@pytest.mark.parametrize("name", ["resnet18", "", "Lite0", "timm", "elsewhere:resnet18"])
def test_an_unknown_name_lists_the_known_ones(name: str) -> None:
    with pytest.raises(BackboneError) as caught:
        load_backbone(name)
    for word in (*BACKBONES.names(), *BACKBONE_ALIASES, "timm:NAME", repr(name)):
        assert word in str(caught.value)
    assert caught.value.parameter == "backbone"


def test_timm_networks_need_timm(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "timm", None)
    with pytest.raises(
        MissingDependencyError,
        match=r"timm:resnet18 requires timm, which is not installed: run pip install 'freeloc\[timm\]'",
    ) as caught:
        load_backbone("timm:resnet18")
    assert caught.value.extra == "timm"


@pytest.mark.parametrize("name", BACKBONES.names())
def test_every_registered_backbone_loads_or_names_what_is_missing(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TORCH_HOME", str(tmp_path))
    monkeypatch.setattr("torch.hub.download_url_to_file", no_network)
    monkeypatch.setitem(sys.modules, "timm", None)
    try:
        backbone = load_backbone(name)
    except FreelocError as error:
        assert isinstance(error, BackboneError | MissingDependencyError)
        assert name in str(error)
        return
    assert name.startswith("efficientnet_lite")
    assert backbone.name == name
    side = backbone.layout.padded_side(50, 50, "stride")
    canvas = torch.zeros(1, side, side, 3, dtype=torch.uint8)
    features = backbone(canvas)
    assert features.shape[1] == backbone.channels
    assert backbone.projection(features).shape[1] == backbone.width
    assert not any(parameter.requires_grad for parameter in backbone.parameters())
    assert len(backbone.fingerprint) == 64


def no_network(*_arguments: object, **_options: object) -> None:
    raise OSError("no network")


OUTSIDE = """
import torch
from torch import nn
from freeloc.geometry.grid import CellLayout
from freeloc.nn.backbones.base import Backbone, Normalization

class Patches(Backbone):
    def __init__(self, name):
        super().__init__()
        self.name = name
        self.normalization = Normalization((127.5,) * 3, (127.5,) * 3)
        torch.manual_seed(0)
        self.body, self.projection = nn.Conv2d(3, 6, 32, stride=32), nn.Identity()
        self.channels = self.width = 6
        self.layout = CellLayout(32, 16.0)

def load(name, weights=None):
    backbone = Patches(name.removeprefix("wrong:") )
    backbone.freeze()
    return backbone
"""


@pytest.fixture
def outside(tmp_path: Path) -> Iterator[None]:
    """An installed package that provides backbones."""
    names = ("patches", "patches:NAME", "wrong:NAME")
    entry_points = {"freeloc.backbones": dict.fromkeys(names, "patch_backbones:load")}
    write_package(tmp_path / "site", "patch_backbones", OUTSIDE, entry_points)
    with installed(tmp_path / "site", "patch_backbones", BACKBONES):
        yield


@pytest.mark.usefixtures("outside")
def test_an_outside_backbone_trains_and_its_model_predicts(tiny_training: Dataset, tmp_path: Path) -> None:
    from freeloc.inference.localizer import Localizer
    from freeloc.training.recipe import Recipe
    from freeloc.training.settings import TrainingSettings
    from freeloc.training.train import train

    recipe = Recipe.named("default", epochs=1, scales=(1.0,), hidden=8, trainable_backbone="none")
    settings = TrainingSettings(
        backbone="patches", recipe=recipe, cache_folder=tmp_path / "cache", report=False
    )
    train(tiny_training, tmp_path / "run", settings, quiet=True)
    localizer = Localizer.load(tmp_path / "run", scales=(1.0,))
    assert localizer.model.header.backbone == "patches"
    result = localizer.predict(tiny_training.samples[0].path)
    assert result.scores.shape == (len(tiny_training.classes),)


@pytest.mark.usefixtures("outside")
def test_an_outside_package_may_provide_many_backbones_under_a_prefix() -> None:
    assert load_backbone("patches:small").name == "patches:small"
    with pytest.raises(
        BackboneError, match="loader of backbone wrong:small returned a backbone called small"
    ):
        load_backbone("wrong:small")
