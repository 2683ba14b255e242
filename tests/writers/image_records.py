"""Records with known boxes and points, for the tests of writers that need nothing but records."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image, ImageDraw

from freeloc._typing import BoolArray
from freeloc.writers import WRITERS, WriterOptions
from freeloc.writers.image_record import BoxRecord, ClassRecord, ImageRecord, PeakRecord
from freeloc.writers.masks import encode_mask
from freeloc.writers.record_writer import RecordWriter

MUG = (20.0, 30.0, 50.0, 90.0)
"""The box of the object in `write_turned_image`: the red pixels of the upright image."""

SIZE = (80, 120)
"""Width and height of the upright image."""

OPTIONS = WriterOptions(boxes=8)


def write_turned_image(path: Path) -> Path:
    """Write a gray JPEG of 80×120 pixels with a red rectangle, stored turned by 90° (EXIF orientation 6)."""
    upright = Image.new("RGB", SIZE, (128, 128, 128))
    x1, y1, x2, y2 = MUG
    ImageDraw.Draw(upright).rectangle((x1, y1, x2 - 1, y2 - 1), fill=(255, 0, 0))
    exif = Image.Exif()
    exif[0x0112] = 6
    path.parent.mkdir(parents=True, exist_ok=True)
    upright.transpose(Image.Transpose.ROTATE_90).save(path, quality=95, exif=exif)
    return path


def is_red_box(pixels: np.ndarray, box: Sequence[float]) -> bool:
    """Whether exactly the pixels in a box are red, up to one pixel; pixels are (height, width, 3) RGB."""
    assert pixels.shape == (SIZE[1], SIZE[0], 3), pixels.shape
    red = (pixels[..., 0].astype(int) - pixels[..., 1]) > 100
    rows, cols = np.nonzero(red)
    found = (cols.min(), rows.min(), cols.max() + 1, rows.max() + 1)
    return bool(np.abs(np.subtract(found, box)).max() <= 1)


def class_record(
    name: str,
    index: int,
    probability: float = 0.9,
    *,
    boxes: Iterable[Sequence[float]] | None = (),
    peaks: Iterable[Sequence[float]] | None = None,
    mask: BoolArray | None = None,
) -> ClassRecord:
    """A class whose threshold is 0.5; boxes are ``x1, y1, x2, y2, score``, and peaks ``x, y, value``."""
    found = None if peaks is None else tuple(PeakRecord(*peak) for peak in peaks)
    point = found[0] if found else PeakRecord(35.0, 60.0, 0.8)
    encoded: dict[str, Any] | None = None if mask is None else encode_mask(mask)
    return ClassRecord(
        name=name,
        index=index,
        score=round(4 * probability - 2, 2),
        probability=probability,
        x=point.x,
        y=point.y,
        response=0.8,
        threshold=0.5,
        present=probability >= 0.5,
        peaks=found,
        boxes=None if boxes is None else tuple(BoxRecord(*box) for box in boxes),
        mask=None if encoded is None else convert_mask(encoded),
    )


def convert_mask(values: dict[str, Any]) -> Any:
    from freeloc.io.typed_json import convert_json
    from freeloc.writers.image_record import MaskRecord

    return convert_json(values, MaskRecord)


def image_record(image: Path | str, *classes: ClassRecord, size: tuple[int, int] = SIZE) -> ImageRecord:
    """The record of an image, with its classes in any order."""
    ranked = sorted(classes, key=lambda each: -(each.probability or 0))
    return ImageRecord(1, str(image), *size, tuple(ranked))


def mug_record(image: Path | str) -> ImageRecord:
    """The record of `write_turned_image`: one box at the object, one with a low score, and an absent class."""
    mug = class_record("mug", 1, boxes=[(*MUG, 0.9), (0.0, 0.0, 10.0, 10.0, 0.1)], peaks=[(35.0, 60.0, 0.8)])
    return image_record(image, mug, class_record("lamp", 0, 0.2, boxes=[(60.0, 0.0, 80.0, 20.0, 0.15)]))


def write_records(
    name: str, folder: Path, records: Iterable[tuple[ImageRecord, str]], options: WriterOptions = OPTIONS
) -> RecordWriter:
    """Write records, each with its base name, in a format."""
    writer = WRITERS.get(name)(folder, options)
    assert isinstance(writer, RecordWriter)
    with writer:
        for record, base in records:
            writer.write_record(record, base)
    return writer


def with_options(**options: Any) -> WriterOptions:
    """`OPTIONS` with others."""
    return dataclasses.replace(OPTIONS, **options)
