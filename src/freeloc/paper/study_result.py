"""The result of a study."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from freeloc.evaluation.collect import Predictions
from freeloc.metrics import Detections
from freeloc.paper.context_audit import ClassAudit
from freeloc.paper.measured_rows import MeasuredRow
from freeloc.paper.paper_comparison import PaperComparison
from freeloc.paper.studies import Study
from freeloc.paper.training_evolution import Evolution

__all__ = ["StudyResult"]


@dataclass(frozen=True, eq=False)
class StudyResult:
    """All results of a study.

    Attributes:
        study: the protocol.
        train: name of the training dataset.
        val: name of the evaluation dataset.
        classes: the K class names.
        positives: for each class, the number of evaluation images that contain it.
        images: number of evaluation images.
        rows: measured rows, in the order of the tables.
        audit: context audit of each class, largest gap between classification and location AP first; empty if
            the row "weak" was not evaluated or did not converge.
        predictions: predictions of each point row.
        detections: detections of each box row.
        evolution: for a few training images, the score maps of the row "weak" at several training iterations;
            empty if that row was not evaluated.
        train_images: number of training images.
        paper: rows beside those that the paper printed, class by class.
        backbone_fingerprint: hash of the backbone's name and weights; "" if it is not known.
    """

    study: Study
    train: str
    val: str
    classes: tuple[str, ...]
    positives: tuple[int, ...]
    images: int
    rows: tuple[MeasuredRow, ...]
    audit: tuple[ClassAudit, ...]
    predictions: Mapping[str, Predictions]
    detections: Mapping[str, Detections]
    evolution: Evolution = field(default_factory=Evolution)
    train_images: int = 0
    paper: tuple[PaperComparison, ...] = ()
    backbone_fingerprint: str = ""

    @property
    def is_measured(self) -> bool:
        """Whether the evaluation images have annotations, so that rows have measures."""
        return any(row.measures for row in self.rows)

    @property
    def is_complete(self) -> bool:
        """Whether the images and classes are all those of the study, so that numbers compare with published ones.

        Images are counted, not identified.
        """
        return (self.train_images, self.images, len(self.classes)) == self.study.size
