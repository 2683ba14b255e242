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


WORDS = ("--backbone", "lite0", "--epochs", "1", "--resamples", "10")


@pytest.fixture(scope="module")
def devkit(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two VOC classes as colored noise, with some difficult objects; the split "test" has no annotations.

    All tests write to one study beside it, so that the model is trained only once.
    """
    root = tmp_path_factory.mktemp("devkit") / "VOC2012"
    (root.parent / "classes.txt").write_text("cat\ndog\n")
    for folder in ("JPEGImages", "Annotations", "ImageSets/Main"):
        (root / folder).mkdir(parents=True)
    rng = np.random.default_rng(0)
    for split, count in (("train", 8), ("val", 8), ("test", 3)):
        names = [f"{split}_{number:03d}" for number in range(count)]
        (root / "ImageSets/Main" / f"{split}.txt").write_text("".join(f"{name}\n" for name in names))
        for number, name in enumerate(names):
            colour = (200, 60, 60) if number % 2 else (60, 60, 200)
            noise = rng.integers(0, 50, (96, 96, 3)) + np.array(colour)
            Image.fromarray(noise.clip(0, 255).astype(np.uint8)).save(root / "JPEGImages" / f"{name}.jpg")
            if split == "test":
                continue
            xml = XML.format(name=("dog", "cat")[number % 2], difficult=int(number == 5))
            (root / "Annotations" / f"{name}.xml").write_text(xml)
    return root


@pytest.mark.slow
def test_result_files_give_the_reports_numbers(devkit: Path, freeloc: Callable[..., Any]) -> None:
    out, classes = devkit.parent / "study", devkit.parent / "classes.txt"
    other = devkit.parent / "other"
    other.mkdir()
    for label, name in enumerate(("dog", "cat")):
        # The other system is sure of what is there, except that it takes the first image for the other class.
        lines = [
            f"val_{number:03d} {-9.5 + (number % 2 == (label ^ (number == 0)))}\n" for number in range(8)
        ]
        (other / f"comp1_cls_val_{name}.txt").write_text("".join(lines))
    words = ("--rows", "weak", *WORDS, "--add-row", f"other={other}", "--fuse", "both=weak,other")
    answer = freeloc("reproduce", "voc2012", "--root", devkit, "--classes", classes, "--out", out, *words)
    assert answer.code == 0, answer.err
    row, added, fused = json.loads((out / "results.json").read_text())["rows"]
    assert [one["key"] for one in (row, added, fused)] == ["weak", "other", "both"]
    assert (added["location_mode"], added["box_supervision"]) == (None, None)
    assert added["measures"].keys() == fused["measures"].keys() == {"classification"}
    # Dogs: images 0, 2, 4 and 6. Three of them and image 1 … have the high score; image 0 shares the low one.
    dogs = added["measures"]["classification"]["classes"]["dog"]["value"]
    assert dogs == pytest.approx(100 * (3 / 4 * 1 + 1 / 4 * 4 / 8), abs=0.01)
    assert fused["training"].keys() == {"weak"}
    assert "<td>other</td>" in (out / "report.html").read_text()
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


@pytest.mark.slow
def test_the_unannotated_test_set_is_scored(devkit: Path, freeloc: Callable[..., Any]) -> None:
    out = devkit.parent / "study"
    words = (
        "--root",
        devkit,
        "--classes",
        devkit.parent / "classes.txt",
        "--out",
        out,
        "--val-split",
        "test",
    )
    answer = freeloc("reproduce", "voc2012", *words, "--rows", "weak,single_test", *WORDS)
    assert answer.code == 0, answer.err
    for key in ("weak", "single_test"):
        folder = out / "submissions" / key / "results" / "VOC2012" / "Main"
        names = {path.name for path in folder.iterdir()}
        assert names == {f"comp{number}_cls_test_{name}.txt" for number in (1, 2) for name in ("dog", "cat")}
        lines = (folder / "comp2_cls_test_dog.txt").read_text().splitlines()
        assert [line.split()[0] for line in lines] == ["test_000", "test_001", "test_002"]
    results = json.loads((out / "results.json").read_text())
    assert [(row["key"], row["measures"]) for row in results["rows"]] == [("weak", {}), ("single_test", {})]
    assert "has no annotations, so nothing could be measured" in (out / "report.html").read_text()
    refused = freeloc("reproduce", "voc2012", *words, "--rows", "weak,extents", *WORDS)
    assert refused.code == 2
    assert "the boxes of the row 'extents' cannot be evaluated" in refused.err
