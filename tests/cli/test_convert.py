"""freeloc convert."""

from __future__ import annotations

import csv
import dataclasses
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tests.writers.image_records import class_record, image_record, mug_record, write_turned_image


@pytest.fixture
def predictions(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The records of an image in the working directory."""
    monkeypatch.chdir(tmp_path)
    write_turned_image(tmp_path / "photos" / "a.jpg")
    (tmp_path / "found").mkdir()
    return write(tmp_path / "found" / "predictions.jsonl", mug_record("photos/a.jpg"))


def write(path: Path, *records: Any) -> Path:
    path.write_text("".join(json.dumps(dataclasses.asdict(record)) + "\n" for record in records))
    return path


def test_records_are_converted(predictions: Path, freeloc: Callable[..., Any]) -> None:
    answer = freeloc("convert", "found", "--out", "out", "--format", "yolo", "--format", "csv")
    assert answer.code == 0, answer.err
    assert "wrote 1 prediction to out" in answer.err
    assert Path("out/yolo/labels/a.txt").read_text() == "1 0.437500 0.500000 0.375000 0.500000\n"
    assert Path("out/yolo/images/a.jpg").is_symlink()
    with Path("out/predictions.csv").open(newline="") as rows:
        assert [row["class"] for row in csv.DictReader(rows)] == ["mug", "lamp"]


def test_options_reach_the_formats(predictions: Path, freeloc: Callable[..., Any]) -> None:
    words = ("--min-box-score", "0.05", "--threshold", "0.1", "--image-files", "copy", "--quiet")
    answer = freeloc("convert", predictions, "--out", "out", "--format", "yolo", *words)
    assert (answer.code, answer.out, answer.err) == (0, "", "")
    lines = Path("out/yolo/labels/a.txt").read_text().splitlines()
    assert sorted(line.split()[0] for line in lines) == ["0", "1", "1"]
    assert not Path("out/yolo/images/a.jpg").is_symlink()


def test_masks_are_written_in_the_chosen_encoding(predictions: Path, freeloc: Callable[..., Any]) -> None:
    pytest.importorskip("contourpy", reason="the extra masks is not installed")
    mask = np.ones((120, 80), np.bool_)
    write(predictions, image_record("photos/a.jpg", class_record("mug", 0, mask=mask)))
    for encoding, shape in (("polygon", "polygon"), ("rle", "mask")):
        words = ("--masks", "--mask-encoding", encoding, "--quiet")
        assert freeloc("convert", "found", "--out", encoding, "--format", "labelme", *words).code == 0
        shapes = json.loads(Path(encoding, "labelme", "a.json").read_text())["shapes"]
        assert [each["shape_type"] for each in shapes] == ["point", shape]


def test_errors_are_one_sentence_that_names_the_option(
    predictions: Path, freeloc: Callable[..., Any], tmp_path: Path
) -> None:
    cases = {
        ("found", "--format", "npz"): "'npz' needs the model",
        ("found", "--format", "yolo", "--masks"): "contains no masks of photos/a.jpg: predict with masks",
        ("nowhere", "--format", "csv"): "cannot read nowhere",
    }
    for words, message in cases.items():
        answer = freeloc("convert", *words, "--out", "out")
        assert answer.code == 2
        assert message in answer.err
        assert answer.err.count("\n") == 1
        assert not (tmp_path / "out" / "yolo").exists()
    (tmp_path / "photos" / "a.jpg").unlink()
    answer = freeloc("convert", "found", "--out", "out", "--format", "yolo")
    assert answer.code == 2
    assert "the image photos/a.jpg does not exist" in answer.err
    assert "(option --image-files)" in answer.err
    assert not list(tmp_path.glob("out/yolo/labels/*"))


def test_names_that_a_format_cannot_hold_end_in_one_sentence(
    predictions: Path, freeloc: Callable[..., Any], tmp_path: Path
) -> None:
    write(predictions, image_record("photos/a.jpg", class_record("dog\ncat", 0)))
    answer = freeloc("convert", "found", "--out", "out", "--format", "voc")
    assert answer.code == 2
    assert "the format voc cannot hold" in answer.err
    assert answer.err.count("\n") == 1
    assert not list(tmp_path.glob("out/**/*.xml"))
