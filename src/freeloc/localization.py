"""From score maps to locations: the two ways to the point, and the result a user holds."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Literal

import numpy as np
import numpy.typing as npt

from freeloc.calibration import Calibration
from freeloc.errors import FreelocError
from freeloc.extents import LEVEL, Extent, ExtentOptions, find_extents
from freeloc.geometry import Float32Array, Float64Array, Grid, Lattice, Size, normalized_length
from freeloc.peaks import Peak, find_peaks
from freeloc.poolings import Pooling, pool_maps

__all__ = [
    "FUSION_GAIN",
    "LATTICE_STEP",
    "SEARCH_VERSION",
    "ClassLocation",
    "Localization",
    "LocationMode",
    "ScaleMap",
    "fusion_lattice",
    "localize",
    "logistic",
    "pinpoint",
    "pooled_scores",
    "soften",
]

LocationMode = Literal["fused", "paper"]
"""How the point is found: "fused" (default) or "paper", see `localize`."""

LATTICE_STEP = 8.0
"""Distance of the raster on which maps are aligned, in pixels of the 500-normalised photograph."""


FUSION_GAIN = np.float32(0.5)
"""Raw scores are multiplied by this before the logistic when maps are fused. Halved, a sure window does not
saturate at 1, and what all scales say of the place decides instead of how many are sure of the class."""

SEARCH_VERSION = 2
"""Counts what `freeloc.search.search_tail` makes: a graph kept by another version is not run."""


def logistic(values: npt.ArrayLike) -> Float32Array:
    """1 / (1 + exp(−v)) of equation 2 of the paper, float32, without overflow."""
    clipped = np.clip(np.asarray(values, dtype=np.float32), -60, 60)
    return (1 / (1 + np.exp(-clipped))).astype(np.float32)


@dataclass(frozen=True, eq=False)
class ScaleMap:
    """Raw scores of one photograph at one scale.

    Attributes:
        values: (K, valid_rows, valid_cols) float32 raw scores; cells on padding are already cut away.
        grid: where the cells lie in the photograph.
        peaks: (K,) float32 their maxima.
        aligned: (K, rows, cols) float32 softened map on `fusion_lattice`, as `soften` makes it, where the
            runtime has made it already; None leaves it to `localize`.
    """

    values: Float32Array
    grid: Grid
    peaks: Float32Array
    aligned: Float32Array | None = None

    @classmethod
    def of(cls, values: Float32Array, grid: Grid) -> ScaleMap:
        """A map of which nothing but the raw scores is known."""
        return cls(values, grid, values.max(axis=(1, 2)))


@dataclass(frozen=True, slots=True)
class ClassLocation:
    """What freeloc says of one class in one photograph.

    Attributes:
        name: the class.
        score: mean over scales of the per-scale maximum of the raw score map (paper, section 4).
        probability: calibrated where the model is (`freeloc.calibration`); the logistic of the score (paper,
            equation 2) otherwise.
        x: the most confident location, in pixels of the upright original photograph.
        y: likewise.
        response: value of the map at that location: between 0 and 1 when fused, a raw score the paper's way.
        threshold: the model's own: the probability from which the class counts as present.
    """

    name: str
    score: float
    probability: float
    x: float
    y: float
    response: float
    threshold: float = 0.5

    def is_present(self, threshold: float | None = None) -> bool:
        """Whether the probability reaches ``threshold``, or without one the model's own."""
        return self.probability >= (self.threshold if threshold is None else threshold)


@dataclass(frozen=True, eq=False)
class Localization:
    """Scores, points and maps of every class for one photograph.

    Attributes:
        photo: size of the upright original photograph, the frame of all coordinates.
        classes: the K class names.
        scores: (K,) float32, mean over scales of the per-scale maximum of the raw score map.
        points: (K, 2) float64 x and y in photograph pixels.
        responses: (K,) float32 value of the map at the point.
        maps: (K, rows, cols) float32 maps of all scales in one, on ``lattice``: mean of the softened logistic
            when fused, maximum of the raw scores the paper's way.
        lattice: where the values of ``maps`` lie in the photograph.
        mode: how the point was found.
        path: the photograph's file, when it came from one.
        calibration: how the model's scores become probabilities; None where it is not calibrated.
        threshold: probability from which a class counts as present, where there is no calibration.
        level: share of a map's highest value at which the model's boxes are drawn best.
    """

    photo: Size
    classes: tuple[str, ...]
    scores: Float32Array
    points: Float64Array
    responses: Float32Array
    maps: Float32Array
    lattice: Lattice
    mode: LocationMode
    path: Path | None = None
    calibration: Calibration | None = None
    threshold: float = 0.5
    level: float = LEVEL

    @property
    def probabilities(self) -> Float32Array:
        """(K,) float32: calibrated where the model is, else the logistic of the scores (paper, equation 2)."""
        return (
            logistic(self.scores) if self.calibration is None else self.calibration.probabilities(self.scores)
        )

    @property
    def thresholds(self) -> Float64Array:
        """(K,) float64 the model's own thresholds: probabilities from which a class counts as present."""
        own = self.threshold if self.calibration is None else self.calibration.thresholds
        return np.broadcast_to(np.array(own, np.float64), (len(self.classes),))

    def __iter__(self) -> Iterator[ClassLocation]:
        for index in range(len(self.classes)):
            yield self._at(index)

    def __getitem__(self, name: str) -> ClassLocation:
        """The location of one class.

        Raises:
            FreelocError: the model has no such class.
        """
        return self._at(self._index(name))

    def present(self, threshold: float | None = None) -> tuple[ClassLocation, ...]:
        """Classes whose probability reaches a threshold, most probable first.

        Args:
            threshold: one for all classes; without it the model's own, which a calibrated model has for each.
        """
        return tuple(location for location in self.ranked() if location.is_present(threshold))

    def ranked(self) -> tuple[ClassLocation, ...]:
        """All classes, most probable first; those whose score is none (NaN) last."""
        # Probabilities of sure classes are all 1.0: log-odds keep them in order.
        odds = self.scores if self.calibration is None else self.calibration.log_odds(self.scores)
        return tuple(self._at(int(index)) for index in np.argsort(-odds, kind="stable"))

    def map(self, name: str) -> Float32Array:
        """One class's map rescaled to the photograph, (height, width) float32."""
        rows, cols = self.lattice.upsampling()
        rescaled: Float32Array = rows @ self.maps[self._index(name)] @ cols.T
        return rescaled

    def peaks(
        self, name: str, *, count: int = 5, distance: float = 60.0, threshold: float = 0.5
    ) -> tuple[Peak, ...]:
        """Several locations of one class: local maxima of its map, strongest first.

        The first is the most confident location itself.

        Args:
            name: the class.
            count: at most so many.
            distance: two peaks lie at least so far apart, in pixels of the 500-normalised photograph.
            threshold: a peak's probability reaches at least so much of the strongest peak's.

        Raises:
            FreelocError: the model has no such class, or ``count`` is less than 1.
        """
        index = self._index(name)
        if count < 1:
            raise FreelocError(f"{count} peaks are none: ask for 1 or more")
        apart = normalized_length(self.photo, distance)
        raw = self.mode == "paper"
        heights, strengths = self.maps[index], self.soft_maps()[index]
        found = find_peaks(
            *(heights, strengths, self.lattice), count=count + raw, distance=apart, threshold=threshold
        )
        if not raw:
            return found
        # The paper's way picks a cell; on the lattice its maximum lies some pixels away, and a little lower.
        x, y = map(float, self.points[index])
        others = [peak for peak in found if math.hypot(peak.x - x, peak.y - y) >= apart]
        return (Peak(x, y, float(self.responses[index])), *others)[:count]

    def soft_maps(self) -> Float32Array:
        """(K, rows, cols) float32 the maps as values between 0 and 1, whichever way the points were found."""
        return self.maps if self.mode == "fused" else logistic(self.maps)

    def boxes(self, name: str, *, count: int = 8, overlap: float = 0.4) -> tuple[Extent, ...]:
        """Boxes around the objects of one class, the surest first; none where its probability is under 1%.

        They are drawn around what the map shows, by a model that never saw a box: see `freeloc.extents`.

        Args:
            name: the class.
            count: at most so many.
            overlap: of two boxes that overlap more, as intersection over union, the less sure one goes.

        Raises:
            FreelocError: the model has no such class, or ``count`` is less than 1.
        """
        index = self._index(name)
        if count < 1:
            raise FreelocError(f"{count} boxes are none: ask for 1 or more")
        only = slice(index, index + 1)
        options = ExtentOptions(most=count, overlap=overlap)
        found = find_extents(
            self.soft_maps()[only], self.probabilities[only], self.lattice, self.level, options
        )
        return tuple(
            Extent(float(x1), float(y1), float(x2), float(y2), float(score))
            for (x1, y1, x2, y2), score in zip(found.corners, found.scores, strict=True)
        )

    def _index(self, name: str) -> int:
        try:
            return self.classes.index(name)
        except ValueError as error:
            known = ", ".join(self.classes[:12]) + (", …" if len(self.classes) > 12 else "")
            raise FreelocError(f"this model has no class {name!r}: choose one of {known}") from error

    @cached_property
    def _sure(self) -> tuple[Float32Array, Float64Array]:
        """Probabilities and thresholds, made once: a result is asked for its classes one by one."""
        return self.probabilities, self.thresholds

    def _at(self, index: int) -> ClassLocation:
        probabilities, thresholds = self._sure
        return ClassLocation(
            name=self.classes[index],
            score=float(self.scores[index]),
            probability=float(probabilities[index]),
            x=float(self.points[index, 0]),
            y=float(self.points[index, 1]),
            response=float(self.responses[index]),
            threshold=float(thresholds[index]),
        )


def localize(
    scale_maps: Sequence[ScaleMap],
    classes: tuple[str, ...],
    *,
    mode: LocationMode = "fused",
    pooling: Pooling = "max",
    step: float = LATTICE_STEP,
    path: Path | None = None,
    calibration: Calibration | None = None,
    threshold: float = 0.5,
    level: float = LEVEL,
) -> Localization:
    """Turn the raw maps of all scales into scores and locations.

    The classification score is the same for both modes: the mean over scales of each scale's pooled map, its
    maximum in the paper (section 4). The point is found in one of two ways:

    * "paper": the arg-max over all scales and positions of the raw scores (section 6);
    * "fused": the maps are aligned in the photograph's frame by bilinear sampling, averaged after the
      logistic of `FUSION_GAIN` times the score, and the arg-max of the average is taken.

    Args:
        scale_maps: the maps of one photograph, one per scale.
        classes: the K class names.
        mode: the way to the point.
        pooling: how a scale's map becomes its score, see `freeloc.poolings.Pooling`.
        step: raster of the aligned maps, in pixels of the 500-normalised photograph.
        path: kept in the result.
        calibration: likewise: the model's.
        threshold: likewise.
        level: likewise.
    """
    photo = scale_maps[0].grid.photo
    lattice = Lattice.over(photo, step)
    scores = pooled_scores(scale_maps, pooling)
    if mode == "fused":
        maps = _fuse(scale_maps, lattice)
        points, responses = _fused_points(maps, lattice)
    else:
        maps = _highest(scale_maps, lattice)
        points, responses = _paper_points(scale_maps)
    return Localization(
        photo, classes, scores, points, responses, maps, lattice, mode, path, calibration, threshold, level
    )


def pinpoint(
    scale_maps: Sequence[ScaleMap], *, mode: LocationMode = "fused", pooling: Pooling = "max"
) -> tuple[Float32Array, Float64Array, Float32Array]:
    """Scores, points and responses as `localize` gives them, without a map of all scales where none is needed.

    The arguments are those of `localize`.
    """
    scores = pooled_scores(scale_maps, pooling)
    if mode == "paper":
        return scores, *_paper_points(scale_maps)
    lattice = fusion_lattice(scale_maps[0].grid.photo)
    return scores, *_fused_points(_fuse(scale_maps, lattice), lattice)


def pooled_scores(scale_maps: Sequence[ScaleMap], pooling: Pooling = "max") -> Float32Array:
    """(K,) raw scores: the mean over scales of each scale's pooled map (paper, section 4: its maximum)."""
    pooled = [part.peaks if pooling == "max" else pool_maps(part.values, pooling) for part in scale_maps]
    scores: Float32Array = np.stack(pooled).mean(axis=0, dtype=np.float64).astype(np.float32)
    return scores


def fusion_lattice(photo: Size) -> Lattice:
    """The raster on which the maps of all scales of a photograph are aligned."""
    return Lattice.over(photo, LATTICE_STEP)


def soften(values: Float32Array, grid: Grid, lattice: Lattice) -> Float32Array:
    """(K, rows, cols) the logistic of `FUSION_GAIN` times a raw map, brought onto a lattice bilinearly."""
    rows, cols = grid.sampling(lattice)
    aligned: Float32Array = np.matmul(rows @ logistic(FUSION_GAIN * values), cols.T, dtype=np.float32)
    return aligned


def _fuse(scale_maps: Sequence[ScaleMap], lattice: Lattice) -> Float32Array:
    total = np.zeros((len(scale_maps[0].values), lattice.rows, lattice.cols), np.float32)
    for scale_map in scale_maps:
        made = scale_map.aligned if lattice == fusion_lattice(lattice.photo) else None
        total += soften(scale_map.values, scale_map.grid, lattice) if made is None else made
    return total / np.float32(len(scale_maps))


def _highest(scale_maps: Sequence[ScaleMap], lattice: Lattice) -> Float32Array:
    highest: Float32Array | None = None
    for scale_map in scale_maps:
        rows, cols = scale_map.grid.sampling(lattice)
        aligned = np.matmul(rows @ scale_map.values, cols.T, dtype=np.float32)
        highest = aligned if highest is None else np.maximum(highest, aligned)
    if highest is None:
        raise ValueError("no scale maps to combine")
    return highest


def _fused_points(maps: Float32Array, lattice: Lattice) -> tuple[Float64Array, Float32Array]:
    flat = maps.reshape(len(maps), -1)
    # Beyond the outermost cells a map is flat: of equals, the one nearest those cells, not the corner, is meant.
    tied = flat == flat.max(axis=1, keepdims=True)
    best = np.where(tied, lattice.from_middle.ravel(), np.inf).argmin(axis=1)
    cells = np.stack(np.unravel_index(best, maps.shape[1:]), axis=-1)
    return lattice.to_photo(cells), flat[np.arange(len(flat)), best]


def _paper_points(scale_maps: Sequence[ScaleMap]) -> tuple[Float64Array, Float32Array]:
    peaks = np.stack([scale_map.peaks for scale_map in scale_maps])
    winners = peaks.argmax(axis=0)
    points = np.empty((peaks.shape[1], 2))
    for position, scale_map in enumerate(scale_maps):
        chosen = np.flatnonzero(winners == position)
        if len(chosen):
            values = scale_map.values[chosen]
            best = values.reshape(len(chosen), -1).argmax(axis=1)
            cells = np.stack(np.unravel_index(best, values.shape[1:]), axis=-1)
            points[chosen] = scale_map.grid.to_photo(cells)
    return points, peaks.max(axis=0)
