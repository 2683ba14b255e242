"""The training loss (paper, equation 1)."""

from __future__ import annotations

from torch import Tensor
from torch.nn import functional

__all__ = ["logistic_loss"]


def logistic_loss(scores: Tensor, labels: Tensor) -> Tensor:
    """Compute the sum over K classes of log(1 + exp(−y f)), averaged over images (paper, equation 1).

    Args:
        scores: (N, K) raw scores f.
        labels: (N, K) values −1, 0 or +1; image-class pairs with label 0 are ignored.

    Returns:
        The scalar loss.
    """
    signs = labels.to(scores)
    losses = functional.softplus(-signs * scores) * (signs != 0)
    return losses.sum() / len(scores)
