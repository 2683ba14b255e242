"""Score maps computed from cached features, without running the backbone."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace

import numpy as np
import torch

from freeloc.features.arrays import Cells, FeatureMap, flatten_cells
from freeloc.features.sources import FeatureSource
from freeloc.geometry.grid import Grid
from freeloc.geometry.size import Size
from freeloc.inference.score_map import ScoreMap
from freeloc.io.prefetch import prefetch
from freeloc.models.model import Model
from freeloc.nn.backbones.base import Backbone
from freeloc.nn.pooling.full_image import full_image_scores
from freeloc.runtime import Precision, torch_device

__all__ = ["score_maps_from_features", "trained_on_full_images"]


def score_maps_from_features(
    model: Model,
    backbone: Backbone,
    features: FeatureSource[FeatureMap],
    sizes: Sequence[Size],
    scales: Sequence[float],
    *,
    precision: Precision = "auto",
) -> Iterator[dict[float, ScoreMap]]:
    """Yield the score maps of N images: for each image, a dictionary that maps each scale to a score map.

    For a head trained on full images, `ScoreMap.maxima` holds the scores of the full image instead.

    Args:
        model: the model; its projection is used if training changed it.
        backbone: the backbone on which the model was trained.
        features: features of the N images at all of ``scales``.
        sizes: sizes of the N images.
        scales: the scales of the score maps.
        precision: arithmetic of projection and head.
    """
    layout = backbone.layout
    device, use_bfloat16 = torch_device(precision)
    dtype = torch.bfloat16 if use_bfloat16 else torch.float32
    projection = model.adapt_backbone(backbone).projection.to(device).eval()
    head = model.head.to(device).eval()
    full_image = trained_on_full_images(model)
    pyramid = model.header.pyramid.with_scales(tuple(scales))

    def read(index: int) -> list[tuple[Grid, Cells]]:
        grids = pyramid.grids(sizes[index], layout)
        return [(grid, flatten_cells(features.get(index, grid.scale))) for grid in grids]

    for parts in prefetch(read, range(len(sizes)), threads=2):
        with torch.inference_mode(), torch.autocast(device.type, dtype, enabled=use_bfloat16):
            cells = torch.from_numpy(np.concatenate([values for _, values in parts])).to(device, dtype)
            scores = head(projection(cells)).float().cpu().numpy()
            counts = [len(values) for _, values in parts]
            pooled = full_image_scores(head, projection, cells, counts) if full_image else None
        score_maps: dict[float, ScoreMap] = {}
        start = 0
        for grid, values in parts:
            score_map = ScoreMap.of_cells(scores[start : start + len(values)], grid)
            start += len(values)
            if pooled is not None:
                score_map = replace(score_map, maxima=pooled[len(score_maps)].float().cpu().numpy())
            score_maps[grid.scale] = score_map
        yield score_maps


def trained_on_full_images(model: Model) -> bool:
    """Return whether a head was trained to score full images (the mean of all cells) instead of single cells."""
    recipe = model.header.manifest.get("recipe") or {}
    return recipe.get("pooling") == "full"
