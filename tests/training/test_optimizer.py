"""The optimizer: learning rates over a run, and which weights decay."""

from __future__ import annotations

import math

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn

from freeloc.nn.head import AdaptationHead
from freeloc.nn.head_settings import HeadSettings
from freeloc.training.optimizer import learning_rate, make_optimizer, set_learning_rates
from freeloc.training.recipe import Recipe

law = settings(max_examples=60)
CHANNELS, CLASSES = 4, 3


class TestLearningRate:
    @law
    @given(st.integers(1, 3000), st.floats(0, 0.99))
    def test_cosine_rises_then_falls_to_zero(self, steps: int, warmup: float) -> None:
        recipe = Recipe(learning_rate=0.3, warmup_fraction=warmup)
        rates = [learning_rate(step, steps, recipe) for step in range(steps)]
        warm = math.floor(warmup * steps)
        assert all(0 < rate <= 0.3 for rate in rates)
        # The cosine at every step after the warm-up, by the half-angle formula.
        for step in range(math.ceil(warmup * steps), steps):
            assert rates[step] == pytest.approx(0.3 * math.cos(math.pi * step / steps / 2) ** 2)
        assert all(
            later < earlier for earlier, later in zip(rates[warm + 1 :], rates[warm + 2 :], strict=False)
        )
        if steps > 100 and warmup < 0.5:
            assert rates[-1] < 0.3 * 1e-3

    def test_the_rise_is_even_and_reaches_the_peak(self) -> None:
        recipe = Recipe(learning_rate=0.3, warmup_fraction=0.1, schedule="constant")
        rates = [learning_rate(step, 100, recipe) for step in range(100)]
        assert rates[:10] == pytest.approx([0.03 * (step + 1) for step in range(10)])
        assert rates[10:] == [0.3] * 90

    @law
    @given(st.integers(1, 3000), st.integers(0, 2999))
    def test_constant_stays(self, steps: int, step: int) -> None:
        recipe = Recipe(learning_rate=0.01, warmup_fraction=0.0, schedule="constant")
        assert learning_rate(step % steps, steps, recipe) == 0.01

    def test_a_rise_shorter_than_a_step_is_none(self) -> None:
        assert learning_rate(0, 10, Recipe(learning_rate=0.3, warmup_fraction=0.02)) == 0.3


class TestOptimizer:
    def test_weight_decay_falls_on_weights_only(self) -> None:
        recipe = Recipe(weight_decay=0.25, momentum=0.5)
        head = AdaptationHead(HeadSettings(CHANNELS, CLASSES, hidden=6), standardized=True)
        optimizer = make_optimizer(head, recipe)
        decays = {
            id(parameter): group["weight_decay"]
            for group in optimizer.param_groups
            for parameter in group["params"]
        }
        assert {name: decays.pop(id(parameter)) for name, parameter in head.named_parameters()} == {
            "fca.weight": 0.25,
            "fca.bias": 0,
            "fcb.weight": 0.25,
            "fcb.bias": 0,
        }
        assert not decays
        assert {group["momentum"] for group in optimizer.param_groups} == {0.5}

    def test_every_group_follows_the_schedule_from_its_own_peak(self) -> None:
        recipe = Recipe(learning_rate=0.2, projection_learning_rate=0.1, backbone_learning_rate=0.05)
        head = AdaptationHead(HeadSettings(CHANNELS, CLASSES, hidden=6))
        names = ("projection.weight", "body.0.weight")
        backbone = {name: nn.Parameter(torch.zeros(2)) for name in names}
        optimizer = make_optimizer(head, recipe, backbone)
        set_learning_rates(optimizer, 7, 40, recipe)
        rates = [group["lr"] for group in optimizer.param_groups]
        assert rates == [learning_rate(7, 40, recipe, peak) for peak in (0.2, 0.2, 0.1, 0.05)]
        assert rates[0] == learning_rate(7, 40, recipe)
