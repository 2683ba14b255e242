"""Ranking of box proposals by the score-map values inside them (paper, section 6)."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from freeloc._typing import Float32Array, Float64Array
from freeloc.geometry.lattice import Lattice
from freeloc.geometry.nms import nms
from freeloc.inference.boxes import MIN_PROBABILITY, BoxOptions, detections_from_classes
from freeloc.metrics import Detections

__all__ = ["rank_proposals"]

_MAX_CANDIDATES = 100
"""Maximum number of proposals per class that enter non-maximum suppression, highest contrast first."""

_FRAME = 0.25
"""Thickness of the frame around a proposal, as a fraction of the proposal's width at the left and right, and of
its height at the top and bottom."""


def rank_proposals(
    maps: Float32Array,
    probabilities: npt.ArrayLike,
    lattice: Lattice,
    proposals: npt.ArrayLike,
    options: BoxOptions | None = None,
) -> Detections:
    """Rank proposed boxes by the scores inside them, as the paper does with selective search.

    The contrast of a box is the mean of the map inside the box minus its mean in a frame around the box, both as
    fractions of the map's maximum. If a box cuts off part of the object, the map has high values in the frame; if
    a box is too large, the map has low values inside it. Boxes whose contrast is not positive are discarded.

    Args:
        maps: (K, rows, cols) between 0 and 1, see `freeloc.inference.result.Localization.normalized_maps`.
        probabilities: (K,) probabilities that the classes are present.
        lattice: positions of the map values in the image.
        proposals: (P, 4) box edges ``x1, y1, x2, y2`` in image coordinates.
        options: options for selecting boxes, of which only ``iou_threshold`` and ``max_boxes`` are used; None for
            the defaults.
    """
    options = options or BoxOptions()
    corners = np.asarray(proposals, dtype=np.float64).reshape(-1, 4)
    probability = np.asarray(probabilities, dtype=np.float64)
    likely = np.flatnonzero(probability >= MIN_PROBABILITY)
    relative = maps[likely] / maps[likely].max(axis=(1, 2), keepdims=True, initial=1e-9)
    inside, areas = _sums(relative, lattice, corners)
    margin = _FRAME * (corners[:, 2:] - corners[:, :2])
    framed = np.concatenate([corners[:, :2] - margin, corners[:, 2:] + margin], axis=1)
    sums, framed_areas = _sums(relative, lattice, framed)
    # A box that fills the image has no frame; the mean in its frame is set to 0.
    frame_areas = framed_areas - areas
    frame = np.divide(sums - inside, frame_areas, out=np.zeros_like(inside), where=frame_areas > 1)
    contrasts = inside / np.maximum(areas, 1) - frame
    found = []
    for label, contrast in zip(likely, contrasts, strict=True):
        best = np.argsort(-contrast, kind="stable")[:_MAX_CANDIDATES]
        best = best[contrast[best] > 0]
        kept = best[nms(corners[best], contrast[best], options.iou_threshold)][: options.max_boxes]
        # Contrasts are divided by the highest one, because how strongly a class stands out depends on the image
        # and not on the individual box.
        scores = probability[label] * contrast[kept] / contrast.max(initial=1e-9)
        found.append((int(label), scores, corners[kept]))
    return detections_from_classes(found)


def _sums(maps: Float32Array, lattice: Lattice, boxes: Float64Array) -> tuple[Float64Array, Float64Array]:
    """Sum the values of each map inside each box, and compute the area of each box in lattice cells.

    Args:
        maps: (K, rows, cols).
        lattice: positions of the map values.
        boxes: (P, 4) in image coordinates; they are clipped to the image.

    Returns:
        (K, P) sums and (P,) areas, both float64.
    """
    rows, cols = lattice.rows, lattice.cols
    table = np.zeros((len(maps), rows + 1, cols + 1))
    table[:, 1:, 1:] = maps.cumsum(axis=1, dtype=np.float64).cumsum(axis=2)
    x = np.clip(boxes[:, [0, 2]] * (cols / lattice.image_size.width), 0, cols)
    y = np.clip(boxes[:, [1, 3]] * (rows / lattice.image_size.height), 0, rows)

    def cumulative(bottom: Float64Array, right: Float64Array) -> Float64Array:
        """Sum the map values above and to the left of each point, with linear interpolation within cells."""
        row, col = (np.minimum(at.astype(np.intp), last - 1) for at, last in ((bottom, rows), (right, cols)))
        row_part, col_part = bottom - row, right - col
        above = table[:, row, col] * (1 - col_part) + table[:, row, col + 1] * col_part
        below = table[:, row + 1, col] * (1 - col_part) + table[:, row + 1, col + 1] * col_part
        total: Float64Array = above * (1 - row_part) + below * row_part
        return total

    (left, right), (top, bottom) = x.T, y.T
    inside = (
        cumulative(bottom, right) - cumulative(top, right) - cumulative(bottom, left) + cumulative(top, left)
    )
    return inside, (bottom - top) * (right - left)
