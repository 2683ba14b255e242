"""Box proposals ranked by the score maps inside them (paper, section 6)."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from freeloc._typing import Float32Array, Float64Array
from freeloc.geometry.lattice import Lattice
from freeloc.geometry.nms import nms
from freeloc.inference.boxes import MIN_PROBABILITY, BoxOptions, detections_from_classes
from freeloc.metrics import Detections

__all__ = ["rank_proposals"]


def rank_proposals(
    maps: Float32Array,
    probabilities: npt.ArrayLike,
    lattice: Lattice,
    proposals: npt.ArrayLike,
    options: BoxOptions | None = None,
) -> Detections:
    """Proposed boxes ranked by the scores inside them, as the paper does with selective search.

    The weight of a box is how much higher the map is on average inside it than in a frame around it, in shares of
    the map's highest value: a box that cuts the object off has much of it in the frame, and one that is too large
    has little inside. Boxes that stand out from their frame by nothing are left out.

    Args:
        maps: (K, rows, cols) between 0 and 1, see `freeloc.inference.result.Localization.normalized_maps`.
        probabilities: (K,) how sure it is that a class is there at all.
        lattice: where the maps lie in the image.
        proposals: (P, 4) ``x1, y1, x2, y2``, edges in image pixels.
        options: which boxes stay; its levels, bandwidth and exponent are not used.
    """
    options = options or BoxOptions()
    corners = np.asarray(proposals, dtype=np.float64).reshape(-1, 4)
    sure = np.asarray(probabilities, dtype=np.float64)
    likely = np.flatnonzero(sure >= MIN_PROBABILITY)
    shares = maps[likely] / maps[likely].max(axis=(1, 2), keepdims=True, initial=1e-9)
    inside, areas = _sums(shares, lattice, corners)
    grown = _FRAME * (corners[:, 2:] - corners[:, :2])
    around, wider = _sums(
        shares, lattice, np.concatenate([corners[:, :2] - grown, corners[:, 2:] + grown], axis=1)
    )
    # A box that fills the image has no frame: nothing is known of what is around it.
    frame = np.divide(around - inside, wider - areas, out=np.zeros_like(inside), where=wider - areas > 1)
    weights = inside / np.maximum(areas, 1) - frame
    found = []
    for label, own in zip(likely, weights, strict=True):
        best = np.argsort(-own, kind="stable")[:_RANKED]
        best = best[own[best] > 0]
        kept = best[nms(corners[best], own[best], options.iou_threshold)][: options.max_boxes]
        # Shares of the best: how far a class stands out differs between images, and says little of the box.
        scores = sure[label] * own[kept] / own.max(initial=1e-9)
        found.append((int(label), scores, corners[kept]))
    return detections_from_classes(found)


_RANKED = 100
"""Proposals of a class that suppression looks at."""


_FRAME = 0.25
"""Width of the frame around a proposal on each side, as a share of the proposal's side."""


def _sums(maps: Float32Array, lattice: Lattice, boxes: Float64Array) -> tuple[Float64Array, Float64Array]:
    """What of each map lies in each box, and the boxes' areas, both in places of the raster.

    Args:
        maps: (K, rows, cols).
        lattice: where they lie.
        boxes: (P, 4), in image pixels; what reaches beyond the image is cut away.

    Returns:
        (K, P) and (P,) float64.
    """
    rows, cols = lattice.rows, lattice.cols
    table = np.zeros((len(maps), rows + 1, cols + 1))
    table[:, 1:, 1:] = maps.cumsum(axis=1, dtype=np.float64).cumsum(axis=2)
    x = np.clip(boxes[:, [0, 2]] * (cols / lattice.image_size.width), 0, cols)
    y = np.clip(boxes[:, [1, 3]] * (rows / lattice.image_size.height), 0, rows)

    def up_to(down: Float64Array, right: Float64Array) -> Float64Array:
        """The sum over all above and left of places, which may lie inside a cell: linear in each direction."""
        row, col = (np.minimum(at.astype(np.intp), last - 1) for at, last in ((down, rows), (right, cols)))
        part_row, part_col = down - row, right - col
        above = table[:, row, col] * (1 - part_col) + table[:, row, col + 1] * part_col
        below = table[:, row + 1, col] * (1 - part_col) + table[:, row + 1, col + 1] * part_col
        found: Float64Array = above * (1 - part_row) + below * part_row
        return found

    inside = (
        up_to(y[:, 1], x[:, 1]) - up_to(y[:, 0], x[:, 1]) - up_to(y[:, 1], x[:, 0]) + up_to(y[:, 0], x[:, 0])
    )
    return inside, (y[:, 1] - y[:, 0]) * (x[:, 1] - x[:, 0])
