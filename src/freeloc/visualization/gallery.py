"""A gallery: one self-contained HTML page with the predictions of many images, sorted by doubt or by class."""

from __future__ import annotations

import heapq
import math
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
from PIL import Image

from freeloc._typing import Float64Array
from freeloc.inference.result import ClassLocation, Localization
from freeloc.visualization.data_uri import data_uri, encode_jpeg
from freeloc.visualization.html_templates import render_template
from freeloc.visualization.panels import PanelPainter

__all__ = ["MAX_IMAGES", "Gallery", "GalleryOptions"]

MAX_IMAGES: Final = 1000
"""Number of images that a gallery shows: the ones in most doubt. They take about 20 MB."""

_PANEL_HEIGHT: Final = 180
"""Maximum height of a picture, in pixels."""

_NOTHING: Final = "nothing found"
"""Name of the group of images in which no class is present."""


@dataclass(frozen=True)
class GalleryOptions:
    """What a gallery shows.

    Attributes:
        threshold: minimum probability for a class to count as present; None uses the model's threshold for each
            class.
        peaks: maximum number of peaks per class.
        boxes: maximum number of boxes per class.
        max_images: number of images shown: the ones in most doubt.
    """

    threshold: float | None = None
    peaks: int = 0
    boxes: int = 0
    max_images: int = MAX_IMAGES


@dataclass(frozen=True)
class Picture:
    """A picture of a card."""

    data_uri: str
    alt: str
    caption: str


@dataclass(frozen=True)
class _Entry:
    """What is kept of one image.

    Attributes:
        name: the image's name, as shown.
        pictures: the image with its points, and the map of one class.
        present: the present classes with their probabilities, most probable first.
        doubtful: the class in most doubt.
        threshold: the probability from which the doubtful class counts as present.
    """

    name: str
    pictures: tuple[Picture, ...]
    present: tuple[tuple[str, float], ...]
    doubtful: ClassLocation | None
    threshold: float


@dataclass(frozen=True)
class Card:
    """One image on the page.

    Attributes:
        name: the image's name.
        pictures: its pictures.
        found: the present classes.
        doubt: the class in most doubt.
        groups: IDs of the groups of which the image is a member: one per present class.
        by_class: position of the card if cards are sorted by class.
    """

    name: str
    pictures: tuple[Picture, ...]
    found: str
    doubt: str
    groups: tuple[str, ...]
    by_class: int


@dataclass(frozen=True)
class Group:
    """The images in which one class is present.

    Attributes:
        id: ID in the page.
        name: name of the class.
        size: number of images.
        first: position of the heading if cards are sorted by class; None if no image has this class as its most
            probable one.
    """

    id: str
    name: str
    size: int
    first: int | None


class Gallery:
    """Collects predictions, and renders them as a page.

    The doubt about an image is that about the class whose probability is closest to its threshold, measured in
    log-odds. At most ``options.max_images`` images are kept, the ones in most doubt, so memory use is bounded.
    """

    def __init__(self, options: GalleryOptions | None = None) -> None:
        self._options = options or GalleryOptions()
        self._kept: list[tuple[float, int, _Entry]] = []
        """A heap whose first entry is the one in least doubt; the keys are negative."""
        self._images = 0
        self._found = 0
        self._classes: tuple[str, ...] = ()

    def add(self, name: str, result: Localization, image: Image.Image) -> None:
        """Add one image.

        Args:
            name: the image's name, as shown; it never becomes a link.
            result: its prediction.
            image: the image, upright and RGB; possibly reduced, as for `freeloc.visualization.draw_overlay`.

        Raises:
            ValueError: the image does not match the prediction.
        """
        self._classes = self._classes or result.classes
        present = result.present(self._options.threshold)
        margins = self._margins(result)
        margin = float(margins.min()) if len(margins) else math.inf
        key = (-margin, -self._images)
        self._images += 1
        self._found += bool(present)
        full = len(self._kept) >= self._options.max_images
        if full and key < self._kept[0][:2]:
            return
        doubtful = result[result.classes[int(margins.argmin())]] if len(margins) else None
        entry = _Entry(
            name,
            self._draw(result, image, present, doubtful),
            tuple((location.name, location.probability) for location in present),
            doubtful,
            self._threshold_of(doubtful),
        )
        (heapq.heappushpop if full else heapq.heappush)(self._kept, (*key, entry))

    def render(self, title: str) -> str:
        """Return the page."""
        entries = [entry for *_, entry in sorted(self._kept, key=lambda kept: kept[:2], reverse=True)]
        names = (*self._classes, _NOTHING)
        positions, headings = _sort_by_class(
            [self._groups(entry)[0] for entry in entries],
            [entry.present[0][1] if entry.present else 0.0 for entry in entries],
        )
        cards = [self._card(entry, position) for entry, position in zip(entries, positions, strict=True)]
        sizes = Counter(group for card in cards for group in card.groups)
        groups = [
            Group(f"c{index}", name, sizes[f"c{index}"], headings.get(index))
            for index, name in enumerate(names)
            if sizes[f"c{index}"]
        ]
        return render_template(
            "gallery.html.j2", title=title, lead=self._lead(), headings=[], cards=cards, groups=groups
        )

    def _lead(self) -> list[str]:
        count, shown = self._images, len(self._kept)
        images = f"{count:,} image{'' if count == 1 else 's'}"
        summary = (
            f"{images}, {self._found:,} of them with at least one class that reaches its threshold. Images are "
            "sorted by doubt: by the distance, in log-odds, from the threshold of the class that is closest to it."
        )
        lead = [summary]
        if shown < count:
            lead.append(
                f"The {shown:,} images in most doubt are shown; the other {count - shown:,} are left out. To see "
                "them, predict fewer images at a time."
            )
        return lead

    def _draw(
        self,
        result: Localization,
        image: Image.Image,
        present: Sequence[ClassLocation],
        doubtful: ClassLocation | None,
    ) -> tuple[Picture, ...]:
        """Return the image with the points of the present classes, and the map of the most probable one."""
        options = self._options
        painter = PanelPainter(
            image, result, boxes=options.boxes, peaks=options.peaks, panel_height=_PANEL_HEIGHT
        )
        caption = "points" if present else "image"
        drawn = [Picture(data_uri(encode_jpeg(painter.draw_image(present))), caption, caption)]
        mapped = present[0] if present else doubtful
        if mapped is not None:
            caption = f"map of {mapped.name}"
            drawn.append(Picture(data_uri(encode_jpeg(painter.draw_map(mapped))), caption, caption))
        return tuple(drawn)

    def _margins(self, result: Localization) -> Float64Array:
        """Return the (K,) distances, in log-odds, of the probabilities from their thresholds; 0 for NaN."""
        threshold = self._options.threshold
        thresholds = result.thresholds if threshold is None else np.full(len(result.classes), threshold)
        with np.errstate(divide="ignore", invalid="ignore"):
            distances = np.abs(
                result.decision.log_odds(result.scores) - np.log(thresholds) + np.log1p(-thresholds)
            )
        return np.nan_to_num(distances.astype(np.float64), nan=0.0, posinf=np.inf)

    def _threshold_of(self, location: ClassLocation | None) -> float:
        if self._options.threshold is not None:
            return self._options.threshold
        return math.nan if location is None else location.threshold

    def _groups(self, entry: _Entry) -> list[int]:
        """Return the indices of the present classes, most probable first; if there are none, K."""
        return [self._classes.index(name) for name, _ in entry.present] or [len(self._classes)]

    def _card(self, entry: _Entry, by_class: int) -> Card:
        found = ", ".join(f"{name} {probability:.2f}" for name, probability in entry.present)
        doubt = ""
        if entry.doubtful is not None:
            doubt = (
                f"in most doubt: {entry.doubtful.name} {entry.doubtful.probability:.2f}, "
                f"threshold {entry.threshold:.2f}"
            )
        groups = tuple(f"c{index}" for index in self._groups(entry))
        return Card(entry.name, entry.pictures, found or _NOTHING, doubt, groups, by_class)


def _sort_by_class(groups: Sequence[int], probabilities: Sequence[float]) -> tuple[list[int], dict[int, int]]:
    """Return the positions of cards sorted by group and decreasing probability, and of the headings between them.

    Args:
        groups: the group of each card.
        probabilities: the probability of the group's class in each card.

    Returns:
        The position of each card, and that of each group's heading.
    """
    positions = [0] * len(groups)
    headings: dict[int, int] = {}
    following = 0
    for index in sorted(range(len(groups)), key=lambda index: (groups[index], -probabilities[index])):
        if groups[index] not in headings:
            headings[groups[index]] = following
            following += 1
        positions[index] = following
        following += 1
    return positions, headings
