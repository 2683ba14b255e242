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

from freeloc.geometry import Float32Array

__all__ = ["Labels", "Machines", "SvmOptions", "fit_machines", "hard_rows"]

Labels = npt.NDArray[np.int8]


@dataclass(frozen=True, slots=True)
class SvmOptions:
    """How machines are fitted.

    Attributes:
        cost: weight of the loss against the squared length of the weights (LIBLINEAR's C).
        positive_weight: how much more a positive vector weighs than a negative one.
        tolerance: a fit ends when no slope of the objective is steeper, as a share of the steepest at zero.
        iterations: and after so many steps in any case.
    """

    cost: float = 1.0
    positive_weight: float = 2.0
    tolerance: float = 1e-3
    iterations: int = 200

    def __post_init__(self) -> None:
        if min(self.cost, self.positive_weight, self.tolerance, self.iterations) <= 0:
            raise ValueError("machines need a cost, weights, a tolerance and iterations above 0")


@dataclass(frozen=True, eq=False)
class Machines:
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


def fit_machines(
    vectors: Float32Array, labels: Labels, options: SvmOptions | None = None, start: Machines | None = None
) -> Machines:
    """Fit one machine for each class.

    Args:
        vectors: (M, D) float32, of which each machine reads those its labels name.
        labels: (M, K) +1, −1, or 0 where a vector says nothing about a class.
        options: how.
        start: machines to begin with; default all zero. Where a fit begins changes how long it takes, and not
            where it ends.

    Returns:
        For each class the minimum of ½‖w‖² + cost · Σ weight · max(0, 1 − label · (w·x + b))²; the bias is free.
    """
    options = options or SvmOptions()
    rows = torch.from_numpy(vectors)
    signs = torch.from_numpy(labels).float()
    costs = options.cost * torch.where(signs > 0, options.positive_weight, 1.0) * (signs != 0)
    both = torch.zeros(labels.shape[1], vectors.shape[1] + 1)
    steepest = _slope(both, rows, signs, costs)[1].abs().max().item()
    if start is not None:
        both = torch.from_numpy(np.concatenate([start.weights, start.bias[:, None]], axis=1))
    both.requires_grad_(True)
    search = torch.optim.LBFGS(
        [both],
        max_iter=options.iterations,
        tolerance_grad=options.tolerance * steepest,
        tolerance_change=0,
        history_size=20,
        line_search_fn="strong_wolfe",
    )

    def objective() -> float:
        value, both.grad = _slope(both.detach(), rows, signs, costs)
        return value

    search.step(objective)  # type: ignore[no-untyped-call]
    found = both.detach().numpy()
    return Machines(np.ascontiguousarray(found[:, :-1]), np.ascontiguousarray(found[:, -1]))


def _slope(both: Tensor, rows: Tensor, signs: Tensor, costs: Tensor) -> tuple[float, Tensor]:
    """The objective of all classes together, and its (K, D + 1) gradient."""
    weights, bias = both[:, :-1], both[:, -1]
    short = (1 - signs * torch.addmm(bias, rows, weights.T)).clamp_(min=0)
    pull = costs * short
    value = 0.5 * weights.square().sum().double() + (pull * short).sum(dtype=torch.float64)
    push = -2 * pull * signs
    slope = torch.cat([weights + push.T @ rows, push.sum(dim=0)[:, None]], dim=1)
    return float(value), slope


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
