"""Networks of timm in ONNX, at shapes of canvases other than the one with which they were converted."""

from __future__ import annotations

from collections.abc import Callable
from types import ModuleType
from typing import Any

import numpy as np
import onnxruntime
import pytest
import torch
from torch import nn

from freeloc.nn.backbones.timm_adapter import TimmBackbone
from freeloc.nn.head import AdaptationHead
from freeloc.nn.head_settings import HeadSettings
from freeloc.posttraining.export.network import convert_network
from tests.nn.backbones.canvases import noise

NETWORKS: dict[str, dict[str, Any]] = {
    "resnet18": {},
    "vit_small_patch14_reg4_dinov2": {"dynamic_img_size": True, "depth": 1},
    "vit_small_patch16_dinov3": {"dynamic_img_size": True, "depth": 1},
}
"""A convolutional network, and transformers with learned and with rotary positions."""


@pytest.mark.slow
@pytest.mark.parametrize("name", NETWORKS)
def test_an_exported_network_computes_the_same(
    timm: ModuleType, random_weights: Callable[[nn.Module, int], nn.Module], name: str
) -> None:
    network = timm.create_model(name, num_classes=0, **NETWORKS[name])
    backbone = TimmBackbone(f"timm:{name}", random_weights(network, 3))
    backbone.freeze()
    head = AdaptationHead(HeadSettings(backbone.width, 2, hidden=0)).eval()
    session = onnxruntime.InferenceSession(convert_network(backbone, head).SerializeToString())
    for rows, cols in ((1, 1), (5, 2), (3, 8)):
        canvas = noise(rows * backbone.layout.stride, cols * backbone.layout.stride)
        (found,) = session.run(None, {"canvas": canvas.float().numpy()})
        with torch.no_grad():
            expected = head(backbone(canvas)).numpy()
        assert found.shape == (1, 2, rows, cols)
        np.testing.assert_allclose(found, expected, atol=1e-4 * np.abs(expected).max())
