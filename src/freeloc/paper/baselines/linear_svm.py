"""Linear support vector machines, one per class, fitted together on the same vectors.

The loss is the squared hinge, as in LIBLINEAR's L2-loss SVMs, and is minimized with L-BFGS. One matrix product
serves all classes, so fitting takes seconds; scikit-learn fits the classes one after another, which takes minutes.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from freeloc._typing import Float32Array, IntpArray

__all__ = ["LinearSVMs", "RegionLabels", "SVMOptions", "fit_linear_svms", "hard_negatives"]

RegionLabels = npt.NDArray[np.int8]
"""(M, K) int8: +1 where a vector belongs to a class, −1 where it does not, 0 where it is ignored."""


@dataclass(frozen=True, slots=True)
class SVMOptions:
    """Options for fitting linear SVMs.

    Attributes:
        cost: weight of the loss relative to the squared norm of the weights (LIBLINEAR's C).
        positive_weight: weight of a positive vector relative to a negative one.
        tolerance: fitting stops when the largest gradient component falls below this fraction of its value at
            weights of 0.
        max_iterations: maximum number of L-BFGS iterations.
    """

    cost: float = 1.0
    positive_weight: float = 2.0
    tolerance: float = 1e-3
    max_iterations: int = 60

    def __post_init__(self) -> None:
        if min(self.cost, self.positive_weight, self.tolerance, self.max_iterations) <= 0:
            raise ValueError("cost, positive_weight, tolerance and max_iterations must be above 0")


@dataclass(frozen=True, eq=False)
class LinearSVMs:
    """Weights of K linear SVMs.

    Attributes:
        weights: (K, D) float32.
        bias: (K,) float32.
    """

    weights: Float32Array
    bias: Float32Array

    def margins(self, vectors: Float32Array) -> Float32Array:
        """Compute the (M, K) margins of (M, D) vectors; a positive margin assigns a vector to a class."""
        margins: Float32Array = vectors @ self.weights.T + self.bias
        return margins


def fit_linear_svms(
    vectors: Float32Array,
    labels: RegionLabels,
    options: SVMOptions | None = None,
    start: LinearSVMs | None = None,
) -> LinearSVMs:
    """Fit one linear SVM per class.

    For each class, the result minimizes ½‖w‖² + cost · Σ weight · max(0, 1 − label · (w·x + b))²; the bias is not
    penalized.

    Args:
        vectors: (M, D) float32.
        labels: (M, K) int8; see `RegionLabels`.
        options: options of the fit; None for the defaults.
        start: initial SVMs; None for weights of 0. They affect how long fitting takes, but not the result.
    """
    options = options or SVMOptions()
    problem = _Problem(vectors, labels, options)
    # Nearly all vectors are negative; a bias of −1 with weights of 0 classifies these correctly.
    initial = LinearSVMs(
        np.zeros((labels.shape[1], vectors.shape[1]), np.float32), -np.ones(labels.shape[1], np.float32)
    )
    point = problem.to_point(initial)
    largest = problem.objective(point)[1].abs().max().item()
    if start is not None:
        point = problem.to_point(start)
    point.requires_grad_(True)
    optimizer = torch.optim.LBFGS(
        [point],
        max_iter=options.max_iterations,
        tolerance_grad=options.tolerance * largest,
        tolerance_change=0,
        history_size=20,
        line_search_fn="strong_wolfe",
    )

    def closure() -> float:
        value, point.grad = problem.objective(point.detach())
        return value

    optimizer.step(closure)
    return problem.from_point(point.detach())


class _Problem:
    """The objective of all classes, in coordinates that make its minimization well conditioned.

    The mean of network features is much larger than their standard deviation. The mean is therefore subtracted
    from the vectors, which does not change the minimum, because the bias is not penalized. The bias is expressed
    in units of the standard deviation.
    """

    def __init__(self, vectors: Float32Array, labels: RegionLabels, options: SVMOptions) -> None:
        self._rows = torch.from_numpy(vectors)
        self._signs = torch.from_numpy(labels).float()
        weight = torch.where(self._signs > 0, options.positive_weight, 1.0) * (self._signs != 0)
        self._costs = options.cost * weight
        self._mean = self._rows.mean(dim=0)
        variance = self._rows.square().mean(dim=0) - self._mean.square()
        self._unit = max(float(variance.mean()), 1e-12) ** 0.5

    def to_point(self, svms: LinearSVMs) -> Tensor:
        """Convert SVMs to (K, D + 1) coordinates."""
        weights = torch.from_numpy(svms.weights)
        offset = (torch.from_numpy(svms.bias) + weights @ self._mean) / self._unit
        return torch.cat([weights, offset[:, None]], dim=1)

    def from_point(self, point: Tensor) -> LinearSVMs:
        """Convert (K, D + 1) coordinates to SVMs."""
        weights, bias = self._weights_and_bias(point)
        return LinearSVMs(np.ascontiguousarray(weights.numpy()), bias.numpy())

    def _weights_and_bias(self, point: Tensor) -> tuple[Tensor, Tensor]:
        weights = point[:, :-1]
        return weights, point[:, -1] * self._unit - weights @ self._mean

    def objective(self, point: Tensor) -> tuple[float, Tensor]:
        """Compute the objective and its (K, D + 1) gradient."""
        weights, bias = self._weights_and_bias(point)
        hinge = (1 - self._signs * torch.addmm(bias, self._rows, weights.T)).clamp_(min=0)
        weighted = self._costs * hinge
        value = 0.5 * weights.square().sum().double() + (weighted * hinge).sum(dtype=torch.float64)
        slope = -2 * weighted * self._signs
        total = slope.sum(dim=0)[:, None]
        return float(value), torch.cat(
            [weights + slope.T @ self._rows - total * self._mean, total * self._unit], dim=1
        )


def hard_negatives(
    margins: Float32Array, labels: RegionLabels, max_count: int, margin: float = -1.0
) -> IntpArray:
    """Find the negative vectors that an SVM misclassifies or that lie inside its margin.

    Args:
        margins: (M, K) margins of the vectors.
        labels: (M, K) labels of the vectors.
        max_count: maximum number of vectors; those with the largest margin for any class are returned.
        margin: negatives whose margin for any class exceeds this value count as hard.

    Returns:
        Indices of the vectors, hardest first.
    """
    hardest = np.where(labels < 0, margins, -np.inf).max(axis=1, initial=-np.inf)
    ranked: IntpArray = np.argsort(-hardest, kind="stable")[:max_count]
    hard: IntpArray = ranked[hardest[ranked] > margin]
    return hard
