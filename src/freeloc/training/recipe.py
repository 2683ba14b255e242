"""Recipes: every number that decides how a head is trained, in one place."""

from __future__ import annotations

import dataclasses
import math
from dataclasses import dataclass
from typing import Literal

from freeloc._choices import Supervision
from freeloc.errors import FreelocError, check_choice
from freeloc.geometry.grid import Padding
from freeloc.geometry.pyramid import TEST_SCALES, Pyramid
from freeloc.nn.backbones.trainable_stages import FROZEN, PROJECTION
from freeloc.nn.pooling.registry import get_pooling

__all__ = ["RECIPES", "Recipe", "Supervision", "named_recipe"]


@dataclass(frozen=True, slots=True)
class Recipe:
    """How a head is trained.

    The defaults are freeloc's own recipe, but for ``least_steps``, which the one named "default" has. Where it
    departs from the paper (section 4): training starts warm (see `freeloc.training.warm_start`) and on
    standardized features; the backbone's last 1×1 convolution learns as well; each step looks at a third of the
    cells; features are dropped out as well, and weights decay; the learning rate falls along a cosine instead of
    staying; canvases are padded to the backbone's stride only. The arg-max is searched without dropout.

    Attributes:
        name: what the manifest calls it.
        epochs: passes over the images.
        batch_size: images per mini-batch; all of a mini-batch share one scale (paper: 16).
        scales: the set from which each mini-batch draws its scale when features are cached; when they are not,
            it is drawn uniformly between the smallest and the largest (paper: 0.7 to 1.4).
        test_scales: the scales the trained model looks at by default.
        padding: how canvases are padded; "square" is the paper's letter.
        warm_epochs: passes over full images before the search for objects begins; 0 starts cold, from
            random weights on raw features, as the paper does.
        warm_learning_rate: of SGD in these passes.
        hidden: width of FCa; 0 makes the head one linear layer.
        feature_dropout: dropout on what FCa reads.
        hidden_dropout: dropout between FCa and FCb.
        pooling: "max", the search for the object (paper, section 3); "average", the mean of all cells' scores,
            as for class activation maps; "full", the scores of the mean of all cells' features, which is
            full-image training (always all cells, and scale 1 alone); or another one of
            `freeloc.nn.pooling.registry.POOLINGS`.
        supervision: what training is told of an image, see `Supervision`.
        cell_fraction: share of an image's cells that a step looks at, drawn anew each time. Hiding the rest
            keeps the head from resting on the one most telling window, and makes the search that much
            cheaper; 1 looks at all, as the paper does.
        gradient: "sparse" runs forward and backward only on the cells that count, which is exact for "max" and
            "topk"; "dense" runs on all cells, as the textbook would: for checking, and many times slower. The
            other poolings read all cells either way.
        learning_rate: of SGD, at its peak.
        momentum: of SGD.
        weight_decay: of SGD, on the weights, not on the biases.
        schedule: "cosine" falls to zero over all epochs, "constant" stays.
        warmup: share of all steps over which the learning rate rises from zero.
        trainable_backbone: the backbone's stage from which on its weights are trained as well (`Backbone.stages`);
            "none" trains the head alone, as the paper does. The projection works cell by cell, as the head
            does: training it costs next to nothing, and a backbone that has none leaves nothing to train.
        projection_learning_rate: of SGD on the projection's weights, at its peak; they follow the head's
            schedule, without weight decay.
        backbone_learning_rate: likewise on the weights of the backbone's other stages, which bear less.
        least_steps: where the images are so few that ``epochs`` passes are fewer steps of SGD, there are
            more passes, up to a hundred; 0 keeps to ``epochs``.
    """

    name: str = "default"
    epochs: int = 10
    batch_size: int = 16
    scales: tuple[float, ...] = (0.7, 1.0, 1.4)
    test_scales: tuple[float, ...] = TEST_SCALES
    padding: Padding = "stride"
    warm_epochs: int = 4
    warm_learning_rate: float = 0.005
    hidden: int = 2048
    feature_dropout: float = 0.3
    hidden_dropout: float = 0.5
    pooling: str = "max"
    supervision: Supervision = "tags"
    cell_fraction: float = 0.33
    gradient: Literal["sparse", "dense"] = "sparse"
    learning_rate: float = 0.0025
    momentum: float = 0.9
    weight_decay: float = 4e-3
    schedule: Literal["cosine", "constant"] = "cosine"
    warmup: float = 0.1
    trainable_backbone: str = PROJECTION
    projection_learning_rate: float = 4e-3
    backbone_learning_rate: float = 2.5e-4
    least_steps: int = 0

    def __post_init__(self) -> None:
        positive = {
            "epochs": self.epochs,
            "batch_size": self.batch_size,
            "learning_rate": self.learning_rate,
            "projection_learning_rate": self.projection_learning_rate,
            "backbone_learning_rate": self.backbone_learning_rate,
        }
        for option, value in positive.items():
            if not 0 < value < math.inf:
                raise FreelocError(f"--{option.replace('_', '-')} {value} must be greater than 0 and finite")
        if not 0 < self.cell_fraction <= 1:
            raise FreelocError(f"--cell-fraction {self.cell_fraction} must be more than 0 and at most 1")
        pooling = get_pooling(self.pooling)
        check_choice("--supervision", self.supervision, Supervision)
        if self.supervision != "tags" and (self.pooling, self.gradient) != ("max", "sparse"):
            raise FreelocError(
                f"--supervision {self.supervision} says where a maximum may lie: leave --pooling "
                f"{self.pooling} out"
            )
        if pooling.pools_features and not self.scales == self.test_scales == (1.0,):
            raise FreelocError(
                f"--pooling {self.pooling} looks at an image once, at scale 1: train at --scales 1 with a recipe "
                "that tests at scale 1 alone, such as --recipe cam"
            )
        for option, count in (("warm_epochs", self.warm_epochs), ("least_steps", self.least_steps)):
            if count < 0:
                raise FreelocError(f"--{option.replace('_', '-')} {count} must be 0 or greater")
        for option in ("feature_dropout", "hidden_dropout", "warmup", "momentum"):
            value = getattr(self, option)
            if not 0 <= value < 1:
                raise FreelocError(
                    f"--{option.replace('_', '-')} {value} must lie between 0 and 1 (1 left out)"
                )
        Pyramid(self.scales, self.padding)  # refuses scales that are none


RECIPES: dict[str, Recipe] = {
    # Without it, ten passes over a hundred images would be seventy steps (docs/voc20.md, few images).
    "default": Recipe(least_steps=2000),
    # Section 4 of the paper. Its text names SGD but neither rate, momentum nor length; those are ours.
    "paper": Recipe(
        name="paper",
        epochs=16,
        scales=(0.7, 0.84, 1.0, 1.18, 1.4),
        padding="square",
        warm_epochs=0,
        cell_fraction=1.0,
        feature_dropout=0.5,
        learning_rate=0.001,
        weight_decay=0.0,
        schedule="constant",
        warmup=0.0,
        trainable_backbone=FROZEN,
    ),
    # Class activation mapping: full images, one scale, average pooling, one linear layer. For comparison.
    "cam": Recipe(
        name="cam",
        epochs=16,
        scales=(1.0,),
        test_scales=(1.0,),
        hidden=0,
        feature_dropout=0.0,
        hidden_dropout=0.0,
        cell_fraction=1.0,
        pooling="average",
        trainable_backbone=FROZEN,
    ),
}


def named_recipe(name: str, **changes: object) -> Recipe:
    """A recipe by name, with some of its settings changed; a change of None keeps the recipe's own.

    Epochs that are given are meant: without ``least_steps`` beside them, there are no more of them.

    Raises:
        FreelocError: there is no such recipe, or a setting is out of range.
    """
    try:
        recipe = RECIPES[name]
    except KeyError as error:
        raise FreelocError(f"--recipe {name} is unknown: choose one of {', '.join(RECIPES)}") from error
    wanted = {key: value for key, value in changes.items() if value is not None}
    if "epochs" in wanted:
        wanted.setdefault("least_steps", 0)
    return dataclasses.replace(recipe, **wanted) if wanted else recipe  # type: ignore[arg-type]
