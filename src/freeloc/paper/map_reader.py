"""Score maps of several models from one set of cached features.

All rows share one backbone, so the features of the images are computed once, cached, and used by every head.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from freeloc.features.sources import CachedFeatures
from freeloc.geometry.size import Size
from freeloc.inference.cached_score_maps import score_maps_from_features
from freeloc.inference.score_map import ScoreMap
from freeloc.io.progress import track
from freeloc.models.model import Model
from freeloc.nn.backbones.base import Backbone
from freeloc.runtime import Precision

__all__ = ["MapReader", "RowReader", "features_key"]

RowReader = Callable[[int, Mapping[float, ScoreMap]], Any]
"""A function that computes a row's result for one image from the image's index and its score maps by scale."""


@dataclass(frozen=True, eq=False)
class MapReader:
    """Computes the score maps of trained models for N images.

    Attributes:
        backbone: the pretrained backbone, as it was before training.
        features: features of the N images, at all scales to be read.
        sizes: sizes of the N images.
        precision: arithmetic of the heads.
        quiet: whether to hide progress.
    """

    backbone: Backbone
    features: CachedFeatures
    sizes: Sequence[Size]
    precision: Precision = "auto"
    quiet: bool = False

    @property
    def key(self) -> str:
        """Text that identifies the images and how their features were computed."""
        return features_key(self.features)

    def subset(self, indices: Sequence[int]) -> MapReader:
        """Return a reader of a subset of the images."""
        features = self.features.subset(indices)
        return replace(self, features=features, sizes=[self.sizes[index] for index in indices])

    def maps(self, model: Model, scales: Collection[float]) -> Iterator[dict[float, ScoreMap]]:
        """Yield, for each image, its score maps by scale."""
        return score_maps_from_features(
            model, self.backbone, self.features, self.sizes, sorted(scales), precision=self.precision
        )

    def read(
        self, name: str, model: Model, scales: Collection[float], readers: Mapping[str, RowReader]
    ) -> dict[str, list[Any]]:
        """Compute the maps of a model once and pass them to the readers of all rows that use the model.

        Args:
            name: name of the model for progress messages.
            model: the trained model.
            scales: all scales that the readers use.
            readers: one reader per row.

        Returns:
            For each row, the results of its reader, one per image.
        """
        results: dict[str, list[Any]] = {key: [] for key in readers}
        maps = track(self.maps(model, scales), f"reading {name}", len(self.sizes), quiet=self.quiet)
        for index, maps_by_scale in enumerate(maps):
            for key, reader in readers.items():
                results[key].append(reader(index, maps_by_scale))
        return results


def features_key(features: CachedFeatures) -> str:
    """Return text that identifies a set of images and how their features were computed."""
    digest = hashlib.sha256("\n".join(features.content_hashes).encode())
    return f"{features.cache.folder.name} {digest.hexdigest()[:32]}"
