"""The loop: multi-scale mini-batches and SGD (paper, section 4)."""

from __future__ import annotations

import math
import time
from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor

from freeloc.datasets.sample import Labels
from freeloc.errors import FreelocError
from freeloc.features import FeatureSource
from freeloc.heads import AdaptationHead
from freeloc.overlap import ahead
from freeloc.progress import track
from freeloc.training.batches import fetcher, mix_seed, plan_epoch
from freeloc.training.recipe import Recipe
from freeloc.training.steps import Learner

__all__ = ["EpochRecord", "fit", "learning_rate", "make_optimizer"]


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


def learning_rate(step: int, steps: int, recipe: Recipe) -> float:
    """The learning rate of step ``step`` of ``steps``, counted from 0."""
    warm = recipe.warmup * steps
    rise = min(1.0, (step + 1) / warm) if warm >= 1 else 1.0
    fall = 0.5 * (1 + math.cos(math.pi * step / steps)) if recipe.schedule == "cosine" else 1.0
    return recipe.learning_rate * rise * fall


def make_optimizer(head: AdaptationHead, recipe: Recipe) -> torch.optim.SGD:
    """SGD with momentum; weight decay falls on weights, not on biases."""
    weights = [parameter for name, parameter in head.named_parameters() if name.endswith("weight")]
    biases = [parameter for name, parameter in head.named_parameters() if name.endswith("bias")]
    return torch.optim.SGD(
        [
            {"params": weights, "weight_decay": recipe.weight_decay},
            {"params": biases, "weight_decay": 0.0},
        ],
        lr=recipe.learning_rate,
        momentum=recipe.momentum,
    )


def fit(
    source: FeatureSource,
    labels: Labels,
    head: AdaptationHead,
    learner: Learner,
    optimizer: torch.optim.SGD,
    recipe: Recipe,
    *,
    seed: int,
    first_epoch: int = 0,
    after_epoch: Callable[[EpochRecord], None] | None = None,
    quiet: bool = False,
) -> None:
    """Train a head.

    Every epoch seeds its own generators from (seed, epoch), so a run that goes on from a checkpoint takes the
    same steps as one that was never stopped.

    Args:
        source: features of N photographs.
        labels: (N, K) int8 in {−1, 0, +1}.
        head: is changed in place.
        learner: computes the loss.
        optimizer: of ``make_optimizer``.
        recipe: everything else.
        seed: of order, scales and dropout.
        first_epoch: epochs already done.
        after_epoch: called at the end of each epoch, to log and to keep a checkpoint.
        quiet: show no progress.
    """
    targets = torch.from_numpy(labels.copy())
    per_epoch = math.ceil(len(source) / recipe.batch_size)
    device = next(head.parameters()).device

    for epoch in range(first_epoch, recipe.epochs):
        started = time.monotonic()
        plan_die = torch.Generator().manual_seed(mix_seed(seed, epoch, 0))
        dropout_die = torch.Generator(device).manual_seed(mix_seed(seed, epoch, 1))
        plan = plan_epoch(len(source), recipe, source.scales, plan_die)
        losses: list[Tensor] = []
        rate = 0.0
        fetched = ahead(fetcher(source), plan, threads=2, depth=4)
        what = f"epoch {epoch + 1} of {recipe.epochs}"
        for batch, cells in track(fetched, what, len(plan), quiet=quiet):
            rate = learning_rate(epoch * per_epoch + len(losses), recipe.epochs * per_epoch, recipe)
            for group in optimizer.param_groups:
                group["lr"] = rate
            loss = learner.loss(cells, targets[list(batch.indices)], dropout_die)
            optimizer.zero_grad()
            loss.backward()  # type: ignore[no-untyped-call]
            optimizer.step()
            losses.append(loss.detach())
        mean = float(torch.stack(losses).mean())
        if not math.isfinite(mean):
            raise FreelocError(
                f"training diverged in epoch {epoch + 1}: the loss is no longer a number; give a lower "
                f"--learning-rate than {recipe.learning_rate:g}"
            )
        if after_epoch is not None:
            after_epoch(EpochRecord(epoch + 1, mean, rate, time.monotonic() - started))
