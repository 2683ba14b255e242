"""The super-categories of COCO, by which the paper arranges the classes of its Figure 5."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

__all__ = ["COCO_SUPER_CATEGORIES", "ClassGroup", "super_categories"]

COCO_SUPER_CATEGORIES: Mapping[str, tuple[str, ...]] = {
    "person": ("person",),
    "vehicle": ("bicycle", "car", "motorcycle", "airplane", "bus", "train", "truck", "boat"),
    "outdoor": ("traffic light", "fire hydrant", "stop sign", "parking meter", "bench"),
    "animal": (
        *("bird", "cat", "dog", "horse", "sheep"),
        *("cow", "elephant", "bear", "zebra", "giraffe"),
    ),
    "accessory": ("backpack", "umbrella", "handbag", "tie", "suitcase"),
    "sports": (
        *("frisbee", "skis", "snowboard", "sports ball", "kite"),
        *("baseball bat", "baseball glove", "skateboard", "surfboard", "tennis racket"),
    ),
    "kitchen": ("bottle", "wine glass", "cup", "fork", "knife", "spoon", "bowl"),
    "food": (
        *("banana", "apple", "sandwich", "orange", "broccoli"),
        *("carrot", "hot dog", "pizza", "donut", "cake"),
    ),
    "furniture": ("chair", "couch", "potted plant", "bed", "dining table", "toilet"),
    "electronic": ("tv", "laptop", "mouse", "remote", "keyboard", "cell phone"),
    "appliance": ("microwave", "oven", "toaster", "sink", "refrigerator"),
    "indoor": ("book", "clock", "vase", "scissors", "teddy bear", "hair drier", "toothbrush"),
}
"""COCO's twelve super-categories and their classes, in the order of COCO's category IDs. The paper calls "kitchen"
kitchenware and "electronic" electronics."""

_STUDIES = ("coco2014", "coco2017")
_OTHER = "other classes"


@dataclass(frozen=True, slots=True)
class ClassGroup:
    """Classes that belong together.

    Attributes:
        name: name of the group.
        classes: indices of the classes, in the order in which they are shown.
    """

    name: str
    classes: tuple[int, ...]


def super_categories(study: str, classes: Sequence[str]) -> tuple[ClassGroup, ...]:
    """Divide the classes of a study into COCO's super-categories, in the order of the paper's Figure 5.

    Args:
        study: name of the study.
        classes: the classes of the study; those that COCO does not have form the last group.

    Returns:
        The groups with at least one class; none if the study is not one of COCO, or has no class of COCO's.
    """
    if study not in _STUDIES:
        return ()
    index = {name: position for position, name in enumerate(classes)}
    groups = [
        ClassGroup(name, tuple(index[member] for member in members if member in index))
        for name, members in COCO_SUPER_CATEGORIES.items()
    ]
    found = {label for group in groups for label in group.classes}
    if not found:
        return ()
    others = tuple(label for label in range(len(classes)) if label not in found)
    return tuple(group for group in (*groups, ClassGroup(_OTHER, others)) if group.classes)
