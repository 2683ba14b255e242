"""Options of `freeloc.datasets.open_dataset`."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path

from freeloc._literals import MinusOne
from freeloc._validation import check_fields
from freeloc.datasets.tag_rules import TagRules

__all__ = ["DatasetChecks", "OpenOptions"]


@dataclass(frozen=True, slots=True)
class DatasetChecks:
    """Checks performed while a dataset is opened, and how labels are read that have two readings.

    Attributes:
        decode: whether to decode every image once, so that damaged images are reported together with all other
            problems. This takes 1 to 2 ms for a JPEG file of 500 × 375 pixels, which is decoded at an eighth of
            its size, and about 5 ms for a PNG file. If False, the only check is that the image files exist.
        for_training: whether to report each class that is present in no image or in every image. Nothing can be
            learned about such a class.
        quiet: whether to hide progress while images are decoded.
        rescale_boxes: whether to rescale the boxes of images that were resized uniformly after annotation. If
            False, every image whose size is not the one that its annotation declares is a problem. It has no
            effect unless boxes are read.
        for_check: whether to prepare for `freeloc.datasets.checks.check.check`, which calls this function: to
            compute `Sample.perceptual_hash` while images are decoded, which adds a few hundredths of the time,
            and to leave the warnings about class names to that function.
        minus_one: what −1 means in a tag list with one column per class: "absent", with 0 for unknown, as in VOC's
            class files; or "unknown", with 0 for absent. An empty cell means unknown. If None, the first
            reading is taken for a list that contains −1, unless a column contains −1, 0 and empty cells,
            which is a problem.
        ancestors: whether the levels above a keyword, or above a choice in a taxonomy of Label Studio, are tags as
            well: "Animals" for the keyword ``Animals/Dog``. If False, only the last level is a tag.
        unannotated: whether to accept images without annotations, such as the test set of Pascal VOC, in order to
            predict them. If fewer than half of the images in a list of a VOC devkit have an annotation, none is
            read: all labels are 0, and boxes are unknown. If False, each missing annotation is a problem.

    Raises:
        ConfigurationError: a field has the wrong type, or ``minus_one`` is something else.
    """

    decode: bool = True
    for_training: bool = False
    quiet: bool = False
    rescale_boxes: bool = False
    for_check: bool = False
    minus_one: MinusOne | None = None
    ancestors: bool = False
    unannotated: bool = False

    def __post_init__(self) -> None:
        check_fields(self)


@dataclass(frozen=True, slots=True)
class OpenOptions:
    """The validated arguments of `freeloc.datasets.open_dataset`, as passed to each format.

    Attributes:
        split: name of the split to read; None for the only split, or for the whole of a tag list.
        classes: class names in the requested order; None for the dataset's own classes.
        boxes: whether to read boxes.
        images: folder of the images; None for the format's usual folder.
        skip_bad: whether to leave out images that have a problem.
        checks: what to check.
        tags: how tags become classes. `freeloc.datasets.builder.DatasetBuilder` applies these rules, so a format
            reads tags as they are written. ``classes`` then contains names of classes, not of tags: a format
            that must know before it reads a tag whether it is needed calls `wanted_tags`.
    """

    split: str | None = None
    classes: tuple[str, ...] | None = None
    boxes: bool = False
    images: Path | None = None
    skip_bad: bool = False
    checks: DatasetChecks = field(default_factory=DatasetChecks)
    tags: TagRules = field(default_factory=TagRules)

    def wanted_tags(self, tags: Iterable[str]) -> tuple[str, ...] | None:
        """Return those tags that belong to one of the chosen classes, and the names of these; None if all do."""
        return None if self.classes is None else self.tags.chosen(tags, self.classes)
