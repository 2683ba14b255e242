"""A detector trained from boxes: R-CNN's recipe (Girshick et al., CVPR 2014) on the features of a frozen backbone.

Row L of the paper's table. A linear machine for each class tells the proposals on objects of the class from the
rest; its negatives are mined: fitted on a few at random, then asked about many, then fitted again with those it
got wrong. What is left of an image's proposals after suppression is what is found.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import numpy.typing as npt

from freeloc._typing import Float32Array
from freeloc.datasets.dataset import AnnotatedBox, Dataset
from freeloc.errors import FreelocError
from freeloc.geometry.iou import pairwise_iou
from freeloc.geometry.nms import NMS_IOU, nms_per_class
from freeloc.io.prefetch import prefetch
from freeloc.io.progress import track
from freeloc.metrics import Detections
from freeloc.paper.baselines.linear_svm import Labels, LinearSVMs, SvmOptions, fit_linear_svms, hard_rows
from freeloc.paper.baselines.region_features import RegionFeatures
from freeloc.paper.cached_arrays import load_cached_arrays, save_cached_arrays

__all__ = ["Detector", "DetectorOptions", "region_labels", "train_detector"]

IntpArray = npt.NDArray[np.intp]

_ITSELF = 0.999
"""Overlap of a box with itself, but for the rounding to float32."""


@dataclass(frozen=True, slots=True)
class DetectorOptions:
    """How a detector is trained.

    Attributes:
        positive: a proposal that overlaps an object so much shows its class, as the object's own box does; with 1
            only objects' own boxes do.
        negative: one that overlaps no object of a class so much does not show it. What lies between says nothing.
        drawn: proposals of each image to begin with, at random.
        asked: so many proposals of each image, drawn at random, are asked in a round; pooling them is what
            takes the time.
        mined: at most so many hard ones of each image are added in a round.
        rounds: how often hard ones are sought.
        svm: how machines are fitted.
        seed: of what is drawn.
    """

    positive: float = 1.0
    negative: float = 0.3
    drawn: int = 20
    asked: int = 500
    mined: int = 40
    rounds: int = 1
    svm: SvmOptions = field(default_factory=SvmOptions)
    seed: int = 0

    def __post_init__(self) -> None:
        if not 0 < self.negative <= self.positive <= 1:
            raise ValueError(
                "proposals that show a class overlap it more than those that do not, and at most 1"
            )
        if min(self.drawn, self.asked, self.mined, self.rounds) < 0:
            raise ValueError("no fewer than 0 proposals can be drawn or mined")


def region_labels(
    boxes: npt.ArrayLike,
    objects: Sequence[AnnotatedBox],
    classes: int,
    options: DetectorOptions | None = None,
) -> Labels:
    """What boxes show, by how much they overlap the objects of an image.

    Args:
        boxes: (M, 4) ``x1, y1, x2, y2``, edges in image pixels.
        objects: the annotated ones. A box on one that is difficult, or a crowd, neither shows its class nor lacks
            it.
        classes: K.
        options: how much is how much.

    Returns:
        (M, K) int8: +1 where a box shows a class, −1 where it does not, 0 where that is left open.
    """
    options = options or DetectorOptions()
    corners = np.asarray(boxes, dtype=np.float64).reshape(-1, 4)
    labels: Labels = np.full((len(corners), classes), -1, dtype=np.int8)
    overlap = pairwise_iou(corners, [(one.x1, one.y1, one.x2, one.y2) for one in objects])
    for column, one in zip(overlap.T, objects, strict=True):
        labels[:, one.label] = np.maximum(labels[:, one.label], np.where(column >= options.negative, 0, -1))
    for column, one in zip(overlap.T, objects, strict=True):
        if not (one.difficult or one.crowd):
            labels[column >= min(options.positive, _ITSELF), one.label] = 1
    return labels


@dataclass(frozen=True, eq=False)
class Detector:
    """K linear machines over vectors of boxes.

    Attributes:
        classes: the K classes.
        weights: (K, D) float32.
        bias: (K,) float32.
    """

    classes: tuple[str, ...]
    weights: Float32Array
    bias: Float32Array

    def detect(
        self,
        regions: RegionFeatures,
        proposals: Sequence[Float32Array],
        overlap: float = NMS_IOU,
        most: int = 100,
        *,
        quiet: bool = False,
    ) -> Detections:
        """Find objects in N images.

        Args:
            regions: the images' features.
            proposals: for each image, (M, 4) boxes in its pixels.
            overlap: of two boxes of one class that overlap more, the less sure one goes.
            most: boxes of an image, the surest of all classes; but the surest of each class always stays.
            quiet: show no progress.

        Returns:
            The boxes, image by image, the surest first.

        Raises:
            FreelocError: the vectors are not those that the machines were fitted on.
            ValueError: there are not as many lists of proposals as images.
        """
        if regions.width != self.weights.shape[1]:
            raise FreelocError(
                f"the detector reads {self.weights.shape[1]} values a box, but regions give {regions.width}: "
                "train it on regions made the same way"
            )
        _check_count(regions, proposals)
        svms = LinearSVMs(self.weights, self.bias)

        def find(index: int) -> tuple[IntpArray, IntpArray, Float32Array]:
            scores = svms(regions.vectors(index, proposals[index]))
            kept, labels = _surest(proposals[index], scores, overlap, most)
            return kept, labels, scores[kept, labels]

        looked = track(prefetch(find, range(len(regions))), "detecting", len(regions), quiet=quiet)
        found = list(looked)
        if not found:
            return Detections.build()
        return Detections.build(
            np.repeat(np.arange(len(found)), [len(kept) for kept, _, _ in found]),
            np.concatenate([labels for _, labels, _ in found]),
            np.concatenate([scores for _, _, scores in found]),
            np.concatenate([boxes[kept] for boxes, (kept, _, _) in zip(proposals, found, strict=True)]),
        )

    def save(self, path: Path, made_from: str) -> None:
        """Write the detector.

        Args:
            path: an ``.npz`` file.
            made_from: tells what it was trained on, and how; `load` asks for the same.
        """
        save_cached_arrays(path, made_from, classes=self.classes, weights=self.weights, bias=self.bias)

    @classmethod
    def load(cls, path: Path, made_from: str) -> Detector | None:
        """What `save` kept; None where there is nothing, or it was made from something else."""
        kept = load_cached_arrays(path, made_from)
        if kept is None or kept.keys() != {"classes", "weights", "bias"}:
            return None
        return cls(tuple(str(name) for name in kept["classes"]), kept["weights"], kept["bias"])


def _surest(
    boxes: Float32Array, scores: Float32Array, overlap: float, most: int
) -> tuple[IntpArray, IntpArray]:
    """Indices and labels of the boxes of one image that stay, the surest first."""
    kept = nms_per_class(boxes, scores, overlap)
    labels = np.repeat(np.arange(len(kept)), [len(rows) for rows in kept])
    rows = np.concatenate(kept) if kept else np.zeros(0, dtype=np.intp)
    first = (
        np.concatenate([np.arange(len(own)) == 0 for own in kept]) if kept else np.zeros(0, dtype=np.bool_)
    )
    ranked = np.argsort(-scores[rows, labels], kind="stable")
    stays = first[ranked] | (np.arange(len(ranked)) < most)
    return rows[ranked[stays]], labels[ranked[stays]]


def train_detector(
    data: Dataset,
    regions: RegionFeatures,
    proposals: Sequence[Float32Array],
    options: DetectorOptions | None = None,
    *,
    quiet: bool = False,
) -> Detector:
    """Train a detector from the boxes of N images.

    Args:
        data: the images, with boxes.
        regions: their features.
        proposals: for each image, (M, 4) boxes in its pixels.
        options: how.
        quiet: show no progress.

    Raises:
        FreelocError: an image has no boxes, or a class no object that is not difficult.
        ValueError: there are not as many images or lists of proposals as features.
    """
    options = options or DetectorOptions()
    if len(data) != len(regions):
        raise ValueError(f"{len(data)} images need their features, not those of {len(regions)}")
    _check_count(regions, proposals)
    _check_boxes(data)
    examples = _Examples(data, regions, proposals, options)
    examples.begin(quiet=quiet)
    svms = fit_linear_svms(*examples.gathered(), options.svm)
    for _ in range(options.rounds):
        if not examples.mine(svms, quiet=quiet):
            break
        svms = fit_linear_svms(*examples.gathered(), options.svm, svms)
    return Detector(data.classes, svms.weights, svms.bias)


class _Examples:
    """The vectors that machines are fitted on, and where more of them come from."""

    def __init__(
        self,
        data: Dataset,
        regions: RegionFeatures,
        proposals: Sequence[Float32Array],
        options: DetectorOptions,
    ) -> None:
        self._regions = regions
        self._options = options
        self._generator = np.random.default_rng(options.seed)
        self._boxes: list[Float32Array] = []
        self._labels: list[Labels] = []
        for sample, proposed in zip(data, proposals, strict=True):
            objects = sample.boxes or ()
            own = [(one.x1, one.y1, one.x2, one.y2) for one in objects if not (one.difficult or one.crowd)]
            boxes = np.concatenate([np.array(own, np.float32).reshape(-1, 4), proposed])
            self._boxes.append(boxes)
            self._labels.append(region_labels(boxes, objects, len(data.classes), options))
        self._taken = [np.zeros(len(boxes), dtype=np.bool_) for boxes in self._boxes]
        # Half precision: the vectors of some hundred thousand boxes are what takes memory here.
        self._kept: list[tuple[npt.NDArray[np.float16], Labels]] = []

    def begin(self, *, quiet: bool) -> None:
        """Take all that shows a class, and some of the rest at random."""
        chosen: list[IntpArray] = []
        for labels in self._labels:
            shows = (labels > 0).any(axis=1)
            rest = np.flatnonzero(~shows)
            drawn = self._generator.permutation(rest)[: self._options.drawn]
            chosen.append(np.concatenate([np.flatnonzero(shows), drawn]))
        indices = range(len(chosen))
        made = prefetch(
            lambda index: self._regions.vectors(index, self._boxes[index][chosen[index]]), indices
        )
        for index, vectors in enumerate(track(made, "pooling objects", len(chosen), quiet=quiet)):
            self._take(index, chosen[index], vectors)

    def mine(self, svms: LinearSVMs, *, quiet: bool) -> int:
        """Take what the machines find hardest of the rest; how many that were."""
        added = 0
        # Drawn before the threads begin, for the same draws on every machine.
        asked = [
            np.sort(self._generator.permutation(np.flatnonzero(~taken))[: self._options.asked])
            for taken in self._taken
        ]
        for index, rows, vectors in track(
            self._hard(svms, asked), "seeking hard negatives", len(self._boxes), quiet=quiet
        ):
            self._take(index, rows, vectors)
            added += len(rows)
        return added

    def _hard(
        self, svms: LinearSVMs, asked: Sequence[IntpArray]
    ) -> Iterator[tuple[int, IntpArray, Float32Array]]:
        def find(index: int) -> tuple[int, IntpArray, Float32Array]:
            rest = asked[index]
            vectors = self._regions.vectors(index, self._boxes[index][rest])
            hard = hard_rows(svms(vectors), self._labels[index][rest], self._options.mined)
            return index, rest[hard], vectors[hard]

        return prefetch(find, range(len(self._boxes)))

    def _take(self, index: int, rows: IntpArray, vectors: Float32Array) -> None:
        self._taken[index][rows] = True
        self._kept.append((vectors.astype(np.float16), self._labels[index][rows]))

    def gathered(self) -> tuple[Float32Array, Labels]:
        """(M, D) float32 vectors and (M, K) labels of all that was taken."""
        count = sum(len(labels) for _, labels in self._kept)
        vectors = np.empty((count, self._regions.width), np.float32)
        start = 0
        for part, labels in self._kept:
            vectors[start : start + len(labels)] = part
            start += len(labels)
        return vectors, np.concatenate([labels for _, labels in self._kept])


def _check_count(regions: RegionFeatures, proposals: Sequence[Float32Array]) -> None:
    if len(proposals) != len(regions):
        raise ValueError(f"{len(regions)} images need their proposals, not those of {len(proposals)}")


def _check_boxes(data: Dataset) -> None:
    """See that every image is annotated, and every class has something to learn from."""
    seen: set[int] = set()
    for sample in data:
        if sample.boxes is None:
            raise FreelocError(
                f"{sample.path} has no boxes: a detector is trained from an annotated data set"
            )
        seen.update(one.label for one in sample.boxes if not (one.difficult or one.crowd))
    if missing := [name for label, name in enumerate(data.classes) if label not in seen]:
        raise FreelocError(
            f"{data.name} has no box of {missing[0]} to learn from: leave the class out with --classes"
        )
