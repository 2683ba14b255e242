"""Pictures of what freeloc says of an image: score maps, yellow crosses, names and probabilities."""

from __future__ import annotations

import math
from collections.abc import Sequence
from functools import lru_cache
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
from PIL import Image, ImageDraw

from freeloc._typing import Float32Array, Uint8Array
from freeloc.errors import OutputError
from freeloc.geometry.size import Size
from freeloc.inference.result import ClassLocation, Localization
from freeloc.inference.score_map import sigmoid
from freeloc.io import atomic
from freeloc.visualization.fonts import baseline_top, fitted

__all__ = ["COLOURS", "colour_of", "draw_grid", "draw_overlay", "draw_panels", "save_image"]

NamedBox = tuple[str, tuple[float, float, float, float]]
"""A class name and ``x1, y1, x2, y2`` in image pixels."""

Colour = tuple[int, int, int]

PANEL_WIDTH = 640
"""No panel's image is wider, in pixels of the drawing."""

ROW_WIDTH = 1720
"""No row of panels is wider, unless the columns are told."""

COLOURS: tuple[Colour, ...] = (
    (12, 8, 38),
    (40, 17, 89),
    (81, 18, 124),
    (121, 34, 130),
    (163, 48, 126),
    (205, 64, 113),
    (238, 91, 94),
    (251, 135, 97),
    (254, 180, 123),
)
"""Control colours of score 0 to 1, evenly spaced; lightness rises by equal steps for the eye (CIE L*)."""

_PAGE: Colour = (22, 22, 27)
_INK: Colour = (240, 240, 243)
_QUIET: Colour = (158, 158, 168)
_YELLOW: Colour = (255, 225, 25)
_DARK: Colour = (10, 10, 12)
_GREEN: Colour = (70, 220, 120)

_SMALLEST = (150, 60)
"""Width and height that a panel has at least, so that its caption and cross have room."""

_FAINTEST = 0.25
"""A map whose strongest value is lower is not stretched to the full range of colours."""

_FORMATS: dict[str, tuple[str, int, dict[str, Any]]] = {
    ".png": ("PNG", 2**31 - 1, {}),
    ".jpg": ("JPEG", 65_500, {"quality": 92, "subsampling": 0}),
    ".jpeg": ("JPEG", 65_500, {"quality": 92, "subsampling": 0}),
    ".webp": ("WEBP", 16_383, {"quality": 90}),
}
"""Ending: Pillow's name, the longest side the format holds, and how it is written."""


class _Place(NamedTuple):
    """Where the image stands in its panel: pixels of the drawing from the panel's top left."""

    left: int
    top: int
    width: int
    height: int
    panel_width: int
    panel_height: int
    scale_x: float
    scale_y: float

    def at(self, x: float, y: float) -> tuple[float, float]:
        """A point of the image in the panel."""
        return self.left + x * self.scale_x, self.top + y * self.scale_y


def draw_overlay(
    image: Uint8Array | Image.Image,
    localization: Localization,
    *,
    classes: Sequence[str] | None = None,
    threshold: float | None = None,
    boxes: Sequence[NamedBox] = (),
    panel_height: int = 360,
    columns: int | None = None,
    limit: int = 12,
) -> Image.Image:
    """Draw one image with all its crosses, and then a panel per class with the class's score map.

    Args:
        image: the upright image the localization was made from, (H, W, 3) uint8 RGB or a Pillow image of mode RGB;
            it may be reduced by 2, 4 or 8, as JPEG decoders do.
        localization: scores, points and maps.
        classes: draw these, in this order; without them the present classes, most probable first.
        threshold: probability from which a class is present; without it the model's own, for each class.
        boxes: annotated objects, drawn as green outlines: all on the image, a class's own on its panel.
        panel_height: greatest height of the image in a panel, in pixels of the drawing. It is never
            wider than `PANEL_WIDTH`.
        columns: panels in a row; without it as many as fit into `ROW_WIDTH`.
        limit: at most so many classes are drawn.

    Returns:
        A picture of mode RGB.

    Raises:
        FreelocError: the model has no such class.
        ValueError: the image is not RGB with 8 bits or not of the localization's size.
    """
    panels = draw_panels(
        image,
        localization,
        classes=classes,
        threshold=threshold,
        boxes=boxes,
        panel_height=panel_height,
        limit=limit,
    )
    return draw_grid(panels, columns or _even_columns(len(panels), panels[0].width))


def draw_panels(
    image: Uint8Array | Image.Image,
    localization: Localization,
    *,
    classes: Sequence[str] | None = None,
    threshold: float | None = None,
    boxes: Sequence[NamedBox] = (),
    panel_height: int = 360,
    limit: int = 12,
) -> list[Image.Image]:
    """The panels of `draw_overlay`, each with its caption, all of one size: the image first."""
    size = localization.image_size
    image = _pillow_image(image, size)
    if classes is None:
        chosen = localization.present(threshold)
        note = _count(len(chosen)) if chosen else f"no class reaches {_wanted(localization, threshold)}"
    else:
        chosen = tuple(localization[name] for name in classes)
        note = _count(len(chosen))
    if len(chosen) > limit:
        note = f"{limit} of {note}"
        chosen = chosen[:limit]
    place = _place(size.width, size.height, panel_height)
    picture = image.resize((place.width, place.height), Image.Resampling.LANCZOS, reducing_gap=3.0)
    name = localization.path.name if localization.path else "image"
    panels = [_with_caption(_image_panel(picture, place, chosen, boxes), name, note)]
    grey = _dimmed(picture)
    for location in chosen:
        values = localization.maps[localization.classes.index(location.name)]
        panel = _map_panel(grey, _shown(values) if localization.mode == "paper" else values, place)
        _draw_boxes(panel, place, [box for label, box in boxes if label == location.name])
        _draw_cross(panel, place, location)
        panels.append(_with_caption(panel, location.name, f"{location.probability:.2f}"))
    return panels


def _pillow_image(image: Uint8Array | Image.Image, size: Size) -> Image.Image:
    """Return an image as a Pillow image, after checking that it is RGB and fits the size of the original."""
    if not isinstance(image, Image.Image):
        if image.dtype != np.uint8 or image.ndim != 3 or image.shape[2] != 3:
            raise ValueError(f"the image must be (H, W, 3) uint8, got {image.shape} {image.dtype}")
        image = Image.fromarray(image)
    elif image.mode != "RGB":
        raise ValueError(f"the image must have mode RGB, got {image.mode}")
    # JPEG decoders round reduced sizes up.
    if image.size not in [(-(-size.width // n), -(-size.height // n)) for n in (1, 2, 4, 8)]:
        raise ValueError(
            f"the image has {image.width}×{image.height} pixels, but the localization is for "
            f"{size.width}×{size.height}"
        )
    return image


def _wanted(localization: Localization, threshold: float | None) -> str:
    if threshold is None and localization.decision.calibration is not None:
        return "its threshold"
    return f"{localization.decision.threshold if threshold is None else threshold:.2f}"


_SURE = 3.0
"""A raw score whose logistic is nearly 1."""


def _shown(scores: Float32Array) -> Float32Array:
    """Raw scores as values between 0 and 1, such that a map full of sure windows still shows the surest."""
    return sigmoid(scores - max(0.0, float(scores.max()) - _SURE))


_GAP = 14
"""Pixels between panels and around the page."""


def draw_grid(
    pictures: Sequence[Image.Image], columns: int, *, gap: int = _GAP, ground: Colour = _PAGE
) -> Image.Image:
    """Lay pictures out in rows, as on a contact sheet.

    Args:
        pictures: at least one; a column is as wide as its widest, where narrower ones stand in the middle, and
            a row as high as its highest.
        columns: pictures in a row.
        gap: pixels between pictures and around the page.
        ground: colour of the page.

    Raises:
        ValueError: there is no picture, or less than one column.
    """
    if not pictures or columns < 1:
        raise ValueError("a grid needs at least one picture and one column")
    rows = [pictures[start : start + columns] for start in range(0, len(pictures), columns)]
    widths = [max(row[col].width for row in rows if col < len(row)) for col in range(len(rows[0]))]
    heights = [max(picture.height for picture in row) for row in rows]
    page = Image.new(
        "RGB", (sum(widths) + gap * (len(widths) + 1), sum(heights) + gap * (len(heights) + 1)), ground
    )
    top = gap
    for row, height in zip(rows, heights, strict=True):
        left = gap
        for picture, width in zip(row, widths, strict=False):
            page.paste(picture, (left + (width - picture.width) // 2, top))
            left += width + gap
        top += height + gap
    return page


def save_image(image: Image.Image, path: Path) -> None:
    """Write a picture as a whole or not at all; the ending of ``path`` gives the format (PNG, JPEG, WebP).

    Raises:
        FreelocError: another ending, a picture larger than the format holds, or the place is not writable.
    """
    try:
        kind, longest, options = _FORMATS[path.suffix.lower()]
    except KeyError as error:
        raise OutputError(
            f"cannot write {path}: unknown image format; use a suffix of .png, .jpg or .webp",
            path=path,
        ) from error
    if max(image.size) > longest:
        raise OutputError(
            f"cannot write {path}: {image.width}×{image.height} pixels exceed the limit of {kind}; "
            "use a path that ends in .png",
            path=path,
        )
    if kind == "JPEG" and image.mode != "RGB":
        image = image.convert("RGB")
    with atomic.atomic_path(path) as temporary:
        image.save(temporary, kind, **options)


def colour_of(scores: npt.ArrayLike) -> npt.NDArray[np.uint8]:
    """Colours of scores between 0 and 1: (...,) to (..., 3) uint8 RGB, by straight lines between `COLOURS`."""
    scores, places = np.asarray(scores, np.float64), np.linspace(0, 1, len(COLOURS))
    channels = [np.interp(scores, places, channel) for channel in zip(*COLOURS, strict=True)]
    colours: npt.NDArray[np.uint8] = np.rint(np.stack(channels, axis=-1)).astype(np.uint8)
    return colours


def _even_columns(panels: int, width: int) -> int:
    """As many columns as `ROW_WIDTH` holds, or fewer where that fills the same number of rows evenly."""
    fitting = max(1, (ROW_WIDTH - _GAP) // (width + _GAP))
    return math.ceil(panels / math.ceil(panels / fitting))


def _count(classes: int) -> str:
    return f"{classes} class" if classes == 1 else f"{classes} classes"


def _place(width: int, height: int, panel_height: int) -> _Place:
    ratio = min(PANEL_WIDTH / width, panel_height / height)
    drawn_width, drawn_height = max(1, round(width * ratio)), max(1, round(height * ratio))
    panel_width, panel_height = max(drawn_width, _SMALLEST[0]), max(drawn_height, _SMALLEST[1])
    return _Place(
        left=(panel_width - drawn_width) // 2,
        top=(panel_height - drawn_height) // 2,
        width=drawn_width,
        height=drawn_height,
        panel_width=panel_width,
        panel_height=panel_height,
        scale_x=drawn_width / width,
        scale_y=drawn_height / height,
    )


def _image_panel(
    picture: Image.Image, place: _Place, chosen: Sequence[ClassLocation], boxes: Sequence[NamedBox]
) -> Image.Image:
    panel = _on_ground(picture, place)
    _draw_boxes(panel, place, [box for _, box in boxes])
    for location in chosen:
        _draw_cross(panel, place, location)
    _draw_names(panel, place, chosen)
    return panel


def _on_ground(picture: Image.Image, place: _Place) -> Image.Image:
    panel = Image.new("RGB", (place.panel_width, place.panel_height), _DARK)
    panel.paste(picture, (place.left, place.top))
    return panel


def _dimmed(picture: Image.Image) -> Float32Array:
    """(height, width, 3) float32: darker and nearly grey, so that only the map has colour."""
    colour = np.asarray(picture, np.float32)
    grey = np.asarray(picture.convert("L"), np.float32)[..., None]
    dimmed: Float32Array = (0.25 * colour + 0.75 * grey) * np.float32(0.58) + np.float32(14)
    return dimmed


def _map_panel(dimmed: Float32Array, values: Float32Array, place: _Place) -> Image.Image:
    """The dimmed image under a map of values between 0 and 1; see-through where the map is low."""
    values = np.clip(np.nan_to_num(values), 0, 1)
    raster = Image.fromarray(values).resize((place.width, place.height), Image.Resampling.BICUBIC)
    strength = np.clip(np.asarray(raster) / max(float(values.max()), _FAINTEST), 0, 1)
    ramp = np.clip((strength - 0.12) / 0.6, 0, 1)
    opacity = (0.8 * ramp * ramp * (3 - 2 * ramp))[..., None]
    # The image's light and shade stay visible in the coloured parts.
    shade = 0.8 + 0.3 * dimmed.mean(axis=2, keepdims=True) / 162
    mixed = dimmed * (1 - opacity) + colour_of(strength) * shade * opacity
    return _on_ground(Image.fromarray(np.clip(mixed, 0, 255).astype(np.uint8)), place)


def _draw_boxes(
    panel: Image.Image, place: _Place, boxes: Sequence[tuple[float, float, float, float]]
) -> None:
    draw = ImageDraw.Draw(panel)
    for x1, y1, x2, y2 in boxes:
        left, top = map(round, place.at(x1, y1))
        right, bottom = map(round, place.at(x2, y2))
        right, bottom = max(left, right - 1), max(top, bottom - 1)
        draw.rectangle((left - 1, top - 1, right + 1, bottom + 1), outline=_DARK, width=4)
        draw.rectangle((left, top, right, bottom), outline=_GREEN, width=2)


def _radius(place: _Place) -> int:
    return max(8, round(min(place.panel_width, place.panel_height) / 30))


def _draw_cross(panel: Image.Image, place: _Place, location: ClassLocation) -> None:
    if not (math.isfinite(location.x) and math.isfinite(location.y)):
        return
    stamp = _cross(_radius(place))
    x, y = place.at(location.x, location.y)
    corner = round(x - stamp.width / 2), round(y - stamp.height / 2)
    panel.paste(stamp, corner, stamp)


@lru_cache(maxsize=16)
def _cross(radius: int) -> Image.Image:
    """A yellow × with a dark outline, drawn large and shrunk so that its edges are smooth."""
    fine, middle = 8, radius + 3
    stamp = Image.new("RGBA", (2 * middle * fine, 2 * middle * fine), (*_DARK, 0))
    draw = ImageDraw.Draw(stamp)
    reach = radius * 0.78
    for colour, width in ((_DARK, radius * 0.34 + 3.2), (_YELLOW, radius * 0.34)):
        for sign in (1, -1):
            ends = [(fine * (middle - reach), fine * (middle - sign * reach))]
            ends.append((fine * (middle + reach), fine * (middle + sign * reach)))
            draw.line(ends, fill=colour, width=round(fine * width))
            for x, y in ends:
                round_end = fine * width / 2
                draw.ellipse((x - round_end, y - round_end, x + round_end, y + round_end), fill=colour)
    return stamp.resize((2 * middle, 2 * middle), Image.Resampling.BOX)


_SIDES = ((1, 0), (-1, 0), (0, 1), (0, -1), (1, 1), (-1, 1), (1, -1), (-1, -1))
"""Where a name may stand beside its cross, in order of liking: right, left, below, above, corners."""


def _draw_names(panel: Image.Image, place: _Place, chosen: Sequence[ClassLocation]) -> None:
    """Class names beside their crosses, each where it hides least of the other names and crosses."""
    radius = _radius(place) + 3
    crosses = [place.at(location.x, location.y) for location in chosen]
    taken = [(x - radius, y - radius, x + radius, y + radius) for x, y in crosses]
    size = _text_size(place.panel_height)
    for location, (x, y) in zip(chosen, crosses, strict=True):
        if not (math.isfinite(x) and math.isfinite(y)):
            continue
        tag = _tag(location.name, size, round(place.panel_width * 0.6))
        width, height = tag.size
        spots = []
        for right, down in _SIDES:
            left = x + right * (radius + 2 + width / 2) - width / 2
            top = y + down * (radius + 2 + height / 2) - height / 2
            left = min(max(left, 2), place.panel_width - width - 2)
            top = min(max(top, 2), place.panel_height - height - 2)
            spots.append((left, top, left + width, top + height))
        best = min(spots, key=lambda spot: sum(_shared(spot, other) for other in taken))
        taken.append(best)
        panel.paste(tag, (round(best[0]), round(best[1])), tag)


def _shared(one: tuple[float, float, float, float], other: tuple[float, float, float, float]) -> float:
    width = min(one[2], other[2]) - max(one[0], other[0])
    height = min(one[3], other[3]) - max(one[1], other[1])
    return max(0.0, width) * max(0.0, height)


def _text_size(panel_height: int) -> int:
    return min(28, max(13, round(panel_height / 23)))


def _tag(text: str, size: int, width: int) -> Image.Image:
    """White letters on a dark rounded plate, for any ground."""
    words, font = fitted(text, size, width - 12)
    box = font.getbbox(words)
    height = round(size * 1.55)
    fine = 4
    plate = Image.new("L", (fine * (math.ceil(box[2]) + 12), fine * height), 0)
    ImageDraw.Draw(plate).rounded_rectangle((0, 0, plate.width - 1, plate.height - 1), fine * 5, fill=190)
    mask = plate.resize((plate.width // fine, height), Image.Resampling.BOX)
    tag = Image.new("RGBA", mask.size, (*_DARK, 0))
    tag.putalpha(mask)
    letters = Image.new("RGBA", tag.size, (*_INK, 0))
    ImageDraw.Draw(letters).text((6, baseline_top(font, height)), words, fill=(*_INK, 255), font=font)
    return Image.alpha_composite(tag, letters)


def _with_caption(panel: Image.Image, left: str, right: str) -> Image.Image:
    size = _text_size(panel.height)
    height = round(size * 2)
    whole = Image.new("RGB", (panel.width, panel.height + height), _PAGE)
    whole.paste(panel)
    draw = ImageDraw.Draw(whole)
    between = round(0.75 * size)
    room = panel.width - 4 - between
    # Neither pushes the other out: of two that are too long the name gets a little less than half.
    whole_name, name_font = fitted(left, size, room)
    kept = min(math.ceil(name_font.getlength(whole_name)), round(0.45 * room))
    note, note_font = fitted(right, size, room - kept)
    name, name_font = fitted(left, size, room - math.ceil(note_font.getlength(note)))
    top = panel.height
    draw.text((2, top + baseline_top(name_font, height)), name, fill=_INK, font=name_font)
    note_left = 2 + math.ceil(name_font.getlength(name)) + between
    draw.text((note_left, top + baseline_top(note_font, height)), note, fill=_QUIET, font=note_font)
    return whole
