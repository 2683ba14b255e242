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

from freeloc.baselines import Detector, DetectorOptions, RegionFeatures, RegionOptions, train_detector
from freeloc.datasets.sample import Dataset
from freeloc.extents import ExtentOptions, Extents, find_extents, rank_proposals
from freeloc.features import CachedFeatures
from freeloc.geometry import Float32Array, Size
from freeloc.keptarrays import keep_arrays, kept_arrays
from freeloc.localization import ScaleMap, localize
from freeloc.metrics import Detections
from freeloc.model import Model
from freeloc.photographs import photograph_size
from freeloc.proposals import ProposalStore, propose
from freeloc.reproduce.reading import Reader
from freeloc.reproduce.rows import RowPlan
from freeloc.reproduce.settings import Places, Settings, described
from freeloc.trunks.base import Trunk

__all__ = ["BoxRows", "load_detections", "save_detections", "together"]

_SEARCHED = 1000
"""Training photographs whose proposals the detector learns from as negatives; objects are taken from all of them.
Negatives are never short, and proposals take longer than all the rest of it."""


@dataclass(frozen=True, eq=False)
class BoxRows:
    """Finds the boxes of rows.

    Attributes:
        train_set: photographs to train on; the detector alone is told their boxes.
        val_set: photographs to find boxes in.
        trunk: the one that all rows share.
        features: of the photographs of ``val_set``, at all scales of the rows.
        sizes: their sizes.
        train_features: gives those of ``train_set`` at some scales.
        places: the folder of the study.
        settings: how it is run.
    """

    train_set: Dataset
    val_set: Dataset
    trunk: Trunk
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
        """Finds the boxes of a row that reads a model's maps, photograph by photograph."""
        proposals = self._proposals(self.val_set, self.features) if row.extent == "proposals" else None

        def read(index: int, maps: Mapping[float, ScaleMap]) -> Extents:
            seen = localize([maps[scale] for scale in row.scales], model.classes, pooling=model.pooling)
            arguments = (seen.soft_maps(), seen.probabilities, seen.lattice)
            if proposals is None:
                # At the level that the tags of the training photographs told.
                return find_extents(*arguments, model.level)
            return rank_proposals(*arguments, proposals[index])

        return read

    def _made_from(self, row: RowPlan, content: str) -> str:
        how = f"{content} {row.scales} {ExtentOptions()}" if content else self._told()
        return f"{row.extent} {how} {described(self.features)} {self._store().options.name}"

    def _told(self) -> str:
        """What the detector is told: photographs, tags and boxes, and how it is trained on them."""
        boxes = [sample.boxes for sample in self.train_set]
        digest = hashlib.sha256(f"{self.train_set.fingerprint} {boxes}".encode())
        return f"{digest.hexdigest()[:32]} {RegionOptions()} {DetectorOptions()}"

    def _store(self) -> ProposalStore:
        cache = self.settings.cache
        return ProposalStore.open(None if cache is None else cache / "proposals")

    def _proposals(self, dataset: Dataset, features: CachedFeatures) -> list[Float32Array]:
        paths = [sample.path for sample in dataset]
        return propose(paths, features.contents, self._store(), quiet=self.settings.quiet)

    def detect(self) -> Detections:
        """Row L: linear machines over regions of the same features, trained on boxes."""
        options, quiet = RegionOptions(), self.settings.quiet
        regions = partial(RegionFeatures, self.trunk, options=options, precision=self.settings.precision)
        features = self.train_features(options.scales)
        made_from = f"{self._told()} {described(features)} {self._store().options.name}"
        detector = Detector.load(self.places.detector, made_from)
        if detector is None:
            sizes = [photograph_size(sample.path) for sample in self.train_set]
            proposals = self._negatives(features)
            detector = train_detector(self.train_set, regions(features, sizes), proposals, quiet=quiet)
            detector.save(self.places.detector, made_from)
        proposals = self._proposals(self.val_set, self.features)
        return detector.detect(regions(self.features, self.sizes), proposals, quiet=quiet)

    def _negatives(self, features: CachedFeatures) -> list[Float32Array]:
        """Proposals of some training photographs; none of the others, which give their objects alone."""
        count = len(self.train_set)
        chosen = self.train_set.spread(_SEARCHED)
        paths = [self.train_set.samples[index].path for index in chosen]
        contents = [features.contents[index] for index in chosen]
        made = dict(
            zip(chosen, propose(paths, contents, self._store(), quiet=self.settings.quiet), strict=True)
        )
        nothing = np.zeros((0, 4), np.float32)
        return [made.get(index, nothing) for index in range(count)]


def together(found: Sequence[Extents]) -> Detections:
    """The boxes of one photograph after the other."""
    return Detections.build(
        np.repeat(np.arange(len(found)), [len(one.labels) for one in found]),
        np.concatenate([one.labels for one in found]),
        np.concatenate([one.scores for one in found]),
        np.concatenate([one.corners for one in found]),
    )


def save_detections(path: Path, found: Detections, made_from: str) -> None:
    """Keep the boxes that a row was measured on.

    Args:
        path: an ``.npz`` file.
        found: the boxes.
        made_from: tells model, photographs and options; `load_detections` asks for the same.
    """
    keep_arrays(path, made_from, photo=found.photo, label=found.label, score=found.score, boxes=found.boxes)


def load_detections(path: Path, made_from: str) -> Detections | None:
    """What `save_detections` kept; None where there is nothing, or it was made from something else."""
    kept = kept_arrays(path, made_from)
    try:
        return None if kept is None else Detections.build(**kept)
    except (TypeError, ValueError):
        return None
