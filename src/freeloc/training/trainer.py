"""The training loop: SGD on multi-scale mini-batches (paper, section 4)."""

from __future__ import annotations

import math
import time
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any, Final, Generic, Protocol, TypeVar

import torch
from torch import Tensor

from freeloc.datasets.dataset import Labels
from freeloc.features.sources import FeatureSource
from freeloc.io.progress import track
from freeloc.io.typed_json import convert_json
from freeloc.training.batches import plan_epoch, stream
from freeloc.training.divergence import are_finite, diverged
from freeloc.training.optimizer import learning_rate, set_learning_rates
from freeloc.training.recipe import Recipe
from freeloc.training.seeds import SeedPurpose, derive_seed
from freeloc.training.validation import ValidationResult

__all__ = ["EpochRecord", "TrainStep", "Trainer", "TrainingObserver"]

_VALIDATION: Final = "validation_"
"""Prefix of the results of the validation in the log."""

Item = TypeVar("Item")
Item_contra = TypeVar("Item_contra", contravariant=True)


class TrainStep(Protocol[Item_contra]):
    """Interface for computing the loss of a mini-batch and its gradient."""

    def backward(self, items: Sequence[Item_contra], labels: Tensor, generator: torch.Generator) -> Tensor:
        """Add the gradient of a mini-batch's loss to the trained weights' gradients.

        Args:
            items: items of N images, from a `FeatureSource`.
            labels: (N, K) labels: −1, 0 or +1.
            generator: source of random numbers for dropout and for drawing cells.

        Returns:
            The detached loss.
        """
        ...


@dataclass(frozen=True, slots=True)
class EpochRecord:
    """Result of one epoch, written as one line of the log.

    Attributes:
        epoch: number of the epoch, from 1.
        loss: mean loss of the mini-batches (paper, equation 1).
        learning_rate: learning rate of the head in the last step.
        seconds: duration in seconds.
        validation: result of the validation after the epoch; None without validation images.
    """

    epoch: int
    loss: float
    learning_rate: float
    seconds: float
    validation: ValidationResult | None = None

    def with_validation(self, result: ValidationResult) -> EpochRecord:
        """Return the record with the result of the validation."""
        return replace(self, validation=result)

    def to_dict(self) -> dict[str, float]:
        """Return the record as plain JSON data; without validation images, it does not mention them."""
        values = asdict(self)
        validation = values.pop("validation") or {}
        return values | {f"{_VALIDATION}{key}": value for key, value in validation.items()}

    @classmethod
    def from_json(cls, values: Mapping[str, Any]) -> EpochRecord:
        """Create a record from the output of `to_dict`.

        Raises:
            ValueError: a value is missing or has the wrong type.
        """
        if not isinstance(values, Mapping):
            raise ValueError("the record of an epoch must be a JSON object")  # noqa: TRY004 - of a file
        validation = {
            key.removeprefix(_VALIDATION): value
            for key, value in values.items()
            if key.startswith(_VALIDATION)
        }
        return convert_json({**values, "validation": validation or None}, cls)


class TrainingObserver(Protocol):
    """Callbacks of `Trainer.fit`."""

    def after_step(self, steps: int) -> None:
        """Handle the end of a step; ``steps`` is counted from the start of the first epoch."""
        ...

    def after_epoch(self, record: EpochRecord) -> bool | None:
        """Handle the end of an epoch; return True to stop training."""
        ...


@dataclass(frozen=True, eq=False)
class Trainer(Generic[Item]):
    """Trains all weights in the optimizer (those of the head and any others) on mini-batches.

    Every epoch derives the seeds of its generators from ``seed`` and the number of the epoch, so a resumed run
    takes the same steps as an uninterrupted one.

    Attributes:
        source: source of the features of N images.
        labels: (N, K) int8 labels: −1, 0 or +1.
        step: computes the loss and its gradient.
        optimizer: optimizer created by `freeloc.training.optimizer.make_optimizer`.
        recipe: sets the epochs, batch size, scales and learning rates.
        seed: random seed for the order of images, the scales, the drawn cells and dropout.
    """

    source: FeatureSource[Item]
    labels: Labels
    step: TrainStep[Item]
    optimizer: torch.optim.SGD
    recipe: Recipe
    seed: int = 0

    def fit(
        self, *, first_epoch: int = 0, observer: TrainingObserver | None = None, quiet: bool = False
    ) -> None:
        """Train until all epochs of the recipe are done, or the observer stops training.

        Args:
            first_epoch: number of epochs already completed.
            observer: object whose methods are called after each step and each epoch.
            quiet: whether to hide progress.

        Raises:
            TrainingError: the loss or a weight is no longer finite.
        """
        for epoch in range(first_epoch, self.recipe.epochs):
            record = self._train_epoch(epoch, observer, quiet=quiet)
            if observer is not None and observer.after_epoch(record):
                break

    def _train_epoch(self, epoch: int, observer: TrainingObserver | None, *, quiet: bool) -> EpochRecord:
        started = time.monotonic()
        recipe, optimizer = self.recipe, self.optimizer
        device = optimizer.param_groups[0]["params"][0].device
        labels = torch.from_numpy(self.labels.copy())
        batch_generator = torch.Generator().manual_seed(derive_seed(self.seed, epoch, SeedPurpose.BATCHES))
        step_generator = torch.Generator(device).manual_seed(
            derive_seed(self.seed, epoch, SeedPurpose.DROPOUT)
        )
        plan = plan_epoch(len(self.source), recipe, self.source.scales, batch_generator)
        first_step, steps = epoch * len(plan), recipe.epochs * len(plan)
        # Allocated once: small tensors kept between large temporary ones would fragment memory.
        losses = torch.empty(len(plan), device=device)
        title = f"epoch {epoch + 1} of {recipe.epochs}"
        batches = track(stream(self.source, plan), title, len(plan), quiet=quiet, summary=False)
        for index, (batch, items) in enumerate(batches):
            set_learning_rates(optimizer, first_step + index, steps, recipe)
            optimizer.zero_grad()
            losses[index] = self.step.backward(items, labels[list(batch.indices)], step_generator)
            optimizer.step()
            if observer is not None:
                observer.after_step(first_step + index + 1)
        loss = float(losses.mean())
        self._check_finite(epoch, loss)
        rate = learning_rate(first_step + len(plan) - 1, steps, recipe)
        return EpochRecord(epoch + 1, loss, rate, time.monotonic() - started)

    def _check_finite(self, epoch: int, loss: float) -> None:
        # The weights are checked too: the last loss is computed before the last update, so it cannot show that
        # this update diverged.
        weights = (weight for group in self.optimizer.param_groups for weight in group["params"])
        if not (math.isfinite(loss) and are_finite(weights)):
            raise diverged(self.recipe, "the loss or a weight is not finite", epoch + 1)
