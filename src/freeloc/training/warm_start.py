"""The warm start, in which the head learns the classes from full images before searching for objects.

With random weights, max-pooling at first selects arbitrary cells, and the loss stays on a plateau for the first
epochs, until the search happens to find objects of a class. The recipe "default" therefore trains on full images
first. This takes only seconds, because each image is reduced to a single vector:

1. Compute the mean and standard deviation of the features, and the mean feature of every image, in one pass.
2. Set each class's bias to the log-odds of its tag, and train the head on the mean features for a few epochs.
3. Fit one slope and K offsets to the *pooled* scores of some images by logistic regression, and fold them into
   FCb. The maximum over hundreds of cells is far larger than the score of a mean feature, on which the head was
   trained. Without this rescaling, the first hundred training steps of the search would therefore undo the warm
   start. Poolings that are means do not need the rescaling.

Only tags are used. The paper does not use a warm start.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from freeloc.datasets.dataset import Labels
from freeloc.features.arrays import Cells
from freeloc.features.sources import FeatureSource
from freeloc.io.progress import print_status, track
from freeloc.nn.head import AdaptationHead
from freeloc.nn.losses import logistic_loss
from freeloc.nn.pooling.registry import get_pooling
from freeloc.training.batches import Batch, plan_epoch, stream
from freeloc.training.device import to_device
from freeloc.training.optimizer import make_optimizer
from freeloc.training.recipe import Recipe
from freeloc.training.seeds import SeedPurpose, derive_seed
from freeloc.training.step import HeadTrainStep

__all__ = [
    "FeatureStatistics",
    "log_odds",
    "measure_features",
    "rescale_pooled_scores",
    "train_on_means",
    "warm_start",
]

_DEVIATION_OFFSET = 0.1
"""Added to every standard deviation, so that features that are almost always zero are not amplified."""

_RESCALING_IMAGES = 640
"""Number of images used to rescale the pooled scores."""


@dataclass(frozen=True, eq=False)
class FeatureStatistics:
    """Statistics of the features of N images, after the backbone's projection.

    Attributes:
        means: (N, width) float32 mean over the valid cells of each image.
        mean: (width,) mean over all cells.
        deviation: (width,) standard deviation over all cells.
    """

    means: Tensor
    mean: Tensor
    deviation: Tensor

    @property
    def gain(self) -> Tensor:
        """The (width,) factors that standardize the features."""
        return 1 / (self.deviation + _DEVIATION_OFFSET)


def warm_start(
    step: HeadTrainStep,
    features: FeatureSource[Cells],
    labels: Labels,
    recipe: Recipe,
    *,
    seed: int,
    quiet: bool = False,
) -> None:
    """Train a new head on full images, before it searches for objects.

    Args:
        step: step with the head and the projection; the head is changed in place and must be standardized.
        features: source of the features of N images.
        labels: (N, K) int8 labels: −1, 0 or +1.
        recipe: sets the epochs, learning rate and pooling.
        seed: seed of the run.
        quiet: whether to hide progress.
    """
    head, label_tensor = step.head, torch.from_numpy(labels.copy())
    statistics = measure_features(features, step.projection, device=step.device, quiet=quiet)
    head.set_standardization(statistics.mean, statistics.gain)
    with torch.no_grad():
        head.fcb.bias.copy_(log_odds(label_tensor))
    loss = train_on_means(
        head, statistics, label_tensor, recipe, seed=derive_seed(seed, 0, SeedPurpose.WARM_START)
    )
    if not get_pooling(recipe.pooling).is_mean:
        generator = torch.Generator().manual_seed(derive_seed(seed, 0, SeedPurpose.RESCALING))
        plan = plan_epoch(len(features), recipe, features.scales, generator)
        rescale_pooled_scores(
            step, features, label_tensor, plan[: -(-_RESCALING_IMAGES // recipe.batch_size)]
        )
    if not quiet:
        print_status(f"warm start on full images: loss {loss:.4f}")


def measure_features(
    source: FeatureSource[Cells], projection: nn.Module, *, device: torch.device, quiet: bool = False
) -> FeatureStatistics:
    """Compute statistics of the features of all images at the scale nearest to 1.

    Args:
        source: source of the features of N images.
        projection: the backbone's projection.
        device: device to compute on.
        quiet: whether to hide progress.
    """
    scale = min(source.scales or (1.0,), key=lambda value: abs(math.log(value)))
    means = torch.empty((len(source), 0))
    total: Tensor | float = 0.0
    squares: Tensor | float = 0.0
    count = 0
    size = max(source.batch, 2 * source.threads)
    starts = range(0, len(source), size)
    plan = [Batch(tuple(range(start, min(start + size, len(source)))), scale) for start in starts]
    cells_of_images = (cells for _, items in stream(source, plan) for cells in items)
    with torch.no_grad():
        tracked = track(cells_of_images, "computing feature statistics", len(source), quiet=quiet)
        for index, cells in enumerate(tracked):
            values = projection(to_device(cells, device).float())
            if index == 0:
                # Allocated once: small tensors kept between large temporary ones would keep the allocator from
                # returning the memory of the large ones, almost 200 kB per image.
                means = torch.empty((len(source), values.shape[1]))
            means[index] = values.mean(dim=0)
            total = total + values.sum(dim=0, dtype=torch.float64)
            squares = squares + values.square().sum(dim=0, dtype=torch.float64)
            count += len(values)
    mean = torch.as_tensor(total) / count
    variance = (torch.as_tensor(squares) / count - mean.square()).clamp_min(0)
    return FeatureStatistics(means, mean.float().cpu(), variance.sqrt().float().cpu())


def log_odds(labels: Tensor) -> Tensor:
    """Return the (K,) log-odds of (N, K) labels.

    One positive and one negative are added to each class to keep the log-odds finite.
    """
    present = (labels > 0).sum(dim=0) + 1.0
    absent = (labels < 0).sum(dim=0) + 1.0
    return torch.log(present / absent)


def train_on_means(
    head: AdaptationHead, statistics: FeatureStatistics, labels: Tensor, recipe: Recipe, *, seed: int
) -> float:
    """Train the head with SGD on the mean feature of each image.

    Args:
        head: the head, which is changed in place and must be standardized.
        statistics: statistics of N images.
        labels: (N, K) labels: −1, 0 or +1.
        recipe: sets the epochs, batch size and learning rate.
        seed: seed for the order of the images.

    Returns:
        The mean loss of the last epoch.
    """
    device = next(head.parameters()).device
    means, labels = statistics.means.to(device), labels.to(device)
    optimizer = make_optimizer(head, recipe)
    generator = torch.Generator().manual_seed(seed)
    warmup_steps = max(1, len(means) // recipe.batch_size)
    step, loss_sum = 0, 0.0
    for _ in range(recipe.warm_start_epochs):
        loss_sum = 0.0
        order = torch.randperm(len(means), generator=generator)
        for batch in torch.split(order, recipe.batch_size):
            step += 1
            for group in optimizer.param_groups:
                group["lr"] = recipe.warm_start_learning_rate * min(1.0, step / warmup_steps)
            indices = batch.to(device)
            loss = logistic_loss(head(means[indices]), labels[indices])
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            loss_sum += float(loss.detach()) * len(batch)
    return loss_sum / len(means)


def rescale_pooled_scores(
    step: HeadTrainStep, source: FeatureSource[Cells], labels: Tensor, batches: Sequence[Batch]
) -> None:
    """Fit a slope and K offsets that minimize the logistic loss of the pooled scores, and fold them into FCb.

    Log-sum-exp pooling does not commute with multiplication by the slope, so for this pooling, the result is only
    approximate.

    Args:
        step: step that computes the pooled scores; its head is changed in place.
        source: source of the features of N images.
        labels: (N, K) labels: −1, 0 or +1.
        batches: mini-batches whose images and scales are used for the fit.
    """
    scores = torch.cat([step.pooled_scores(cells).cpu() for _, cells in stream(source, batches)])
    batch_labels = torch.cat([labels[list(batch.indices)] for batch in batches])
    slope, offsets = _fit_shared_slope(scores, batch_labels)
    fcb = step.head.fcb
    with torch.no_grad():
        fcb.weight.mul_(slope)
        fcb.bias.mul_(slope).add_(offsets.to(fcb.bias) / step.bias_gain)


def _fit_shared_slope(scores: Tensor, labels: Tensor) -> tuple[float, Tensor]:
    """Return the slope shared by all classes and the (K,) offsets that minimize the logistic loss."""
    log_slope = torch.zeros(1, dtype=torch.float64, requires_grad=True)
    offsets = torch.zeros(scores.shape[1], dtype=torch.float64, requires_grad=True)
    optimizer = torch.optim.LBFGS([log_slope, offsets], max_iter=200, line_search_fn="strong_wolfe")
    values, signs = scores.double(), labels.double()

    def objective() -> Tensor:
        optimizer.zero_grad()
        # A weak penalty bounds the values that the images do not determine: the offsets of classes that do not
        # occur, and the slope if the scores separate the labels perfectly.
        loss = logistic_loss(log_slope.exp() * values + offsets, signs) + 1e-3 * (
            offsets.square().sum() + log_slope.square().sum()
        )
        loss.backward()
        return loss

    optimizer.step(objective)
    return float(log_slope.detach().exp()), offsets.detach().float()
