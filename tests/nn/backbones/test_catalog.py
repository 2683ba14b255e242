"""The facts about backbones equal those of the backbones, and of timm's descriptions of their weights."""

from __future__ import annotations

import re
from types import ModuleType

import pytest
import torch
from torch import nn

from freeloc.nn.backbones.alexnet import AlexNet
from freeloc.nn.backbones.base import Backbone
from freeloc.nn.backbones.catalog import CATALOG, BackboneFacts, find_facts
from freeloc.nn.backbones.overfeat import OverFeat
from freeloc.nn.backbones.registry import BACKBONE_ALIASES, load_backbone

FROM_HUB = [facts for facts in CATALOG if facts.hub is not None]
OTHERS = [facts for facts in CATALOG if facts.hub is None]

LICENSES = {  # timm's names of licenses
    "Apache-2.0": "apache-2.0",
    "DINOv3 License": "dinov3-license",
    "CC-BY-NC-4.0": "cc-by-nc-4.0",
    "FastViT license (Apple)": "fastvit-license",
}


def by_name(facts: BackboneFacts) -> str:
    return facts.name


def test_names_are_distinct_and_are_aliases_of_what_is_loaded() -> None:
    names = [facts.name for facts in CATALOG]
    assert len({*names, *BACKBONE_ALIASES}) == len(set(names)) + 3, "lite0, lite1 and lite2 are aliases only"
    for facts in CATALOG:
        assert BACKBONE_ALIASES.get(facts.name, facts.name) == facts.loads
        assert find_facts(facts.loads) is facts
    assert find_facts("timm:resnet18") is None


@pytest.mark.parametrize("facts", FROM_HUB, ids=by_name)
def test_pins_are_whole_hashes(facts: BackboneFacts) -> None:
    assert facts.hub is not None
    assert facts.hub.revision is None or re.fullmatch("[0-9a-f]{40}", facts.hub.revision)
    assert facts.hub.sha256 is None or re.fullmatch("[0-9a-f]{64}", facts.hub.sha256)
    assert facts.hub.pinned == (facts.hub.sha256 is not None)


@pytest.mark.parametrize("facts", FROM_HUB, ids=by_name)
def test_facts_equal_those_of_timm(timm: ModuleType, facts: BackboneFacts) -> None:
    with torch.device("meta"):  # no memory and no random numbers
        network = timm.create_model(facts.loads.removeprefix("timm:"), pretrained=False, num_classes=0)
    config = network.pretrained_cfg
    assert LICENSES[facts.license] == config["license"]
    assert facts.commercial == (facts.license != "CC-BY-NC-4.0")
    assert facts.hub is not None
    assert facts.hub.repository == config["hf_hub_id"]
    assert (facts.mean, facts.deviation) == (config["mean"], config["std"])
    assert facts.parameters == sum(parameter.numel() for parameter in network.parameters())
    assert facts.channels == network.num_features
    stages = getattr(network.feature_info, "info", network.feature_info)
    assert facts.stride == stages[-1]["reduction"]
    if stages[0]["reduction"] == facts.stride:
        assert facts.detail_channels == 2 * facts.channels, "tokens of two depths"
    else:
        assert facts.detail_channels == stages[-2]["num_chs"]
        assert 2 * stages[-2]["reduction"] == facts.stride
    assert facts.offset == center_by_kernels(network, facts.stride)


def center_by_kernels(network: nn.Module, stride: int) -> float:
    """Return where the kernels, strides and padding of all convolutions put the center of the first cell."""
    kinds = set()
    for layer in network.modules():
        if isinstance(layer, nn.Conv2d):
            kernel, step, padding = layer.kernel_size[0], layer.stride[0], layer.padding
            assert padding in ((kernel // 2,) * 2, (0, 0))
            if step == 1:
                assert padding == (kernel // 2,) * 2, "reads as far to the left as to the right"
            else:
                kinds.add("patches" if (kernel, padding) == (step, (0, 0)) else "centered")
                assert "patches" in kinds or kernel % 2, "a kernel around every second position"
    (kind,) = kinds
    return stride / 2 if kind == "patches" else 0.5


@pytest.mark.parametrize("facts", OTHERS, ids=by_name)
def test_facts_equal_those_of_the_backbone(facts: BackboneFacts) -> None:
    backbone: Backbone
    if facts.weights == "included":
        backbone = load_backbone(facts.name)
    else:
        with torch.device("meta"):
            backbone = AlexNet() if facts.name == "alexnet" else OverFeat()
    layout = backbone.layout
    assert (facts.stride, facts.offset, facts.window) == (layout.stride, layout.offset, layout.window)
    assert (facts.channels, facts.detail_channels) == (backbone.channels, backbone.detail_channels)
    assert facts.parameters == sum(parameter.numel() for parameter in backbone.parameters())
    for own, used in (
        (facts.mean, backbone.normalization.mean),
        (facts.deviation, backbone.normalization.deviation),
    ):
        assert [255 * value for value in own] == pytest.approx(used, abs=1e-2)
