"""From score maps to boxes: how far objects reach, known from tags alone (section 6 of the paper, last part).

A box drawn around all that exceeds one share of a map's highest value is too small for one object and holds two of
another. Here boxes are drawn at many shares at once, each is weighed by how near its share lies to a chosen level
and by how high the map rises inside it, and of those that overlap the weightiest stays: one object gets one box,
and two that part only high up get two.

Boxes that somebody else proposes can be ranked by the same maps: `rank_proposals`, the paper's own way.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from freeloc.boxes import suppress
from freeloc.geometry import Float32Array, Float64Array, Lattice

__all__ = [
    "LEVEL",
    "Extent",
    "ExtentOptions",
    "Extents",
    "find_extents",
    "level_from_tags",
    "rank_proposals",
]

LEVEL = 0.3
"""Share of a map's highest value at which boxes are drawn best, where no tags have said otherwise."""

_LEAST_PROBABILITY = 0.01
"""Classes less probable than this get no box."""


@dataclass(frozen=True, slots=True)
class ExtentOptions:
    """How boxes are drawn around what a map shows.

    Attributes:
        shares: of the map's highest value; boxes are drawn around the connected places that exceed each.
        spread: how fast a box loses weight as its share leaves the level, as the deviation of a normal curve.
        sharpness: power of the height inside a box, as a share of the highest, in its weight.
        weakest: boxes in which the map rises to a lower share are left out.
        overlap: of two boxes of a class that overlap more, the one with less weight goes.
        most: boxes of a class in a photograph.
    """

    shares: tuple[float, ...] = (0.15, 0.2, 0.25, 0.3, 0.35, 0.4, 0.45, 0.5, 0.6, 0.7)
    spread: float = 0.25
    sharpness: float = 2.0
    weakest: float = 0.25
    overlap: float = 0.4
    most: int = 8

    def __post_init__(self) -> None:
        if not self.shares or not all(0 < share < 1 for share in self.shares):
            raise ValueError("extents need shares of the highest value, each above 0 and below 1")
        if self.spread <= 0 or self.most < 1:
            raise ValueError("extents need a spread above 0, and at least one box")


@dataclass(frozen=True, slots=True)
class Extent:
    """One box around an object.

    Attributes:
        x1: left edge, in photograph pixels.
        y1: top edge.
        x2: right edge.
        y2: bottom edge.
        score: how sure it is: the class's probability times the weight of the box.
    """

    x1: float
    y1: float
    x2: float
    y2: float
    score: float


@dataclass(frozen=True, eq=False)
class Extents:
    """Boxes in one photograph, the surest of each class first.

    Attributes:
        labels: (M,) class indices.
        scores: (M,) float64, the class's probability times the weight of the box.
        corners: (M, 4) float64 ``x1, y1, x2, y2``, edges in photograph pixels.
    """

    labels: npt.NDArray[np.intp]
    scores: Float64Array
    corners: Float64Array

    @classmethod
    def of(cls, found: Sequence[tuple[int, Float64Array, Float64Array]]) -> Extents:
        """From class, scores and boxes of one class after the other."""
        return cls(
            np.concatenate([np.full(len(scores), label, np.intp) for label, scores, _ in found] or [_NONE]),
            np.concatenate([scores for _, scores, _ in found] or [np.zeros(0)]),
            np.concatenate([boxes for _, _, boxes in found] or [np.zeros((0, 4))]),
        )


_NONE: npt.NDArray[np.intp] = np.zeros(0, np.intp)


def find_extents(
    maps: Float32Array,
    probabilities: npt.ArrayLike,
    lattice: Lattice,
    levels: float | Sequence[float] = LEVEL,
    options: ExtentOptions | None = None,
) -> Extents:
    """Boxes around what the maps of a photograph show.

    Args:
        maps: (K, rows, cols) between 0 and 1, see `freeloc.localization.Localization.soft_maps`.
        probabilities: (K,) how sure it is that a class is there at all.
        lattice: where the maps lie in the photograph.
        levels: share of a class's highest value at which its boxes are drawn best; one for all, or K.
        options: how boxes are drawn.
    """
    options = options or ExtentOptions()
    sure = np.asarray(probabilities, dtype=np.float64)
    best_at = np.broadcast_to(np.asarray(levels, dtype=np.float64), (len(maps),))
    found = []
    for label in np.flatnonzero(sure >= _LEAST_PROBABILITY):
        shares, heights, boxes = _drawn(maps[label], lattice, options)
        away = (shares - best_at[label]) / options.spread
        weights = heights**options.sharpness * np.exp(-(away**2) / 2)
        kept = suppress(boxes, weights, options.overlap)[: options.most]
        found.append((int(label), sure[label] * weights[kept], boxes[kept]))
    return Extents.of(found)


def level_from_tags(
    peaks: Float32Array | Float64Array, labels: npt.NDArray[np.integer], share: float = 0.005
) -> float:
    """The level at which boxes are drawn best, from tags alone.

    A place says that a class is there where it is higher than photographs without the class get anywhere: the
    level is what one in two hundred of those still reaches, as a share of what the middle one of the photographs
    with the class reaches. Of all classes the middle one is taken: class by class, the rule was measured to tell
    no more.

    Args:
        peaks: (N, K) highest values of the fused maps.
        labels: (N, K) +1 where a class is tagged, −1 where it is not there.
        share: of the photographs without a class that reach the level.

    Returns:
        A share between the lowest and the highest that make sense; `LEVEL` where no class has both kinds.
    """
    found = []
    for heights, tags in zip(np.asarray(peaks).T, np.asarray(labels).T, strict=True):
        there, absent = heights[tags > 0], heights[tags < 0]
        if len(there) and len(absent):
            found.append(np.quantile(absent, 1 - share) / np.median(there))
    return float(np.clip(np.median(found), *_SENSIBLE)) if found else LEVEL


_SENSIBLE = (0.2, 0.4)
"""Levels outside are no levels: lower ones draw boxes around everything, higher ones around points."""


def rank_proposals(
    maps: Float32Array,
    probabilities: npt.ArrayLike,
    lattice: Lattice,
    proposals: npt.ArrayLike,
    options: ExtentOptions | None = None,
) -> Extents:
    """Proposed boxes ranked by the scores inside them, as the paper does with selective search.

    The weight of a box is how much higher the map is on average inside it than in a frame around it, in shares of
    the map's highest value: a box that cuts the object off has much of it in the frame, and one that is too large
    has little inside. Boxes that stand out from their frame by nothing are left out.

    Args:
        maps: (K, rows, cols) between 0 and 1, see `freeloc.localization.Localization.soft_maps`.
        probabilities: (K,) how sure it is that a class is there at all.
        lattice: where the maps lie in the photograph.
        proposals: (P, 4) ``x1, y1, x2, y2``, edges in photograph pixels.
        options: which boxes stay; their shares and spread play no part.
    """
    options = options or ExtentOptions()
    corners = np.asarray(proposals, dtype=np.float64).reshape(-1, 4)
    sure = np.asarray(probabilities, dtype=np.float64)
    likely = np.flatnonzero(sure >= _LEAST_PROBABILITY)
    shares = maps[likely] / maps[likely].max(axis=(1, 2), keepdims=True, initial=1e-9)
    inside, areas = _sums(shares, lattice, corners)
    grown = _FRAME * (corners[:, 2:] - corners[:, :2])
    around, wider = _sums(
        shares, lattice, np.concatenate([corners[:, :2] - grown, corners[:, 2:] + grown], axis=1)
    )
    # A box that fills the photograph has no frame: nothing is known of what is around it.
    frame = np.divide(around - inside, wider - areas, out=np.zeros_like(inside), where=wider - areas > 1)
    weights = inside / np.maximum(areas, 1) - frame
    found = []
    for label, own in zip(likely, weights, strict=True):
        best = np.argsort(-own, kind="stable")[:_RANKED]
        best = best[own[best] > 0]
        kept = best[suppress(corners[best], own[best], options.overlap)][: options.most]
        # Shares of the best: how far a class stands out differs between photographs, and says little of the box.
        scores = sure[label] * own[kept] / own.max(initial=1e-9)
        found.append((int(label), scores, corners[kept]))
    return Extents.of(found)


_RANKED = 100
"""Proposals of a class that suppression looks at."""

_FRAME = 0.25
"""Width of the frame around a proposal on each side, as a share of the proposal's side."""


def _drawn(
    values: Float32Array, lattice: Lattice, options: ExtentOptions
) -> tuple[Float64Array, Float64Array, Float64Array]:
    """Share and height, both of the highest value, and box of all connected places above each share."""
    highest = float(values.max())
    if highest <= 0:
        return np.zeros(0), np.zeros(0), np.zeros((0, 4))
    found = [
        part
        for part in _components(values, [share * highest for share in sorted(options.shares, reverse=True)])
        if part.height >= options.weakest * highest
    ]
    edges = np.array([part.edges for part in found], dtype=np.float64)
    per_cell = (lattice.photo.width / lattice.cols, lattice.photo.height / lattice.rows)
    shares = np.array([part.floor for part in found]) / highest
    heights = np.array([part.height for part in found]) / highest
    return shares, heights, edges * np.tile(per_cell, 2)


@dataclass(frozen=True, slots=True)
class _Part:
    """Connected places above a floor.

    Attributes:
        floor: all of them are at least so high.
        height: of the highest.
        edges: ``x1, y1, x2, y2`` in places of the raster.
    """

    floor: float
    height: float
    edges: tuple[int, int, int, int]


def _sums(maps: Float32Array, lattice: Lattice, boxes: Float64Array) -> tuple[Float64Array, Float64Array]:
    """What of each map lies in each box, and the boxes' areas, both in places of the raster.

    Args:
        maps: (K, rows, cols).
        lattice: where they lie.
        boxes: (P, 4), in photograph pixels; what reaches beyond the photograph is cut away.

    Returns:
        (K, P) and (P,) float64.
    """
    rows, cols = lattice.rows, lattice.cols
    table = np.zeros((len(maps), rows + 1, cols + 1))
    table[:, 1:, 1:] = maps.cumsum(axis=1, dtype=np.float64).cumsum(axis=2)
    x = np.clip(boxes[:, [0, 2]] * (cols / lattice.photo.width), 0, cols)
    y = np.clip(boxes[:, [1, 3]] * (rows / lattice.photo.height), 0, rows)

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


def _components(values: Float32Array, floors: Sequence[float]) -> list[_Part]:
    """Connected places above each of some floors, by flooding once from the highest place down.

    Places are joined with those above, below, left and right.

    Args:
        values: (rows, cols).
        floors: from high to low.
    """
    rows, cols = values.shape
    flat = values.ravel()
    order = np.argsort(-flat, kind="stable")
    parent = np.full(flat.size, -1).tolist()
    edges: dict[int, list[int]] = {}  # of the components' highest places, which stand for them

    def top(place: int) -> int:
        while parent[place] != place:
            parent[place] = parent[parent[place]]
            place = parent[place]
        return int(place)

    def join(one: int, other: int) -> None:
        if one == other:
            return
        high, low = (one, other) if flat[one] >= flat[other] else (other, one)
        parent[low] = high
        left, above, right, below = edges.pop(low)
        own = edges[high]
        edges[high] = [min(own[0], left), min(own[1], above), max(own[2], right), max(own[3], below)]

    found: list[_Part] = []
    begin = 0
    for floor in floors:
        end = int(np.searchsorted(-flat[order], -floor, side="right"))
        for place in order[begin:end].tolist():
            row, col = divmod(place, cols)
            parent[place] = place
            edges[place] = [col, row, col + 1, row + 1]
            beside = (
                *((place - 1,) if col else ()),
                *((place + 1,) if col + 1 < cols else ()),
                *((place - cols,) if row else ()),
                *((place + cols,) if row + 1 < rows else ()),
            )
            for other in beside:
                if parent[other] >= 0:
                    join(top(place), top(other))
        begin = end
        found += [
            _Part(floor, float(flat[key]), (box[0], box[1], box[2], box[3])) for key, box in edges.items()
        ]
    return found
