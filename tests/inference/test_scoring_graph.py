"""Keys and layers of the scoring graph."""

from __future__ import annotations

import subprocess
import sys
from dataclasses import replace

import torch
from torch import nn

from freeloc.inference.scoring_graph import graph_key, int8_parts, scoring_layers
from freeloc.inference.scoring_modules import ScoreReadout, ScoringModule
from freeloc.models.header import ModelHeader
from freeloc.nn.backbones.registry import load_backbone
from freeloc.nn.head import AdaptationHead
from freeloc.nn.head_settings import HeadSettings

SETTINGS = HeadSettings(1280, 2, hidden=4)
HEADER = ModelHeader(
    backbone="efficientnet_lite0",
    backbone_fingerprint="a" * 64,
    classes=("cat", "dog"),
    head=SETTINGS,
    scales=(1.0,),
)


def test_models_and_backbones_have_keys_of_their_own() -> None:
    key = graph_key(HEADER, "1" * 64)
    assert key == graph_key(replace(HEADER, threshold=0.1), "1" * 64)
    assert key != graph_key(HEADER, "2" * 64)
    assert key != graph_key(replace(HEADER, backbone_fingerprint="b" * 64), "1" * 64)


def test_the_key_is_computed_without_torch() -> None:
    code = "import freeloc.inference.scoring_graph, sys; assert 'torch' not in sys.modules"
    subprocess.run([sys.executable, "-c", code], check=True)


def test_both_forms_have_the_same_inputs_and_outputs() -> None:
    backbone = load_backbone("efficientnet_lite0")
    torch.manual_seed(0)
    head = AdaptationHead(replace(SETTINGS, width=backbone.width)).eval()
    nn.init.normal_(head.fcb.weight, std=0.5)
    whole = scoring_layers(backbone, head, "key")
    scorer, readout = int8_parts(backbone, head)
    assert isinstance(whole.module, ScoringModule)
    assert isinstance(readout.module, ScoreReadout)
    assert whole.extra_input_dims == readout.extra_input_dims == (2, 3)
    assert (whole.cache_key, whole.float32_stem) == ("key", True)
    inputs = torch.randn(1, backbone.channels, 3, 4), torch.zeros(3, 4), torch.zeros(5, 6, 2)
    with torch.no_grad():
        for one, other in zip(
            whole.module(*inputs), readout.module(scorer(inputs[0]), *inputs[1:]), strict=True
        ):
            torch.testing.assert_close(one, other, rtol=0, atol=0)
