"""Rows of boxes: how each finds them, and what is kept of them.

Three rows answer with boxes. One was trained on boxes (row L of the paper's tables), one aggregates scores inside
boxes that selective search proposes (section 6, last part), and one draws its own around what score maps show.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np

from freeloc._typing import Float32Array
from freeloc.datasets.dataset import Dataset
from freeloc.features.sources import CachedFeatures
from freeloc.geometry.size import Size
from freeloc.images.decode import read_image_size
from freeloc.inference.boxes import BoxOptions, boxes_from_map
from freeloc.inference.fusion import localize
from freeloc.inference.score_map import ScoreMap
from freeloc.metrics import Detections
from freeloc.models.model import Model
from freeloc.nn.backbones.base import Backbone
from freeloc.paper.baselines import Detector, DetectorOptions, RegionFeatures, RegionOptions, train_detector
from freeloc.paper.cached_arrays import load_cached_arrays, save_cached_arrays
from freeloc.paper.rank_proposals import rank_proposals
from freeloc.paper.rows import RowPlan
from freeloc.paper.score_rows import Reader
from freeloc.paper.selective_search import ProposalCache, propose_boxes
from freeloc.paper.settings import Places, Settings, describe_features

__all__ = ["BoxRows", "load_detections", "save_detections", "together"]

_SEARCHED = 1000
"""Training images whose proposals the detector learns from as negatives; objects are taken from all of them.
Negatives are never short, and proposals take longer than all the rest of it."""


@dataclass(frozen=True, eq=False)
class BoxRows:
    """Finds the boxes of rows.

    Attributes:
        train_set: images to train on; the detector alone is told their boxes.
        val_set: images to find boxes in.
        backbone: the one that all rows share.
        features: of the images of ``val_set``, at all scales of the rows.
        sizes: their sizes.
        train_features: gives those of ``train_set`` at some scales.
        places: the folder of the study.
        settings: how it is run.
    """

    train_set: Dataset
    val_set: Dataset
    backbone: Backbone
    features: CachedFeatures
    sizes: Sequence[Size]
    train_features: Callable[[tuple[float, ...]], CachedFeatures]
    places: Places
    settings: Settings

    def kept(self, row: RowPlan, content: str) -> Detections | None:
        """The boxes of a row that were found before; None where they are not there.

        Args:
            row: one that answers with boxes.
            content: hash of the model whose maps it reads; "" for the detector.
        """
        return load_detections(self.places.row(row.key), self._made_from(row, content))

    def keep(self, row: RowPlan, content: str, found: Detections) -> None:
        """Keep the boxes of a row for next time."""
        save_detections(self.places.row(row.key), found, self._made_from(row, content))

    def reader(self, row: RowPlan, model: Model) -> Reader:
        """Finds the boxes of a row that reads a model's maps, image by image."""
        proposals = self._proposals(self.val_set, self.features) if row.extent == "proposals" else None

        def read(index: int, maps: Mapping[float, ScoreMap]) -> Detections:
            seen = localize(
                [maps[scale] for scale in row.scales], model.header.classes, pooling=model.header.pooling
            )
            arguments = (seen.normalized_maps(), seen.probabilities, seen.lattice)
            if proposals is None:
                # At the level that the tags of the training images told.
                return boxes_from_map(*arguments, model.header.box_threshold)
            return rank_proposals(*arguments, proposals[index])

        return read

    def _made_from(self, row: RowPlan, content: str) -> str:
        how = f"{content} {row.scales} {BoxOptions()}" if content else self._told()
        return f"{row.extent} {how} {describe_features(self.features)} {self._store().options.name}"

    def _told(self) -> str:
        """What the detector is told: images, tags and boxes, and how it is trained on them."""
        boxes = [sample.boxes for sample in self.train_set]
        digest = hashlib.sha256(f"{self.train_set.fingerprint} {boxes}".encode())
        return f"{digest.hexdigest()[:32]} {RegionOptions()} {DetectorOptions()}"

    def _store(self) -> ProposalCache:
        cache = self.settings.cache
        return ProposalCache.open(None if cache is None else cache / "proposals")

    def _proposals(self, dataset: Dataset, features: CachedFeatures) -> list[Float32Array]:
        paths = [sample.path for sample in dataset]
        return propose_boxes(paths, features.content_hashes, self._store(), quiet=self.settings.quiet)

    def detect(self) -> Detections:
        """Row L: linear machines over regions of the same features, trained on boxes."""
        options, quiet = RegionOptions(), self.settings.quiet
        regions = partial(RegionFeatures, self.backbone, options=options, precision=self.settings.precision)
        features = self.train_features(options.scales)
        made_from = f"{self._told()} {describe_features(features)} {self._store().options.name}"
        detector = Detector.load(self.places.detector, made_from)
        if detector is None:
            sizes = [read_image_size(sample.path) for sample in self.train_set]
            proposals = self._negatives(features)
            detector = train_detector(self.train_set, regions(features, sizes), proposals, quiet=quiet)
            detector.save(self.places.detector, made_from)
        proposals = self._proposals(self.val_set, self.features)
        return detector.detect(regions(self.features, self.sizes), proposals, quiet=quiet)

    def _negatives(self, features: CachedFeatures) -> list[Float32Array]:
        """Proposals of some training images; none of the others, which give their objects alone."""
        count = len(self.train_set)
        chosen = self.train_set.evenly_spaced(_SEARCHED)
        paths = [self.train_set.samples[index].path for index in chosen]
        contents = [features.content_hashes[index] for index in chosen]
        made = dict(
            zip(chosen, propose_boxes(paths, contents, self._store(), quiet=self.settings.quiet), strict=True)
        )
        nothing = np.zeros((0, 4), np.float32)
        return [made.get(index, nothing) for index in range(count)]


def together(found: Sequence[Detections]) -> Detections:
    """The boxes of one image after the other."""
    return Detections.build(
        np.repeat(np.arange(len(found)), [len(one) for one in found]),
        np.concatenate([one.label for one in found]),
        np.concatenate([one.score for one in found]),
        np.concatenate([one.boxes for one in found]),
    )


def save_detections(path: Path, found: Detections, made_from: str) -> None:
    """Keep the boxes that a row was measured on.

    Args:
        path: an ``.npz`` file.
        found: the boxes.
        made_from: tells model, images and options; `load_detections` asks for the same.
    """
    save_cached_arrays(
        path, made_from, image=found.image, label=found.label, score=found.score, boxes=found.boxes
    )


def load_detections(path: Path, made_from: str) -> Detections | None:
    """What `save_detections` kept; None where there is nothing, or it was made from something else."""
    kept = load_cached_arrays(path, made_from)
    try:
        return None if kept is None else Detections.build(**kept)
    except (TypeError, ValueError):
        return None
