"""The loop: multi-scale mini-batches and SGD (paper, section 4)."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol, TypeVar

import torch
from torch import Tensor, nn

from freeloc.datasets.dataset import Labels
from freeloc.errors import FreelocError
from freeloc.features.sources import FeatureSource
from freeloc.io.progress import track
from freeloc.nn.backbones.trainable_stages import PROJECTION
from freeloc.nn.head import AdaptationHead
from freeloc.training.batches import derive_seed, plan_epoch, stream
from freeloc.training.recipe import Recipe

__all__ = ["BatchTrainer", "EpochRecord", "fit", "learning_rate", "make_optimizer"]

Item = TypeVar("Item")
Item_contra = TypeVar("Item_contra", contravariant=True)


class BatchTrainer(Protocol[Item_contra]):
    """What learns from what a source gives of each image."""

    def backward(self, items: Sequence[Item_contra], labels: Tensor, generator: torch.Generator) -> Tensor:
        """Add the gradient of a mini-batch's loss to the weights' gradients; gives the loss, detached."""
        ...


@dataclass(frozen=True, slots=True)
class EpochRecord:
    """What one epoch did; a line of the log.

    Attributes:
        epoch: counted from 1.
        loss: mean loss of its mini-batches (paper, equation 1).
        learning_rate: at its last step.
        seconds: how long it took.
    """

    epoch: int
    loss: float
    learning_rate: float
    seconds: float


def learning_rate(step: int, steps: int, recipe: Recipe, peak: float | None = None) -> float:
    """The learning rate of step ``step`` of ``steps``, counted from 0; ``peak`` in place of the recipe's."""
    peak = recipe.learning_rate if peak is None else peak
    warm = recipe.warmup_fraction * steps
    rise = min(1.0, (step + 1) / warm) if warm >= 1 else 1.0
    fall = 0.5 * (1 + math.cos(math.pi * step / steps)) if recipe.schedule == "cosine" else 1.0
    return peak * rise * fall


def make_optimizer(
    head: AdaptationHead, recipe: Recipe, backbone: Mapping[str, nn.Parameter] | None = None
) -> torch.optim.SGD:
    """SGD with momentum; weight decay falls on the head's weights, not on biases nor on the backbone.

    Args:
        head: the head.
        recipe: rates, momentum and decay.
        backbone: weights of the backbone that are trained as well, by their names there.
    """
    weights = [parameter for name, parameter in head.named_parameters() if name.endswith("weight")]
    biases = [parameter for name, parameter in head.named_parameters() if name.endswith("bias")]
    peak = recipe.learning_rate
    groups = [
        {"params": weights, "weight_decay": recipe.weight_decay, "peak": peak},
        {"params": biases, "weight_decay": 0.0, "peak": peak},
    ]
    projection = [value for key, value in (backbone or {}).items() if key.startswith(f"{PROJECTION}.")]
    stages = [value for key, value in (backbone or {}).items() if not key.startswith(f"{PROJECTION}.")]
    rates = ((projection, recipe.projection_learning_rate), (stages, recipe.backbone_learning_rate))
    # A decay towards zero would pull away from what the backbone was trained for.
    groups += [{"params": part, "weight_decay": 0.0, "peak": rate} for part, rate in rates if part]
    # Fused, a step reads and writes every weight once: a third of the time.
    return torch.optim.SGD(groups, lr=peak, momentum=recipe.momentum, fused=True)


def fit(
    source: FeatureSource[Item],
    labels: Labels,
    head: AdaptationHead,
    learner: BatchTrainer[Item],
    optimizer: torch.optim.SGD,
    recipe: Recipe,
    *,
    seed: int,
    first_epoch: int = 0,
    after_epoch: Callable[[EpochRecord], None] | None = None,
    after_step: Callable[[int], None] | None = None,
    quiet: bool = False,
) -> None:
    """Train a head, and what else ``learner`` and ``optimizer`` hold.

    Every epoch seeds its own generators from (seed, epoch), so a run that goes on from a checkpoint takes the
    same steps as one that was never stopped.

    Args:
        source: features of N images.
        labels: (N, K) int8 in {−1, 0, +1}.
        head: is changed in place.
        learner: computes the loss and its gradient.
        optimizer: of ``make_optimizer``.
        recipe: everything else.
        seed: of order, scales and dropout.
        first_epoch: epochs already done.
        after_epoch: called at the end of each epoch, to log and to keep a checkpoint.
        after_step: called after each step with the steps done since the first epoch began, to keep snapshots.
        quiet: show no progress.
    """
    targets = torch.from_numpy(labels.copy())
    per_epoch = recipe.steps_per_epoch(len(source))
    device = next(head.parameters()).device

    for epoch in range(first_epoch, recipe.epochs):
        started = time.monotonic()
        order_generator = torch.Generator().manual_seed(derive_seed(seed, epoch, 0))
        dropout_generator = torch.Generator(device).manual_seed(derive_seed(seed, epoch, 1))
        plan = plan_epoch(len(source), recipe, source.scales, order_generator)
        losses: list[Tensor] = []
        rate = 0.0
        what = f"epoch {epoch + 1} of {recipe.epochs}"
        for batch, cells in track(stream(source, plan), what, len(plan), quiet=quiet):
            step, steps = epoch * per_epoch + len(losses), recipe.epochs * per_epoch
            rate = learning_rate(step, steps, recipe)
            for group in optimizer.param_groups:
                group["lr"] = learning_rate(step, steps, recipe, group["peak"])
            optimizer.zero_grad()
            losses.append(learner.backward(cells, targets[list(batch.indices)], dropout_generator))
            optimizer.step()
            if after_step is not None:
                after_step(step + 1)
        mean = float(torch.stack(losses).mean())
        # The last step's damage shows in no loss of this epoch.
        sound = all(bool(weight.isfinite().all()) for weight in _weights(optimizer))
        if not (math.isfinite(mean) and sound):
            raise FreelocError(
                f"training diverged in epoch {epoch + 1}: loss or weights are no longer numbers; give a lower "
                f"--learning-rate than {recipe.learning_rate:g}"
            )
        if after_epoch is not None:
            after_epoch(EpochRecord(epoch + 1, mean, rate, time.monotonic() - started))


def _weights(optimizer: torch.optim.Optimizer) -> Iterator[nn.Parameter]:
    for group in optimizer.param_groups:
        yield from group["params"]
