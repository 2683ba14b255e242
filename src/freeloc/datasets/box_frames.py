"""Find out whether boxes refer to the upright image, to its raster as stored, or to a resized copy.

Image coordinates refer to the upright image, but an annotation may have been made on the raster as stored, before
its EXIF orientation is applied, or on a copy of another size. The size that the annotation declares shows which.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

from freeloc._log import get_logger
from freeloc.datasets.problems import ProblemKind
from freeloc.geometry.box import Corners
from freeloc.geometry.orientation import (
    ImageFrame,
    is_uniform_resize,
    rescale_corners,
    turn_upright,
    turned_size,
)
from freeloc.geometry.size import Size

__all__ = ["BoxConversion", "FrameProblem", "FramedImage", "find_conversions", "find_other_sizes"]

_log = get_logger(__name__)


_TURNED = "turned the boxes of %s upright: the declared size fits the image as stored, before EXIF rotation"
_TURNED_LIKE_OTHERS = (
    "turned the boxes of %s upright, like those of the other rotated images: no declared size shows whether they "
    "refer to the image as stored, before EXIF rotation"
)
_ASSUMED_UPRIGHT = (
    "did not turn the boxes of %s: no declared size shows whether they refer to the image as stored, before EXIF "
    "rotation"
)
_RESCALED = "rescaled the boxes of %s to the size of the image"


class FramedImage(NamedTuple):
    """An image, and the size that its annotation declares.

    Attributes:
        path: the image file.
        frame: size and orientation of the image.
        declared: declared size of the image.
        has_boxes: whether the image has any boxes.
    """

    path: Path
    frame: ImageFrame
    declared: Size | None
    has_boxes: bool


class FrameProblem(NamedTuple):
    """Why the boxes of an image cannot be converted."""

    kind: ProblemKind
    message: str


@dataclass(frozen=True, slots=True)
class BoxConversion:
    """Converts the boxes of one image to image coordinates.

    Attributes:
        frame: size and orientation of the image.
        source: size of the raster to which the boxes refer.
        stored: whether that raster is the image as stored, before its EXIF orientation is applied.
    """

    frame: ImageFrame
    source: Size
    stored: bool

    def apply(self, corners: Corners) -> Corners:
        """Convert the edges of a box to image coordinates."""
        target = self.frame.stored if self.stored else self.frame.upright
        if self.source != target:
            corners = rescale_corners(corners, self.source, target)
        return turn_upright(corners, self.frame) if self.stored else corners


def find_conversions(
    images: Sequence[FramedImage], *, rescale_boxes: bool
) -> list[BoxConversion | FrameProblem]:
    """Find out how to convert the boxes of each image, and log one line for each kind of conversion.

    An image whose declared size fits both the upright image and the raster as stored (a square image, or one that
    is upside down), or that declares none, follows the other images: its boxes refer to the raster as stored if
    those of all other rotated images do. If there are no such images, its boxes refer to the upright image.

    Args:
        images: the images.
        rescale_boxes: whether boxes are rescaled if all images of another size were resized uniformly.

    Returns:
        For each image, the conversion or the problem.
    """
    fits = [_fitting_rasters(image) for image in images]
    known = {fit[0] for image, fit in zip(images, fits, strict=True) if len(fit) == 1 and _is_rotated(image)}
    results: list[BoxConversion | FrameProblem] = []
    changes: dict[str, list[FramedImage]] = defaultdict(list)
    for image, fit in zip(images, fits, strict=True):
        stored = fit[0] if len(fit) == 1 else known == {True}
        target = image.frame.stored if stored else image.frame.upright
        source = image.declared or target
        if not fit or (source != target and not rescale_boxes):
            results.append(_size_problem(image, resized=bool(fit)))
            continue
        results.append(BoxConversion(image.frame, source, stored))
        if image.has_boxes and len(fit) > 1:
            changes[_TURNED_LIKE_OTHERS if stored else _ASSUMED_UPRIGHT].append(image)
        elif image.has_boxes and stored:
            changes[_TURNED].append(image)
        if image.has_boxes and source != target:
            changes[_RESCALED].append(image)
    for text, changed in changes.items():
        _log.warning(text, _describe(changed))
    return results


def find_other_sizes(images: Sequence[FramedImage]) -> list[FrameProblem | None]:
    """Return, for each image, the problem with its declared size if boxes were read, or None if there is none."""
    problems: list[FrameProblem | None] = []
    for image in images:
        fits = image.declared in (None, image.frame.upright, image.frame.stored)
        problems.append(None if fits else _size_problem(image, resized=bool(_fitting_rasters(image))))
    return problems


def _is_rotated(image: FramedImage) -> bool:
    return image.frame.orientation != 1


def _fitting_rasters(image: FramedImage) -> tuple[bool, ...]:
    """Return, for each raster that the declared size fits, whether it is the image as stored.

    A raster of exactly the declared size takes precedence over one that was resized.
    """
    rasters = {False: image.frame.upright}
    if _is_rotated(image):
        rasters[True] = image.frame.stored
    declared = image.declared
    if declared is None:
        return tuple(rasters)
    exact = tuple(stored for stored, size in rasters.items() if size == declared)
    return exact or tuple(stored for stored, size in rasters.items() if is_uniform_resize(size, declared))


def _size_problem(image: FramedImage, *, resized: bool) -> FrameProblem:
    upright, stored, declared = image.frame.upright, image.frame.stored, image.declared
    start = (
        f"the annotation declares {_pixels(declared)}, but {image.path.name} has {_pixels(upright)} pixels"
    )
    if stored != upright:
        start += f" ({_pixels(stored)} as stored)"
    if resized:
        return FrameProblem(
            "resized_image", f"{start}: it was resized after annotation; rescale_boxes rescales its boxes"
        )
    if declared == turned_size(upright):
        reason = (
            "width and height are swapped, or the image was turned after annotation; correct the annotation"
        )
    else:
        reason = "it was cropped or resized unevenly after annotation; annotate it again, or correct the size"
    return FrameProblem("wrong_size", f"{start}: {reason}")


def _pixels(size: Size | None) -> str:
    return "no size" if size is None else f"{size.width}×{size.height}"


def _describe(images: Sequence[FramedImage]) -> str:
    first = images[0].path
    return f"1 image ({first})" if len(images) == 1 else f"{len(images)} images ({first} and others)"
