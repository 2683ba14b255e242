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
        """Return the path of the file with a row's predictions or detections."""
        return self.root / "rows" / f"{key}.npz"

    def submission(self, key: str) -> Path:
        """Return the folder with a row's scores for an evaluation server."""
        return self.root / "submissions" / key.replace("/", "_").replace("\\", "_")

    @property
    def detector(self) -> Path:
        """File with the detector trained on boxes."""
        return self.root / "models" / "detector.npz"

    @property
    def results(self) -> Path:
        """JSON file with all numbers."""
        return self.root / "results.json"

    @property
    def report(self) -> Path:
        """HTML file with all tables and figures."""
        return self.root / "report.html"

    @property
    def gallery(self) -> Path:
        """HTML file with the points of the row "weak" in all evaluation images."""
        return self.root / "gallery.html"

    @property
    def figures(self) -> Path:
        """Folder with the figures, each saved as PNG and SVG."""
        return self.root / "figures"
