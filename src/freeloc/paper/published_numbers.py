"""Published numbers and their sources, shown in tables next to our results; tests do not depend on them.

Only numbers that we could verify in their source are included. Our copy of the paper lacks some cells of Tables 1
to 3, so the numbers that we could not check there are left out.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from freeloc.evaluation.measures import box_measure

__all__ = ["COCO_CLASSES", "PUBLISHED", "Published", "published_for"]


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


_PAPER = "Oquab, Bottou, Laptev, Sivic: Is object localization for free? CVPR 2015"
_TORCHRAY = "TorchRay, docs/pointing.csv"

COCO_CLASSES: Mapping[str, float] = {
    "person": 97.5,
    "bicycle": 55.9,
    "car": 74.6,
    "motorcycle": 80.9,
    "airplane": 88.9,
    "bus": 73.9,
    "train": 86.2,
    "truck": 58.8,
    "boat": 73.1,
    "traffic light": 70.0,
    "fire hydrant": 61.9,
    "stop sign": 65.1,
    "parking meter": 47.9,
    "bench": 43.2,
    "bird": 63.3,
    "cat": 86.0,
    "dog": 73.4,
    "horse": 77.8,
    "sheep": 80.3,
    "cow": 67.2,
    "elephant": 93.6,
    "bear": 83.7,
    "zebra": 98.6,
    "giraffe": 97.5,
    "backpack": 30.7,
    "umbrella": 60.7,
    "handbag": 37.7,
    "tie": 66.6,
    "suitcase": 37.0,
    "frisbee": 47.9,
    "skis": 86.3,
    "snowboard": 47.7,
    "sports ball": 66.8,
    "kite": 81.2,
    "baseball bat": 78.4,
    "baseball glove": 86.2,
    "skateboard": 63.1,
    "surfboard": 78.5,
    "tennis racket": 91.3,
    "bottle": 55.5,
    "wine glass": 52.8,
    "cup": 58.1,
    "fork": 46.2,
    "knife": 40.6,
    "spoon": 42.1,
    "bowl": 58.8,
    "banana": 65.1,
    "apple": 48.8,
    "sandwich": 58.1,
    "orange": 63.4,
    "broccoli": 85.5,
    "carrot": 54.1,
    "hot dog": 51.2,
    "pizza": 85.3,
    "donut": 51.7,
    "cake": 54.0,
    "chair": 57.7,
    "couch": 56.9,
    "potted plant": 44.6,
    "bed": 60.4,
    "dining table": 66.8,
    "toilet": 87.0,
    "tv": 71.6,
    "laptop": 69.2,
    "mouse": 69.5,
    "remote": 41.7,
    "keyboard": 71.5,
    "cell phone": 38.7,
    "microwave": 51.7,
    "oven": 67.9,
    "toaster": 6.5,
    "sink": 77.2,
    "refrigerator": 54.2,
    "book": 49.9,
    "clock": 71.9,
    "vase": 58.3,
    "scissors": 19.0,
    "teddy bear": 70.8,
    "hair drier": 1.8,
    "toothbrush": 28.6,
}
"""Classification AP of the weakly supervised network on MS COCO val 2014, per class (paper, Figure 5)."""


def _box_ap() -> tuple[Published, ...]:
    numbers = ((0.5, 11.74), (0.3, 27.47), (0.1, 43.54))
    return tuple(
        Published(
            "proposals",
            "paper",
            f"box mAP at IoU {iou:g}, VOC 2012 val",
            value,
            f"{_PAPER}, section 6",
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
    f"{_PAPER}, Figure 5: mean of its 80 printed values",
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
    return {one.key: one for one in PUBLISHED[study] if one.row == row and one.key}
