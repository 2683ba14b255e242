"""Score maps from features that are kept: what a head makes of them, without running the backbone again."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace

import numpy as np
import torch

from freeloc.features.arrays import Cells, FeatureMap, flatten_cells
from freeloc.features.sources import FeatureSource
from freeloc.geometry.grid import Grid
from freeloc.geometry.pyramid import Pyramid
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
    """The raw maps of every image at some scales.

    Args:
        model: whose head, and projection where it was trained, is asked.
        backbone: the backbone as it is before training.
        features: of N images.
        sizes: their N sizes.
        scales: those looked at; ``features`` has them.
        precision: arithmetic of the head.

    Yields:
        For one image after the other, its map at each scale. Where the head was trained on full images, the
        map's peaks are the scores of the full image.
    """
    layout = backbone.layout
    device, low = torch_device(precision)
    kind = torch.bfloat16 if low else torch.float32
    projection = model.adapt_backbone(backbone).projection.to(device).eval()
    head = model.head.to(device).eval()
    full = trained_on_full_images(model)

    def fetched(index: int) -> list[tuple[Grid, Cells]]:
        pyramid = Pyramid(tuple(scales), model.header.padding)
        grids = pyramid.grids(sizes[index], layout)
        return [(grid, flatten_cells(features.get(index, grid.scale))) for grid in grids]

    for parts in prefetch(fetched, range(len(sizes)), threads=2):
        with torch.inference_mode(), torch.autocast(device.type, kind, enabled=low):
            cells = torch.from_numpy(np.concatenate([values for _, values in parts])).to(device, kind)
            scores = head(projection(cells)).float().cpu().numpy()
            counts = [len(values) for _, values in parts]
            pooled = full_image_scores(head, projection, cells, counts) if full else None
        found: dict[float, ScoreMap] = {}
        start = 0
        for grid, values in parts:
            own = scores[start : start + len(values)].T
            start += len(values)
            shape = (len(own), grid.valid_rows, grid.valid_cols)
            scale_map = ScoreMap.of(np.ascontiguousarray(own).reshape(shape), grid)
            if pooled is not None:
                scale_map = replace(scale_map, peaks=pooled[len(found)].float().cpu().numpy())
            found[grid.scale] = scale_map
        yield found


def trained_on_full_images(model: Model) -> bool:
    """Whether a head was trained on full images: its score is that of the mean of all cells, not of any cell."""
    recipe = model.header.manifest.get("recipe") or {}
    return recipe.get("pooling") == "full"
