"""Check that annotated boxes can be pixel coordinates of their images."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

from freeloc.datasets.box_conventions import WrittenBox, find_other_convention
from freeloc.datasets.problems import ProblemKind
from freeloc.datasets.sample_draft import BoxDraft, SampleDraft
from freeloc.geometry.box import Corners
from freeloc.geometry.orientation import turned_size
from freeloc.geometry.size import Size

__all__ = ["BoxProblem", "check_boxes"]


class BoxProblem(NamedTuple):
    """A problem with a box, or with all boxes of a file.

    Attributes:
        kind: the kind of problem.
        sample: the image; None if the problem concerns boxes of several images.
        file: the file to fix.
        line: line number in ``file``.
        message: a one-sentence description.
    """

    kind: ProblemKind
    sample: SampleDraft | None
    file: Path
    line: int | None
    message: str


def check_boxes(boxes: Iterable[BoxDraft], classes: Sequence[str]) -> Iterator[BoxProblem]:
    """Yield every file whose boxes are mostly in another convention, and every box entirely outside its image.

    A box may lie outside its image because only the image was resized, for example.

    Args:
        boxes: the boxes as read. Boxes of samples without a conversion or size may lie anywhere.
        classes: the classes of the dataset.
    """
    files: dict[Path, list[BoxDraft]] = defaultdict(list)
    for item in boxes:
        files[item.file].append(item)
    for file, items in files.items():
        if message := find_other_convention(map(_as_written, items)):
            first = items[0]
            is_one_image = all(item.sample is first.sample for item in items)
            yield BoxProblem("bad_value", first.sample if is_one_image else None, file, first.line, message)
            continue
        for item in items:
            conversion, size = item.sample.conversion, item.sample.size
            if conversion is not None and size is not None:
                corners = conversion.apply(item.box.corners)
                if message := _outside(corners, size, classes[item.box.label]):
                    yield BoxProblem("bad_value", item.sample, file, item.line, message)


def _as_written(item: BoxDraft) -> WrittenBox:
    size, frame = item.sample.declared_size, item.sample.frame
    if size is None and frame is not None:
        size = frame.upright
    return WrittenBox(item.box.corners, size, item.has_sides)


def _outside(corners: Corners, size: Size, name: str) -> str:
    """Return a message if a box lies entirely outside its upright image, or an empty string."""
    if not _is_outside(corners, size):
        return ""
    edges = ", ".join(f"{edge:g}" for edge in corners)
    turned = (
        "" if _is_outside(corners, turned_size(size)) else ", but would be inside if the image were turned"
    )
    return f"the box of {name!r} at {edges} is outside its image of {size.width}×{size.height} pixels{turned}"


def _is_outside(corners: Corners, size: Size) -> bool:
    """Return whether no part of a box lies on an image; one without width or height may lie on its border."""
    x1, y1, x2, y2 = corners
    return _misses(x1, x2, size.width) or _misses(y1, y2, size.height)


def _misses(start: float, end: float, length: float) -> bool:
    if start == end:
        return start > length or end < 0
    return start >= length or end <= 0
