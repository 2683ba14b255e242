"""Ranking of box proposals by the score-map values inside them (paper, section 6).

The paper does not say how it aggregates scores inside proposals. `rank_proposals` is freeloc's own way, which also
uses the values around a proposal; `rank_by_aggregate` ranks by a plain aggregate of the values inside.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from freeloc._typing import Float32Array, Float64Array, IntpArray
from freeloc.geometry.lattice import Lattice
from freeloc.geometry.nms import nms
from freeloc.inference.boxes import MIN_PROBABILITY, BoxOptions, detections_from_classes
from freeloc.metrics import Detections
from freeloc.paper.aggregate_maps import Aggregate, aggregate, sums_and_areas

__all__ = ["rank_by_aggregate", "rank_proposals"]

_MAX_CANDIDATES = 100
"""Maximum number of proposals per class that enter non-maximum suppression, highest-ranked first."""

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
    """Rank proposed boxes by the contrast between the scores inside and around them.

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
    inside, areas = sums_and_areas(relative, lattice, corners)
    margin = _FRAME * (corners[:, 2:] - corners[:, :2])
    framed = np.concatenate([corners[:, :2] - margin, corners[:, 2:] + margin], axis=1)
    sums, framed_areas = sums_and_areas(relative, lattice, framed)
    # A box that fills the image has no frame; the mean in its frame is set to 0.
    frame_areas = framed_areas - areas
    frame = np.divide(sums - inside, frame_areas, out=np.zeros_like(inside), where=frame_areas > 1)
    contrasts = inside / np.maximum(areas, 1) - frame
    found = []
    for label, contrast in zip(likely, contrasts, strict=True):
        kept = _best(corners, contrast, np.flatnonzero(contrast > 0), options)
        # Contrasts are divided by the highest one, because how strongly a class stands out depends on the image
        # and not on the individual box.
        scores = probability[label] * contrast[kept] / contrast.max(initial=1e-9)
        found.append((int(label), scores, corners[kept]))
    return detections_from_classes(found)


def rank_by_aggregate(
    maps: Float32Array,
    probabilities: npt.ArrayLike,
    lattice: Lattice,
    proposals: npt.ArrayLike,
    how: Aggregate,
    options: BoxOptions | None = None,
) -> Detections:
    """Rank proposed boxes by a plain aggregate of the scores inside them, which is also the score of a box.

    Args:
        maps: (K, rows, cols), before or after the logistic function.
        probabilities: (K,) probabilities that the classes are present; only classes with at least
            `freeloc.inference.boxes.MIN_PROBABILITY` get boxes.
        lattice: positions of the map values in the image.
        proposals: (P, 4) box edges ``x1, y1, x2, y2`` in image coordinates.
        how: the aggregate.
        options: as in `rank_proposals`.
    """
    options = options or BoxOptions()
    corners = np.asarray(proposals, dtype=np.float64).reshape(-1, 4)
    likely = np.flatnonzero(np.asarray(probabilities, dtype=np.float64) >= MIN_PROBABILITY)
    found = []
    for label, values in zip(likely, aggregate(maps[likely], lattice, corners, how), strict=True):
        kept = _best(corners, values, np.arange(len(corners)), options)
        found.append((int(label), values[kept], corners[kept]))
    return detections_from_classes(found)


def _best(corners: Float64Array, values: Float64Array, among: IntpArray, options: BoxOptions) -> IntpArray:
    """Return the indices of the highest-ranked boxes that remain after non-maximum suppression, best first."""
    best = among[np.argsort(-values[among], kind="stable")[:_MAX_CANDIDATES]]
    kept: IntpArray = best[nms(corners[best], values[best], options.iou_threshold)][: options.max_boxes]
    return kept
