"""The page of an evaluation gallery: every evaluated image with its points, in pages, by class and outcome.

The page contains the names, points and outcomes of all images as JSON, and a script that shows some of them at a
time. The reduced images are files beside it, so a browser loads only those that are shown. No server is needed.
"""

from __future__ import annotations

import base64
import hashlib
import json
import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any, Final, Literal
from urllib.parse import quote_from_bytes

from markupsafe import Markup

from freeloc._printable import printable
from freeloc.geometry.size import Size
from freeloc.visualization.html_templates import render_template

__all__ = ["GalleryImage", "GalleryPoint", "PointOutcome", "render_evaluation_gallery"]

PointOutcome = Literal["right", "missed", "absent"]
"""The point lies on an object of its class; or elsewhere, although there is one; or the class is absent."""

_OUTCOMES: Final[dict[PointOutcome, int]] = {"right": 0, "missed": 1, "absent": 2}
"""Numbers of the outcomes in the page's script."""


@dataclass(frozen=True, slots=True)
class GalleryPoint:
    """The point of one class.

    Attributes:
        label: index of the class.
        outcome: whether the point is right, or how it is wrong.
        x: x coordinate in image coordinates; not finite if there is no point.
        y: y coordinate in image coordinates; not finite if there is no point.
        score: the score, or the probability, of the class.
    """

    label: int
    outcome: PointOutcome
    x: float
    y: float
    score: float


@dataclass(frozen=True, slots=True)
class GalleryImage:
    """One image.

    Attributes:
        name: name of the image, as shown; it never becomes a link.
        file: hexadecimal name of the reduced image; its file is ``FOLDER/FI/FILE.jpg``, where FI are the first two
            digits.
        size: size of the image.
        points: its points.
    """

    name: str
    file: str
    size: Size
    points: Sequence[GalleryPoint]


def render_evaluation_gallery(
    title: str, lead: Sequence[str], classes: Sequence[str], images: Iterable[GalleryImage], folder: bytes
) -> str:
    """Return the page; the same arguments yield the same text.

    Args:
        title: title of the page.
        lead: paragraphs below the title.
        classes: class names.
        images: all images, in the order in which they are shown.
        folder: name of the folder of the reduced images, next to the page.
    """
    values = {
        "classes": [printable(name) for name in classes],
        "folder": f"./{quote_from_bytes(folder, safe='')}",
        "images": [_as_json(image) for image in images],
    }
    script = render_template("evaluation_gallery.js.j2")
    return render_template(
        "evaluation_gallery.html.j2",
        title=title,
        lead=lead,
        headings=[],
        script=Markup(script),  # noqa: S704 - a file of the package
        script_hash=base64.b64encode(hashlib.sha256(script.encode()).digest()).decode(),
        data=_embed(values),
    )


def _as_json(image: GalleryImage) -> list[Any]:
    points = [
        [
            point.label,
            _OUTCOMES[point.outcome],
            *_coordinates(point),
            round(point.score, 2) if math.isfinite(point.score) else None,
        ]
        for point in image.points
    ]
    return [printable(image.name), image.file, image.size.width, image.size.height, points]


def _coordinates(point: GalleryPoint) -> tuple[float | None, float | None]:
    """Return the coordinates, which are shown with an accuracy of a pixel; None if there is no point."""
    if not (math.isfinite(point.x) and math.isfinite(point.y)):
        return None, None
    return round(point.x), round(point.y)


def _embed(values: object) -> Markup:
    """Return JSON that can be part of an HTML page: it contains no character that ends an element."""
    text = json.dumps(values, separators=(",", ":"), allow_nan=False)
    for char in "<>&":
        text = text.replace(char, f"\\u{ord(char):04x}")
    return Markup(text)  # noqa: S704 - escaped above
