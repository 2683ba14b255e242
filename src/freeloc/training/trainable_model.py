"""The weights trained in a run, and the steps that train them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import nn

from freeloc.features.arrays import Cells, FeatureMap
from freeloc.features.sources import FeatureSource, cell_source
from freeloc.geometry.size import Size
from freeloc.nn.backbones.base import Backbone
from freeloc.nn.head import AdaptationHead
from freeloc.nn.head_settings import HeadSettings
from freeloc.training.finetune import StageTrainStep, stage_features, stage_inputs
from freeloc.training.masked_pooling import MaskedTrainStep, masked_cells
from freeloc.training.optimizer import make_optimizer
from freeloc.training.preparation import PreparedRun
from freeloc.training.recipe import Recipe
from freeloc.training.step import HeadTrainStep
from freeloc.training.trainer import TrainStep

__all__ = ["TrainableModel", "cell_features"]


@dataclass(frozen=True, eq=False)
class TrainableModel:
    """The head, the trained backbone weights and their optimizer, with the steps that train them.

    Attributes:
        head: the head.
        backbone_weights: trained weights of the backbone, by name in its state dict.
        optimizer: optimizer of all trained weights.
        source: source of each image's input to a training step.
        step: computes the loss and the gradient of a mini-batch.
        features: source of each image's features, computed with the current backbone weights.
        head_step: computes the loss and the scores from these features.
    """

    head: AdaptationHead
    backbone_weights: Mapping[str, nn.Parameter]
    optimizer: torch.optim.SGD
    source: FeatureSource[Any]
    step: TrainStep[Any]
    features: FeatureSource[Cells]
    head_step: HeadTrainStep

    @classmethod
    def create(cls, run: PreparedRun, maps: FeatureSource[FeatureMap]) -> TrainableModel:
        """Create a new head and the steps that train it.

        Args:
            run: the prepared run.
            maps: source of the maps that the frozen part of the backbone computes.
        """
        recipe, split, layout = run.settings.recipe, run.split, run.split.below.layout
        device, use_bfloat16 = run.device, run.use_bfloat16
        head = _new_head(run.backbone, len(run.dataset.classes), recipe, run.settings.seed).to(device)
        head_step = HeadTrainStep(split.projection, head, recipe, use_bfloat16=use_bfloat16, device=device)
        sizes = [info.size for info in run.image_info]
        features = cell_features(run, maps, sizes)
        source: FeatureSource[Any] = features
        step: TrainStep[Any] = head_step
        if recipe.supervision != "tags":
            source = masked_cells(features, run.dataset, sizes, layout, recipe.pyramid)
            push_outside = recipe.supervision == "masked_outside"
            step = MaskedTrainStep(head_step, push_outside=push_outside, device=device)
        elif split.above is not None:
            source = stage_inputs(maps, sizes, layout, recipe.pyramid)
            step = StageTrainStep(split.above, head_step, use_bfloat16=use_bfloat16, device=device)
        optimizer = make_optimizer(head, recipe, split.trained)
        return cls(head, split.trained, optimizer, source, step, features, head_step)


def cell_features(
    run: PreparedRun, maps: FeatureSource[FeatureMap], sizes: Sequence[Size], above: nn.Module | None = None
) -> FeatureSource[Cells]:
    """Return a source of the features of images, computed with the current weights of the backbone.

    Args:
        run: the prepared run.
        maps: source of the maps that the frozen part of the backbone computes from the images.
        sizes: sizes of the images.
        above: trained stages to use instead of those that the run trains.
    """
    split, layout, pyramid = run.split, run.split.below.layout, run.settings.recipe.pyramid
    stages = above or split.above
    if stages is None:
        return cell_source(maps)
    inputs = stage_inputs(maps, sizes, layout, pyramid)
    return stage_features(inputs, stages, use_bfloat16=run.use_bfloat16, device=run.device)


def _new_head(backbone: Backbone, classes: int, recipe: Recipe, seed: int) -> AdaptationHead:
    settings = HeadSettings(
        width=backbone.width,
        classes=classes,
        hidden=recipe.hidden,
        feature_dropout=recipe.feature_dropout,
        hidden_dropout=recipe.hidden_dropout,
    )
    with torch.random.fork_rng():
        torch.manual_seed(seed % 2**63)
        return AdaptationHead(settings, standardized=recipe.warm_start_epochs > 0)
