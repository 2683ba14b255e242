"""Timing the gradients of trained stages."""

import pytest

from benchmarks import stage_gradients
from freeloc.errors import ConfigurationError
from freeloc.nn.backbones.registry import load_backbone


def test_every_stage_is_printed(capsys: pytest.CaptureFixture[str]) -> None:
    words = ["--backbone", "efficientnet_lite0", "--stages", "7", "6", "--images", "1", "--rounds", "1"]
    stage_gradients.main(words)
    printed = capsys.readouterr().err
    assert "from stage 7:" in printed
    assert "from stage 6:" in printed
    assert "as fast as PyTorch's gradients" in printed


def test_a_stage_without_spatial_convolution_is_rejected() -> None:
    with pytest.raises(ConfigurationError, match="stage projection has no spatial convolution"):
        stage_gradients.measure_stage(load_backbone("efficientnet_lite0"), "projection", images=1, rounds=1)
