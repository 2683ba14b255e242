"""From score maps to locations: the two ways to the point, and the result a user holds."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np

from freeloc._choices import LocationMode
from freeloc._typing import Float32Array, Float64Array
from freeloc.errors import FreelocError
from freeloc.geometry.box import Box
from freeloc.geometry.lattice import Lattice
from freeloc.geometry.size import Size, normalized_length
from freeloc.inference.boxes import BoxOptions, boxes_from_map
from freeloc.inference.peaks import Peak, find_peaks
from freeloc.inference.score_map import sigmoid
from freeloc.models.calibration import Calibration
from freeloc.models.header import DEFAULT_BOX_THRESHOLD

__all__ = ["ClassLocation", "Localization", "LocationMode"]


@dataclass(frozen=True, slots=True)
class ClassLocation:
    """What freeloc says of one class in one image.

    Attributes:
        name: the class.
        score: mean over scales of the per-scale maximum of the raw score map (paper, section 4).
        probability: calibrated where the model is (`freeloc.models.calibration`); the logistic of the
        score (paper,
            equation 2) otherwise.
        x: the most confident location, in pixels of the upright original image.
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
    """Scores, points and maps of every class for one image.

    Attributes:
        image: size of the upright original image, the frame of all coordinates.
        classes: the K class names.
        scores: (K,) float32, mean over scales of the per-scale maximum of the raw score map.
        points: (K, 2) float64 x and y in image pixels.
        responses: (K,) float32 value of the map at the point.
        maps: (K, rows, cols) float32 maps of all scales in one, on ``lattice``: mean of the softened logistic
            when fused, maximum of the raw scores the paper's way.
        lattice: where the values of ``maps`` lie in the image.
        mode: how the point was found.
        path: the image's file, when it came from one.
        calibration: how the model's scores become probabilities; None where it is not calibrated.
        threshold: probability from which a class counts as present, where there is no calibration.
        box_threshold: share of a map's highest value at which the model's boxes are drawn best.
    """

    image_size: Size
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
    box_threshold: float = DEFAULT_BOX_THRESHOLD

    @property
    def probabilities(self) -> Float32Array:
        """(K,) float32: calibrated where the model is, else the logistic of the scores (paper, equation 2)."""
        return (
            sigmoid(self.scores) if self.calibration is None else self.calibration.probabilities(self.scores)
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
        """One class's map rescaled to the image, (height, width) float32."""
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
            distance: two peaks lie at least so far apart, in pixels of the 500-normalised image.
            threshold: a peak's probability reaches at least so much of the strongest peak's.

        Raises:
            FreelocError: the model has no such class, or ``count`` is less than 1.
        """
        index = self._index(name)
        if count < 1:
            raise FreelocError(f"{count} peaks are none: ask for 1 or more")
        apart = normalized_length(self.image_size, distance)
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
        return self.maps if self.mode == "fused" else sigmoid(self.maps)

    def boxes(self, name: str, *, count: int = 8, overlap: float = 0.4) -> tuple[Box, ...]:
        """Boxes around the objects of one class, the surest first; none where its probability is under 1%.

        They are drawn around what the map shows, by a model that never saw a box: see `freeloc.inference.boxes`.

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
        options = BoxOptions(most=count, overlap=overlap)
        found = boxes_from_map(
            self.soft_maps()[only], self.probabilities[only], self.lattice, self.box_threshold, options
        )
        return tuple(
            Box(float(x1), float(y1), float(x2), float(y2), float(score))
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
