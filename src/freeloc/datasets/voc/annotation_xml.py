"""One VOC annotation file: object names and difficult flags, and boxes only where they are asked for."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from pathlib import Path
from typing import NamedTuple
from xml.sax import SAXParseException
from xml.sax.handler import ContentHandler
from xml.sax.xmlreader import AttributesImpl, Locator

from defusedxml import DefusedXmlException
from defusedxml import sax as defused_sax

from freeloc.datasets.problems import ProblemKind
from freeloc.errors import MalformedFileError
from freeloc.io.text import read_bytes

__all__ = ["Annotation", "Corners", "Fault", "VocObject", "corners_from_voc", "read_annotation"]

Corners = tuple[float, float, float, float]
"""``x1, y1, x2, y2`` in image pixels."""

_CORNER_NAMES = ("xmin", "ymin", "xmax", "ymax")


class Fault(NamedTuple):
    """A problem inside an annotation file."""

    kind: ProblemKind
    line: int
    message: str


@dataclass(frozen=True, slots=True)
class VocObject:
    """One object of an annotation.

    Attributes:
        name: its class.
        line: line of the name in the file, counted from 1.
        difficult: VOC's flag.
        corners: the box, or None where boxes were not asked for.
    """

    name: str
    line: int
    difficult: bool
    corners: Corners | None


@dataclass(frozen=True, slots=True)
class Annotation:
    """What an annotation file says: its good objects, and what is wrong with the others."""

    file: Path
    objects: tuple[VocObject, ...]
    faults: tuple[Fault, ...]


@dataclass(slots=True)
class _Element:
    """An object as it stands in the file: the texts of its parts, each with its line."""

    line: int
    texts: dict[str, tuple[str, int]] = field(default_factory=dict)


def read_annotation(file: Path, *, boxes: bool = False) -> Annotation:
    """Read one annotation file.

    Without ``boxes`` nothing inside a ``bndbox`` element is looked at, so wrong, empty or missing boxes
    change nothing: training from tags cannot see a box.

    Args:
        file: the XML file.
        boxes: whether to read boxes as well.

    Returns:
        Objects in file order, and faults with their lines.

    Raises:
        MalformedFileError: the file is no well-formed XML, defines entities, or is no VOC annotation.
        FreelocError: the file cannot be read.

    Example:
        ::

            for thing in read_annotation(Path("Annotations/000003.xml")).objects:
                print(thing.name, thing.difficult)
    """
    handler = _AnnotationHandler(boxes=boxes)
    try:
        defused_sax.parseString(read_bytes(file), handler)
    except SAXParseException as error:
        raise MalformedFileError(
            file, error.getLineNumber(), f"malformed XML: {error.getMessage()}"
        ) from error
    except DefusedXmlException as error:
        raise MalformedFileError(
            file, handler.line, "the XML defines entities, which are not read"
        ) from error
    except (LookupError, ValueError) as error:
        raise MalformedFileError(file, handler.line, f"malformed XML: {error}") from error
    if handler.root != "annotation":
        message = f"this is no VOC annotation: it starts with <{handler.root}>, not <annotation>"
        raise MalformedFileError(file, 1, message)
    objects: list[VocObject] = []
    faults: list[Fault] = []
    for element in handler.elements:
        thing = _interpret(element, boxes)
        if isinstance(thing, Fault):
            faults.append(thing)
        else:
            objects.append(thing)
    return Annotation(file, tuple(objects), tuple(faults))


def corners_from_voc(xmin: float, ymin: float, xmax: float, ymax: float) -> Corners:
    """VOC's 1-based pixels, both ends included, as edges in image pixels.

    Example:
        >>> corners_from_voc(1, 1, 500, 375)
        (0, 0, 500, 375)
    """
    return xmin - 1, ymin - 1, xmax, ymax


class _AnnotationHandler(ContentHandler):
    """Keeps the texts of ``annotation/object/*`` and, with boxes, of ``annotation/object/bndbox/*``.

    Names deeper down (``part/name``) or elsewhere (``owner/name``) are of no class and stay out.
    """

    def __init__(self, *, boxes: bool) -> None:
        super().__init__()
        self.elements: list[_Element] = []
        self.root = ""
        self._boxes = boxes
        self._path: list[str] = []
        self._text: list[str] = []
        self._start = 0
        self._locator: Locator | None = None

    @property
    def line(self) -> int:
        """The line the parser stands on."""
        return (self._locator.getLineNumber() if self._locator else None) or 1

    def setDocumentLocator(self, locator: Locator) -> None:  # noqa: N802 - SAX names it
        self._locator = locator

    def startElement(self, name: str, attrs: AttributesImpl) -> None:  # noqa: N802, ARG002 - SAX names it
        self._path.append(name)
        self.root = self.root or name
        self._text.clear()
        self._start = self.line
        if self._path == ["annotation", "object"]:
            self.elements.append(_Element(self.line))
        elif self._boxes and self._path == ["annotation", "object", "bndbox"]:
            self.elements[-1].texts["bndbox"] = ("", self.line)

    def characters(self, content: str) -> None:
        if self._wanted():
            self._text.append(content)

    def endElement(self, name: str) -> None:  # noqa: N802 - SAX names it
        if self._wanted():
            self.elements[-1].texts[name] = ("".join(self._text).strip(), self._start)
        self._text.clear()
        self._path.pop()

    def _wanted(self) -> bool:
        match self._path:
            case ["annotation", "object", "name" | "difficult"]:
                return True
            case ["annotation", "object", "bndbox", "xmin" | "ymin" | "xmax" | "ymax"]:
                return self._boxes
        return False


def _interpret(element: _Element, boxes: bool) -> VocObject | Fault:
    name, line = element.texts.get("name", ("", element.line))
    if not name:
        return Fault("bad_value", line, "an object without a name")
    flag, flag_line = element.texts.get("difficult", ("0", line))
    if flag not in ("0", "1", ""):
        return Fault("bad_value", flag_line, f"difficult of {name!r} is {flag!r}, not 0 or 1")
    if not boxes:
        return VocObject(name, line, flag == "1", None)
    corners = _corners(name, element)
    return corners if isinstance(corners, Fault) else VocObject(name, line, flag == "1", corners)


def _corners(name: str, element: _Element) -> Corners | Fault:
    box_line = element.texts.get("bndbox", ("", element.line))[1]
    values = []
    for corner in _CORNER_NAMES:
        text, line = element.texts.get(corner, ("", box_line))
        value = _number(text)
        if value is None:
            said = f"{text!r}, not a number" if text else "missing"
            return Fault("bad_value", line, f"{corner} of the box of {name!r} is {said}")
        values.append(value)
    xmin, ymin, xmax, ymax = values
    if xmax < xmin or ymax < ymin:
        return Fault("bad_value", box_line, f"the box of {name!r} ends before it starts")
    return corners_from_voc(xmin, ymin, xmax, ymax)


def _number(text: str) -> float | None:
    try:
        value = float(text)
    except ValueError:
        return None
    return value if math.isfinite(value) else None
