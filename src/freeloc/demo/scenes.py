"""Generated scenes: synthetic images for a first run, which needs neither a dataset nor network access.

A scene is a collage: by default, it shows two to five objects from eight classes, with random sizes, colors, poses
and positions, on a cluttered backdrop. Objects may partly hide each other, clutter may lie on top of them, and
both cast soft shadows. The class of each object is chosen independently, so neither the backdrop nor neighboring
objects are evidence for a class. The exact position of every object is known; evaluation uses it, but training
does not.
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

from freeloc._typing import BoolArray, Float32Array
from freeloc._validation import Seed, check_fields
from freeloc.datasets.dataset import ABSENT, PRESENT, AnnotatedBox, Dataset, Sample
from freeloc.demo.backdrops import CLUTTER, draw_backdrop, draw_scrap
from freeloc.demo.drawing import ColorScheme, Drawing, Painter, Sprite, render_sprite
from freeloc.demo.shapes import OBJECTS
from freeloc.errors import ConfigurationError
from freeloc.geometry.size import Size
from freeloc.io.atomic import atomic_path, write_text
from freeloc.io.progress import track

__all__ = ["SCENE_CLASSES", "Scene", "SceneSettings", "draw_scene", "generate_scenes"]

SCENE_CLASSES: tuple[str, ...] = tuple(OBJECTS)
"""The eight classes, in the order of the labels."""

SCENE_SIZES = (Size(500, 375), Size(375, 500), Size(500, 333), Size(333, 500), Size(480, 480))
"""Possible sizes of a scene; one is chosen at random for each scene."""

TAG_SEPARATOR = ";"
MIN_IN_FRAME = 0.8
"""Minimum fraction of an object that must lie inside the image."""

_JPEG_QUALITY = 92
_OBJECT_RELIEF = 0.65
_POSITIONS_PER_DRAWING = 8
_CENTER_BIAS = 1.6
"""Both parameters of the beta distribution of object positions; with 1, the distribution would be uniform."""


@dataclass(frozen=True)
class SceneSettings:
    """Settings of the scene generator.

    Attributes:
        seed: random seed; together with a scene's index, it determines every pixel of the scene.
        min_objects: minimum number of objects in a scene.
        max_objects: maximum number of objects in a scene; all numbers from minimum to maximum are equally likely.
        min_side: typical length of the smallest objects, as a fraction of the scene's longest side.
        max_side: typical length of the largest objects, as a fraction of the scene's longest side.
        min_visible: minimum fraction of an object's pixels that must stay visible, so that its tag is correct.
        max_clutter: maximum number of leaves, ribbons, bars and pebbles on top of the objects.
        max_scraps: maximum number of paper scraps on the backdrop.

    Raises:
        ConfigurationError: a value has the wrong type or is out of range.
    """

    seed: Seed = 0
    min_objects: int = 2
    max_objects: int = 5
    min_side: float = 0.18
    max_side: float = 0.4
    min_visible: float = 0.6
    max_clutter: int = 4
    max_scraps: int = 9

    def __post_init__(self) -> None:
        check_fields(self)
        checks = (
            ("min_objects", 1 <= self.min_objects <= self.max_objects, "at least 1 and at most max_objects"),
            ("max_objects", self.max_objects <= 8, "at most 8"),
            ("min_side", 0.05 <= self.min_side <= self.max_side, "at least 0.05 and at most max_side"),
            ("max_side", self.max_side <= 0.5, "at most 0.5"),
            ("min_visible", 0 <= self.min_visible <= 0.75, "from 0 to 0.75"),
            ("max_clutter", self.max_clutter >= 0, "at least 0"),
            ("max_scraps", self.max_scraps >= 0, "at least 0"),
        )
        for name, valid, allowed in checks:
            if not valid:
                value = getattr(self, name)
                raise ConfigurationError(f"{name} is {value}: it must be {allowed}", parameter=name)


@dataclass(frozen=True, eq=False)
class Scene:
    """A generated image and its annotations.

    Attributes:
        image: (H, W, 3) uint8 RGB, read-only.
        boxes: one box per object, from the bottom layer to the top, in image coordinates. A box encloses every
            pixel that the object, drawn alone, covers by at least half. This includes parts hidden by other
            objects or clutter, but neither parts outside the image nor the shadow.
        visible: for each box, the visible fraction of the object's pixels; pixels outside the image count as
            hidden.
        masks: for each box, the object's visible pixels, (H, W) bool.
    """

    image: npt.NDArray[np.uint8]
    boxes: tuple[AnnotatedBox, ...]
    visible: tuple[float, ...]
    masks: tuple[BoolArray, ...]

    def __post_init__(self) -> None:
        self.image.setflags(write=False)


@dataclass(frozen=True, eq=False)
class _Layer:
    """A sprite at a position in the scene; ``label`` is None if it belongs to no class."""

    sprite: Sprite
    left: int
    top: int
    label: int | None = None
    shadow: float = 0.4


@dataclass(frozen=True, eq=False)
class _Plan:
    """A scene: the finished backdrop, the layers from bottom to top, and the visible pixels of the objects."""

    size: Size
    light: tuple[float, float]
    backdrop: Float32Array
    layers: tuple[_Layer, ...]
    visible: tuple[float, ...]
    masks: tuple[BoolArray, ...]


Region = tuple[slice, slice]


def _overlap(left: int, top: int, shape: Sequence[int], frame: Sequence[int]) -> tuple[Region, Region]:
    """Return the region where a sprite of ``shape`` (rows, columns) overlaps a frame.

    The region is given twice: as slices of the frame, and as slices of the sprite. Both are empty if there is no
    overlap.
    """
    y1, x1 = min(max(top, 0), frame[0]), min(max(left, 0), frame[1])
    y2, x2 = max(y1, min(top + shape[0], frame[0])), max(x1, min(left + shape[1], frame[1]))
    in_frame = slice(y1, y2), slice(x1, x2)
    return in_frame, (slice(y1 - top, y2 - top), slice(x1 - left, x2 - left))


def _paint(canvas: Float32Array, layer: _Layer, light: tuple[float, float]) -> None:
    """Paint a layer and its shadow on a (3, H, W) canvas, in place."""
    sprite = layer.sprite
    if layer.shadow > 0:
        offset = 0.7 * sprite.margin
        left = layer.left - sprite.margin - round(offset * light[0])
        top = layer.top - sprite.margin - round(offset * light[1])
        on_canvas, on_sprite = _overlap(left, top, sprite.shadow_mask.shape, canvas.shape[1:])
        canvas[:, *on_canvas] *= 1 - np.float32(layer.shadow) * sprite.shadow_mask[on_sprite]
    on_canvas, on_sprite = _overlap(layer.left, layer.top, sprite.alpha.shape, canvas.shape[1:])
    canvas[:, *on_canvas] *= 1 - sprite.alpha[on_sprite]
    canvas[:, *on_canvas] += sprite.color[:, *on_sprite]


@dataclass(eq=False)
class _Occlusions:
    """The objects placed so far, each with its area and a mask of its visible pixels."""

    size: Size
    objects: list[tuple[_Layer, npt.NDArray[np.bool_], int]] = field(default_factory=list)

    def visible_under(self, layer: _Layer) -> list[float]:
        """Return the fraction of each object that would stay visible under ``layer``."""
        mask = layer.sprite.alpha >= 0.5
        fractions: list[float] = []
        for placed, seen, area in self.objects:
            on_object, on_layer = _overlap(
                layer.left - placed.left, layer.top - placed.top, mask.shape, seen.shape
            )
            hidden = int(np.count_nonzero(seen[on_object] & mask[on_layer]))
            fractions.append((int(np.count_nonzero(seen)) - hidden) / area)
        return fractions

    def add(self, layer: _Layer) -> None:
        """Place ``layer`` on top; if it has a label, add it to the objects."""
        mask = layer.sprite.alpha >= 0.5
        for placed, seen, _ in self.objects:
            on_object, on_layer = _overlap(
                layer.left - placed.left, layer.top - placed.top, mask.shape, seen.shape
            )
            seen[on_object] &= ~mask[on_layer]
        if layer.label is not None:
            seen = np.zeros_like(mask)
            _, on_layer = _overlap(layer.left, layer.top, mask.shape, (self.size.height, self.size.width))
            seen[on_layer] = mask[on_layer]
            self.objects.append((layer, seen, int(np.count_nonzero(mask))))

    def in_frame(self, layer: _Layer) -> float:
        """Return the fraction of a layer that lies inside the image."""
        mask = layer.sprite.alpha >= 0.5
        _, on_layer = _overlap(layer.left, layer.top, mask.shape, (self.size.height, self.size.width))
        return int(np.count_nonzero(mask[on_layer])) / int(np.count_nonzero(mask))

    @property
    def visible(self) -> tuple[float, ...]:
        """The visible fraction of each object."""
        return tuple(int(np.count_nonzero(seen)) / area for _, seen, area in self.objects)

    @property
    def masks(self) -> tuple[BoolArray, ...]:
        """The visible pixels of each object, (H, W) bool."""
        masks = tuple(np.zeros((self.size.height, self.size.width), dtype=np.bool_) for _ in self.objects)
        for mask, (layer, seen, _) in zip(masks, self.objects, strict=True):
            in_frame, on_layer = _overlap(layer.left, layer.top, seen.shape, mask.shape)
            mask[in_frame] = seen[on_layer]
        return masks


def _sprite(
    rng: np.random.Generator,
    drawing: Drawing,
    side: float,
    max_turn: float,
    light: tuple[float, float],
    relief: float,
) -> Sprite:
    turn, mirror, stretch = rng.uniform(-max_turn, max_turn), rng.random() < 0.5, rng.uniform(0.85, 1.15)
    painter = Painter(side, turn, mirror, stretch)
    drawing(painter, rng, ColorScheme.draw(rng))
    return render_sprite(painter, light, relief)


def _place(rng: np.random.Generator, size: Size, sprite: Sprite, label: int | None = None) -> _Layer:
    """Place a sprite at random, with at most about a fifth of its width or height beyond an edge of the image.

    Objects tend to lie closer to the center than in a uniform distribution, as in real images; otherwise, the
    center baseline would score lower here than on real images.
    """
    height, width = sprite.alpha.shape
    across, down = rng.beta(_CENTER_BIAS, _CENTER_BIAS, 2) if label is not None else rng.random(2)
    left = -0.2 * width + across * (size.width - 0.6 * width)
    top = -0.2 * height + down * (size.height - 0.6 * height)
    return _Layer(sprite, round(left), round(top), label)


def _add_object(
    rng: np.random.Generator, occlusions: _Occlusions, settings: SceneSettings, light: tuple[float, float]
) -> _Layer:
    """Draw an object of a random class, and place it so that enough of each other object stays visible.

    If no position is found, the object is drawn again at a slightly smaller size, so that the search terminates.
    """
    label = int(rng.integers(len(SCENE_CLASSES)))
    drawing, max_turn = OBJECTS[SCENE_CLASSES[label]]
    longest = occlusions.size.longest
    side = longest * math.exp(rng.uniform(math.log(settings.min_side), math.log(settings.max_side)))
    while True:
        sprite = _sprite(rng, drawing, side, max_turn, light, _OBJECT_RELIEF)
        for _ in range(_POSITIONS_PER_DRAWING):
            layer = _place(rng, occlusions.size, sprite, label)
            # Most objects do not overlap. The random limit allows some objects to hide parts of others, as long
            # as all tags remain correct.
            least = rng.uniform(settings.min_visible + 0.1, 1.0)
            in_frame = occlusions.in_frame(layer) >= MIN_IN_FRAME
            if in_frame and min(occlusions.visible_under(layer), default=1.0) >= least:
                occlusions.add(layer)
                return layer
        side = max(0.9 * side, 16.0)


def _add_clutter(
    rng: np.random.Generator, occlusions: _Occlusions, settings: SceneSettings, light: tuple[float, float]
) -> list[_Layer]:
    """Draw pieces of clutter on top of the objects, and drop those that would hide too much of an object."""
    layers = []
    for _ in range(rng.integers(settings.max_clutter + 1)):
        drawing, length = CLUTTER[rng.integers(len(CLUTTER))]
        side = occlusions.size.longest * length * rng.uniform(0.6, 1.2)
        sprite = _sprite(rng, drawing, side, math.pi, light, _OBJECT_RELIEF)
        layer = _place(rng, occlusions.size, sprite)
        if min(occlusions.visible_under(layer), default=1.0) >= settings.min_visible:
            occlusions.add(layer)
            layers.append(layer)
    return layers


def _plan(index: int, settings: SceneSettings) -> _Plan:
    if index < 0:
        raise ConfigurationError(f"the scene index is {index}: it must be at least 0", parameter="index")
    rng = np.random.default_rng(np.random.SeedSequence([settings.seed, index]))
    size = SCENE_SIZES[rng.integers(len(SCENE_SIZES))]
    angle = rng.uniform(-0.9, -0.3) * math.pi
    light = (math.cos(angle), math.sin(angle))
    backdrop = draw_backdrop(rng, size)
    for _ in range(rng.integers(settings.max_scraps // 3, settings.max_scraps + 1)):
        side = size.longest * rng.uniform(0.04, 0.17)
        scrap = _place(rng, size, _sprite(rng, draw_scrap, side, math.pi, light, 0.0))
        _paint(backdrop, scrap, light)
    occlusions = _Occlusions(size)
    count = int(rng.integers(settings.min_objects, settings.max_objects + 1))
    layers = [_add_object(rng, occlusions, settings, light) for _ in range(count)]
    layers += _add_clutter(rng, occlusions, settings, light)
    return _Plan(size, light, backdrop, tuple(layers), occlusions.visible, occlusions.masks)


def _box(layer: _Layer, label: int, size: Size) -> AnnotatedBox:
    """Return the tight box around an object's pixels inside the image, including hidden ones."""
    mask = layer.sprite.alpha >= 0.5
    (rows, columns), on_layer = _overlap(layer.left, layer.top, mask.shape, (size.height, size.width))
    y, x = np.flatnonzero(mask[on_layer].any(axis=1)), np.flatnonzero(mask[on_layer].any(axis=0))
    left, top = float(columns.start + x[0]), float(rows.start + y[0])
    return AnnotatedBox(label, left, top, float(columns.start + x[-1] + 1), float(rows.start + y[-1] + 1))


def draw_scene(index: int, settings: SceneSettings) -> Scene:
    """Draw one scene.

    With the same releases of NumPy and Pillow, equal settings and indices yield equal pixels, regardless of which
    scenes were drawn before.

    Args:
        index: index of the scene, from 0.
        settings: settings of the generator.

    Returns:
        The scene; see `Scene` for how its boxes are defined.

    Raises:
        ConfigurationError: ``index`` is negative.
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
    return Scene(image, boxes, plan.visible, plan.masks)


def generate_scenes(
    folder: Path,
    count: int,
    settings: SceneSettings,
    start: int = 0,
    boxes: bool = True,
    quiet: bool = True,
) -> Dataset:
    """Write scenes as JPEG files, and their tags to ``metadata.csv`` in the same folder.

    Scene 7 is written to ``scene_000007.jpg``. The tag list has the columns ``file_name`` and ``tags``; the
    tags of a scene are joined by ``;``. The list contains only the scenes of this call, so use a separate folder
    for each split. Splits with disjoint ranges of scene indices have no scene in common.

    Args:
        folder: output folder; it is created if it does not exist. Existing files with the same names are replaced.
        count: number of scenes.
        settings: settings of the generator.
        start: index of the first scene.
        boxes: whether the samples include their annotated boxes, for evaluation.
        quiet: whether to hide progress.

    Returns:
        The dataset; apart from the boxes, it equals the dataset read from the folder as a tag list.

    Raises:
        ConfigurationError: ``count`` is less than 1, or ``start`` is negative.
        OutputError: the folder cannot be written to.
    """
    if count < 1:
        raise ConfigurationError(f"the number of scenes is {count}: it must be at least 1", parameter="count")
    samples = []
    table = io.StringIO()
    rows = csv.writer(table, lineterminator="\n")
    rows.writerow(("file_name", "tags"))
    for index in track(range(start, start + count), "generating scenes", count, quiet=quiet):
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
