"""Box rows: the table rows whose predictions are boxes.

There are three kinds. The first takes its boxes from a detector trained on boxes (row L of the paper's tables).
The second ranks selective-search boxes by the scores inside them (paper, end of section 6), by contrast or by a
plain aggregate. The third derives boxes from score maps alone.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np

from freeloc._literals import LocationMode
from freeloc._typing import Float32Array
from freeloc.datasets.dataset import Dataset
from freeloc.features.sources import CachedFeatures
from freeloc.inference.boxes import BoxOptions, boxes_from_map
from freeloc.inference.fusion import localize
from freeloc.inference.score_map import ScoreMap
from freeloc.metrics import Detections
from freeloc.models.model import Model
from freeloc.paper.baselines import (
    DetectorOptions,
    RegionDetector,
    RegionFeatures,
    RegionOptions,
    train_detector,
)
from freeloc.paper.cached_arrays import load_cached_arrays, save_cached_arrays
from freeloc.paper.map_reader import MapReader, RowReader, features_key
from freeloc.paper.rank_proposals import rank_by_aggregate, rank_proposals
from freeloc.paper.row_plans import RowPlan
from freeloc.paper.selective_search import ProposalCache, propose_boxes
from freeloc.paper.settings import ReproductionSettings
from freeloc.paper.study_folder import StudyFolder

__all__ = ["BoxRows", "load_detections", "save_detections"]

_NEGATIVE_IMAGES = 1000
"""Number of training images whose proposals supply negatives for the detector; positives come from all training
images. A subset supplies enough negatives, and computing proposals takes longer than the rest of the training."""


@dataclass(frozen=True, eq=False)
class BoxRows:
    """Computes the boxes of box rows.

    Attributes:
        train_set: training images; only the detector reads their boxes.
        val_set: images in which to find boxes.
        reader: reader of the score maps of ``val_set``, at all scales that the rows use.
        train_features: function that computes the features of ``train_set`` at given scales.
        folder: output folder of the study.
        settings: settings of the study.
    """

    train_set: Dataset
    val_set: Dataset
    reader: MapReader
    train_features: Callable[[tuple[float, ...]], CachedFeatures]
    folder: StudyFolder
    settings: ReproductionSettings

    def load(self, row: RowPlan, content: str) -> Detections | None:
        """Load the cached boxes of a row; None if they are not cached.

        Args:
            row: a box row.
            content: hash of the row's model; "" for the detector.
        """
        return load_detections(self.folder.row(row.file), self._cache_key(row, content))

    def save(self, row: RowPlan, content: str, detections: Detections) -> None:
        """Cache the boxes of a row; ``row`` and ``content`` are as in `load`."""
        save_detections(self.folder.row(row.file), detections, self._cache_key(row, content))

    def box_reader(self, row: RowPlan, model: Model) -> RowReader:
        """Return a reader that computes a row's boxes in an image from a model's score maps."""
        proposals: list[Float32Array] | None = None
        if row.box_method == "proposals":
            proposals = self._proposals(self.val_set, self.reader.features)

        def read(index: int, maps: Mapping[float, ScoreMap]) -> Detections:
            scale_maps = [maps[scale] for scale in row.scales]
            mode: LocationMode = "fused" if row.aggregate is None else "paper"
            result = localize(scale_maps, model.header.classes, mode=mode, pooling=model.header.pooling)
            values = result.normalized_maps() if row.logistic else result.maps
            arguments = (values, result.probabilities, result.lattice)
            if proposals is None:
                return boxes_from_map(*arguments, model.header.box_threshold)
            if row.aggregate is None:
                return rank_proposals(*arguments, proposals[index])
            return rank_by_aggregate(*arguments, proposals[index], row.aggregate)

        return read

    def _cache_key(self, row: RowPlan, content: str) -> str:
        source = f"{content} {row.scales} {BoxOptions()}" if content else self._detector_key()
        method = (
            row.box_method if row.aggregate is None else f"{row.box_method} {row.aggregate} {row.logistic}"
        )
        return f"{method} {source} {self.reader.key} {self._proposal_cache().options.name}"

    def _detector_key(self) -> str:
        """Return text that identifies the images, tags, boxes and options used to train the detector."""
        boxes = [sample.boxes for sample in self.train_set]
        digest = hashlib.sha256(f"{self.train_set.fingerprint} {boxes}".encode())
        return f"{digest.hexdigest()[:32]} {RegionOptions()} {DetectorOptions()}"

    def _proposal_cache(self) -> ProposalCache:
        cache = self.settings.cache
        return ProposalCache.open(None if cache is None else cache / "proposals")

    def _proposals(self, dataset: Dataset, features: CachedFeatures) -> list[Float32Array]:
        paths = [sample.path for sample in dataset]
        return propose_boxes(
            paths, features.content_hashes, self._proposal_cache(), quiet=self.settings.quiet
        )

    def detect(self) -> Detections:
        """Find the boxes of row L with the detector, which is trained first unless it is cached."""
        options, quiet = RegionOptions(), self.settings.quiet
        regions = partial(
            RegionFeatures, self.reader.backbone, options=options, precision=self.settings.precision
        )
        features = self.train_features(options.scales)
        cache_key = f"{self._detector_key()} {features_key(features)} {self._proposal_cache().options.name}"
        detector = RegionDetector.load(self.folder.detector, cache_key)
        if detector is None:
            proposals = self._negative_proposals(features)
            train_regions = regions(features, self.train_set.image_sizes())
            detector = train_detector(self.train_set, train_regions, proposals, quiet=quiet)
            detector.save(self.folder.detector, cache_key)
        proposals = self._proposals(self.val_set, self.reader.features)
        return detector.detect(regions(self.reader.features, self.reader.sizes), proposals, quiet=quiet)

    def _negative_proposals(self, features: CachedFeatures) -> list[Float32Array]:
        """Return an array of proposals for each training image, empty for images that supply no negatives."""
        chosen: Sequence[int] = self.train_set.evenly_spaced(_NEGATIVE_IMAGES)
        paths = [self.train_set.samples[index].path for index in chosen]
        contents = [features.content_hashes[index] for index in chosen]
        proposals = propose_boxes(paths, contents, self._proposal_cache(), quiet=self.settings.quiet)
        by_index = dict(zip(chosen, proposals, strict=True))
        empty = np.zeros((0, 4), np.float32)
        return [by_index.get(index, empty) for index in range(len(self.train_set))]


def save_detections(path: Path, detections: Detections, cache_key: str) -> None:
    """Cache the boxes of a row.

    Args:
        path: an ``.npz`` file.
        detections: the boxes.
        cache_key: text that identifies the model, images and options; `load_detections` must be called with the
            same key.
    """
    arrays = {name: getattr(detections, name) for name in ("image", "label", "score", "boxes")}
    save_cached_arrays(path, cache_key, **arrays)


def load_detections(path: Path, cache_key: str) -> Detections | None:
    """Load boxes written by `save_detections`; None if the file is missing, damaged or has a different key."""
    arrays = load_cached_arrays(path, cache_key)
    try:
        return None if arrays is None else Detections.build(**arrays)
    except (TypeError, ValueError):
        return None
