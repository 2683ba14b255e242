"""Published numbers and their sources, shown in tables next to our results; tests do not depend on them.

Only numbers that we could verify in their source are included. Our copy of the paper lacks some cells of Tables 1
to 3, so the numbers that we could not check there are left out.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from freeloc.evaluation.measures import box_measure
from freeloc.paper.published_classes import PAPER
from freeloc.paper.row_plans import NEAREST_TO_PAPER

__all__ = ["PUBLISHED", "Published", "published_for"]


@dataclass(frozen=True, slots=True)
class Published:
    """One published number.

    Attributes:
        row: key of the corresponding row; "" if there is none.
        what: method and backbone, as shown in tables.
        measure: name of the measure.
        value: the number, in percent.
        source: where the number was published.
        key: key of the corresponding measure in `freeloc.paper.measured_rows.MeasuredRow.measures`; "" if there is
            none.
    """

    row: str
    what: str
    measure: str
    value: float
    source: str
    key: str = ""


_TORCHRAY = "TorchRay, docs/pointing.csv"


def _box_ap() -> tuple[Published, ...]:
    numbers = ((0.5, 11.74), (0.3, 27.47), (0.1, 43.54))
    return tuple(
        Published(
            NEAREST_TO_PAPER,
            "paper",
            f"box mAP at IoU {iou:g}, VOC 2012 val",
            value,
            f"{PAPER}, section 6",
            box_measure(iou),
        )
        for iou, value in numbers
    )


def _pointing(what: str, all_pairs: float, difficult: float, data: str) -> tuple[Published, ...]:
    return (
        Published("", what, f"pointing game, all, {data}", all_pairs, _TORCHRAY),
        Published("", what, f"pointing game, difficult, {data}", difficult, _TORCHRAY),
    )


_COCO = Published(
    "weak",
    "paper, OverFeat",
    "classification mAP, COCO val 2014",
    62.8,
    f"{PAPER}, Figure 5: mean of its 80 printed values",
    "classification",
)

PUBLISHED: Mapping[str, tuple[Published, ...]] = {
    "voc2012": _box_ap(),
    "voc2007": (
        *_pointing("center", 69.6, 42.4, "VOC 2007 test"),
        *_pointing("Grad-CAM, ResNet-50", 90.4, 82.3, "VOC 2007 test"),
        *_pointing("contrastive excitation backprop, ResNet-50", 90.7, 82.1, "VOC 2007 test"),
        *_pointing("RISE, ResNet-50", 86.4, 78.8, "VOC 2007 test"),
        *_pointing("extremal perturbation, ResNet-50", 88.9, 78.7, "VOC 2007 test"),
    ),
    "coco2014": (
        _COCO,
        *_pointing("center", 27.8, 19.5, "COCO val 2014"),
        *_pointing("Grad-CAM, ResNet-50", 57.3, 52.3, "COCO val 2014"),
        *_pointing("contrastive excitation backprop, ResNet-50", 58.5, 53.6, "COCO val 2014"),
        *_pointing("RISE, ResNet-50", 54.7, 50.0, "COCO val 2014"),
        *_pointing("extremal perturbation, ResNet-50", 56.5, 51.5, "COCO val 2014"),
    ),
    "coco2017": (_COCO,),
}
"""Published numbers by study. COCO 2017 divides the images of COCO 2014 into different splits."""


def published_for(study: str, row: str) -> dict[str, Published]:
    """Return the published numbers of one row, keyed by measure.

    Args:
        study: name of the study.
        row: key of the row.
    """
    return {one.key: one for one in PUBLISHED.get(study, ()) if one.row == row and one.key}
