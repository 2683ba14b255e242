"""Recipes: the hyperparameters of training."""

from __future__ import annotations

import dataclasses
import math
from dataclasses import dataclass
from typing import Annotated, Literal, TypeAlias

from msgspec import Meta

from freeloc._literals import MissingTags, Padding, Resize, Supervision
from freeloc._validation import (
    Count,
    CountOrZero,
    Name,
    NonNegative,
    Positive,
    check_arguments,
    check_fields,
)
from freeloc.errors import ConfigurationError
from freeloc.geometry.pyramid import TEST_SCALES, Pyramid, check_scales
from freeloc.nn.backbones.trainable_stages import FROZEN, PROJECTION
from freeloc.nn.head_settings import MAX_WIDTH
from freeloc.nn.pooling.registry import get_pooling

__all__ = ["RECIPES", "Recipe"]

_MAX_EPOCHS = 100
"""Maximum to which ``min_steps`` can increase a recipe's number of epochs."""

Gradient = Literal["sparse", "dense"]
Schedule = Literal["cosine", "constant"]
Share: TypeAlias = Annotated[float, Meta(ge=0, lt=1)]
Scales: TypeAlias = Annotated[tuple[float, ...], Meta(max_length=100)]


@dataclass(frozen=True, slots=True)
class Recipe:
    """Hyperparameters of training.

    The defaults are those of the recipe "default", except for ``min_steps``. They differ from the paper (section
    4) as follows:

    * Training begins with a warm start (see `freeloc.training.warm_start`) and uses standardized features.
    * The backbone's projection, its last 1×1 convolution, is trained too.
    * Each step uses a third of the cells, and cells are selected without dropout.
    * Dropout is also applied to the features, and weight decay to the head.
    * The learning rate follows a cosine schedule.
    * Images are resized directly to each scale, and the padding of canvases is ignored.

    Attributes:
        name: name of the recipe, recorded in the manifest.
        epochs: number of passes over the images.
        batch_size: images per mini-batch (paper: 16). All images of a mini-batch share one scale.
        scales: training scales. With cached features, each mini-batch uses one of these scales, drawn at random;
            without a cache, the scale of a mini-batch is drawn uniformly between the smallest and the largest
            (paper: 0.7 to 1.4).
        test_scales: scales at which the trained model predicts by default.
        padding: how to pad canvases; the paper pads to a square, and pools the padding, too.
        resize: how to resize images; the paper resizes them to 500 pixels first.
        warm_start_epochs: number of epochs on full images before the search for objects begins. With 0, training
            starts from random weights and uses raw features, as in the paper.
        warm_start_learning_rate: learning rate of the warm start.
        hidden: width of FCa; 0 makes the head a single linear layer.
        feature_dropout: dropout on the input of FCa.
        hidden_dropout: dropout between FCa and FCb.
        pooling: name of the pooling; see `freeloc.nn.pooling.registry`. "max" is the paper's search for the object
            (section 3); "average" is the pooling of class activation maps; "full" scores the mean feature of the
            whole image, at scale 1 only.
        supervision: which annotations guide training; see `freeloc._literals.Supervision`.
        missing_tags: whether tags are expected to be missing; see `freeloc._literals.MissingTags`.
        cell_fraction: fraction of each image's cells that a training step uses, drawn at random. Leaving out
            cells keeps the head from relying on the single most discriminative window and makes the search
            faster. With 1, all cells are used, as in the paper.
        gradient: "sparse" runs the forward and backward passes only on the cells that determine the scores, which
            is exact for the poolings "max" and "topk". "dense" runs the passes on all cells; it serves as a
            reference and is many times slower. With any other pooling, all cells determine the scores, so the
            two are the same.
        learning_rate: peak learning rate of the head.
        momentum: momentum of SGD.
        weight_decay: weight decay of the head's weights; biases do not decay.
        schedule: "cosine" decreases the learning rate to zero over all epochs; "constant" keeps it constant.
        warmup_fraction: fraction of all steps over which the learning rate increases from zero.
        trainable_backbone: first stage of the backbone to train (`Backbone.stages`); all later stages are trained
            too. "none" trains only the head, as in the paper. The projection, like the head, processes each cell
            separately, so training it adds almost no cost; a backbone without a projection stays frozen.
        projection_learning_rate: peak learning rate of the projection, which has no weight decay.
        backbone_learning_rate: peak learning rate of the other trained stages, which require a lower rate and have
            no weight decay.
        min_steps: minimum number of steps. If there are so few images that ``epochs`` passes would take fewer
            steps, the number of epochs is increased, up to 100. With 0, the number is never increased.

    Raises:
        ConfigurationError: a field has the wrong type or is out of range, or fields contradict each other.
    """

    name: Name = "default"
    epochs: Count = 10
    batch_size: Count = 16
    scales: Scales = (0.7, 1.0, 1.4)
    test_scales: Scales = TEST_SCALES
    padding: Padding = "stride"
    resize: Resize = "once"
    warm_start_epochs: CountOrZero = 4
    warm_start_learning_rate: Positive = 0.005
    hidden: Annotated[int, Meta(ge=0, le=MAX_WIDTH)] = 2048
    feature_dropout: Share = 0.3
    hidden_dropout: Share = 0.5
    pooling: Name = "max"
    supervision: Supervision = "tags"
    missing_tags: MissingTags = "none"
    cell_fraction: Annotated[float, Meta(gt=0, le=1)] = 0.33
    gradient: Gradient = "sparse"
    learning_rate: Positive = 0.0025
    momentum: Share = 0.9
    weight_decay: NonNegative = 4e-3
    schedule: Schedule = "cosine"
    warmup_fraction: Share = 0.1
    trainable_backbone: str = PROJECTION
    projection_learning_rate: Positive = 4e-3
    backbone_learning_rate: Positive = 2.5e-4
    min_steps: CountOrZero = 0

    def __post_init__(self) -> None:
        check_fields(self)
        check_scales("scales", self.scales)
        check_scales("test_scales", self.test_scales)
        self._check(
            "test_scales", len(set(self.test_scales)) == len(self.test_scales), "list each scale only once"
        )
        pooling = get_pooling(self.pooling)
        if self.supervision != "tags":
            self._check("pooling", self.pooling == "max", f'supervision {self.supervision} requires "max"')
            self._check(
                "gradient", self.gradient == "sparse", f'supervision {self.supervision} requires "sparse"'
            )
        if pooling.pools_features and not self.scales == self.test_scales == (1.0,):
            raise ConfigurationError(
                f"pooling {self.pooling!r} uses scale 1 only: set both scales and test_scales to (1.0,), as the "
                'recipe "cam" does',
                parameter="pooling",
            )

    def _check(self, name: str, valid: bool, rule: str) -> None:
        if not valid:
            raise ConfigurationError(f"{name} is {getattr(self, name)!r}: {rule}", parameter=name)

    @property
    def pyramid(self) -> Pyramid:
        """The scales for training, and how canvases are made."""
        return Pyramid(self.scales, self.padding, self.resize)

    @classmethod
    @check_arguments
    def named(cls, name: str, **changes: object) -> Recipe:
        """Return the recipe with a given name, with some of its fields replaced.

        Args:
            name: "default", "paper" or "cam".
            changes: new values of fields; None leaves a field unchanged. If ``epochs`` is changed and
                ``min_steps`` is not, ``min_steps`` is set to 0, so that training takes exactly ``epochs`` epochs.

        Raises:
            ConfigurationError: the recipe or a field does not exist, or a field has the wrong type or is out of
                range.
        """
        if name not in RECIPES:
            raise ConfigurationError(
                f"there is no recipe called {name!r}: choose one of {', '.join(RECIPES)}", parameter="recipe"
            )
        known = [field.name for field in dataclasses.fields(cls)]
        for key in changes:
            if key not in known:
                raise ConfigurationError(
                    f"a recipe has no field called {key!r}: choose among {', '.join(known)}", parameter=key
                )
        given = {key: value for key, value in changes.items() if value is not None}
        if "epochs" in given:
            given.setdefault("min_steps", 0)
        return dataclasses.replace(RECIPES[name], **given)  # type: ignore[arg-type]

    def steps_per_epoch(self, images: int) -> int:
        """Return the number of mini-batches in one pass over ``images`` images."""
        return math.ceil(images / self.batch_size)

    def resolved(self, images: int) -> Recipe:
        """Return a copy of the recipe adapted to the number of training images.

        The batch size is limited to the number of images, and the number of epochs is increased to reach
        ``min_steps``, up to a maximum of 100 epochs.
        """
        recipe = dataclasses.replace(self, batch_size=min(self.batch_size, images))
        needed = math.ceil(recipe.min_steps / recipe.steps_per_epoch(images))
        return dataclasses.replace(recipe, epochs=max(recipe.epochs, min(_MAX_EPOCHS, needed)))


RECIPES: dict[str, Recipe] = {
    # Without min_steps, ten passes over a hundred images would take only seventy steps (see "Few images" in
    # docs/voc20.md).
    "default": Recipe(min_steps=2000),
    # Section 4 of the paper specifies SGD but not its learning rate, momentum or number of epochs, so these were
    # chosen for freeloc.
    "paper": Recipe(
        name="paper",
        epochs=16,
        scales=(0.7, 0.84, 1.0, 1.18, 1.4),
        padding="paper",
        resize="paper",
        warm_start_epochs=0,
        cell_fraction=1.0,
        feature_dropout=0.5,
        learning_rate=0.001,
        weight_decay=0.0,
        schedule="constant",
        warmup_fraction=0.0,
        trainable_backbone=FROZEN,
    ),
    # Class activation mapping, for comparison: full images at one scale, average pooling and one linear layer.
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
