"""Whether training has left the plateau on which it starts from random weights.

On the plateau, the scores hardly depend on the image. The lowest loss that such constant scores can reach is the
entropy of the classes' frequencies among the training images, in nats, summed over the classes. The loss of the
last epoch is compared with it. Both are means over the same images, so the comparison has no sampling error.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np

from freeloc.datasets.dataset import ABSENT, PRESENT, Labels
from freeloc.training.recipe import Recipe
from freeloc.training.trainer import EpochRecord

__all__ = ["MIN_EXPLAINED", "TrainingOutcome", "constant_loss", "training_outcome"]

MIN_EXPLAINED: Final = 0.1
"""Minimum fraction of the loss of constant scores that training must have removed; docs/training.md gives the
measurements behind it."""


@dataclass(frozen=True, slots=True)
class TrainingOutcome:
    """How a model was trained, and what came of it.

    Attributes:
        recipe: name of the recipe.
        learning_rate: peak learning rate of the head.
        epochs: number of completed epochs.
        steps: number of completed training steps.
        scales: training scales.
        cell_fraction: fraction of each image's cells that a step uses.
        loss: mean training loss (paper, equation 1) of the epoch whose weights the model has.
        constant_loss: lowest loss of scores that are the same in all images; see `constant_loss`.
        seconds: duration of all epochs, in seconds.
        draws_scales: whether scales are drawn from the range of ``scales``, not from these values alone.
    """

    recipe: str
    learning_rate: float
    epochs: int
    steps: int
    scales: tuple[float, ...]
    cell_fraction: float
    loss: float
    constant_loss: float
    seconds: float
    draws_scales: bool = False

    @property
    def explained(self) -> float:
        """Fraction of `constant_loss` that training has removed; below 0 if the loss is above it."""
        return 1 - self.loss / self.constant_loss if self.constant_loss else 1.0

    @property
    def converged(self) -> bool:
        """Whether the loss has left the plateau, that is, whether `explained` is at least `MIN_EXPLAINED`.

        A loss beyond the plateau may still be falling, so this does not mean that more steps would not help.
        """
        return self.explained >= MIN_EXPLAINED

    @property
    def scale_text(self) -> str:
        """The training scales, in words."""
        if self.draws_scales and len(self.scales) > 1:
            return f"uniform from {min(self.scales):g} to {max(self.scales):g}"
        return ", ".join(f"{scale:g}" for scale in self.scales)

    @property
    def cells(self) -> str:
        """The cells that a step uses, in words."""
        return "all" if self.cell_fraction == 1 else f"{100 * self.cell_fraction:g}% of each image's"

    @property
    def verdict(self) -> str:
        """One sentence about training that has not converged."""
        advice = "" if self.recipe == "default" else "; the recipe default starts beyond this plateau"
        return (
            f"training did not converge: its loss is {self.loss:.3g}, and {self.constant_loss:.3g} can be reached "
            "by giving all images the same scores; train for more epochs, or with another learning "
            f"rate{advice}"
        )

    def to_dict(self) -> dict[str, Any]:
        """Return the outcome as plain JSON values."""
        return {
            "recipe": self.recipe,
            "learning_rate": self.learning_rate,
            "epochs": self.epochs,
            "steps": self.steps,
            "scales": list(self.scales),
            "draws_scales": self.draws_scales,
            "cell_fraction": self.cell_fraction,
            "loss": round(self.loss, 6),
            "constant_loss": round(self.constant_loss, 6),
            "seconds": round(self.seconds, 2),
            "converged": self.converged,
        }


def constant_loss(labels: Labels, *, outside: bool = False) -> float:
    """Return the lowest loss of scores that are the same in all images.

    For a class that is present in a fraction p of the images for which it is known, the best constant score is the
    log-odds of p, and the loss is the entropy −p log p − (1 − p) log(1 − p).

    Args:
        labels: (N, K) labels: −1, 0 or +1; pairs with label 0 have no loss.
        outside: whether each present class counts a second time, as absent outside its boxes, as with the
            supervision "masked_outside". Objects that cover their whole image, for which training leaves this
            term out, are not considered.

    Returns:
        The sum over the classes, in nats per image.
    """
    present = (labels == PRESENT).sum(axis=0).astype(np.float64)
    absent = (labels == ABSENT).sum(axis=0) + (present if outside else 0.0)
    total = present + absent
    loss = 0.0
    for count in (present, absent):
        known = count > 0
        loss += float((count[known] * np.log(total[known] / count[known])).sum())
    return loss / max(len(labels), 1)


def training_outcome(
    records: Sequence[EpochRecord], recipe: Recipe, labels: Labels, *, draws_scales: bool = False
) -> TrainingOutcome | None:
    """Return how a model was trained; None if its log is empty.

    Args:
        records: the log of the run.
        recipe: the recipe, resolved for the N training images.
        labels: (N, K) labels of the training images.
        draws_scales: whether scales were drawn from a range, as without cached features.
    """
    if not records:
        return None
    return TrainingOutcome(
        recipe=recipe.name,
        learning_rate=recipe.learning_rate,
        epochs=len(records),
        steps=len(records) * recipe.steps_per_epoch(len(labels)),
        scales=recipe.scales,
        cell_fraction=recipe.cell_fraction,
        loss=_kept(records).loss,
        constant_loss=constant_loss(labels, outside=recipe.supervision == "masked_outside"),
        seconds=sum(record.seconds for record in records),
        draws_scales=draws_scales,
    )


def _kept(records: Sequence[EpochRecord]) -> EpochRecord:
    """Return the epoch whose weights the model has; the rule is that of `freeloc.training.best_epoch`."""
    if any(record.validation is None for record in records):
        return records[-1]
    return max(records, key=_rank)


def _rank(record: EpochRecord) -> tuple[float, int]:
    return (0.0 if record.validation is None else record.validation.mean_ap, record.epoch)
