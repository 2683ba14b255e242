"""A gallery: one self-contained HTML page with the predictions of many images, sorted by doubt or by class."""

from __future__ import annotations

import heapq
import json
from collections import Counter
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any, Final

from PIL import Image

from freeloc.inference.result import ClassLocation, Localization
from freeloc.visualization.data_uri import data_uri, encode_jpeg
from freeloc.visualization.doubt import Doubt
from freeloc.visualization.gallery_panels import draw_gallery_panels
from freeloc.visualization.html_templates import render_template

__all__ = ["MAX_IMAGES", "Gallery", "GalleryOptions"]

MAX_IMAGES: Final = 1000
"""Number of images that a gallery shows: the ones in most doubt. They take about 28 MB."""

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
    """A picture of a card.

    Attributes:
        data_uri: the JPEG.
        alt: text in place of the picture.
        caption: text below it.
        map_of: ID of the group whose class the map is of; "" if the picture is no map, or if no class is present.
    """

    data_uri: str
    alt: str
    caption: str
    map_of: str = ""


@dataclass(frozen=True)
class _Entry:
    """What is kept of one image.

    Attributes:
        name: the image's name, as shown.
        pictures: the image with its points, and the maps of classes.
        present: the present classes with their probabilities, most probable first.
        doubt: text about the class in most doubt.
    """

    name: str
    pictures: tuple[Picture, ...]
    present: tuple[tuple[str, float], ...]
    doubt: str


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

    def add(self, name: str, result: Localization, image: Image.Image) -> bytes:
        """Add one image.

        Args:
            name: the image's name, as shown; it never becomes a link.
            result: its prediction.
            image: the image, upright and RGB; possibly reduced, as for `freeloc.visualization.draw_overlay`.

        Returns:
            A line that adds the image to another gallery; see `add_line`.

        Raises:
            ValueError: the image does not match the prediction.
        """
        present = result.present(self._options.threshold)
        doubt = Doubt.about(result, self._options.threshold)
        line: dict[str, Any] = {"classes": result.classes, "margin": doubt.margin, "found": bool(present)}
        if self._is_kept(doubt.margin):
            entry = _Entry(
                name,
                self._draw(result, image, present, doubt.location),
                tuple((location.name, location.probability) for location in present),
                doubt.text,
            )
            line["entry"] = asdict(entry)
        if self._images:
            del line["classes"]
        encoded = json.dumps(line).encode() + b"\n"
        self.add_line(encoded)
        return encoded

    def add_line(self, line: bytes) -> None:
        """Add an image from a line that `add` has returned in another process.

        Lines must be added in their order; the page is then the same.

        Raises:
            ValueError: the line is not from `add`.
        """
        try:
            values = json.loads(line)
            key = (-float(values["margin"]), -self._images)
            entry = _read_entry(values["entry"]) if "entry" in values else None
            if self._images == 0:
                self._classes = tuple(values["classes"])
            self._found += bool(values["found"])
        except (KeyError, TypeError, RecursionError) as error:
            raise ValueError("the line is not from a gallery") from error
        self._images += 1
        if entry is not None:
            full = len(self._kept) >= self._options.max_images
            (heapq.heappushpop if full else heapq.heappush)(self._kept, (*key, entry))

    def _is_kept(self, margin: float) -> bool:
        """Return whether the next image is among the ones in most doubt so far."""
        return len(self._kept) < self._options.max_images or (-margin, -self._images) > self._kept[0][:2]

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
            Group(_group_id(index), name, sizes[_group_id(index)], headings.get(index))
            for index, name in enumerate(names)
            if sizes[_group_id(index)]
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
                f"The {shown:,} images in most doubt are shown; the other {count - shown:,} are left out. The "
                "format html shows all images."
            )
        return lead

    def _draw(
        self,
        result: Localization,
        image: Image.Image,
        present: Sequence[ClassLocation],
        doubtful: ClassLocation | None,
    ) -> tuple[Picture, ...]:
        """Return the image with the points of the present classes, and the maps of the most probable ones."""
        options = self._options
        panel, maps = draw_gallery_panels(
            image, result, present, doubtful, peaks=options.peaks, boxes=options.boxes
        )
        caption = "points" if present else "image"
        drawn = [Picture(data_uri(encode_jpeg(panel)), caption, caption)]
        for mapped, panel_of_map in maps:
            caption = f"map of {mapped.name}"
            group = _group_id(result.classes.index(mapped.name)) if present else ""
            drawn.append(Picture(data_uri(encode_jpeg(panel_of_map)), caption, caption, group))
        return tuple(drawn)

    def _groups(self, entry: _Entry) -> list[int]:
        """Return the indices of the present classes, most probable first; if there are none, K."""
        return [self._classes.index(name) for name, _ in entry.present] or [len(self._classes)]

    def _card(self, entry: _Entry, by_class: int) -> Card:
        found = ", ".join(f"{name} {probability:.2f}" for name, probability in entry.present)
        groups = tuple(map(_group_id, self._groups(entry)))
        return Card(entry.name, entry.pictures, found or _NOTHING, entry.doubt, groups, by_class)


def _group_id(index: int) -> str:
    return f"c{index}"


def _read_entry(values: dict[str, Any]) -> _Entry:
    return _Entry(
        values["name"],
        tuple(Picture(**picture) for picture in values["pictures"]),
        tuple((name, float(probability)) for name, probability in values["present"]),
        values["doubt"],
    )


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
