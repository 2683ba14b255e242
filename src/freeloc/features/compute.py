"""Compute features of images."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Sequence

import numpy as np

from freeloc._typing import Float32Array, Uint8Array
from freeloc.features.arrays import FeatureMap
from freeloc.geometry.grid import Grid
from freeloc.geometry.pyramid import Pyramid
from freeloc.images.canvas import load_canvases
from freeloc.images.decode import ImageSource
from freeloc.nn.backbones.base import Backbone
from freeloc.runtime import Network

__all__ = ["compute_features", "crop_features", "feature_canvases"]

_SHARED_DECODE_SCALE = 1.4
"""Canvases up to this scale are resized from the same decoded image; see `feature_canvases`."""


def feature_canvases(
    image: ImageSource, backbone: Backbone, pyramid: Pyramid
) -> Iterator[tuple[Grid, Uint8Array]]:
    """Yield the grid and canvas of an image at each scale, for feature extraction.

    A canvas depends only on the image and the scale, because a cache entry must not depend on the other scales of
    the pyramid. All canvases up to scale 1.4, the largest training scale of the paper, are resized from one
    decoded image; the image is decoded separately for each larger scale.

    Args:
        image: the image to resize.
        backbone: the backbone, which determines the cell layout and the pad color.
        pyramid: the scales, and how canvases are made.

    Yields:
        The grid and canvas of each scale, starting with those resized from the smallest decoded image.

    Raises:
        ImageError: the image cannot be read.
    """
    groups: defaultdict[float, list[float]] = defaultdict(list)
    for scale in pyramid.scales:
        groups[max(pyramid.with_scales((scale,)).decode_scale, _SHARED_DECODE_SCALE)].append(scale)
    for decode_scale, scales in sorted(groups.items()):
        part = pyramid.with_scales(tuple(scales))
        yield from load_canvases(image, part, backbone.layout, backbone.pad_color, decode_scale=decode_scale)


def crop_features(output: Float32Array, size: tuple[int, int]) -> FeatureMap:
    """Crop a network's output to its top-left rows and columns, and convert it to a float16 feature map.

    Args:
        output: (channels, rows, columns) output for a whole canvas.
        size: rows and columns to keep; see `Backbone.cached_size`.
    """
    rows, cols = size
    return np.ascontiguousarray(output[:, :rows, :cols].transpose(1, 2, 0), dtype=np.float16)


def compute_features(
    backbone: Backbone, network: Network, canvases: Sequence[tuple[Grid, Uint8Array]]
) -> list[tuple[Grid, FeatureMap]]:
    """Compute the feature maps of canvases of equal shape in one batch.

    Args:
        backbone: the frozen backbone.
        network: the compiled backbone.
        canvases: the grid and the pixels of each canvas.
    """
    outputs = network.run_many([canvas for _, canvas in canvases])
    return [
        (grid, crop_features(output, backbone.cached_size(grid)))
        for (grid, _), (output,) in zip(canvases, outputs, strict=True)
    ]
