"""Prompts for SAM, used as its predictors take them."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image, ImageOps

from tests.writers.image_records import (
    MUG,
    class_record,
    image_record,
    is_red_box,
    mug_record,
    with_options,
    write_records,
    write_turned_image,
)


def read(folder: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in (folder / "sam.jsonl").read_text("utf-8").splitlines()]


def test_a_box_and_its_point_are_one_prompt(tmp_path: Path) -> None:
    nothing = image_record("b.jpg", class_record("mug", 0, 0.1))
    write_records("sam", tmp_path, [(mug_record("album/a.jpg"), "a"), (nothing, "b")])
    mug = {"text": "mug", "points": [[35, 60]], "labels": [1], "box": list(MUG), "score": 0.9}
    assert read(tmp_path) == [
        {"image": "album/a.jpg", "width": 80, "height": 120, "prompts": [mug]},
        {"image": "b.jpg", "width": 80, "height": 120, "prompts": []},
    ]


def test_every_box_and_every_point_is_used_once(tmp_path: Path) -> None:
    mug = class_record(
        "mug",
        0,
        boxes=[(0, 0, 20, 20, 0.9), (40, 40, 60, 60, 0.8), (70, 70, 80, 80, 0.1)],
        peaks=[(10, 10, 0.9), (75, 75, 0.8), (12, 12, 0.7)],
    )
    lamp = class_record("lamp", 1, 0.8, boxes=None, peaks=[(10, 10, 0.9)])
    write_records("sam", tmp_path, [(image_record("a.jpg", mug, lamp), "a")])
    (line,) = read(tmp_path)
    assert [tuple(prompt.values()) for prompt in line["prompts"]] == [
        ("mug", [[10, 10]], [1], [0, 0, 20, 20], 0.9),
        ("mug", None, None, [40, 40, 60, 60], 0.8),
        ("mug", [[75, 75]], [1], None, 0.9),
        ("mug", [[12, 12]], [1], None, 0.9),
        ("lamp", [[10, 10]], [1], None, 0.8),
    ]


def test_prompts_lie_on_the_upright_image(tmp_path: Path) -> None:
    """A predictor of SAM takes the pixels of the upright image, points (N, 2), labels (N,) and a box (4,)."""
    image = write_turned_image(tmp_path / "a.jpg")
    write_records("sam", tmp_path, [(mug_record(image), "a")], with_options())
    (line,) = read(tmp_path)
    pixels = np.asarray(ImageOps.exif_transpose(Image.open(line["image"])))
    assert pixels.shape[:2] == (line["height"], line["width"])
    (prompt,) = line["prompts"]
    points, labels, box = (np.array(prompt[key]) for key in ("points", "labels", "box"))
    assert (points.shape, labels.shape, box.shape) == ((1, 2), (1,), (4,))
    assert is_red_box(pixels, box.tolist())
    x, y = points[0].astype(int)
    assert pixels[y, x, 0] > 200
    assert pixels[y, x, 1] < 50


def test_names_are_escaped(tmp_path: Path) -> None:
    record = image_record("caf\udce9.jpg", class_record("a\n\u202eb", 0))
    write_records("sam", tmp_path, [(record, "a")])
    (line,) = read(tmp_path)
    assert (line["image"], line["prompts"][0]["text"]) == ("caf\udce9.jpg", "a\n\u202eb")
