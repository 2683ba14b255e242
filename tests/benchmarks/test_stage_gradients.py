"""Timing of trained stages' gradients: every stage that is asked for gets its line, and others are refused."""

import pytest
import torch

from benchmarks import stage_gradients
from freeloc.nn.backbones.registry import load_backbone


def test_every_stage_gets_its_line(capsys: pytest.CaptureFixture[str]) -> None:
    before = torch.get_num_threads()
    words = ["--backbone", "efficientnet_lite0", "--stages", "7", "6", "--images", "1", "--rounds", "1"]
    try:
        stage_gradients.main(words)
    finally:
        torch.set_num_threads(before)
    printed = capsys.readouterr().err
    assert "from stage 7 on:" in printed
    assert "from stage 6 on:" in printed
    assert "as fast as PyTorch's gradients" in printed


def test_a_stage_without_neighbours_is_refused() -> None:
    with pytest.raises(ValueError, match="stage projection has no layer"):
        stage_gradients.measure_stage(load_backbone("efficientnet_lite0"), "projection", images=1, rounds=1)
