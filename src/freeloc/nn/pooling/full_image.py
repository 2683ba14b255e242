"""Training on full images: the head scores the mean of an image's features, without searching for objects.

This corresponds to a classification network with global average pooling, to which the paper compares its method.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, ClassVar

from freeloc.nn.pooling.average import AveragePooling

if TYPE_CHECKING:
    import torch
    from torch import Tensor, nn

    from freeloc.nn.head import AdaptationHead

__all__ = ["FullImagePooling", "full_image_scores"]


class FullImagePooling(AveragePooling):
    """The mean over all cells, computed on the features before the head.

    Prediction averages score maps instead. With a linear head, both give the same scores.
    """

    pools_features: ClassVar[bool] = True
    prediction: ClassVar[str | None] = "average"


def full_image_scores(
    head: AdaptationHead,
    projection: nn.Module,
    features: Tensor,
    counts: Sequence[int],
    generator: torch.Generator | None = None,
) -> Tensor:
    """Return the scores of full images: the head applied to the mean of each image's projected features.

    Args:
        head: the adaptation layers.
        projection: the backbone's projection.
        features: (M, channels) features of the valid cells of N images at scale 1, one image after the other.
        counts: number of cells of each image, N numbers that sum to M.
        generator: source of random numbers for dropout; None disables dropout.

    Returns:
        (N, K) raw scores.
    """
    scores: Tensor = head(FullImagePooling().pool_cells(projection(features).float(), counts), generator)
    return scores
