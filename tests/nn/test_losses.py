"""The loss, compared with explicit values and torch's cross-entropy."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor
from torch.nn import functional

from freeloc.nn.losses import logistic_loss
from tests.gradients import gradient_of

law = settings(max_examples=40)
seeds = st.integers(0, 9999)


def generator(seed: int) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def labeled(seed: int, images: int, classes: int) -> tuple[Tensor, Tensor]:
    scores = (3 * torch.randn(images, classes, generator=generator(seed))).requires_grad_()
    return scores, torch.randint(-1, 2, (images, classes), generator=generator(seed + 1)).to(torch.int8)


def test_hand_numbers() -> None:
    # log 2 if the score is 0; log(1 + e^−2) and log(1 + e^3) if it is right and wrong.
    scores = torch.tensor([[0.0, 2.0], [3.0, 5.0]])
    labels = torch.tensor([[1, 1], [-1, 0]], dtype=torch.int8)
    wanted = (math.log(2) + math.log(1 + math.exp(-2)) + math.log(1 + math.exp(3))) / 2
    assert float(logistic_loss(scores, labels)) == pytest.approx(wanted, rel=1e-6)


@law
@given(seeds, st.integers(1, 8), st.integers(1, 8))
def test_equals_torchs_cross_entropy_of_known_labels(seed: int, images: int, classes: int) -> None:
    scores, labels = labeled(seed, images, classes)
    known = labels != 0
    wanted = functional.binary_cross_entropy_with_logits(
        scores[known], (labels[known] == 1).float(), reduction="sum"
    )
    loss = logistic_loss(scores, labels)
    assert float(loss.detach()) == pytest.approx(float(wanted.detach()) / images, rel=1e-5, abs=1e-6)
    (gradient,) = torch.autograd.grad(loss, scores)
    # d/df log(1 + e^−yf) = −y / (1 + e^yf), and 0 if the label is ignored.
    signs, values = labels.double().numpy(), scores.detach().double().numpy()
    expected = -signs / (1 + np.exp(signs * values)) / images
    np.testing.assert_allclose(gradient.numpy(), expected, atol=1e-6)
    assert (gradient[~known] == 0).all()


def test_nothing_known_is_no_loss() -> None:
    scores, labels = labeled(0, 3, 4)
    loss = logistic_loss(scores, torch.zeros_like(labels))
    loss.backward()
    assert float(loss.detach()) == 0
    assert (gradient_of(scores) == 0).all()


def test_extreme_scores_stay_finite() -> None:
    scores = torch.tensor([[1e4, -1e4]], requires_grad=True)
    loss = logistic_loss(scores, torch.tensor([[-1, 1]], dtype=torch.int8))
    loss.backward()
    assert float(loss.detach()) == pytest.approx(2e4)
    assert gradient_of(scores).tolist() == [[1, -1]]
