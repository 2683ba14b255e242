"""The result files of a study, evaluated by the devkit's rules."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

pytest.importorskip("matplotlib", reason="the extra reproduce is not installed")

XML = (
    "<annotation><size><width>96</width><height>96</height><depth>3</depth></size>"
    "<object><name>{name}</name><difficult>{difficult}</difficult><bndbox><xmin>10</xmin><ymin>10</ymin>"
    "<xmax>60</xmax><ymax>60</ymax></bndbox></object></annotation>"
)


@pytest.fixture
def devkit(tmp_path: Path) -> Path:
    """Two VOC classes as colored noise, with some difficult objects."""
    root = tmp_path / "VOC2012"
    for folder in ("JPEGImages", "Annotations", "ImageSets/Main"):
        (root / folder).mkdir(parents=True)
    rng = np.random.default_rng(0)
    for split, count in (("train", 8), ("val", 8)):
        names = [f"{split}_{number:03d}" for number in range(count)]
        (root / "ImageSets/Main" / f"{split}.txt").write_text("".join(f"{name}\n" for name in names))
        for number, name in enumerate(names):
            colour = (200, 60, 60) if number % 2 else (60, 60, 200)
            noise = rng.integers(0, 50, (96, 96, 3)) + np.array(colour)
            Image.fromarray(noise.clip(0, 255).astype(np.uint8)).save(root / "JPEGImages" / f"{name}.jpg")
            xml = XML.format(name=("dog", "cat")[number % 2], difficult=int(number == 5))
            (root / "Annotations" / f"{name}.xml").write_text(xml)
    return root


@pytest.mark.slow
def test_result_files_give_the_reports_numbers(devkit: Path, freeloc: Callable[..., Any]) -> None:
    out = devkit.parent / "study"
    words = ("--rows", "weak", "--backbone", "lite0", "--epochs", "1", "--resamples", "10")
    classes = devkit.parent / "classes.txt"
    classes.write_text("cat\ndog\n")
    answer = freeloc("reproduce", "voc2012", "--root", devkit, "--classes", classes, "--out", out, *words)
    assert answer.code == 0, answer.err
    (row,) = json.loads((out / "results.json").read_text())["rows"]
    for label, name in enumerate(("dog", "cat")):
        for competition in ("comp1", "comp2"):
            text = (out / "results/VOC2012/Main" / f"{competition}_cls_val_{name}.txt").read_text()
            ranked = sorted((line.split() for line in text.splitlines()), key=lambda pair: -float(pair[1]))
            assert len(ranked) == 8
            numbers = [int(ident.split("_")[1]) for ident, _ in ranked]
            # A class with only difficult objects is ignored in its image, as in the devkit.
            hits = [number % 2 == label for number in numbers if not (number == 5 and label == 1)]
            precision = np.cumsum(hits) / np.arange(1, len(hits) + 1)
            raised = np.maximum.accumulate(precision[::-1])[::-1]
            ap = 100 * raised[np.array(hits)].sum() / sum(hits)
            found = row["measures"]["classification"]["classes"][name]["value"]
            assert found == pytest.approx(ap, abs=0.01)
