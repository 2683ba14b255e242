"""Scores of models in the folders of the devkit, also for test sets without annotations."""

from __future__ import annotations

import logging
import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from freeloc.datasets import Dataset, DatasetChecks, open_dataset
from freeloc.datasets.problems import DataProblems
from freeloc.datasets.voc.results import read_classification_results
from freeloc.evaluation.collect import Predictions
from freeloc.inference.localizer import Localizer
from freeloc.writers.server_scores import write_server_scores

TORCH = ("--runtime", "torch", "--precision", "float32", "--scales", "0.5", "--quiet")
CLASSES = ("fish", "clock")


def predictions(name: str, count: int) -> Predictions:
    scores = np.random.default_rng(len(name)).normal(size=(count, 2)).astype(np.float32)
    return Predictions(name, (), scores, {}, {})


@pytest.fixture
def devkit(tiny_scenes: Dataset, tmp_path: Path) -> Path:
    """Two images in a list, and no annotations."""
    root = tmp_path / "VOC2012"
    (root / "JPEGImages").mkdir(parents=True)
    (root / "ImageSets" / "Main").mkdir(parents=True)
    (root / "Annotations").mkdir()
    paths = [sample.path for sample in tiny_scenes.samples[:2]]
    for path in paths:
        shutil.copy(path, root / "JPEGImages")
    (root / "ImageSets/Main/test.txt").write_text("".join(f"{path.stem}\n" for path in paths))
    return root


def test_names_come_from_the_devkit(tiny_scenes: Dataset, tmp_path: Path) -> None:
    data = replace(tiny_scenes.select_classes(CLASSES), name="VOC2007 test")
    one = predictions("one", len(data))
    (place,) = write_server_scores(tmp_path, data, [one])
    assert place == tmp_path / "results" / "VOC2007" / "Main"
    names = {path.name for path in place.iterdir()}
    assert names == {f"comp{number}_cls_test_{name}.txt" for number in (1, 2) for name in CLASSES}
    for number in (1, 2):
        found = read_classification_results(place / f"comp{number}_cls_test_fish.txt", data)
        assert found.tolist() == one.scores.tolist()
    other = replace(data, name="holiday images")
    (place,) = write_server_scores(tmp_path / "other", other, [one], "val")
    assert place == tmp_path / "other" / "results" / "VOC2012" / "Main"
    assert (place / "comp2_cls_val_clock.txt").is_file()
    places = write_server_scores(tmp_path / "both", other, [one, predictions("runs/two", len(data))])
    assert [path.relative_to(tmp_path / "both").parts[0] for path in places] == ["one", "runs_two"]


def test_a_test_set_is_scored_without_annotations(
    freeloc: Callable[..., Any], tiny_run: Path, tiny_localizer: Localizer, devkit: Path, tmp_path: Path
) -> None:
    out = tmp_path / "submission"
    words = ("evaluate", tiny_run, devkit, "--split", "test")
    answer = freeloc(*words, "--results", out, *TORCH)
    assert (answer.code, answer.out, answer.err) == (0, "", "")
    data = open_dataset(
        devkit, split="test", classes=tiny_localizer.classes, checks=DatasetChecks(unannotated=True)
    )
    assert not data.has_labels
    file = out / "results/VOC2012/Main" / f"comp2_cls_test_{tiny_localizer.classes[0]}.txt"
    found = read_classification_results(file, data)
    assert found.shape == (2, len(tiny_localizer.classes))
    for extra, option in (((), "--results"), (("--results", out, "--out", tmp_path / "a.json"), "--out")):
        refused = freeloc(*words, *extra, *TORCH)
        assert refused.code == 2
        assert "VOC2012 test has no annotations, so there is nothing to evaluate" in refused.err
        assert option in refused.err
    assert not (tmp_path / "a.json").exists()


def test_scattered_annotations_are_no_labels(devkit: Path, caplog: pytest.LogCaptureFixture) -> None:
    """Some images of VOC's test sets have annotations for other competitions."""
    xml = "<annotation><object><name>person</name></object></annotation>"
    names = (devkit / "ImageSets/Main/test.txt").read_text().split()
    for copy in ("x", "y"):
        shutil.copy(devkit / "JPEGImages" / f"{names[0]}.jpg", devkit / "JPEGImages" / f"{copy}.jpg")
    (devkit / "ImageSets/Main/test.txt").write_text("\n".join([*names, "x", "y"]))
    (devkit / "Annotations" / f"{names[0]}.xml").write_text(xml)
    checks = DatasetChecks(unannotated=True, quiet=True)
    with caplog.at_level(logging.WARNING, logger="freeloc"):
        data = open_dataset(devkit, split="test", boxes=True, checks=checks)
    assert not data.has_labels
    assert all(sample.boxes is None for sample in data)
    assert len(data.classes) == 20
    assert "only 1 of 4 images have an annotation, so none is read" in caplog.text
    with pytest.raises(DataProblems, match="annotation"):
        open_dataset(devkit, split="test", checks=DatasetChecks(quiet=True))
    (devkit / "Annotations" / f"{names[1]}.xml").write_text(xml)
    with pytest.raises(DataProblems, match="annotation"):  # half of them: the others are missing
        open_dataset(devkit, split="test", checks=checks)


def test_results_of_annotated_images_accompany_the_table(
    freeloc: Callable[..., Any], tiny_run: Path, tiny_coco: Path, tmp_path: Path
) -> None:
    words = ("evaluate", tiny_run, tiny_coco, "--images", tiny_coco.parent, "--resamples", 5)
    answer = freeloc(*words, "--results", tmp_path, *TORCH)
    assert answer.code == 0
    assert "tiny, fused" in answer.out
    assert list((tmp_path / "results/VOC2012/Main").glob("comp2_cls_test_*.txt"))
