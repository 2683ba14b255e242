"""How a score map becomes one score: the paper's maximum, and what others put in its place."""

from __future__ import annotations

from typing import Literal

import numpy as np

from freeloc._typing import Float32Array

__all__ = [
    "LSE_SHARPNESS",
    "TOPK_SHARE",
    "TOPK_WEIGHT",
    "Pooling",
    "TrainingPooling",
    "bias_gain",
    "pool_maps",
    "test_pooling",
    "top_k_count",
]

Pooling = Literal["max", "lse", "topk", "average"]
"""The maximum (paper, section 3); log-sum-exp, a soft maximum; the mean of the highest cells and, weighted, of the
lowest (WILDCAT); the mean of all cells (class activation mapping)."""

TrainingPooling = Literal[Pooling, "full"]
"""What a head can be trained with: one of the above, or on full images, where it reads the mean of an image's
features once and there is no search (rows of the paper's tables that it compares with)."""

LSE_SHARPNESS = 5.0
"""r of log-sum-exp, log(mean(exp(r s))) / r: towards 0 it is the mean, towards infinity the maximum. The value of
Pinheiro and Collobert, From image-level to pixel-level labeling with convolutional networks, CVPR 2015."""

TOPK_SHARE = 0.2
"""Share of the cells that count as the highest, and as the lowest; at least one each. Durand, Mordan, Thome, Cord:
WILDCAT, CVPR 2017, leaves it open between one cell and all of them."""

TOPK_WEIGHT = 0.7
"""Weight of the lowest cells' mean; between 0 and 1 in WILDCAT."""


def test_pooling(pooling: TrainingPooling) -> Pooling:
    """How maps are pooled at test by a head that was trained with ``pooling``.

    Trained on full images, a head has no maps; where it is shown maps all the same, their mean comes nearest to
    `freeloc.nn.full_image.full_image_scores`, and is the same for a linear head.
    """
    return "average" if pooling == "full" else pooling


def bias_gain(pooling: TrainingPooling) -> float:
    """By how much a score rises where all cells rise by one."""
    return 1 + TOPK_WEIGHT if pooling == "topk" else 1.0


def top_k_count(count: int) -> int:
    """How many of ``count`` cells are the highest, and how many the lowest, for "topk"."""
    return max(1, round(TOPK_SHARE * count))


def pool_maps(values: Float32Array, pooling: Pooling) -> Float32Array:
    """Scores of K maps.

    Args:
        values: (K, rows, cols) float32 raw scores.
        pooling: the way.

    Returns:
        (K,) float32 scores.
    """
    cells = values.reshape(len(values), -1).astype(np.float64)
    highest = cells.max(axis=1)
    if pooling == "max":
        pooled = highest
    elif pooling == "average":
        pooled = cells.mean(axis=1)
    elif pooling == "lse":
        powers = np.exp(LSE_SHARPNESS * (cells - highest[:, None]))
        pooled = highest + np.log(powers.mean(axis=1)) / LSE_SHARPNESS
    else:
        number = top_k_count(cells.shape[1])
        ordered = np.sort(cells, axis=1)
        pooled = ordered[:, -number:].mean(axis=1) + TOPK_WEIGHT * ordered[:, :number].mean(axis=1)
    scores: Float32Array = pooled.astype(np.float32)
    return scores
