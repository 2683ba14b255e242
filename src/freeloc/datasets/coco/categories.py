"""The category IDs of COCO's 80 classes, which are not consecutive."""

from __future__ import annotations

from typing import Final

__all__ = ["COCO_CATEGORY_IDS"]

_NAMES: Final = {
    1: (
        "person",
        "bicycle",
        "car",
        "motorcycle",
        "airplane",
        "bus",
        "train",
        "truck",
        "boat",
        "traffic light",
    ),
    11: ("fire hydrant",),
    13: ("stop sign", "parking meter", "bench", "bird", "cat", "dog", "horse", "sheep", "cow", "elephant"),
    23: ("bear", "zebra", "giraffe"),
    27: ("backpack", "umbrella"),
    31: ("handbag", "tie", "suitcase", "frisbee", "skis", "snowboard", "sports ball", "kite", "baseball bat"),
    40: ("baseball glove", "skateboard", "surfboard", "tennis racket", "bottle"),
    46: ("wine glass", "cup", "fork", "knife", "spoon", "bowl", "banana", "apple", "sandwich", "orange"),
    56: ("broccoli", "carrot", "hot dog", "pizza", "donut", "cake", "chair", "couch", "potted plant", "bed"),
    67: ("dining table",),
    70: ("toilet",),
    72: ("tv", "laptop", "mouse", "remote", "keyboard", "cell phone", "microwave", "oven", "toaster", "sink"),
    82: ("refrigerator",),
    84: ("book", "clock", "vase", "scissors", "teddy bear", "hair drier", "toothbrush"),
}
"""The names of consecutive IDs, by the first of them."""

COCO_CATEGORY_IDS: Final = {
    name: first + offset for first, names in _NAMES.items() for offset, name in enumerate(names)
}
"""COCO's category ID of each class."""
