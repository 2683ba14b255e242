"""Pooling lists of cell scores in torch."""

from __future__ import annotations

import math
from collections.abc import Sequence

import torch
from torch import Tensor

from freeloc.nn.pooling import LSE_SHARPNESS, TOPK_WEIGHT, top_k_count

__all__ = ["average_pool", "lse_pool", "max_cells", "topk_cells", "topk_pool"]


def average_pool(scores: Tensor, counts: Sequence[int]) -> Tensor:
    """Mean over the cells of each image: full-image training, for comparison (class activation maps).

    Args:
        scores: (M, K) raw scores of the cells of several images, one after the other.
        counts: cells of each image, N numbers that sum to M.

    Returns:
        (N, K) per-image scores.
    """
    return torch.stack([part.mean(dim=0) for part in torch.split(scores, list(counts))])


def lse_pool(scores: Tensor, counts: Sequence[int]) -> Tensor:
    """Log-sum-exp over the cells of each image, see `freeloc.nn.pooling`; arguments as of `average_pool`."""
    pooled = [
        (torch.logsumexp(LSE_SHARPNESS * part, dim=0) - math.log(len(part))) / LSE_SHARPNESS
        for part in torch.split(scores, list(counts))
    ]
    return torch.stack(pooled)


def topk_pool(scores: Tensor, counts: Sequence[int]) -> Tensor:
    """Highest and lowest cells of each image, see `freeloc.nn.pooling`; arguments as of `average_pool`."""
    pooled = []
    for part in torch.split(scores, list(counts)):
        number = top_k_count(len(part))
        highest = part.topk(number, dim=0).values.mean(dim=0)
        lowest = part.topk(number, dim=0, largest=False).values.mean(dim=0)
        pooled.append(highest + TOPK_WEIGHT * lowest)
    return torch.stack(pooled)


def topk_cells(scores: Tensor, counts: Sequence[int]) -> list[Tensor]:
    """Which cells `topk_pool` reads, per image and class.

    Args:
        scores: (M, K) raw scores of the cells of several images, one after the other.
        counts: cells of each image, N numbers that sum to M.

    Returns:
        For each image, (2n, K) int64 positions in the list of M cells: the n highest, then the n lowest.
    """
    picked, start = [], 0
    for part in torch.split(scores, list(counts)):
        number = top_k_count(len(part))
        ends = [part.topk(number, dim=0, largest=largest).indices for largest in (True, False)]
        picked.append(torch.cat(ends) + start)
        start += len(part)
    return picked


def max_cells(scores: Tensor, counts: Sequence[int]) -> Tensor:
    """Which cell wins, per image and class.

    Args:
        scores: (M, K) raw scores of the cells of several images, one after the other.
        counts: cells of each image, N numbers that sum to M.

    Returns:
        (N, K) int64 positions in the list of M cells.
    """
    winners, start = [], 0
    for part in torch.split(scores, list(counts)):
        winners.append(part.argmax(dim=0) + start)
        start += len(part)
    return torch.stack(winners)
