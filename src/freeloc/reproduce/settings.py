"""What `freeloc reproduce` is asked for, and where it puts things."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from pathlib import Path

from freeloc.features import CachedFeatures
from freeloc.runtime import Precision, Runtime
from freeloc.trunks import DEFAULT_TRUNK

__all__ = ["Places", "Settings", "described"]


@dataclass(frozen=True, slots=True)
class Settings:
    """How a study is run.

    Attributes:
        trunk: name of the trunk all rows share.
        weights: local weight file of it.
        epochs: passes over the photographs of every model; None leaves each its recipe's.
        seed: of everything random.
        runtime: who executes the trunk.
        precision: its arithmetic.
        cache: folder of feature caches; None is the user's.
        resamples: bootstrap resamples of every interval and every test.
        quiet: show no progress.
    """

    trunk: str = DEFAULT_TRUNK
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


def described(features: CachedFeatures) -> str:
    """What the features of some photographs were made from: their contents, and how."""
    digest = hashlib.sha256("\n".join(features.contents).encode())
    return f"{features.cache.folder.name} {digest.hexdigest()[:32]}"
