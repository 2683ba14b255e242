"""Read VOC annotation files: the image's size, class names and difficult flags and, only on request, boxes."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from pathlib import Path
from typing import NamedTuple
from xml.sax.xmlreader import AttributesImpl

from freeloc.datasets.class_names import clean_name
from freeloc.datasets.json_values import parse_flag, parse_side
from freeloc.datasets.problems import ProblemKind
from freeloc.datasets.xml_events import LineHandler, parse_xml
from freeloc.errors import MalformedFileError
from freeloc.geometry.box import Corners, are_in_range
from freeloc.geometry.size import Size

__all__ = [
    "Annotation",
    "AnnotationProblem",
    "VocObject",
    "corners_from_voc",
    "parse_number",
    "read_annotation",
]

_CORNER_NAMES = ("xmin", "ymin", "xmax", "ymax")


class AnnotationProblem(NamedTuple):
    """A problem in an annotation file."""

    kind: ProblemKind
    line: int
    message: str


@dataclass(frozen=True, slots=True)
class VocObject:
    """One object of an annotation.

    Attributes:
        name: class name of the object.
        line: line number of the class name, counted from 1.
        difficult: VOC's flag for an object that is hard to recognize.
        corners: the box, or None if boxes are not read.
    """

    name: str
    line: int
    difficult: bool
    corners: Corners | None


@dataclass(frozen=True, slots=True)
class Annotation:
    """Contents of an annotation file.

    Attributes:
        file: the file.
        objects: the valid objects, in the order of the file.
        problems: the problems with the invalid objects and, if boxes are read, with the declared size.
        size: the declared size of the image; None if it is missing, empty or zero.
        size_line: line number of the declared size.
        has_boxes: whether any object has a ``bndbox`` element; False if boxes are not read.
        lacks_boxes: whether boxes were to be read from objects none of which has a ``bndbox`` element.
    """

    file: Path
    objects: tuple[VocObject, ...]
    problems: tuple[AnnotationProblem, ...]
    size: Size | None = None
    size_line: int = 1
    has_boxes: bool = False
    lacks_boxes: bool = False


@dataclass(slots=True)
class _Element:
    """An object or size element: the text and line number of each of its child elements."""

    line: int
    texts: dict[str, tuple[str, int]] = field(default_factory=dict)


def read_annotation(file: Path, *, boxes: bool = False) -> Annotation:
    """Read one annotation file.

    Without ``boxes``, nothing inside a ``bndbox`` element is read, so wrong, empty or missing boxes have no
    effect. This guarantees that training from tags cannot depend on boxes.

    Args:
        file: the XML file.
        boxes: whether to read boxes as well.

    Returns:
        The objects in the order of the file, and the problems with their line numbers.

    Raises:
        MalformedFileError: the file is not well-formed XML, defines entities, or is not a VOC annotation.
        DatasetError: the file cannot be read.

    Example:
        >>> for item in read_annotation(Path("VOCdevkit/VOC2012/Annotations/000003.xml")).objects:
        ...     print(item.name, item.difficult)
        dog False
    """
    handler = _AnnotationHandler(boxes=boxes)
    parse_xml(file, handler)
    if handler.root != "annotation":
        reason = f"this is not a VOC annotation: it starts with <{handler.root}> instead of <annotation>"
        raise MalformedFileError(file, 1, reason)
    objects: list[VocObject] = []
    problems: list[AnnotationProblem] = []
    for element in handler.elements:
        parsed = _parse_element(element, boxes)
        if isinstance(parsed, AnnotationProblem):
            problems.append(parsed)
        else:
            objects.append(parsed)
    size = _parse_size(handler.size)
    if isinstance(size, AnnotationProblem):
        # The size shows what boxes mean; without boxes, a wrong size has no effect.
        problems += [size] if boxes else []
        size = None
    has_boxes = any("bndbox" in element.texts for element in handler.elements)
    lacks_boxes = boxes and bool(handler.elements) and not has_boxes
    return Annotation(file, tuple(objects), tuple(problems), size, handler.size.line, has_boxes, lacks_boxes)


def corners_from_voc(xmin: float, ymin: float, xmax: float, ymax: float) -> Corners:
    """Convert the pixel indices of a VOC box, counted from 1 with inclusive edges, to edges in image coordinates.

    Example:
        >>> corners_from_voc(1, 1, 500, 375)
        (0, 0, 500, 375)
    """
    return xmin - 1, ymin - 1, xmax, ymax


class _AnnotationHandler(LineHandler):
    """SAX handler that collects the text of ``size/*``, ``object/*`` and, with boxes, ``object/bndbox/*``.

    Names at a deeper level (``part/name``) or elsewhere (``owner/name``) are not class names and are ignored.
    """

    def __init__(self, *, boxes: bool) -> None:
        super().__init__()
        self.elements: list[_Element] = []
        self.size = _Element(1)
        self.root = ""
        self._boxes = boxes
        self._path: list[str] = []
        self._needed = [False]  # of each element in the path, whether its text is needed
        self._text: list[str] = []
        self._start = 0

    def startElement(self, name: str, attrs: AttributesImpl) -> None:  # noqa: N802, ARG002 - named by SAX
        self._path.append(name)
        self._needed.append(False)
        self._text.clear()
        match self._path:
            case ["annotation", "object", "name" | "difficult"] | ["annotation", "size", "width" | "height"]:
                self._needed[-1] = True
                self._start = self.line
            case ["annotation", "object", "bndbox", "xmin" | "ymin" | "xmax" | "ymax"] if self._boxes:
                self._needed[-1] = True
                self._start = self.line
            case ["annotation", "object", "bndbox"] if self._boxes:
                self.elements[-1].texts["bndbox"] = ("", self.line)
            case ["annotation", "object"]:
                self.elements.append(_Element(self.line))
            case ["annotation", "size"]:
                self.size = _Element(self.line)
            case [root]:
                self.root = root

    # Called for every line of a file; most text is between elements and not needed.
    def characters(self, content: str) -> None:
        if self._needed[-1]:
            self._text.append(content)

    def endElement(self, name: str) -> None:  # noqa: N802 - named by SAX
        if self._needed.pop():
            element = self.size if self._path[1] == "size" else self.elements[-1]
            element.texts[name] = ("".join(self._text).strip(), self._start)
        self._text.clear()
        self._path.pop()


def _parse_element(element: _Element, boxes: bool) -> VocObject | AnnotationProblem:
    text, line = element.texts.get("name", ("", element.line))
    name = clean_name(text)
    if not name:
        return AnnotationProblem("bad_value", line, "an object has no name")
    flag, flag_line = element.texts.get("difficult", ("0", line))
    number = parse_number(flag or "0")
    difficult = None if number is None else parse_flag(number)
    if difficult is None:
        return AnnotationProblem(
            "bad_value", flag_line, f"the difficult flag of {name!r} is {flag!r}, not 0 or 1"
        )
    if not boxes:
        return VocObject(name, line, difficult, None)
    corners = _parse_corners(name, element)
    if isinstance(corners, AnnotationProblem):
        return corners
    return VocObject(name, line, difficult, corners)


def _parse_size(element: _Element) -> Size | AnnotationProblem | None:
    sides = []
    for side in ("width", "height"):
        text, line = element.texts.get(side, ("", element.line))
        # Some tools write zero if they do not know the size.
        value = parse_side(text or 0)
        if value is None:
            return AnnotationProblem(
                "bad_value", line, f"the {side} of the image is {text!r}, not whole pixels"
            )
        sides.append(value)
    return Size(*sides) if all(sides) else None


def _parse_corners(name: str, element: _Element) -> Corners | AnnotationProblem:
    box_line = element.texts.get("bndbox", ("", element.line))[1]
    values = []
    for corner in _CORNER_NAMES:
        text, line = element.texts.get(corner, ("", box_line))
        value = parse_number(text)
        if value is None:
            reason = f"{text!r}, not a number" if text else "missing"
            return AnnotationProblem("bad_value", line, f"{corner} of the box of {name!r} is {reason}")
        values.append(value)
    xmin, ymin, xmax, ymax = values
    if xmax < xmin or ymax < ymin:
        return AnnotationProblem("bad_value", box_line, f"the box of {name!r} ends before it starts")
    corners = corners_from_voc(xmin, ymin, xmax, ymax)
    if not are_in_range(corners):
        return AnnotationProblem("bad_value", box_line, f"the box of {name!r} is larger than any image")
    return corners


def parse_number(text: str) -> float | None:
    """Parse a finite number; return None if the text is anything else."""
    try:
        value = float(text)
    except ValueError:
        return None
    return value if math.isfinite(value) else None
