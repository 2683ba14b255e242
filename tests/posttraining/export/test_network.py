"""Networks of backbones in ONNX."""

from __future__ import annotations

import numpy as np
import onnxruntime
import pytest
import torch
from torch import Tensor, nn

from freeloc.errors import BackboneError
from freeloc.geometry.grid import CellLayout
from freeloc.nn.backbones.base import Backbone, Normalization
from freeloc.nn.head import AdaptationHead
from freeloc.nn.head_settings import HeadSettings
from freeloc.posttraining.export.network import convert_network

HEAD = AdaptationHead(HeadSettings(3, 2, hidden=0)).eval()


class Unpadded(Backbone):
    """A backbone without internal padding, like alexnet: windows of 20 pixels, 8 pixels apart."""

    def __init__(self, body: nn.Module) -> None:
        super().__init__()
        self.name = "unpadded"
        self.layout = CellLayout(8, 10.0, window=20)
        self.channels = self.width = 3
        self.normalization = Normalization((0.0,) * 3, (255.0,) * 3)
        self.body = body
        self.projection = nn.Identity()
        self.freeze()


class _Unknown(nn.Module):
    """Uses an operator that ONNX lacks."""

    def forward(self, values: Tensor) -> Tensor:
        result: Tensor = torch.special.bessel_j0(values)
        return result


def test_a_backbone_without_padding() -> None:
    backbone = Unpadded(nn.Sequential(nn.Conv2d(3, 3, 20, stride=8), nn.ReLU()))
    model = convert_network(backbone, HEAD)
    session = onnxruntime.InferenceSession(model.SerializeToString())
    for rows, cols in ((1, 1), (5, 7)):
        shape = (1, 12 + 8 * rows, 12 + 8 * cols, 3)
        canvas = np.random.default_rng(0).integers(0, 256, shape).astype(np.float32)
        (found,) = session.run(None, {"canvas": canvas})
        with torch.no_grad():
            expected = HEAD(backbone(torch.from_numpy(canvas))).numpy()
        assert found.shape == (1, 2, rows, cols)
        np.testing.assert_allclose(found, expected, atol=1e-5)


def test_a_backbone_that_cannot_be_converted(capfd: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(BackboneError, match=r"cannot convert backbone unpadded to ONNX: models with this"):
        convert_network(Unpadded(nn.Sequential(nn.Conv2d(3, 3, 20, stride=8), _Unknown())), HEAD)
    written = capfd.readouterr()
    assert (written.out, written.err) == ("", "")
