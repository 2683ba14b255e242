"""The output folder of a study."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

__all__ = ["StudyFolder"]


@dataclass(frozen=True, slots=True)
class StudyFolder:
    """Paths of the files of one study.

    Attributes:
        root: the folder that contains all files.
    """

    root: Path

    def model(self, key: str) -> Path:
        """Return the run folder of a model."""
        return self.root / "models" / key

    def row(self, key: str) -> Path:
        """Return the file of a row's predictions or detections."""
        return self.root / "rows" / f"{key}.npz"

    @property
    def detector(self) -> Path:
        """File of the detector trained on boxes."""
        return self.root / "models" / "detector.npz"

    @property
    def results(self) -> Path:
        """File of all numbers as JSON."""
        return self.root / "results.json"

    @property
    def report(self) -> Path:
        """File of all tables and figures as HTML."""
        return self.root / "report.html"

    @property
    def figures(self) -> Path:
        """Folder of the figures, each as PNG and SVG."""
        return self.root / "figures"
