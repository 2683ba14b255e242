"""Scores of full images: the head reads the mean of an image's features."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from freeloc.nn.cell_pooling import average_pool
from freeloc.nn.head import AdaptationHead

__all__ = ["full_image_scores"]


def full_image_scores(
    head: AdaptationHead,
    projection: nn.Module,
    features: Tensor,
    counts: Sequence[int],
    generator: torch.Generator | None = None,
) -> Tensor:
    """Scores of full images: the head reads the mean of each image's projected features.

    That is what a network trained with global average pooling makes of a whole image: rows of the paper's
    tables without a search for the object. Where the object is, the same head tells cell by cell.

    Args:
        head: the adaptation layers.
        projection: the backbone's.
        features: (M, channels) of the valid cells of several images at scale 1, one after the other.
        counts: cells of each image, N numbers that sum to M.
        generator: source of dropout; None means none.

    Returns:
        (N, K) raw scores.
    """
    scores: Tensor = head(average_pool(projection(features).float(), counts), generator)
    return scores
