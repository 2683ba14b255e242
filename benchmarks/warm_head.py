"""What training begins with: a head that knows the classes roughly, so that as many cells win as in real steps."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import torch
from torch import nn

from freeloc.datasets import Dataset
from freeloc.features.arrays import Cells
from freeloc.features.sources import FeatureSource
from freeloc.nn.backbones.base import Backbone
from freeloc.nn.backbones.trainable_stages import PROJECTION
from freeloc.nn.head import AdaptationHead
from freeloc.nn.head_settings import HeadSettings
from freeloc.training.recipe import Recipe
from freeloc.training.warm_start import log_odds, measure_features, train_on_means

__all__ = ["Learned", "warm_head"]

_SEED = 0


@dataclass(frozen=True, eq=False)
class Learned:
    """What the default recipe trains.

    Attributes:
        head: the adaptation layers.
        projection: a copy of the backbone's.
        trained: the weights of the projection, by their names in the backbone.
    """

    head: AdaptationHead
    projection: nn.Module
    trained: Mapping[str, nn.Parameter]


def warm_head(source: FeatureSource[Cells], dataset: Dataset, backbone: Backbone, recipe: Recipe) -> Learned:
    """Head and projection after the recipe's warm start on some images.

    A head with random weights prefers the same few cells for all classes, and a sparse step on it is cheaper than
    any step of real training.

    Args:
        source: features of the images.
        dataset: the images.
        backbone: their backbone.
        recipe: of the head.
    """
    settings = HeadSettings(
        backbone.width, len(dataset.classes), recipe.hidden, recipe.feature_dropout, recipe.hidden_dropout
    )
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(_SEED)
        head = AdaptationHead(settings, standardized=True)
    labels = torch.from_numpy(dataset.labels.copy())
    statistics = measure_features(source, backbone.projection, device=torch.device("cpu"), quiet=True)
    head.set_standardization(statistics.mean, statistics.gain)
    with torch.no_grad():
        head.fcb.bias.copy_(log_odds(labels))
    train_on_means(head, statistics, labels, recipe, seed=_SEED)
    parts = backbone.split_at(PROJECTION)
    return Learned(head, parts.projection, parts.trained)
