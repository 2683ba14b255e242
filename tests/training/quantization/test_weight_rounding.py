"""Rounding of weights to eight bits: on the steps of NNCF, with a smaller error of the outputs than the nearest steps."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor, nn

from freeloc.nn.backbones.registry import load_backbone
from freeloc.nn.conv1x1 import Conv1x1
from freeloc.training.quantization import weight_rounding
from freeloc.training.quantization.weight_rounding import round_to_steps, round_weights

pytestmark = pytest.mark.usefixtures("one_thread")


def correlated(groups: int, inputs: int, seed: int) -> Tensor:
    """Inputs of a layer, (groups, inputs, samples): a few causes, seen by all inputs."""
    generator = torch.Generator().manual_seed(seed)
    causes = torch.randn(groups, 3, 400, generator=generator, dtype=torch.float64)
    mixed = torch.randn(groups, inputs, 3, generator=generator, dtype=torch.float64) @ causes
    return mixed.relu() + 0.1 * torch.rand(mixed.shape, generator=generator, dtype=torch.float64)


def nearest(weight: Tensor) -> Tensor:
    step = weight.abs().amax(2, keepdim=True) / 127
    return ((weight / step).round() * step).nan_to_num()


@settings(max_examples=30, deadline=None)
@given(st.integers(1, 4), st.integers(1, 5), st.integers(1, 40), st.integers(0, 999))
def test_rounded_weights_are_multiples_of_the_step_and_keep_the_largest(
    groups: int, outputs: int, inputs: int, seed: int
) -> None:
    generator = torch.Generator().manual_seed(seed)
    weight = torch.randn(groups, outputs, inputs, generator=generator, dtype=torch.float64)
    values = correlated(groups, inputs, seed)
    rounded = round_to_steps(weight, values @ values.transpose(1, 2))
    step = weight.abs().amax(2, keepdim=True) / 127
    multiples = rounded / step
    torch.testing.assert_close(multiples, multiples.round(), atol=1e-9, rtol=0)
    assert float(multiples.abs().max()) <= 127 + 1e-9
    torch.testing.assert_close(rounded.abs().amax(2), weight.abs().amax(2), atol=0, rtol=0)
    # NNCF rounds with the same step, so nothing changes a second time.
    torch.testing.assert_close(nearest(rounded), rounded, atol=1e-12, rtol=0)


@pytest.mark.parametrize(("groups", "outputs", "inputs"), [(1, 16, 64), (1, 4, 300), (12, 1, 25)])
def test_outputs_change_less_than_with_the_nearest_steps(groups: int, outputs: int, inputs: int) -> None:
    weight = torch.randn(
        groups, outputs, inputs, generator=torch.Generator().manual_seed(1), dtype=torch.float64
    )
    values = correlated(groups, inputs, 2)
    moments = values @ values.transpose(1, 2)
    errors = [
        float(((rounded - weight) @ values).square().mean())
        for rounded in (round_to_steps(weight, moments), nearest(weight))
    ]
    assert errors[0] < 0.5 * errors[1]


def test_the_size_of_blocks_changes_only_the_time(monkeypatch: pytest.MonkeyPatch) -> None:
    weight = torch.randn(2, 3, 50, generator=torch.Generator().manual_seed(4), dtype=torch.float64)
    values = correlated(2, 50, 5)
    whole = round_to_steps(weight, values @ values.transpose(1, 2))
    monkeypatch.setattr(weight_rounding, "_BLOCK", 7)
    torch.testing.assert_close(
        round_to_steps(weight, values @ values.transpose(1, 2)), whole, atol=1e-9, rtol=0
    )


def test_inputs_and_outputs_that_are_always_zero() -> None:
    weight = torch.zeros(1, 2, 5, dtype=torch.float64)
    weight[0, 0] = torch.linspace(-1, 1, 5, dtype=torch.float64)
    rounded = round_to_steps(weight, torch.zeros(1, 5, 5, dtype=torch.float64))
    torch.testing.assert_close(rounded, nearest(weight), atol=1e-12, rtol=0)


class Mixed(nn.Module):
    """One layer of each kind: strided, depthwise, grouped, 1×1, and one that has too many inputs for compensation."""

    def __init__(self) -> None:
        super().__init__()
        self.body = nn.Sequential(
            nn.Conv2d(3, 8, 3, 2, 1),
            nn.ReLU(),
            nn.Conv2d(8, 8, 5, padding=2, groups=8),
            nn.ReLU(),
            nn.Conv2d(8, 12, 3, padding=1, groups=2),
            nn.ReLU(),
            nn.Conv2d(12, 6, 1),
        )

    def forward(self, canvas: Tensor) -> Tensor:
        features: Tensor = self.body(canvas.permute(0, 3, 1, 2) / 255)
        return features


class Tokens(nn.Module):
    """Layers over cells as the last axis, and an unused one."""

    def __init__(self) -> None:
        super().__init__()
        self.linear = nn.Linear(6, 10)
        self.head = Conv1x1(10, 4)
        self.unused = Conv1x1(3, 3)

    def forward(self, features: Tensor) -> Tensor:
        cells = self.linear(features.flatten(2).transpose(1, 2)).relu()
        scores: Tensor = self.head(cells[0])
        return scores


def test_all_layers_are_rounded_and_the_originals_stay() -> None:
    torch.manual_seed(3)
    backbone, layers = Mixed(), Tokens()
    generator = np.random.default_rng(0)
    canvases = [generator.integers(0, 256, (64, 96, 3), np.uint8) for _ in range(4)]
    before = {key: value.clone() for key, value in backbone.state_dict().items()}
    rounded, changed_layers = round_weights(backbone, layers, canvases)  # type: ignore[arg-type]
    assert isinstance(changed_layers, Tokens)
    for key, value in backbone.state_dict().items():
        assert torch.equal(value, before[key])
    for original, changed in ((backbone, rounded), (layers, changed_layers)):
        for (name, old), new in zip(original.named_modules(), changed.modules(), strict=True):
            if isinstance(old, nn.Conv2d | nn.Linear | Conv1x1) and name != "unused":
                assert isinstance(new, type(old))
                assert not torch.equal(new.weight, old.weight), name
                flat = new.weight.flatten(1).double()
                multiples = flat / flat.abs().amax(1, keepdim=True) * 127
                torch.testing.assert_close(multiples, multiples.round(), atol=1e-4, rtol=0)
                if old.bias is not None:
                    assert new.bias is not None
                    assert torch.equal(new.bias, old.bias)
    assert torch.equal(changed_layers.unused.weight, layers.unused.weight)
    again, _ = round_weights(backbone, layers, canvases)  # type: ignore[arg-type]
    for key, value in again.state_dict().items():
        assert torch.equal(value, rounded.state_dict()[key])


def test_a_layer_with_too_many_inputs_is_left_to_nncf(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(weight_rounding, "_MAX_INPUTS", 30)
    torch.manual_seed(3)
    backbone, layers = Mixed(), Tokens()
    canvas = np.random.default_rng(0).integers(0, 256, (64, 96, 3), np.uint8)
    rounded, _ = round_weights(backbone, layers, [canvas])  # type: ignore[arg-type]
    kept = [
        torch.equal(new.weight, old.weight)
        for old, new in zip(backbone.modules(), rounded.modules(), strict=True)
        if isinstance(old, nn.Conv2d) and isinstance(new, nn.Conv2d)
    ]
    assert kept == [False, False, True, False]


def test_a_backbones_features_come_nearer_than_with_the_nearest_steps() -> None:
    backbone = load_backbone("efficientnet_lite0")
    generator = np.random.default_rng(1)
    low = generator.integers(0, 256, (4, 6, 3), np.uint8)
    canvases = [np.kron(np.roll(low, k, 1), np.ones((32, 32, 1), np.uint8)) for k in range(3)]
    rounded, _ = round_weights(backbone, nn.Identity(), canvases)
    plain = backbone.with_weights(
        {
            f"{name}.weight": nearest(layer.weight.detach().flatten(1)[None].double())[0]
            .reshape(layer.weight.shape)
            .float()
            for name, layer in backbone.named_modules()
            if isinstance(layer, nn.Conv2d)
        }
    )
    canvas = torch.from_numpy(canvases[0])[None]
    with torch.no_grad():
        wanted = backbone(canvas)
        errors = [float((network(canvas) - wanted).square().mean()) for network in (rounded, plain)]
    assert errors[0] < 0.5 * errors[1]
