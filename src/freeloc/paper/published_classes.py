"""Values of single classes that the paper printed, shown beside ours; tests do not depend on them.

Our copy of the paper is its text, in which Tables 1 and 3 lost the name of the R-CNN row, the heads of some
columns and half of the cells. Each row keeps seven cells on one line and three on the next; docs/reproduce.md
gives the evidence for the columns to which they belong. Cells that are not in the text are left out, even where
they are known from elsewhere.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

__all__ = ["PAPER", "PUBLISHED_CLASSES", "PublishedClasses"]

PAPER = "Oquab, Bottou, Laptev, Sivic: Is object localization for free? CVPR 2015"

_COLUMNS = (
    *("bicycle", "bird", "boat", "bottle", "bus", "car", "cat"),
    *("sofa", "train", "tvmonitor"),
)
"""The columns of the seven cells, and of the three cells, that Tables 1 and 3 keep of each row."""


@dataclass(frozen=True, slots=True)
class PublishedClasses:
    """Values of one row of the paper, by class.

    Attributes:
        row: key of the corresponding row; "" if there is none.
        letter: letter of the row in the paper.
        title: name of the row in the paper.
        key: key of the corresponding measure in `freeloc.paper.measured_rows.MeasuredRow.measures`.
        data: the images on which the paper evaluated.
        source: where in the paper the values are printed.
        values: value of each printed class, in percent.
        same_split: whether ``data`` is the evaluation split of the study.
    """

    row: str
    letter: str
    title: str
    key: str
    data: str
    source: str
    values: Mapping[str, float]
    same_split: bool = True

    def visible_classes(self, classes: Sequence[str]) -> list[str]:
        """Return those of ``classes`` of which the value is known, in the given order."""
        return [name for name in classes if name in self.values]


def _table(*cells: float) -> dict[str, float]:
    return dict(zip(_COLUMNS, cells, strict=True))


def _location(row: str, letter: str, title: str, *cells: float) -> PublishedClasses:
    return PublishedClasses(row, letter, title, "location", "VOC 2012 val", "Table 3", _table(*cells))


def _classification(row: str, letter: str, title: str, *cells: float) -> PublishedClasses:
    values = _table(*cells)
    return PublishedClasses(
        row, letter, title, "classification", "VOC 2012 test", "Table 1", values, same_split=False
    )


_COCO: Mapping[str, float] = {
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


def _coco(*, same_split: bool) -> PublishedClasses:
    return PublishedClasses(
        "weak",
        "J",
        "weakly supervised",
        "classification",
        "COCO val 2014",
        "Figure 5",
        _COCO,
        same_split=same_split,
    )


PUBLISHED_CLASSES: Mapping[str, tuple[PublishedClasses, ...]] = {
    "voc2012": (
        _classification("", "B", "object-level", 82.9, 88.2, 84.1, 60.3, 89.0, 84.4, 90.7, 62.3, 91.1, 79.8),
        _classification(
            "full", "F", "full images", 77.4, 85.6, 83.1, 49.9, 86.7, 77.7, 87.2, 63.4, 91.4, 74.1
        ),
        _classification(
            "weak", "G", "weakly supervised", 88.8, 92.0, 87.4, 64.7, 91.1, 87.4, 94.4, 70.0, 94.5, 83.7
        ),
        _location(
            "masked", "I", "masked pooling", 76.9, 83.2, 68.3, 39.8, 88.1, 62.2, 90.2, 51.9, 86.8, 64.1
        ),
        _location(
            "weak", "J", "weakly supervised", 77.4, 81.4, 79.2, 41.1, 87.8, 66.4, 91.0, 50.8, 86.8, 66.5
        ),
        _location(
            "center", "K", "center prediction", 55.0, 61.1, 38.9, 14.5, 78.2, 30.7, 82.6, 28.5, 71.8, 22.4
        ),
        _location("detector", "L", "R-CNN", 80.8, 80.8, 73.0, 49.9, 86.8, 77.7, 87.6, 50.1, 81.5, 76.6),
    ),
    "voc2007": (),
    "coco2014": (_coco(same_split=True),),
    "coco2017": (_coco(same_split=False),),
}
"""Values by class, by study. COCO 2017 divides the images of COCO 2014 into different splits."""
