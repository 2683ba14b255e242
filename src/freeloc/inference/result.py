"""Results of prediction: scores, points and maps of every class in one image."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Final

import numpy as np
from PIL import Image

from freeloc._class_names import did_you_mean
from freeloc._literals import LocationMode, PointKind
from freeloc._typing import BoolArray, Float32Array, Float64Array
from freeloc._validation import (
    Count,
    Fraction,
    NonNegative,
    check_arguments,
)
from freeloc.errors import ConfigurationError
from freeloc.geometry.box import Box
from freeloc.geometry.lattice import Lattice
from freeloc.geometry.size import Size, normalized_length
from freeloc.inference.affinity_boxes import BoxCandidates, choose_boxes
from freeloc.inference.boxes import MIN_PROBABILITY, BoxOptions, boxes_from_map
from freeloc.inference.decision import DecisionRule
from freeloc.inference.instance_cues import InstanceCues
from freeloc.inference.peaks import Peak, PeakOptions, find_instances
from freeloc.inference.presented_result import PresentedResult
from freeloc.inference.provenance import Provenance
from freeloc.inference.score_map import sigmoid
from freeloc.metrics import Detections

__all__ = ["MASK_LEVEL", "ClassLocation", "Localization", "LocationMode"]


MASK_LEVEL: Final = 0.5
"""Fraction of a spread map's maximum that the pixels of a mask reach, measured on generated scenes."""

_MAX_SHOWN: Final = 3
"""Maximum number of classes in a representation."""


@dataclass(frozen=True, slots=True, repr=False)
class ClassLocation:
    """Score and point of one class in one image.

    Attributes:
        name: the class.
        score: raw score, the mean over scales of the pooled score maps (paper, section 4).
        probability: calibrated probability that the class is present; for an uncalibrated model, the logistic
            function of the score (paper, equation 2).
        x: horizontal image coordinate of the point.
        y: vertical image coordinate of the point.
        response: value of the map at the point: between 0 and 1 in mode "fused", a raw score in mode "paper".
        threshold: the model's threshold: the minimum probability at which the class counts as present.
    """

    name: str
    score: float
    probability: float
    x: float
    y: float
    response: float
    threshold: float = 0.5

    @check_arguments
    def is_present(self, threshold: Fraction | None = None) -> bool:
        """Return whether the probability reaches a threshold; default: the model's threshold.

        Raises:
            ConfigurationError: the threshold is not a probability.
        """
        return self.probability >= (self.threshold if threshold is None else threshold)

    def __repr__(self) -> str:
        return f"ClassLocation({self})"

    def __str__(self) -> str:
        return f"{self.name} {self.probability:.2f} at ({self.x:.0f}, {self.y:.0f})"


@dataclass(frozen=True, eq=False, repr=False)
class Localization(PresentedResult):
    """Scores, points and maps of every class in one image.

    Attributes:
        image_size: size of the upright original image.
        classes: the K class names.
        scores: (K,) float32 raw scores: mean over scales of the pooled score maps.
        points: (K, 2) float64 x and y in image coordinates.
        responses: (K,) float32 values of the maps at the points.
        maps: (K, rows, cols) float32, one map per class on ``lattice``: in mode "fused" the mean over scales of
            the logistic function of the scaled scores, in mode "paper" the maximum over scales of the raw scores.
        lattice: positions of the maps' values in the image.
        mode: how points were located.
        path: the image's file, or the video that contains it; None for an image that was not read from a path.
        decision: calibration and thresholds of the model.
        image: the decoded image, possibly reduced by a factor of 2, 4 or 8, if it does not come from an image
            file; None otherwise, and in the results of `Localizer.predict_many` and `Localizer.predict_stream`.
        provenance: the model, and how it was run; None for a result of score maps from elsewhere.
        cues: what peaks and boxes are found from, besides the maps; None for a result of maps from elsewhere.
        point: which place of an object its point is; always "salient" in mode "paper".
        frame: number of the frame, if the image is a frame of a video, counted from 0.
        time: when that frame is presented, in seconds.
        peak_threshold: minimum value of a peak, as a fraction of the map's maximum; see `peaks`.
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
    decision: DecisionRule = field(default_factory=DecisionRule)
    image: Image.Image | None = None
    provenance: Provenance | None = None
    cues: InstanceCues | None = None
    point: PointKind = "salient"
    frame: int | None = None
    time: float | None = None
    peak_threshold: float = 0.5

    def __repr__(self) -> str:
        name = "an image in memory" if self.path is None else str(self.path)
        if self.frame is not None:
            name = f"frame {self.frame} of {name}"
        present = self.present()
        found = ", ".join(map(str, present[:_MAX_SHOWN])) or f"none of {len(self.classes)} classes"
        more = f" and {len(present) - _MAX_SHOWN} more" if len(present) > _MAX_SHOWN else ""
        return f"Localization({name}, {self.image_size.width} × {self.image_size.height}: {found}{more})"

    @cached_property
    def probabilities(self) -> Float32Array:
        """(K,) float32 probabilities that the classes are present."""
        return self.decision.probabilities(self.scores)

    @cached_property
    def thresholds(self) -> Float64Array:
        """(K,) float64 thresholds of the model: minimum probabilities at which the classes count as present."""
        return self.decision.thresholds(len(self.classes))

    def __iter__(self) -> Iterator[ClassLocation]:
        """Yield the location of every class, in the order of ``classes``."""
        for index in range(len(self.classes)):
            yield self._class_location(index)

    def __getitem__(self, name: str) -> ClassLocation:
        """Return the location of one class.

        Raises:
            ConfigurationError: the model does not have the class.
        """
        return self._class_location(self._index(name))

    @check_arguments
    def present(self, threshold: Fraction | None = None) -> tuple[ClassLocation, ...]:
        """Return the classes whose probability reaches a threshold, most probable first.

        Args:
            threshold: one threshold for all classes; default: the model's threshold for each class.

        Raises:
            ConfigurationError: the threshold is not a probability.
        """
        return tuple(location for location in self.ranked() if location.is_present(threshold))

    def ranked(self) -> tuple[ClassLocation, ...]:
        """Return all classes, most probable first; classes whose score is NaN come last."""
        # Ranked by log-odds, because several probabilities may round to exactly 1.0.
        order = np.argsort(-self.decision.log_odds(self.scores), kind="stable")
        return tuple(self._class_location(int(index)) for index in order)

    def map(self, name: str) -> Float32Array:
        """Return one class's map resampled to the size of the image, as a (height, width) float32 array."""
        rows, cols = self.lattice.upsampling_weights()
        resampled: Float32Array = rows @ self.maps[self._index(name)] @ cols.T
        return resampled

    def normalized_maps(self) -> Float32Array:
        """Return the (K, rows, cols) float32 maps with values between 0 and 1, in either mode."""
        return self.maps if self.mode == "fused" else sigmoid(self.maps)

    @check_arguments
    def peaks(
        self,
        name: str,
        *,
        count: Count = 8,
        min_distance: NonNegative = 60.0,
        relative_threshold: Fraction | None = None,
    ) -> tuple[Peak, ...]:
        """Return several locations of one class, as far as its objects can be told apart: the most certain first.

        The first location is the class's point. The others are local maxima of the map of the largest scales,
        which tells objects side by side apart, or of the map itself in mode "paper" and for a class with a
        probability below 1%. If the points of the result are central, these maxima are moved like the point.

        Args:
            name: the class.
            count: maximum number of peaks.
            min_distance: minimum distance between two peaks, in pixels of the image at scale 1.
            relative_threshold: minimum value of a local maximum of the normalized map, as a fraction of the map's
                maximum; default: ``peak_threshold``. With a higher one, fewer peaks lie beside the objects or
                twice on the same one, and more objects have none; docs/method.md shows how many.

        Raises:
            ConfigurationError: the model does not have the class, or a number is out of range.
        """
        index = self._index(name)
        distance = normalized_length(self.image_size, min_distance)
        least = self.peak_threshold if relative_threshold is None else relative_threshold
        x, y = map(float, self.points[index])
        fine = None if self.mode == "paper" or self.cues is None else self.cues.fine_map(index)
        # The points of unlikely classes are always salient.
        kind: PointKind = "salient" if fine is None and self.cues is not None else self.point
        return find_instances(
            Peak(x, y, float(self.responses[index])),
            self.maps[index],
            fine,
            self.lattice,
            PeakOptions(count, distance, least, self.mode, kind),
        )

    @check_arguments
    def boxes(self, name: str, *, count: Count = 8, iou_threshold: Fraction = 0.4) -> tuple[Box, ...]:
        """Return boxes around the objects of one class, highest score first.

        Boxes are drawn around the high regions of the map, although the model was trained without boxes; see
        `freeloc.inference.affinity_boxes`, or `freeloc.inference.boxes` if the network has no detail features. A
        class with a probability below 1% has no boxes.

        Args:
            name: the class.
            count: maximum number of boxes.
            iou_threshold: intersection over union above which the box with the lower score is suppressed.

        Raises:
            ConfigurationError: the model does not have the class, or a number is out of range.
        """
        index = self._index(name)
        found = self._detections(BoxOptions(max_boxes=count, iou_threshold=iou_threshold), index)
        return tuple(
            Box(float(x1), float(y1), float(x2), float(y2), float(score))
            for (x1, y1, x2, y2), score in zip(found.boxes, found.score, strict=True)
        )

    @check_arguments
    def mask(self, name: str, *, level: Fraction | None = None) -> BoolArray:
        """Return the pixels of one class, as a (height, width) bool array.

        These are the pixels where the map of the class, spread over similar positions, reaches a level; see
        `freeloc.inference.affinity`. If the network has no detail features, the map itself is used. Objects of the
        same class are not told apart. A class with a probability below 1% has an empty mask.

        Args:
            name: the class.
            level: fraction of the map's maximum; default: `MASK_LEVEL`, or the model's box threshold if the
                network has no detail features.

        Raises:
            ConfigurationError: the model does not have the class, or the level is out of range.
        """
        index = self._index(name)
        candidates = self._box_candidates
        if candidates is not None:
            values = candidates.spread.get(index)
            least = MASK_LEVEL if level is None else level
        else:
            relative = self.normalized_maps()[index]
            likely = self.probabilities[index] >= MIN_PROBABILITY
            values = relative / max(float(relative.max()), 1e-9) if likely else None
            least = self.decision.box_threshold if level is None else level
        if values is None:
            return np.zeros((self.image_size.height, self.image_size.width), dtype=np.bool_)
        rows, cols = self.lattice.upsampling_weights()
        return np.asarray(rows @ values @ cols.T >= least)

    def detections(self) -> Detections:
        """Return the boxes of all classes as arrays, ordered by class and then by decreasing score."""
        return self._detections(BoxOptions())

    @cached_property
    def _box_candidates(self) -> BoxCandidates | None:
        if self.cues is None or self.cues.detail is None:
            return None
        return BoxCandidates.find(self.normalized_maps(), self.lattice, self.cues)

    def _detections(self, options: BoxOptions, only: int | None = None) -> Detections:
        """Return the boxes of all classes, or only of the class with an index."""
        candidates = self._box_candidates
        if candidates is not None:
            return choose_boxes(candidates, self.probabilities, options, only)
        chosen = slice(None) if only is None else slice(only, only + 1)
        return boxes_from_map(
            self.normalized_maps()[chosen],
            self.probabilities[chosen],
            self.lattice,
            self.decision.box_threshold,
            options,
        )

    def _index(self, name: str) -> int:
        try:
            return self.classes.index(name)
        except ValueError as error:
            known = ", ".join(self.classes[:12]) + (", …" if len(self.classes) > 12 else "")
            hint = did_you_mean([str(name)], self.classes)
            message = f"the model does not have the class {name!r}{hint}: choose one of {known}"
            raise ConfigurationError(message, parameter="name") from error

    def _class_location(self, index: int) -> ClassLocation:
        return ClassLocation(
            name=self.classes[index],
            score=float(self.scores[index]),
            probability=float(self.probabilities[index]),
            x=float(self.points[index, 0]),
            y=float(self.points[index, 1]),
            response=float(self.responses[index]),
            threshold=float(self.thresholds[index]),
        )
