"""Context audit, which identifies classes recognized from the scene rather than from the object.

If the classification AP of a class is far above its location AP, the class is recognized from its surroundings.
The paper draws this conclusion from its Figure 5. Here, the gap is also tested with a paired bootstrap over
images, and only significant gaps count.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from freeloc.evaluation.options import EvaluationOptions
from freeloc.evaluation.to_json import interval_as_json, percent
from freeloc.metrics import Interval, paired_bootstrap
from freeloc.paper.measured_rows import MeasuredRow

__all__ = ["MIN_GAP", "MIN_POSITIVES", "ClassAudit", "audit_classes"]

MIN_GAP = 0.10
"""A class counts as recognized from the scene if its classification AP exceeds its location AP by more than this
value with 97.5% confidence, that is, if the lower end of the gap's 95% interval is above this value."""

MIN_POSITIVES = 10
"""Classes with fewer positive images are marked, because their results are unreliable, and never count as
recognized from the scene."""


@dataclass(frozen=True, slots=True)
class ClassAudit:
    """The audit of one class.

    Attributes:
        name: the class.
        positives: number of images that contain the class.
        classification: classification AP of the weakly supervised row, as a fraction.
        location: location AP of the weakly supervised row, as a fraction.
        center: location AP of points at the image center; NaN if it was not computed.
        masked: location AP of a model trained with masked pooling, which uses boxes; it is an upper bound on what
            a better search for objects could reach. NaN if it was not computed.
        gap: classification AP minus location AP, with its interval.
        from_scene: whether the class counts as recognized from the scene, according to the gap.
    """

    name: str
    positives: int
    classification: float
    location: float
    center: float
    masked: float
    gap: Interval
    from_scene: bool

    @property
    def few_positives(self) -> bool:
        """Whether the class has too few positive images for reliable results."""
        return self.positives < MIN_POSITIVES

    def to_dict(self) -> dict[str, Any]:
        """Convert the audit to plain JSON values; APs and the gap are in percent."""
        return {
            "class": self.name,
            "positives": self.positives,
            "few_positives": self.few_positives,
            "classification": percent(self.classification),
            "location": percent(self.location),
            "center": percent(self.center),
            "masked": percent(self.masked),
            "gap": interval_as_json(self.gap),
            "recognised_from_the_scene": self.from_scene,
        }


def audit_classes(
    rows: Mapping[str, MeasuredRow],
    classes: Sequence[str],
    positives: Sequence[int],
    options: EvaluationOptions,
) -> tuple[ClassAudit, ...]:
    """Audit each class, and sort the audits by gap, largest first.

    Args:
        rows: rows with their results, by key; "weak" is required, and "center" and "masked" are optional.
        classes: the K class names.
        positives: for each class, the number of images that contain it.
        options: evaluation options, of which only the number of resamples and the seed are used.
    """
    weak = rows["weak"]
    gaps = paired_bootstrap(
        weak.metrics["classification"],
        weak.metrics["location"],
        resamples=options.resamples,
        seed=options.seed,
    )

    def location_ap(key: str, index: int) -> float:
        row = rows.get(key)
        return math.nan if row is None else row.measures["location"].classes[index].estimate

    audits = [
        ClassAudit(
            name=name,
            positives=count,
            classification=weak.measures["classification"].classes[index].estimate,
            location=weak.measures["location"].classes[index].estimate,
            center=location_ap("center", index),
            masked=location_ap("masked", index),
            gap=gap,
            from_scene=count >= MIN_POSITIVES and gap.low > MIN_GAP,
        )
        for index, (name, count, gap) in enumerate(zip(classes, positives, gaps.classes, strict=True))
    ]
    return tuple(sorted(audits, key=_by_gap))


def _by_gap(audit: ClassAudit) -> tuple[float, str]:
    return (math.inf if math.isnan(audit.gap.estimate) else -audit.gap.estimate, audit.name)
