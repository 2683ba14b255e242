"""Generated scenes: images nobody had to take, for a first run without data and without a network.

A scene is a collage: two to five things of eight classes, at random sizes, colours, poses and places over a
busy backdrop, partly hidden by each other and by clutter, with soft shadows. Classes are drawn independently,
so that neither the backdrop nor the neighbours say anything about a class. Where every thing lies is known to
the pixel. Training from tags never asks for it; the metrics do.
"""

from __future__ import annotations

import csv
import io
import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import numpy.typing as npt
from PIL import Image

from freeloc._typing import Float32Array
from freeloc.datasets.dataset import ABSENT, PRESENT, AnnotatedBox, Dataset, Sample
from freeloc.demo.backdrops import CLUTTER, draw_backdrop, draw_scrap
from freeloc.demo.drawing import Drawing, Inks, Pen, Sprite, finish
from freeloc.demo.shapes import THINGS
from freeloc.errors import FreelocError
from freeloc.geometry.size import Size
from freeloc.io.atomic import atomic_path, write_text

__all__ = ["SCENE_CLASSES", "Scene", "SceneSettings", "draw_scene", "generate_scenes"]

SCENE_CLASSES: tuple[str, ...] = tuple(THINGS)
"""The eight classes, in the order of every label."""

SCENE_SIZES = (Size(500, 375), Size(375, 500), Size(500, 333), Size(333, 500), Size(480, 480))
"""Sizes a scene may have; one is drawn for each scene."""

TAG_SEPARATOR = ";"
MIN_IN_FRAME = 0.8
"""Least share of a thing that lies on the image."""

_JPEG_QUALITY = 92
_THING_RELIEF = 0.65
_TRIES_PER_DRAWING = 8
_PULL = 1.6


@dataclass(frozen=True)
class SceneSettings:
    """How scenes are made.

    Attributes:
        seed: with a scene's index it fixes every pixel of the scene.
        min_objects: fewest things in a scene.
        max_objects: most things in a scene; every number between is as likely.
        min_side: usual length of the smallest thing, as a share of the scene's longest side.
        max_side: usual length of the largest thing, as a share of the scene's longest side.
        min_visible: least share of a thing's pixels that stays visible, so that its tag is true.
        max_clutter: most leaves, ribbons, bars and pebbles that lie over the things.
        max_scraps: most paper scraps strewn over the backdrop.

    Raises:
        FreelocError: a value is out of its range.
    """

    seed: int = 0
    min_objects: int = 2
    max_objects: int = 5
    min_side: float = 0.18
    max_side: float = 0.4
    min_visible: float = 0.6
    max_clutter: int = 4
    max_scraps: int = 9

    def __post_init__(self) -> None:
        checks = (
            ("seed", self.seed >= 0, "a number from 0 up"),
            ("min_objects", 1 <= self.min_objects <= self.max_objects, "at least 1 and at most max_objects"),
            ("max_objects", self.max_objects <= 8, "at most 8"),
            ("min_side", 0.05 <= self.min_side <= self.max_side, "at least 0.05 and at most max_side"),
            ("max_side", self.max_side <= 0.5, "at most 0.5"),
            ("min_visible", 0 <= self.min_visible <= 0.75, "a share from 0 to 0.75"),
            ("max_clutter", self.max_clutter >= 0, "a number from 0 up"),
            ("max_scraps", self.max_scraps >= 0, "a number from 0 up"),
        )
        for name, good, allowed in checks:
            if not good:
                raise FreelocError(f"scene setting {name} is {getattr(self, name)}: give {allowed}")


@dataclass(frozen=True, eq=False)
class Scene:
    """One generated image and what it shows.

    Attributes:
        image: (H, W, 3) uint8 RGB, read-only.
        boxes: one per thing, from the lowest to the topmost, in pixels of the image. A box holds every pixel
            that the thing covers by at least half, as drawn alone: parts that another thing or clutter hides
            count, parts past the image's edge do not, and neither does the shadow.
        visible: for each box, the share of the thing's pixels that can be seen; those past the edge count as
            hidden.
    """

    image: npt.NDArray[np.uint8]
    boxes: tuple[AnnotatedBox, ...]
    visible: tuple[float, ...]

    def __post_init__(self) -> None:
        self.image.setflags(write=False)


@dataclass(frozen=True, eq=False)
class _Layer:
    """A sprite at a place of the canvas; ``label`` is None for what belongs to no class."""

    sprite: Sprite
    left: int
    top: int
    label: int | None = None
    shadow: float = 0.4


@dataclass(frozen=True, eq=False)
class _Plan:
    """Everything a scene is painted from: the finished backdrop, and the layers from the lowest up."""

    size: Size
    light: tuple[float, float]
    backdrop: Float32Array
    layers: tuple[_Layer, ...]
    visible: tuple[float, ...]


Window = tuple[slice, slice]


def _windows(left: int, top: int, shape: Sequence[int], frame: Sequence[int]) -> tuple[Window, Window]:
    """Where a picture of ``shape`` (rows, columns) lies on the frame: the frame's part, the picture's part.

    Both are empty where the two do not meet.
    """
    y1, x1 = min(max(top, 0), frame[0]), min(max(left, 0), frame[1])
    y2, x2 = max(y1, min(top + shape[0], frame[0])), max(x1, min(left + shape[1], frame[1]))
    on_frame = slice(y1, y2), slice(x1, x2)
    return on_frame, (slice(y1 - top, y2 - top), slice(x1 - left, x2 - left))


def _paint(canvas: Float32Array, layer: _Layer, light: tuple[float, float]) -> None:
    """Lay a layer and its shadow over a (3, H, W) canvas, in place."""
    sprite = layer.sprite
    if layer.shadow > 0:
        throw = 0.7 * sprite.rim
        left = layer.left - sprite.rim - round(throw * light[0])
        top = layer.top - sprite.rim - round(throw * light[1])
        there, own = _windows(left, top, sprite.halo.shape, canvas.shape[1:])
        canvas[:, *there] *= 1 - np.float32(layer.shadow) * sprite.halo[own]
    there, own = _windows(layer.left, layer.top, sprite.alpha.shape, canvas.shape[1:])
    canvas[:, *there] *= 1 - sprite.alpha[own]
    canvas[:, *there] += sprite.colour[:, *own]


@dataclass(eq=False)
class _Pile:
    """Things already placed, and which of their pixels can still be seen."""

    size: Size
    things: list[tuple[_Layer, npt.NDArray[np.bool_], int]] = field(default_factory=list)

    def covered(self, layer: _Layer) -> list[float]:
        """The share of each thing that would stay visible under ``layer``."""
        mask = layer.sprite.alpha >= 0.5
        shares: list[float] = []
        for thing, seen, area in self.things:
            there, own = _windows(layer.left - thing.left, layer.top - thing.top, mask.shape, seen.shape)
            left = int(np.count_nonzero(seen)) - int(np.count_nonzero(seen[there] & mask[own]))
            shares.append(left / area)
        return shares

    def cover(self, layer: _Layer) -> None:
        """Lay ``layer`` on top; it becomes one of the things when it has a label."""
        mask = layer.sprite.alpha >= 0.5
        for thing, seen, _ in self.things:
            there, own = _windows(layer.left - thing.left, layer.top - thing.top, mask.shape, seen.shape)
            seen[there] &= ~mask[own]
        if layer.label is not None:
            seen = np.zeros_like(mask)
            _, own = _windows(layer.left, layer.top, mask.shape, (self.size.height, self.size.width))
            seen[own] = mask[own]
            self.things.append((layer, seen, int(np.count_nonzero(mask))))

    def in_frame(self, layer: _Layer) -> float:
        """The share of a layer that lies on the image."""
        mask = layer.sprite.alpha >= 0.5
        _, own = _windows(layer.left, layer.top, mask.shape, (self.size.height, self.size.width))
        return int(np.count_nonzero(mask[own])) / int(np.count_nonzero(mask))

    @property
    def visible(self) -> tuple[float, ...]:
        """The share of each thing that can be seen."""
        return tuple(int(np.count_nonzero(seen)) / area for _, seen, area in self.things)


def _sprite(
    rng: np.random.Generator,
    drawing: Drawing,
    side: float,
    lean: float,
    light: tuple[float, float],
    relief: float,
) -> Sprite:
    turn, mirror, stretch = rng.uniform(-lean, lean), rng.random() < 0.5, rng.uniform(0.85, 1.15)
    pen = Pen(side, turn, mirror, stretch)
    drawing(pen, rng, Inks.draw(rng))
    return finish(pen, light, relief)


def _drop(rng: np.random.Generator, size: Size, sprite: Sprite, label: int | None = None) -> _Layer:
    """The sprite anywhere on the image, at most about a fifth of it past an edge.

    Things lie a little closer to the middle than chance has it, as they do in the images people take;
    without that the centre baseline would look worse here than it is.
    """
    height, width = sprite.alpha.shape
    across, down = rng.beta(_PULL, _PULL, 2) if label is not None else rng.random(2)
    left = -0.2 * width + across * (size.width - 0.6 * width)
    top = -0.2 * height + down * (size.height - 0.6 * height)
    return _Layer(sprite, round(left), round(top), label)


def _add_thing(
    rng: np.random.Generator, pile: _Pile, settings: SceneSettings, light: tuple[float, float]
) -> _Layer:
    """Draw a thing of any class and find it a place that leaves the others visible.

    A thing that finds none is drawn again, each time a little smaller, so that the search ends.
    """
    label = int(rng.integers(len(SCENE_CLASSES)))
    drawing, lean = THINGS[SCENE_CLASSES[label]]
    side = pile.size.longest * math.exp(rng.uniform(math.log(settings.min_side), math.log(settings.max_side)))
    while True:
        sprite = _sprite(rng, drawing, side, lean, light, _THING_RELIEF)
        for _ in range(_TRIES_PER_DRAWING):
            layer = _drop(rng, pile.size, sprite, label)
            # Most things lie free; the draw lets some cover others as far as a true tag allows.
            keep = rng.uniform(settings.min_visible + 0.1, 1.0)
            if pile.in_frame(layer) >= MIN_IN_FRAME and min(pile.covered(layer), default=1.0) >= keep:
                pile.cover(layer)
                return layer
        side = max(0.9 * side, 16.0)


def _add_clutter(
    rng: np.random.Generator, pile: _Pile, settings: SceneSettings, light: tuple[float, float]
) -> list[_Layer]:
    """Pieces of no class over the things; a piece that would hide too much of one is left out."""
    layers = []
    for _ in range(rng.integers(settings.max_clutter + 1)):
        drawing, length = CLUTTER[rng.integers(len(CLUTTER))]
        side = pile.size.longest * length * rng.uniform(0.6, 1.2)
        layer = _drop(rng, pile.size, _sprite(rng, drawing, side, math.pi, light, _THING_RELIEF))
        if min(pile.covered(layer), default=1.0) >= settings.min_visible:
            pile.cover(layer)
            layers.append(layer)
    return layers


def _plan(index: int, settings: SceneSettings) -> _Plan:
    if index < 0:
        raise FreelocError(f"scene index is {index}: give a number from 0 up")
    rng = np.random.default_rng(np.random.SeedSequence([settings.seed, index]))
    size = SCENE_SIZES[rng.integers(len(SCENE_SIZES))]
    angle = rng.uniform(-0.9, -0.3) * math.pi
    light = (math.cos(angle), math.sin(angle))
    backdrop = draw_backdrop(rng, size)
    for _ in range(rng.integers(settings.max_scraps // 3, settings.max_scraps + 1)):
        side = size.longest * rng.uniform(0.04, 0.17)
        scrap = _drop(rng, size, _sprite(rng, draw_scrap, side, math.pi, light, 0.0))
        _paint(backdrop, scrap, light)
    pile = _Pile(size)
    count = int(rng.integers(settings.min_objects, settings.max_objects + 1))
    layers = [_add_thing(rng, pile, settings, light) for _ in range(count)]
    layers += _add_clutter(rng, pile, settings, light)
    return _Plan(size, light, backdrop, tuple(layers), pile.visible)


def _box(layer: _Layer, label: int, size: Size) -> AnnotatedBox:
    """The tight box of a thing's pixels on the image, hidden ones included."""
    mask = layer.sprite.alpha >= 0.5
    (rows, columns), own = _windows(layer.left, layer.top, mask.shape, (size.height, size.width))
    y, x = np.flatnonzero(mask[own].any(axis=1)), np.flatnonzero(mask[own].any(axis=0))
    left, top = float(columns.start + x[0]), float(rows.start + y[0])
    return AnnotatedBox(label, left, top, float(columns.start + x[-1] + 1), float(rows.start + y[-1] + 1))


def draw_scene(index: int, settings: SceneSettings) -> Scene:
    """Draw one scene.

    The same settings and index give the same pixels, whatever was drawn before, with the same releases of
    NumPy and Pillow.

    Args:
        index: number of the scene, from 0 up.
        settings: how scenes are made.

    Returns:
        The scene; see `Scene` for what its boxes hold.

    Raises:
        FreelocError: ``index`` is negative.
    """
    plan = _plan(index, settings)
    canvas = plan.backdrop
    for layer in plan.layers:
        _paint(canvas, layer, plan.light)
    across = np.linspace(-1, 1, plan.size.width, dtype=np.float32) * np.float32(plan.light[0])
    down = np.linspace(-1, 1, plan.size.height, dtype=np.float32) * np.float32(plan.light[1])
    canvas *= 1 + np.float32(0.1) * (across + down[:, None])
    rng = np.random.default_rng(np.random.SeedSequence([settings.seed, index, 1]))
    canvas += rng.integers(-4, 5, canvas.shape[1:], dtype=np.int8).astype(np.float32)
    np.clip(canvas, 0, 255, out=canvas)
    image = np.ascontiguousarray(canvas.astype(np.uint8).transpose(1, 2, 0))
    boxes = tuple(_box(layer, layer.label, plan.size) for layer in plan.layers if layer.label is not None)
    return Scene(image, boxes, plan.visible)


def generate_scenes(
    folder: Path, count: int, settings: SceneSettings, start: int = 0, boxes: bool = True
) -> Dataset:
    """Write scenes as JPEG files, with their tags in ``metadata.csv`` beside them.

    Scene 7 goes to ``scene_000007.jpg``. The tag list has the columns ``file_name`` and ``tags``, the tags of
    a scene joined by ``;``. It names the scenes of this call only, so give every set a folder of its own.
    Sets with different ranges of indexes share no scene.

    Args:
        folder: where the files go; made when missing, files of the same names are replaced.
        count: number of scenes.
        settings: how scenes are made.
        start: index of the first scene.
        boxes: whether the samples carry their boxes, for evaluation.

    Returns:
        The data set, as a reader of the folder would give it, boxes added.

    Raises:
        FreelocError: ``count`` is less than 1, ``start`` is negative, or the folder cannot be written to.
    """
    if count < 1:
        raise FreelocError(f"the number of scenes is {count}: give at least 1")
    samples = []
    table = io.StringIO()
    rows = csv.writer(table, lineterminator="\n")
    rows.writerow(("file_name", "tags"))
    for index in range(start, start + count):
        scene = draw_scene(index, settings)
        path = folder / f"scene_{index:06d}.jpg"
        with atomic_path(path) as temporary:
            Image.fromarray(scene.image).save(temporary, format="JPEG", quality=_JPEG_QUALITY)
        labels = np.full(len(SCENE_CLASSES), ABSENT, np.int8)
        labels[[box.label for box in scene.boxes]] = PRESENT
        tags = [name for name, label in zip(SCENE_CLASSES, labels, strict=True) if label == PRESENT]
        rows.writerow((path.name, TAG_SEPARATOR.join(tags)))
        samples.append(Sample(path, labels, scene.boxes if boxes else None))
    write_text(folder / "metadata.csv", table.getvalue())
    return Dataset("generated scenes", SCENE_CLASSES, tuple(samples))
