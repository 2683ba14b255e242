"""Linear support vector machines, one for each class, all fitted at once on the same vectors.

Squared hinge loss, as LIBLINEAR's L2-loss machines, minimised by L-BFGS: with one matrix product for all classes a
fit takes seconds where one class after the other takes minutes.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from freeloc._typing import Float32Array

__all__ = ["Labels", "LinearSVMs", "SvmOptions", "fit_linear_svms", "hard_rows"]

Labels = npt.NDArray[np.int8]


@dataclass(frozen=True, slots=True)
class SvmOptions:
    """How machines are fitted.

    Attributes:
        cost: weight of the loss against the squared length of the weights (LIBLINEAR's C).
        positive_weight: how much more a positive vector weighs than a negative one.
        tolerance: a fit ends when no slope of the objective is steeper, as a share of the steepest before it.
        iterations: and after so many steps in any case.
    """

    cost: float = 1.0
    positive_weight: float = 2.0
    tolerance: float = 1e-3
    iterations: int = 60

    def __post_init__(self) -> None:
        if min(self.cost, self.positive_weight, self.tolerance, self.iterations) <= 0:
            raise ValueError("machines need a cost, weights, a tolerance and iterations above 0")


@dataclass(frozen=True, eq=False)
class LinearSVMs:
    """K linear functions of vectors.

    Attributes:
        weights: (K, D) float32.
        bias: (K,) float32.
    """

    weights: Float32Array
    bias: Float32Array

    def __call__(self, vectors: Float32Array) -> Float32Array:
        """(M, D) vectors → (M, K) margins: above 0 for the class, beyond ±1 surely."""
        margins: Float32Array = vectors @ self.weights.T + self.bias
        return margins


def fit_linear_svms(
    vectors: Float32Array, labels: Labels, options: SvmOptions | None = None, start: LinearSVMs | None = None
) -> LinearSVMs:
    """Fit one machine for each class.

    Args:
        vectors: (M, D) float32, of which each machine reads those its labels name.
        labels: (M, K) +1, −1, or 0 where a vector says nothing about a class.
        options: how.
        start: machines to begin with; default without weights. It changes how long a fit takes, and not where it
            ends.

    Returns:
        For each class the minimum of ½‖w‖² + cost · Σ weight · max(0, 1 − label · (w·x + b))²; the bias is free.
    """
    options = options or SvmOptions()
    problem = _Problem(vectors, labels, options)
    # Nearly all vectors show no class: without weights they are already where they belong.
    resting = LinearSVMs(
        np.zeros((labels.shape[1], vectors.shape[1]), np.float32), -np.ones(labels.shape[1], np.float32)
    )
    point = problem.place(resting)
    steepest = problem.slope(point)[1].abs().max().item()
    if start is not None:
        point = problem.place(start)
    point.requires_grad_(True)
    search = torch.optim.LBFGS(
        [point],
        max_iter=options.iterations,
        tolerance_grad=options.tolerance * steepest,
        tolerance_change=0,
        history_size=20,
        line_search_fn="strong_wolfe",
    )

    def objective() -> float:
        value, point.grad = problem.slope(point.detach())
        return value

    search.step(objective)  # type: ignore[no-untyped-call]
    return problem.svms(point.detach())


class _Problem:
    """The objective of all classes together, in coordinates that suit a search along slopes.

    Vectors of a network have a mean that towers over what tells them apart. As the bias is free, they can be told
    from their mean without changing what is sought; and it is counted in units of their deviation.
    """

    def __init__(self, vectors: Float32Array, labels: Labels, options: SvmOptions) -> None:
        self._rows = torch.from_numpy(vectors)
        self._signs = torch.from_numpy(labels).float()
        weight = torch.where(self._signs > 0, options.positive_weight, 1.0) * (self._signs != 0)
        self._costs = options.cost * weight
        self._mean = self._rows.mean(dim=0)
        variance = self._rows.square().mean(dim=0) - self._mean.square()
        self._unit = max(float(variance.mean()), 1e-12) ** 0.5

    def place(self, svms: LinearSVMs) -> Tensor:
        """(K, D + 1) coordinates of machines."""
        weights = torch.from_numpy(svms.weights)
        level = (torch.from_numpy(svms.bias) + weights @ self._mean) / self._unit
        return torch.cat([weights, level[:, None]], dim=1)

    def svms(self, point: Tensor) -> LinearSVMs:
        """What `place` was given."""
        weights, bias = self._read(point)
        return LinearSVMs(np.ascontiguousarray(weights.numpy()), bias.numpy())

    def _read(self, point: Tensor) -> tuple[Tensor, Tensor]:
        weights = point[:, :-1]
        return weights, point[:, -1] * self._unit - weights @ self._mean

    def slope(self, point: Tensor) -> tuple[float, Tensor]:
        """The objective, and its (K, D + 1) gradient."""
        weights, bias = self._read(point)
        short = (1 - self._signs * torch.addmm(bias, self._rows, weights.T)).clamp_(min=0)
        pull = self._costs * short
        value = 0.5 * weights.square().sum().double() + (pull * short).sum(dtype=torch.float64)
        push = -2 * pull * self._signs
        total = push.sum(dim=0)[:, None]
        return float(value), torch.cat(
            [weights + push.T @ self._rows - total * self._mean, total * self._unit], dim=1
        )


def hard_rows(margins: Float32Array, labels: Labels, most: int, margin: float = -1.0) -> npt.NDArray[np.intp]:
    """Negative vectors that a machine does not put beyond its margin.

    Args:
        margins: (M, K) of the vectors.
        labels: (M, K) of the same.
        most: at most so many vectors, those that are hardest for any class.
        margin: negatives above it are hard.

    Returns:
        Their indices, the hardest first.
    """
    hardest = np.where(labels < 0, margins, -np.inf).max(axis=1, initial=-np.inf)
    ranked: npt.NDArray[np.intp] = np.argsort(-hardest, kind="stable")[:most]
    hard: npt.NDArray[np.intp] = ranked[hardest[ranked] > margin]
    return hard
