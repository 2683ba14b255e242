"""Read CVAT's files "CVAT for images 1.1": tags, names of shapes and, only on request, boxes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final
from xml.sax.xmlreader import AttributesImpl

from freeloc.datasets.annotated_images import ImageObject
from freeloc.datasets.class_names import clean_name
from freeloc.datasets.json_values import parse_side
from freeloc.datasets.tags.rows import RowProblem
from freeloc.datasets.voc.annotation_xml import parse_number
from freeloc.datasets.xml_events import LineHandler, parse_xml
from freeloc.errors import MalformedFileError
from freeloc.geometry.box import Corners, are_in_range
from freeloc.geometry.size import Size

__all__ = ["CvatFile", "CvatImage", "read_images_xml"]

_VERSION: Final = "1.1"
_MEND: Final = "export the task from CVAT again as 'CVAT for images 1.1'"
_SHAPES: Final = frozenset(("box", "polygon", "polyline", "points", "ellipse", "mask", "cuboid", "skeleton"))


@dataclass(slots=True)
class CvatImage:
    """One image element.

    Attributes:
        name: name of the image, which may contain folders; empty if it is missing.
        line: line number of the element.
        subset: the subset of the project to which the image belongs; empty if it is not specified.
        size: the declared size, or None if it is unknown.
        tags: names of the tags.
        objects: the shapes.
        problems: problems with the element and what it contains.
    """

    name: str
    line: int
    subset: str
    size: Size | None = None
    tags: list[str] = field(default_factory=list)
    objects: list[ImageObject] = field(default_factory=list)
    problems: list[RowProblem] = field(default_factory=list)


@dataclass(slots=True)
class CvatFile:
    """Contents of a file.

    Attributes:
        file: path of the file.
        images: the images, in the order of the file.
        labels: the labels that the task declares, in the order of the file, without those of parts of skeletons.
    """

    file: Path
    images: list[CvatImage] = field(default_factory=list)
    labels: list[str] = field(default_factory=list)


def read_images_xml(file: Path, *, boxes: bool) -> CvatFile:
    """Read a file element by element.

    Args:
        file: the XML file.
        boxes: whether to read the positions of shapes.

    Raises:
        MalformedFileError: the file is not well-formed XML, or not in the format "CVAT for images 1.1".
        DatasetError: the file cannot be read.
    """
    contents = CvatFile(file)
    handler = _Handler(contents, boxes=boxes)
    parse_xml(file, handler)
    handler.check_version()
    return contents


class _Handler(LineHandler):
    """SAX handler that adds images and labels to a `CvatFile`."""

    def __init__(self, contents: CvatFile, *, boxes: bool) -> None:
        super().__init__()
        self._contents = contents
        self._boxes = boxes
        self._path: list[str] = []
        self._texts: dict[str, str] = {}
        self._text: list[str] = []
        self._version = ""

    def check_version(self) -> None:
        """Check that the file contains images and has the version that is read.

        Raises:
            MalformedFileError: it does not.
        """
        if self._version != _VERSION:
            found = (
                f"the version is {self._version!r}, not {_VERSION!r}"
                if self._version
                else "it has no version"
            )
            raise MalformedFileError(
                self._contents.file, 1, f"this is not a file of CVAT for images: {found}; {_MEND}"
            )

    def startElement(self, name: str, attrs: AttributesImpl) -> None:  # noqa: N802 - named by SAX
        self._path.append(name)
        self._text.clear()
        match self._path:
            case [root] if root != "annotations":
                reason = f"this is not a file of CVAT: it starts with <{root}> instead of <annotations>"
                raise MalformedFileError(self._contents.file, self.line, reason)
            case ["annotations", "track"]:
                reason = f"the file contains tracks of a video instead of images: {_MEND}"
                raise MalformedFileError(self._contents.file, self.line, reason)
            case ["annotations", "image"]:
                self.check_version()
                self._contents.images.append(_parse_image(dict(attrs.items()), self.line, boxes=self._boxes))
            case ["annotations", "image", "tag"]:
                image = self._contents.images[-1]
                image.tags += _parse_label(attrs, "a tag", self.line, image.problems)
            case ["annotations", "image", shape] if shape in _SHAPES:
                self._add_shape(shape, attrs)
            case ["annotations", "meta", _, "labels", "label"]:
                self._texts = {}

    def characters(self, content: str) -> None:
        if self._path[-1] in ("name", "parent", "version"):
            self._text.append(content)

    def endElement(self, name: str) -> None:  # noqa: N802 - named by SAX
        text = "".join(self._text).strip()
        match self._path:
            case ["annotations", "version"]:
                self._version = text
            case ["annotations", "meta", _, "labels", "label", "name" | "parent"]:
                self._texts[name] = text
            case ["annotations", "meta", _, "labels", "label"]:
                label = clean_name(self._texts.get("name", ""))
                if label and not self._texts.get("parent"):
                    self._contents.labels.append(label)
        self._path.pop()
        self._text.clear()

    def _add_shape(self, shape: str, attrs: AttributesImpl) -> None:
        image, line = self._contents.images[-1], self.line
        for name in _parse_label(attrs, f"a {shape}", line, image.problems):
            corners = None
            if self._boxes:
                found = _parse_corners(shape, name, dict(attrs.items()), line)
                if isinstance(found, RowProblem):
                    image.problems.append(found)
                else:
                    corners = found
            image.objects.append(ImageObject(name, line, corners))


def _parse_image(attributes: Mapping[str, str], line: int, *, boxes: bool) -> CvatImage:
    image = CvatImage(attributes.get("name", "").strip(), line, attributes.get("subset", ""))
    if not image.name:
        image.problems.append(RowProblem("bad_value", "the image has no name"))
    sides = [parse_side(attributes.get(key) or 0) for key in ("width", "height")]
    if None in sides:
        if boxes:  # without boxes, a wrong size has no effect
            written = [attributes.get(key) for key in ("width", "height")]
            message = f"width and height of the image are {written[0]!r} and {written[1]!r}, not whole pixels"
            image.problems.append(RowProblem("bad_value", message))
    elif sides[0] and sides[1]:
        image.size = Size(sides[0], sides[1])
    return image


def _parse_label(
    attributes: AttributesImpl, what: str, line: int, problems: list[RowProblem]
) -> Sequence[str]:
    """Return the class name in the attribute ``label``, or an empty sequence and a problem if there is none."""
    name = clean_name(attributes.get("label", ""))
    if name:
        return [name]
    problems.append(RowProblem("bad_value", f"{what} has no label", line))
    return []


def _parse_corners(
    shape: str, name: str, attributes: Mapping[str, str], line: int
) -> Corners | RowProblem | None:
    """Return the box of a shape, None if shapes of its kind have none, or a problem."""
    turned = parse_number(attributes.get("rotation") or "0")
    if turned is None or turned % 360 != 0:
        message = (
            f"the {shape} of {name!r} is rotated by {attributes['rotation']}°: draw it again without rotation"
        )
        return RowProblem("bad_value", message, line)
    match shape:
        case "box":
            edges = _numbers(attributes, "xtl", "ytl", "xbr", "ybr")
        case "ellipse":
            edges = [
                x + sign * radius
                for sign in (-1, 1)
                for x, radius in _pairs(_numbers(attributes, "cx", "cy", "rx", "ry"))
            ]
        case "mask":
            left = _numbers(attributes, "left", "top", "width", "height")
            edges = left and [left[0], left[1], left[0] + left[2], left[1] + left[3]]
        case "polygon":
            edges = _outermost(attributes.get("points", ""))
        case _:
            return None
    if len(edges) != 4 or edges[0] > edges[2] or edges[1] > edges[3]:
        message = f"the {shape} of {name!r} has no valid position: draw it again"
        return RowProblem("bad_value", message, line)
    corners = edges[0], edges[1], edges[2], edges[3]
    if not are_in_range(corners):
        return RowProblem("bad_value", f"the {shape} of {name!r} is larger than any image", line)
    return corners


def _numbers(attributes: Mapping[str, str], *keys: str) -> list[float]:
    """Return the numbers in attributes; an empty list if one is missing or is not a number."""
    values = [parse_number(attributes.get(key, "")) for key in keys]
    return [value for value in values if value is not None] if None not in values else []


def _pairs(numbers: Sequence[float]) -> list[tuple[float, float]]:
    """Return each center with its radius."""
    return list(zip(numbers[:2], numbers[2:], strict=True))


def _outermost(points: str) -> list[float]:
    """Return the edges around points such as ``1,2;3,4``; an empty list if they are malformed."""
    pairs = [[parse_number(number) for number in point.split(",")] for point in points.split(";")]
    xs = [pair[0] for pair in pairs if len(pair) == 2 and pair[0] is not None]
    ys = [pair[1] for pair in pairs if len(pair) == 2 and pair[1] is not None]
    if len(xs) != len(pairs) or len(ys) != len(pairs):
        return []
    return [min(xs), min(ys), max(xs), max(ys)]
