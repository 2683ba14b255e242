"""SGD with a learning-rate schedule."""

from __future__ import annotations

import math
from collections.abc import Mapping

import torch
from torch import nn

from freeloc.nn.backbones.trainable_stages import PROJECTION
from freeloc.nn.head import AdaptationHead
from freeloc.training.recipe import Recipe

__all__ = ["learning_rate", "make_optimizer", "set_learning_rates"]


def learning_rate(step: int, steps: int, recipe: Recipe, peak: float | None = None) -> float:
    """Return the learning rate of one step.

    Args:
        step: index of the step, from 0.
        steps: number of steps in the whole run.
        recipe: sets the schedule and the warm-up.
        peak: the peak learning rate; None uses that of the head.
    """
    peak = recipe.learning_rate if peak is None else peak
    warmup_steps = recipe.warmup_fraction * steps
    rise = min(1.0, (step + 1) / warmup_steps) if warmup_steps >= 1 else 1.0
    decay = 0.5 * (1 + math.cos(math.pi * step / steps)) if recipe.schedule == "cosine" else 1.0
    return peak * rise * decay


def make_optimizer(
    head: AdaptationHead, recipe: Recipe, backbone: Mapping[str, nn.Parameter] | None = None
) -> torch.optim.SGD:
    """Create an SGD optimizer with momentum; weight decay applies to the head's weights but not to its biases.

    Args:
        head: the head.
        recipe: sets the learning rates, momentum and weight decay.
        backbone: trained weights of the backbone, by name in its state dict; weight decay does not apply to
            them.
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
    # Weight decay toward zero would undo the backbone's pretraining.
    groups += [{"params": part, "weight_decay": 0.0, "peak": rate} for part, rate in rates if part]
    # The fused implementation reads and writes every weight only once, so it takes a third of the usual time.
    return torch.optim.SGD(groups, lr=peak, momentum=recipe.momentum, fused=True)


def set_learning_rates(optimizer: torch.optim.SGD, step: int, steps: int, recipe: Recipe) -> None:
    """Set the learning rate of every parameter group for one step; for the arguments, see `learning_rate`."""
    for group in optimizer.param_groups:
        group["lr"] = learning_rate(step, steps, recipe, group["peak"])
