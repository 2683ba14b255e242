"""What a Label Studio export says about its images, whichever of its files says it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from freeloc.datasets.annotated_images import ImageObject
from freeloc.datasets.json_values import parse_numbers, parse_side
from freeloc.datasets.tags.cells import check_tags
from freeloc.datasets.tags.rows import RowProblem
from freeloc.geometry.box import Corners, are_in_range
from freeloc.geometry.size import Size

__all__ = ["Annotation", "Task", "read_region", "read_taxonomy", "tags_of"]

_PERCENT: Final = 100
_ROTATIONS: Final = ("rotation", "image_rotation")


@dataclass(slots=True)
class Annotation:
    """The work of one annotator on one image.

    Attributes:
        annotator: the annotator, in any form.
        updated: when the annotation was saved last; such texts sort by time.
        ground_truth: whether it was marked as the ground truth.
        tags: the choices.
        above: the levels above choices in a taxonomy, unless these are choices as well.
        objects: the labeled regions.
        size: the size of the image that the regions declare, or None.
        problems: problems with the annotation.
    """

    annotator: str = ""
    updated: str = ""
    ground_truth: bool = False
    tags: list[str] = field(default_factory=list)
    above: list[str] = field(default_factory=list)
    objects: list[ImageObject] = field(default_factory=list)
    size: Size | None = None
    problems: list[RowProblem] = field(default_factory=list)

    @property
    def names(self) -> set[str]:
        """The classes that are present according to this annotation."""
        return {*self.tags, *(item.name for item in self.objects)}


@dataclass(slots=True)
class Task:
    """One image with all its annotations.

    Attributes:
        line: line number of the task.
        addresses: the addresses of images in the data of the task, by field.
        annotations: the annotations that were not canceled, in the order of the file.
        problems: problems with the task.
    """

    line: int
    addresses: dict[str, str]
    annotations: list[Annotation] = field(default_factory=list)
    problems: list[RowProblem] = field(default_factory=list)

    def deciding(self) -> list[Annotation]:
        """Return the annotations that decide about the labels, the latest one last.

        These are those marked as the ground truth, and otherwise the latest of each annotator.
        """
        ordered = sorted(self.annotations, key=lambda annotation: annotation.updated)
        truths = [annotation for annotation in ordered if annotation.ground_truth]
        if truths:
            return truths[-1:]
        latest = {annotation.annotator: annotation for annotation in ordered}
        return [annotation for annotation in ordered if latest[annotation.annotator] is annotation]

    def labels(self) -> tuple[tuple[str, ...], tuple[str, ...]]:
        """Return the classes that most annotators consider present, and those on which they are evenly divided."""
        deciding = self.deciding()
        votes = Counter(name for annotation in deciding for name in annotation.names)
        present = tuple(sorted(name for name, count in votes.items() if 2 * count > len(deciding)))
        divided = tuple(sorted(name for name, count in votes.items() if 2 * count == len(deciding)))
        return present, divided


def tags_of(value: object, name: str, problems: list[RowProblem]) -> tuple[str, ...]:
    """Return the tags in a list of choices, or in a single one, and add any problem to a list."""
    return check_tags([value] if isinstance(value, str) else value, name, problems)


def read_taxonomy(value: object, annotation: Annotation, *, ancestors: bool) -> None:
    """Add the choices in a taxonomy to an annotation: the last level of each or, on request, all levels.

    Args:
        value: a list with the levels of each choice.
        annotation: the annotation to which the choices and problems are added.
        ancestors: whether every level is a tag.
    """
    if not isinstance(value, list):
        annotation.problems.append(RowProblem("bad_value", f"taxonomy is {value!r}, not a list of choices"))
        return
    for path in value:
        levels = tags_of(path, "taxonomy", annotation.problems)
        annotation.tags += levels if ancestors else levels[-1:]
        annotation.above += () if ancestors else levels[:-1]


def read_region(
    names: Iterable[str],
    value: Mapping[str, Any],
    sides: Mapping[str, Any],
    annotation: Annotation,
    *,
    boxes: bool,
) -> None:
    """Add a labeled region to an annotation.

    Args:
        names: the labels of the region.
        value: the region, with positions in percent of the image's width and height.
        sides: contains ``original_width``, ``original_height`` and ``image_rotation``.
        annotation: the annotation to which objects, the image's size and problems are added.
        boxes: whether to read the position.
    """
    names = tuple(names)
    if not boxes or not names:
        annotation.objects += map(ImageObject, names)
        return
    corners: Corners | None = None
    points = value.get("points")
    is_polygon = isinstance(points, list)
    if is_polygon or {"x", "y", "width", "height"} <= value.keys() or "radiusX" in value:
        found = _corners_of(names[0], value, sides)
        if isinstance(found, RowProblem):
            annotation.problems.append(found)
        else:
            annotation.size, corners = found
    annotation.objects += (ImageObject(name, corners=corners) for name in names)


def _corners_of(
    name: str, value: Mapping[str, Any], sides: Mapping[str, Any]
) -> tuple[Size, Corners] | RowProblem:
    """Return the size that a region declares, and its box in pixels; or the problem with them."""
    for key in _ROTATIONS:
        angle = value.get(key, sides.get(key)) or 0
        if angle != 0:
            return RowProblem(
                "bad_value",
                f"{key} of the region of {name!r} is {angle!r}, but only upright regions are boxes: draw it again "
                "without rotation",
            )
    width, height = (parse_side(sides.get(key)) for key in ("original_width", "original_height"))
    if not width or not height:
        return RowProblem(
            "bad_value",
            f"the region of {name!r} has no original_width and original_height, in whole pixels, to which its "
            "percentages refer: save the annotation again in Label Studio",
        )
    edges = _percentages(value)
    corners = None if edges is None else _to_pixels(edges, width, height)
    if corners is None or not are_in_range(corners):
        return RowProblem(
            "bad_value",
            f"the region of {name!r} does not have numbers as its position in percent of the image",
        )
    return Size(width, height), corners


def _to_pixels(edges: Corners, width: int, height: int) -> Corners:
    x1, y1, x2, y2 = (edge / _PERCENT for edge in edges)
    return x1 * width, y1 * height, x2 * width, y2 * height


def _percentages(value: Mapping[str, Any]) -> Corners | None:
    """Return the edges of a rectangle, an ellipse or a polygon in percent, or None if it is malformed."""
    points = value.get("points")
    if points is not None:
        pairs = [parse_numbers(point, 2) for point in points] if isinstance(points, list) else []
        xs, ys = ([pair[axis] for pair in pairs if pair is not None] for axis in (0, 1))
        return (min(xs), min(ys), max(xs), max(ys)) if pairs and None not in pairs else None
    is_ellipse = "radiusX" in value
    sides = ("radiusX", "radiusY") if is_ellipse else ("width", "height")
    numbers = parse_numbers([value.get(key) for key in ("x", "y", *sides)])
    if numbers is None or min(numbers[2:]) < 0:
        return None
    x, y, width, height = numbers
    return (x - width, y - height, x + width, y + height) if is_ellipse else (x, y, x + width, y + height)
