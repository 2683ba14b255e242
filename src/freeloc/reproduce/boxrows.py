"""Rows of boxes: how each finds them, and what is kept of them.

Three rows answer with boxes. One was trained on boxes (row L of the paper's tables), one aggregates scores inside
boxes that selective search proposes (section 6, last part), and one draws its own around what score maps show.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from zipfile import BadZipFile

import numpy as np

from freeloc.atomic import replacing
from freeloc.baselines import Detector, DetectorOptions, RegionFeatures, RegionOptions, train_detector
from freeloc.datasets.sample import Dataset
from freeloc.extents import ExtentOptions, Extents, find_extents, rank_proposals
from freeloc.featuremaps import maps_of
from freeloc.features import CachedFeatures
from freeloc.geometry import Float32Array, Size
from freeloc.localization import Localization, localize
from freeloc.metrics import Detections
from freeloc.model import Model
from freeloc.photographs import photograph_size
from freeloc.progress import track
from freeloc.proposals import ProposalStore, propose
from freeloc.reproduce.rows import RowPlan
from freeloc.reproduce.settings import Places, Settings, described
from freeloc.trunks.base import Trunk

__all__ = ["BoxRows", "load_detections", "save_detections"]


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

    def found(self, row: RowPlan, model: Model | None) -> Detections:
        """The boxes of a row, those that are kept from before as they are.

        Args:
            row: one that answers with boxes.
            model: whose maps it reads, as read from its file; None for the detector.
        """
        content = self._told() if model is None else f"{model.content} {row.scales} {ExtentOptions()}"
        made_from = f"{row.extent} {content} {described(self.features)} {self._store().options.name}"
        if (kept := load_detections(self.places.row(row.key), made_from)) is not None:
            return kept
        if model is None:
            made = self._by_detector()
        elif row.extent == "proposals":
            made = self._by_proposals(row, model)
        else:
            made = self._by_maps(row, model)
        save_detections(self.places.row(row.key), made, made_from)
        return made

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

    def _by_detector(self) -> Detections:
        """Row L: linear machines over regions of the same features, trained on boxes."""
        options, quiet = RegionOptions(), self.settings.quiet
        regions = partial(RegionFeatures, self.trunk, options=options, precision=self.settings.precision)
        features = self.train_features(options.scales)
        made_from = f"{self._told()} {described(features)} {self._store().options.name}"
        place = self.places.detector
        detector = Detector.load(place, made_from)
        if detector is None:
            sizes = [photograph_size(sample.path) for sample in self.train_set]
            proposals = self._proposals(self.train_set, features)
            detector = train_detector(self.train_set, regions(features, sizes), proposals, quiet=quiet)
            detector.save(place, made_from)
        proposals = self._proposals(self.val_set, self.features)
        return detector.detect(regions(self.features, self.sizes), proposals, quiet=quiet)

    def _by_proposals(self, row: RowPlan, model: Model) -> Detections:
        """Section 6: scores aggregated inside boxes that know no class."""
        proposals = self._proposals(self.val_set, self.features)
        looked = self._localized(row, model)
        pairs = zip(looked, proposals, strict=True)
        return _together(
            [
                rank_proposals(seen.soft_maps(), seen.probabilities, seen.lattice, boxes)
                for seen, boxes in pairs
            ]
        )

    def _by_maps(self, row: RowPlan, model: Model) -> Detections:
        """Boxes around what maps show, at the level that the tags of the training photographs told."""
        looked = self._localized(row, model)
        return _together(
            [find_extents(seen.soft_maps(), seen.probabilities, seen.lattice, model.level) for seen in looked]
        )

    def _localized(self, row: RowPlan, model: Model) -> Iterator[Localization]:
        looked = maps_of(
            *(model, self.trunk, self.features, self.sizes, row.scales), precision=self.settings.precision
        )
        quiet = self.settings.quiet
        for maps in track(looked, f"drawing boxes: {row.key}", len(self.sizes), quiet=quiet):
            yield localize([maps[scale] for scale in row.scales], model.classes, pooling=model.pooling)


def _together(found: Sequence[Extents]) -> Detections:
    """The boxes of one photograph after the other."""
    return Detections.build(
        np.repeat(np.arange(len(found)), [len(one.labels) for one in found]),
        np.concatenate([one.labels for one in found]),
        np.concatenate([one.scores for one in found]),
        np.concatenate([one.boxes for one in found]),
    )


def save_detections(path: Path, found: Detections, made_from: str) -> None:
    """Keep the boxes that a row was measured on.

    Args:
        path: an ``.npz`` file.
        found: the boxes.
        made_from: tells model, photographs and options; `load_detections` asks for the same.
    """
    with replacing(path) as temporary, temporary.open("wb") as file:
        np.savez(
            file,
            made_from=np.array(made_from),
            photo=found.photo,
            label=found.label,
            score=found.score,
            boxes=found.boxes,
        )


def load_detections(path: Path, made_from: str) -> Detections | None:
    """What `save_detections` kept; None where there is nothing, or it was made from something else."""
    try:
        with np.load(path, allow_pickle=False) as kept:
            if str(kept["made_from"]) != made_from:
                return None
            return Detections.build(kept["photo"], kept["label"], kept["score"], kept["boxes"])
    except (OSError, ValueError, KeyError, EOFError, BadZipFile):
        return None
