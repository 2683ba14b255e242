"""What `freeloc reproduce` is asked for, and where it puts things."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from pathlib import Path

from freeloc.features.sources import CachedFeatures
from freeloc.nn.backbones.registry import DEFAULT_BACKBONE
from freeloc.runtime import Precision, Runtime

__all__ = ["Places", "Settings", "describe_features"]


@dataclass(frozen=True, slots=True)
class Settings:
    """How a study is run.

    Attributes:
        backbone: name of the backbone all rows share.
        weights: local weight file of it.
        epochs: passes over the images of every model; None leaves each its recipe's.
        seed: of everything random.
        runtime: who executes the backbone.
        precision: its arithmetic.
        cache: folder of feature caches; None is the user's.
        resamples: bootstrap resamples of every interval and every test.
        quiet: show no progress.
    """

    backbone: str = DEFAULT_BACKBONE
    weights: str | None = None
    epochs: int | None = None
    seed: int = 0
    runtime: Runtime = "auto"
    precision: Precision = "auto"
    cache: Path | None = None
    resamples: int = 1000
    quiet: bool = False


@dataclass(frozen=True, slots=True)
class Places:
    """The folder of one study.

    Attributes:
        out: the folder.
    """

    out: Path

    def model(self, key: str) -> Path:
        """Run folder of one model."""
        return self.out / "models" / key

    def row(self, key: str) -> Path:
        """What a row was measured on."""
        return self.out / "rows" / f"{key}.npz"

    @property
    def detector(self) -> Path:
        """The detector that was trained on boxes."""
        return self.out / "models" / "detector.npz"

    @property
    def results(self) -> Path:
        """All numbers, for machines."""
        return self.out / "results.json"

    @property
    def page(self) -> Path:
        """All tables and figures, for people."""
        return self.out / "report.html"

    @property
    def figures(self) -> Path:
        """Folder of the figures, each as PNG and SVG."""
        return self.out / "figures"


def describe_features(features: CachedFeatures) -> str:
    """What the features of some images were made from: their contents, and how."""
    digest = hashlib.sha256("\n".join(features.content_hashes).encode())
    return f"{features.cache.folder.name} {digest.hexdigest()[:32]}"
