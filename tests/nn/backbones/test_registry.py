"""Backbones by name."""

import subprocess
import sys
from pathlib import Path

import pytest
import torch

from freeloc.errors import FreelocError
from freeloc.nn.backbones.base import Backbone
from freeloc.nn.backbones.efficientnet_lite import EfficientNetLite
from freeloc.nn.backbones.registry import BACKBONE_ALIASES, DEFAULT_BACKBONE, backbone_names, load_backbone


def test_names_are_known_without_torch() -> None:
    code = (
        "import sys; from freeloc.nn.backbones.registry import DEFAULT_BACKBONE, backbone_names; "
        "assert DEFAULT_BACKBONE in backbone_names(); "
        "print(*(name for name in ('torch', 'numpy', 'openvino', 'timm') if name in sys.modules))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == ""


def test_names_and_aliases() -> None:
    assert DEFAULT_BACKBONE == "efficientnet_lite2"
    embedded = ("efficientnet_lite0", "efficientnet_lite1", "efficientnet_lite2")
    assert backbone_names() == (*embedded, "alexnet", "overfeat")
    assert set(BACKBONE_ALIASES.values()) < set(backbone_names())


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


@pytest.mark.parametrize("name", ["resnet18", "", "Lite0", "timm"])
def test_an_unknown_name_lists_the_known_ones(name: str) -> None:
    with pytest.raises(FreelocError) as caught:
        load_backbone(name)
    for word in (*backbone_names(), *BACKBONE_ALIASES, "timm:NAME", "--backbone", repr(name)):
        assert word in str(caught.value)


def test_timm_networks_need_timm(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "timm", None)
    with pytest.raises(FreelocError, match=r"timm:resnet18 needs timm: run pip install 'freeloc\[timm\]'"):
        load_backbone("timm:resnet18")
