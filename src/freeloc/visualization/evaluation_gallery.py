"""The page of an evaluation gallery: every evaluated image with its points, in pages, by class and outcome."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any, Final, Literal

from freeloc._printable import printable
from freeloc.geometry.size import Size
from freeloc.visualization.paged_gallery import Kind, Outcome, embed_json, render_around

__all__ = ["GalleryImage", "GalleryPoint", "PointOutcome", "render_evaluation_gallery"]

PointOutcome = Literal["right", "missed", "absent"]
"""The point lies on an object of its class; or elsewhere, although there is one; or the class is absent."""

_STYLES: Final[dict[PointOutcome, Outcome]] = {
    "right": Outcome("✓", "", "right"),
    "missed": Outcome("✗", "missed", "wrong"),
    "absent": Outcome("✗", "not in the image", "wrong"),
}
_OUTCOMES: Final = {name: number for number, name in enumerate(_STYLES)}

_KINDS: Final = (
    Kind("all", "right and wrong", (0, 1, 2), with_empty=True),
    Kind("right", "right", (0,)),
    Kind("wrong", "wrong", (1, 2)),
    Kind("missed", "wrong: missed", (1,)),
    Kind("absent", "wrong: not in the image", (2,)),
)


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
        file: hexadecimal name of the reduced image; see `freeloc.visualization.paged_gallery.picture_path`.
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
    before, after = render_around(title, lead, classes, folder, _KINDS, [*_STYLES.values()])
    return before + ",".join(embed_json(_as_json(image)) for image in images) + after


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
