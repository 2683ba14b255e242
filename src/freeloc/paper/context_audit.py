"""Context or object: which classes are recognised from the scene rather than from the thing itself.

A class that is told far better than it is found is told by what surrounds it. The paper reads this off its
Figure 5; here the gap is tested on the same images, so that a class is named only where it is no accident.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from freeloc.evaluation.options import EvaluationOptions
from freeloc.evaluation.to_json import interval_as_json, percent
from freeloc.metrics import Interval, paired_bootstrap
from freeloc.paper.measure import MeasuredRow

__all__ = ["FEW", "GAP", "ClassAudit", "audit_classes"]

GAP = 0.10
"""A class is named where its classification AP exceeds its location AP by more than this with 97.5% confidence:
the lower end of the gap's 95% interval lies above."""

FEW = 10
"""Classes with fewer positive images are marked: their numbers mean little, and they are never named."""


@dataclass(frozen=True, slots=True)
class ClassAudit:
    """What is known of one class.

    Attributes:
        name: the class.
        positives: images that show it.
        classification: AP of the weakly supervised row, a share of 1.
        location: likewise.
        centre: location AP of pointing at the middle; NaN where it was not measured.
        masked: location AP where boxes told the cells in training, the bound of better search; likewise.
        gap: classification minus location, with its interval.
        from_scene: whether the gap says that the class is recognised from its surroundings.
    """

    name: str
    positives: int
    classification: float
    location: float
    centre: float
    masked: float
    gap: Interval
    from_scene: bool

    @property
    def few(self) -> bool:
        """Whether there are too few positives for its numbers to mean much."""
        return self.positives < FEW

    def as_json(self) -> dict[str, Any]:
        """Plain JSON values, in percent."""
        return {
            "class": self.name,
            "positives": self.positives,
            "few_positives": self.few,
            "classification": percent(self.classification),
            "location": percent(self.location),
            "centre": percent(self.centre),
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
    """Audit every class, the largest gap first.

    Args:
        rows: measured rows by key; "weak" must be among them, "centre" and "masked" may be.
        classes: the K classes.
        positives: images of each.
        options: resamples and seed.
    """
    weak = rows["weak"]
    gaps = paired_bootstrap(
        weak.metrics["classification"],
        weak.metrics["location"],
        resamples=options.resamples,
        seed=options.seed,
    )

    def located(key: str, index: int) -> float:
        row = rows.get(key)
        return math.nan if row is None else row.measures["location"].classes[index].estimate

    audited = []
    for index, (name, count, gap) in enumerate(zip(classes, positives, gaps.classes, strict=True)):
        audited.append(
            ClassAudit(
                name=name,
                positives=count,
                classification=weak.measures["classification"].classes[index].estimate,
                location=weak.measures["location"].classes[index].estimate,
                centre=located("centre", index),
                masked=located("masked", index),
                gap=gap,
                from_scene=count >= FEW and gap.low > GAP,
            )
        )
    return tuple(sorted(audited, key=_by_gap))


def _by_gap(audit: ClassAudit) -> tuple[float, str]:
    return (math.inf if math.isnan(audit.gap.estimate) else -audit.gap.estimate, audit.name)
