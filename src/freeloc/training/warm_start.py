"""The warm start: a head that knows the classes before it is asked to find them.

From random weights, max-pooling first picks arbitrary windows, and training spends its first epochs on a plateau
until some class happens to be found. freeloc's own recipe skips that: it learns the classes from full images
first, which takes seconds because an image is then one vector, and only then turns to the search.

1. Measure mean and deviation of the features, and the mean feature vector of every image, in one pass.
2. Start each class's bias at the log-odds of its tag, and train the head on the mean vectors for a few epochs.
3. Fit one slope and K offsets so that the *pooled* scores of some images are calibrated, and fold them into
   FCb. Without this, maxima over hundreds of cells, far above the means the head was trained on, would throw
   the first hundred steps of the search away. A pooling that is a mean needs it not.

Tags are all it uses. The paper starts cold.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional

from freeloc.features.arrays import Cells
from freeloc.features.sources import FeatureSource
from freeloc.io.progress import track
from freeloc.nn.head import AdaptationHead
from freeloc.nn.losses import logistic_loss
from freeloc.training.batches import Batch, stream
from freeloc.training.device import to_device
from freeloc.training.loop import make_optimizer
from freeloc.training.recipe import Recipe
from freeloc.training.step import TrainStep

__all__ = ["FeatureStatistics", "calibrate", "log_odds", "measure_features", "train_on_means"]

_DEVIATION_FLOOR = 0.1
"""Added to every deviation: features that hardly ever fire are not blown up."""


@dataclass(frozen=True, eq=False)
class FeatureStatistics:
    """Features of N images in brief, after the backbone's projection.

    Attributes:
        means: (N, width) float32, the mean over each image's valid cells.
        mean: (width,) mean over all cells.
        deviation: (width,) standard deviation over all cells.
    """

    means: Tensor
    mean: Tensor
    deviation: Tensor

    @property
    def gain(self) -> Tensor:
        """(width,) factor that standardizes a feature."""
        return 1 / (self.deviation + _DEVIATION_FLOOR)


def measure_features(
    source: FeatureSource[Cells], projection: nn.Module, *, device: torch.device, quiet: bool = False
) -> FeatureStatistics:
    """One pass over all images at the scale nearest to 1."""
    scale = min(source.scales or (1.0,), key=lambda value: abs(math.log(value)))
    means: list[Tensor] = []
    total: Tensor | float = 0.0
    squares: Tensor | float = 0.0
    count = 0
    size = max(source.batch, 2 * source.threads)
    parts = (range(start, min(start + size, len(source))) for start in range(0, len(source), size))
    plan = [Batch(tuple(part), scale) for part in parts]
    fetched = (cells for _, part in stream(source, plan) for cells in part)
    with torch.no_grad():
        for cells in track(fetched, "measuring features", len(source), quiet=quiet):
            values = projection(to_device(cells, device).float())
            means.append(values.mean(dim=0).cpu())
            total = total + values.sum(dim=0, dtype=torch.float64)
            squares = squares + values.square().sum(dim=0, dtype=torch.float64)
            count += len(values)
    mean = torch.as_tensor(total) / count
    variance = (torch.as_tensor(squares) / count - mean.square()).clamp_min(0)
    return FeatureStatistics(torch.stack(means), mean.float().cpu(), variance.sqrt().float().cpu())


def log_odds(labels: Tensor) -> Tensor:
    """(K,) log-odds of each tag in (N, K) labels; one imagined image each way keeps them finite."""
    present = (labels > 0).sum(dim=0) + 1.0
    absent = (labels < 0).sum(dim=0) + 1.0
    return torch.log(present / absent)


def train_on_means(
    head: AdaptationHead, statistics: FeatureStatistics, labels: Tensor, recipe: Recipe, *, seed: int
) -> float:
    """Train the head on one vector per image, with SGD; gives the last epoch's mean loss.

    Args:
        head: is changed in place; must be standardized.
        statistics: of the same N images.
        labels: (N, K) in {−1, 0, +1}.
        recipe: says how long and how fast.
        seed: of the order.
    """
    device = next(head.parameters()).device
    means, targets = statistics.means.to(device), labels.to(device)
    optimizer = make_optimizer(head, recipe)
    order_generator = torch.Generator().manual_seed(seed)
    ramp = max(1, len(means) // recipe.batch_size)
    step, loss_sum = 0, 0.0
    for _ in range(recipe.warm_start_epochs):
        loss_sum = 0.0
        order = torch.randperm(len(means), generator=order_generator)
        for batch in torch.split(order, recipe.batch_size):
            step += 1
            for group in optimizer.param_groups:
                group["lr"] = recipe.warm_start_learning_rate * min(1.0, step / ramp)
            chosen = batch.to(device)
            loss = logistic_loss(head(means[chosen]), targets[chosen])
            optimizer.zero_grad()
            loss.backward()  # type: ignore[no-untyped-call]
            optimizer.step()
            loss_sum += float(loss.detach()) * len(batch)
    return loss_sum / len(means)


def calibrate(
    head: AdaptationHead,
    learner: TrainStep,
    source: FeatureSource[Cells],
    labels: Tensor,
    batches: Sequence[Batch],
) -> None:
    """Fold one slope and K offsets into FCb so that pooled scores are calibrated.

    Log-sum-exp is no multiple of itself at another slope; its scores come near what was fitted.

    Args:
        head: is changed in place.
        learner: gives the pooled scores.
        source: features of N images.
        labels: (N, K) in {−1, 0, +1}.
        batches: the images, and the scales, to fit on.
    """
    scores = torch.cat([learner.pooled(cells).cpu() for _, cells in stream(source, batches)])
    targets = torch.cat([labels[list(batch.indices)] for batch in batches])
    slope, offsets = _platt(scores, targets)
    with torch.no_grad():
        head.fcb.weight.mul_(slope)
        head.fcb.bias.mul_(slope).add_(offsets.to(head.fcb.bias) / learner.bias_gain)


def _platt(scores: Tensor, targets: Tensor) -> tuple[float, Tensor]:
    """The slope, shared by all classes, and the offsets of least logistic loss."""
    log_slope = torch.zeros(1, dtype=torch.float64, requires_grad=True)
    offsets = torch.zeros(scores.shape[1], dtype=torch.float64, requires_grad=True)
    optimizer = torch.optim.LBFGS([log_slope, offsets], max_iter=200, line_search_fn="strong_wolfe")
    values, signs = scores.double(), targets.double()

    def objective() -> Tensor:
        optimizer.zero_grad()
        losses = functional.softplus(-signs * (log_slope.exp() * values + offsets)) * (signs != 0)
        # A whisper of a pull towards doing nothing keeps finite what these images do not settle: classes
        # they do not show, and the slope where scores and labels agree perfectly.
        loss = losses.sum() / len(values) + 1e-3 * (offsets.square().sum() + log_slope.square().sum())
        loss.backward()  # type: ignore[no-untyped-call]
        return loss

    optimizer.step(objective)  # type: ignore[no-untyped-call]
    return float(log_slope.detach().exp()), offsets.detach().float()
