"""Training that has diverged is detected before a model is written."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import nn

from freeloc.datasets.dataset import Dataset, Sample
from freeloc.errors import TrainingError
from freeloc.features.arrays import Cells
from freeloc.models.header import ModelHeader
from freeloc.models.model import Model
from freeloc.nn.head import AdaptationHead
from freeloc.nn.head_settings import HeadSettings
from freeloc.training.divergence import check_model, diverged
from freeloc.training.recipe import Recipe
from freeloc.training.step import HeadTrainStep

RECIPE = Recipe(scales=(0.5, 1.0))
LABELS = np.array([1, -1], np.int8)
DATASET = Dataset("data", ("a", "b"), tuple(Sample(Path(f"{index}.jpg"), LABELS) for index in range(20)))


class Ones:
    """Features of which all are 1, except those of one image at one scale."""

    scales, threads, batch = (0.5, 1.0), 1, 1

    def __init__(self, outlier: float = 1.0) -> None:
        self.outlier = outlier
        self.requests: list[tuple[int, float]] = []

    def __len__(self) -> int:
        return len(DATASET)

    def get(self, index: int, scale: float) -> Cells:
        self.requests.append((index, scale))
        cells = np.ones((5, 3), np.float16)
        if (index, scale) == (len(DATASET) - 1, 1.0):
            cells[4, 2] = self.outlier
        return cells

    def get_many(self, indices: Sequence[int], scale: float) -> Sequence[Cells]:
        return [self.get(index, scale) for index in indices]


def check(weight: float, features: Ones, hidden: int = 0) -> None:
    """Check a model of which all weights are ``weight``."""
    settings = HeadSettings(3, 2, hidden)
    head = AdaptationHead(settings)
    with torch.no_grad():
        for parameter in head.parameters():
            parameter.fill_(weight)
    header = ModelHeader(
        backbone="x", backbone_fingerprint="x", classes=DATASET.classes, head=settings, scales=(1.0,)
    )
    step = HeadTrainStep(
        nn.Identity(), AdaptationHead(settings), RECIPE, use_bfloat16=False, device=torch.device("cpu")
    )
    check_model(Model(header, head), step, features, DATASET, RECIPE)


def test_a_sound_model_passes() -> None:
    features = Ones()
    check(10.0, features)
    check(1.0, features, hidden=8)
    indices = {index for index, _scale in features.requests}
    assert len(indices) == 8
    assert indices >= {0, len(DATASET) - 1}
    assert {scale for _index, scale in features.requests} == {0.5, 1.0}


@pytest.mark.parametrize("weight", [float("nan"), float("inf"), -float("inf")])
def test_weights_that_are_not_finite(weight: float) -> None:
    with pytest.raises(
        TrainingError, match="^training diverged: a weight of the model is not finite; use a learning"
    ):
        check(weight, Ones())


def test_finite_weights_whose_product_is_not() -> None:
    with pytest.raises(TrainingError, match="scores of its training images reach inf"):
        check(1e30, Ones(), hidden=8)


@pytest.mark.parametrize("weight", [1e5, -1e5, 1e25])
def test_finite_scores_that_are_too_large(weight: float) -> None:
    with pytest.raises(TrainingError, match="scores of its training images reach"):
        check(weight, Ones())


def test_a_single_score_that_is_not_finite() -> None:
    for outlier in (float("inf"), float("nan")):
        with pytest.raises(TrainingError, match="scores of its training images reach inf"):
            check(1.0, Ones(outlier))


@pytest.mark.parametrize(
    ("changes", "name"),
    [
        ({}, "learning_rate"),
        ({"learning_rate": 1e3}, "learning_rate"),
        ({"learning_rate": 1.0, "projection_learning_rate": 1e3}, "projection_learning_rate"),
        ({"backbone_learning_rate": 1.0}, "backbone_learning_rate"),
        ({"warm_start_learning_rate": 1e9}, "warm_start_learning_rate"),
        ({"warm_start_learning_rate": 1e9, "warm_start_epochs": 0, "learning_rate": 1.0}, "learning_rate"),
    ],
)
def test_the_rate_that_is_too_high_is_named(changes: dict[str, float], name: str) -> None:
    recipe = dataclasses.replace(RECIPE, **changes)  # type: ignore[arg-type]
    error = diverged(recipe, "the loss is not finite", 3)
    words = f"use a {name.replace('_', ' ')} below {getattr(recipe, name):g}"
    assert str(error) == f"training diverged in epoch 3: the loss is not finite; {words}"
    assert error.parameter == name
