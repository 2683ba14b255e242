"""A detector trained on boxes: R-CNN's recipe (Girshick et al., CVPR 2014) on the features of a frozen backbone.

This is row L of the paper's table. One linear SVM per class separates boxes that contain an object of the class
from all other boxes. Hard negatives are mined: the SVMs are fitted on a few random negatives, applied to many
more, and fitted again after the misclassified ones have been added. At test time, the proposals that remain after
non-maximum suppression are the detections.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import numpy.typing as npt

from freeloc._typing import Float32Array, IntpArray
from freeloc.datasets.dataset import AnnotatedBox, Dataset
from freeloc.errors import DatasetError, DatasetOptionError, ModelError
from freeloc.geometry.iou import pairwise_iou
from freeloc.geometry.nms import NMS_IOU, nms_per_class
from freeloc.io.prefetch import prefetch
from freeloc.io.progress import track
from freeloc.metrics import Detections
from freeloc.paper.baselines.linear_svm import (
    LinearSVMs,
    RegionLabels,
    SVMOptions,
    fit_linear_svms,
    hard_negatives,
)
from freeloc.paper.baselines.region_features import RegionFeatures
from freeloc.paper.cached_arrays import load_cached_arrays, save_cached_arrays

__all__ = ["DetectorOptions", "RegionDetector", "region_labels", "train_detector"]

_SAME_BOX_IOU = 0.999
"""Minimum IoU of two boxes that count as the same; it allows for rounding to float32."""


@dataclass(frozen=True, slots=True)
class DetectorOptions:
    """Options for training a detector.

    Attributes:
        positive_iou: minimum IoU of a positive box with an annotated box; with 1, only the annotated boxes
            themselves are positive.
        negative_iou: a box is negative for a class if its IoU with every annotated box of the class is below this
            value. Boxes between the two limits are ignored.
        initial_negatives: number of random negatives per image in the first fit.
        candidates: number of random proposals per image in which each round searches for hard negatives;
            pooling their features takes most of the training time.
        max_hard_negatives: maximum number of hard negatives that a round adds per image.
        rounds: number of rounds of hard negative mining.
        svm: options for fitting SVMs.
        seed: seed of the random choices.
    """

    positive_iou: float = 1.0
    negative_iou: float = 0.3
    initial_negatives: int = 20
    candidates: int = 500
    max_hard_negatives: int = 40
    rounds: int = 1
    svm: SVMOptions = field(default_factory=SVMOptions)
    seed: int = 0

    def __post_init__(self) -> None:
        if not 0 < self.negative_iou <= self.positive_iou <= 1:
            raise ValueError("negative_iou must be above 0, and positive_iou between negative_iou and 1")
        if min(self.initial_negatives, self.candidates, self.max_hard_negatives, self.rounds) < 0:
            raise ValueError(
                "initial_negatives, candidates, max_hard_negatives and rounds must be at least 0"
            )


def region_labels(
    boxes: npt.ArrayLike,
    annotated: Sequence[AnnotatedBox],
    classes: int,
    options: DetectorOptions | None = None,
) -> RegionLabels:
    """Label boxes by their overlap with the annotated boxes of an image.

    Args:
        boxes: (M, 4) box edges ``x1, y1, x2, y2`` in image coordinates.
        annotated: the annotated boxes of the image. Overlap with a difficult or crowd box makes a box neither
            positive nor negative for the class of that annotated box.
        classes: number of classes, K.
        options: options with the IoU limits; None for the defaults.

    Returns:
        (M, K) int8: +1 positive, −1 negative, 0 ignored.
    """
    options = options or DetectorOptions()
    corners = np.asarray(boxes, dtype=np.float64).reshape(-1, 4)
    labels: RegionLabels = np.full((len(corners), classes), -1, dtype=np.int8)
    overlap = pairwise_iou(corners, [(box.x1, box.y1, box.x2, box.y2) for box in annotated])
    for column, box in zip(overlap.T, annotated, strict=True):
        ignored = np.where(column >= options.negative_iou, 0, -1)
        labels[:, box.label] = np.maximum(labels[:, box.label], ignored)
    for column, box in zip(overlap.T, annotated, strict=True):
        if not (box.difficult or box.crowd):
            labels[column >= min(options.positive_iou, _SAME_BOX_IOU), box.label] = 1
    return labels


@dataclass(frozen=True, eq=False)
class RegionDetector:
    """A detector that classifies region features with K linear SVMs.

    Attributes:
        classes: the K class names.
        svms: one SVM per class.
    """

    classes: tuple[str, ...]
    svms: LinearSVMs

    def detect(
        self,
        regions: RegionFeatures,
        proposals: Sequence[Float32Array],
        iou_threshold: float = NMS_IOU,
        max_boxes: int = 100,
        *,
        quiet: bool = False,
    ) -> Detections:
        """Detect objects in N images.

        Args:
            regions: region features of the images.
            proposals: for each image, (M, 4) boxes in image pixels.
            iou_threshold: intersection over union above which the lower-scoring of two boxes of one class is
                suppressed.
            max_boxes: maximum number of boxes per image over all classes; the highest-scoring box of each class is
                returned even beyond this limit.
            quiet: whether to hide progress.

        Returns:
            The boxes, grouped by image; within each image, the highest score comes first.

        Raises:
            ModelError: the vectors differ in length from those on which the SVMs were fitted.
            ValueError: the number of proposal lists differs from the number of images.
        """
        if regions.width != self.svms.weights.shape[1]:
            raise ModelError(
                f"the detector expects vectors of length {self.svms.weights.shape[1]}, but the region features "
                f"have length {regions.width}: train the detector on region features with the same options"
            )
        _check_count(regions, proposals)

        def find(index: int) -> Detections:
            scores = self.svms.margins(regions.vectors(index, proposals[index]))
            rows, labels = _select(proposals[index], scores, iou_threshold, max_boxes)
            image = np.zeros(len(rows), np.intp)
            return Detections.build(image, labels, scores[rows, labels], proposals[index][rows])

        results = track(prefetch(find, range(len(regions))), "detecting", len(regions), quiet=quiet)
        return Detections.concatenate(list(results))

    def save(self, path: Path, cache_key: str) -> None:
        """Write the detector.

        Args:
            path: an ``.npz`` file.
            cache_key: text that identifies the training data and options; `load` must be called with the same key.
        """
        svms = self.svms
        save_cached_arrays(path, cache_key, classes=self.classes, weights=svms.weights, bias=svms.bias)

    @classmethod
    def load(cls, path: Path, cache_key: str) -> RegionDetector | None:
        """Load a detector written by `save`; None if the file is missing, damaged or has a different key."""
        arrays = load_cached_arrays(path, cache_key)
        if arrays is None or arrays.keys() != {"classes", "weights", "bias"}:
            return None
        classes = tuple(str(name) for name in arrays["classes"])
        return cls(classes, LinearSVMs(arrays["weights"], arrays["bias"]))


def _select(
    boxes: Float32Array, scores: Float32Array, iou_threshold: float, max_boxes: int
) -> tuple[IntpArray, IntpArray]:
    """Return the row indices and labels of the detections in one image, highest score first."""
    kept = nms_per_class(boxes, scores, iou_threshold)
    labels = np.repeat(np.arange(len(kept)), [len(rows) for rows in kept])
    rows = np.concatenate(kept) if kept else np.zeros(0, dtype=np.intp)
    best_of_class = (
        np.concatenate([np.arange(len(rows)) == 0 for rows in kept]) if kept else np.zeros(0, dtype=np.bool_)
    )
    ranked = np.argsort(-scores[rows, labels], kind="stable")
    selected = best_of_class[ranked] | (np.arange(len(ranked)) < max_boxes)
    return rows[ranked[selected]], labels[ranked[selected]]


def train_detector(
    dataset: Dataset,
    regions: RegionFeatures,
    proposals: Sequence[Float32Array],
    options: DetectorOptions | None = None,
    *,
    quiet: bool = False,
) -> RegionDetector:
    """Train a detector on the annotated boxes of N images.

    Args:
        dataset: the images, with annotated boxes.
        regions: region features of the images.
        proposals: for each image, (M, 4) boxes in image pixels.
        options: training options; None for the defaults.
        quiet: whether to hide progress.

    Raises:
        DatasetError: an image is not annotated with boxes, or a class has no box that is neither difficult nor
            crowd.
        ValueError: the numbers of images, features and proposal lists differ.
    """
    options = options or DetectorOptions()
    if len(dataset) != len(regions):
        raise ValueError(f"there are {len(dataset)} images, but features for {len(regions)} images")
    _check_count(regions, proposals)
    _check_boxes(dataset)
    training_set = _TrainingSet(dataset, regions, proposals, options)
    training_set.add_initial(quiet=quiet)
    svms = fit_linear_svms(*training_set.arrays(), options.svm)
    for _ in range(options.rounds):
        if not training_set.add_hard_negatives(svms, quiet=quiet):
            break
        svms = fit_linear_svms(*training_set.arrays(), options.svm, svms)
    return RegionDetector(dataset.classes, svms)


class _TrainingSet:
    """Vectors on which the SVMs are fitted, and boxes whose vectors can still be added."""

    def __init__(
        self,
        dataset: Dataset,
        regions: RegionFeatures,
        proposals: Sequence[Float32Array],
        options: DetectorOptions,
    ) -> None:
        self._regions = regions
        self._options = options
        self._generator = np.random.default_rng(options.seed)
        self._boxes: list[Float32Array] = []
        self._labels: list[RegionLabels] = []
        for sample, proposed in zip(dataset, proposals, strict=True):
            annotated = sample.boxes or ()
            corners = [(b.x1, b.y1, b.x2, b.y2) for b in annotated if not (b.difficult or b.crowd)]
            boxes = np.concatenate([np.array(corners, np.float32).reshape(-1, 4), proposed])
            self._boxes.append(boxes)
            self._labels.append(region_labels(boxes, annotated, len(dataset.classes), options))
        self._used = [np.zeros(len(boxes), dtype=np.bool_) for boxes in self._boxes]
        # Stored in half precision, because the vectors of several hundred thousand boxes dominate memory use.
        self._vectors: list[tuple[npt.NDArray[np.float16], RegionLabels]] = []

    def add_initial(self, *, quiet: bool) -> None:
        """Add the vectors of all positives and of a random sample of the other boxes."""
        chosen: list[IntpArray] = []
        for labels in self._labels:
            positive = (labels > 0).any(axis=1)
            others = np.flatnonzero(~positive)
            drawn = self._generator.permutation(others)[: self._options.initial_negatives]
            chosen.append(np.concatenate([np.flatnonzero(positive), drawn]))
        pooled = prefetch(
            lambda index: self._regions.vectors(index, self._boxes[index][chosen[index]]), range(len(chosen))
        )
        for index, vectors in enumerate(track(pooled, "pooling objects", len(chosen), quiet=quiet)):
            self._add(index, chosen[index], vectors)

    def add_hard_negatives(self, svms: LinearSVMs, *, quiet: bool) -> int:
        """Add the negatives that are hardest for the SVMs, and return the number of added vectors."""
        added = 0
        # Drawn before the threads start, so that the result does not depend on the number of threads.
        candidates = [
            np.sort(self._generator.permutation(np.flatnonzero(~used))[: self._options.candidates])
            for used in self._used
        ]
        found = self._find_hard(svms, candidates)
        for index, rows, vectors in track(found, "mining hard negatives", len(self._boxes), quiet=quiet):
            self._add(index, rows, vectors)
            added += len(rows)
        return added

    def _find_hard(
        self, svms: LinearSVMs, candidates: Sequence[IntpArray]
    ) -> Iterator[tuple[int, IntpArray, Float32Array]]:
        def find(index: int) -> tuple[int, IntpArray, Float32Array]:
            rows = candidates[index]
            vectors = self._regions.vectors(index, self._boxes[index][rows])
            labels = self._labels[index][rows]
            hard = hard_negatives(svms.margins(vectors), labels, self._options.max_hard_negatives)
            return index, rows[hard], vectors[hard]

        return prefetch(find, range(len(self._boxes)))

    def _add(self, index: int, rows: IntpArray, vectors: Float32Array) -> None:
        self._used[index][rows] = True
        self._vectors.append((vectors.astype(np.float16), self._labels[index][rows]))

    def arrays(self) -> tuple[Float32Array, RegionLabels]:
        """Return the (M, D) float32 vectors and (M, K) labels of all boxes added so far."""
        count = sum(len(labels) for _, labels in self._vectors)
        vectors = np.empty((count, self._regions.width), np.float32)
        start = 0
        for part, labels in self._vectors:
            vectors[start : start + len(labels)] = part
            start += len(labels)
        return vectors, np.concatenate([labels for _, labels in self._vectors])


def _check_count(regions: RegionFeatures, proposals: Sequence[Float32Array]) -> None:
    if len(proposals) != len(regions):
        raise ValueError(f"there are {len(regions)} images, but proposals for {len(proposals)} images")


def _check_boxes(dataset: Dataset) -> None:
    """Check that every image is annotated with boxes and that every class has a usable box."""
    labels: set[int] = set()
    for sample in dataset:
        if sample.boxes is None:
            raise DatasetError(
                f"{sample.path} has no boxes: training a detector requires a dataset with annotated boxes",
                path=sample.path,
            )
        labels.update(box.label for box in sample.boxes if not (box.difficult or box.crowd))
    if missing := [name for label, name in enumerate(dataset.classes) if label not in labels]:
        raise DatasetOptionError(
            f"{dataset.name} has no usable box of class {missing[0]} for training: leave the class out",
            parameter="classes",
        )
