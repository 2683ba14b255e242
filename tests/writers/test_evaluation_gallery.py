"""The evaluation gallery: which points it shows as right and wrong, and its files."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from freeloc.datasets import Dataset
from freeloc.datasets.dataset import ABSENT, IGNORE, PRESENT
from freeloc.errors import ConfigurationError, DatasetError, ImageError, OutputError
from freeloc.evaluation.collect import Predictions
from freeloc.metrics import LocationOptions
from freeloc.writers.evaluation_gallery import write_evaluation_gallery
from tests.visualization.test_evaluation_gallery import data_of

TORCH = ("--runtime", "torch", "--precision", "float32", "--scales", "0.5", "--quiet")


def predictions(data: Dataset, **changes: Any) -> Predictions:
    """Points at the center of the first box of each class, or in the corner; scores are as the labels."""
    points = np.full((*data.labels.shape, 2), 1.0)
    for index, sample in enumerate(data):
        for box in reversed(sample.boxes or ()):
            points[index, box.label] = (box.x1 + box.x2) / 2, (box.y1 + box.y2) / 2
    scores = data.labels.astype(np.float32)
    made = Predictions("tiny", tuple(data.image_sizes()), scores, {"fused": points}, {"fused": scores})
    return replace(made, **changes)


def files(folder: Path) -> dict[str, int]:
    return {
        str(path.relative_to(folder)): path.stat().st_mtime_ns for path in folder.rglob("*") if path.is_file()
    }


@pytest.fixture
def written(tiny_scenes: Dataset, tmp_path: Path) -> Path:
    return write_evaluation_gallery(tmp_path / "g.html", predictions(tiny_scenes), tiny_scenes, quiet=True)


def test_every_image_has_a_small_copy_beside_the_page(written: Path, tiny_scenes: Dataset) -> None:
    values = data_of(written.read_text())
    assert [each[0] for each in values["images"]] == [sample.path.name for sample in tiny_scenes]
    for (_, file, width, height, _), sample in zip(values["images"], tiny_scenes, strict=True):
        copy = written.with_name("g_files") / file[:2] / f"{file}.jpg"
        with Image.open(copy) as small, Image.open(sample.path) as whole:
            assert small.format == "JPEG"
            assert max(small.size) == min(256, max(whole.size))
            assert (width, height) == whole.size
            assert small.width / small.height == pytest.approx(width / height, rel=0.02)
    assert len(files(written.parent)) == len(tiny_scenes) + 1
    assert f"tiny on {tiny_scenes.name}" in written.read_text()


def test_points_are_right_missed_or_of_absent_classes(tiny_scenes: Dataset, tmp_path: Path) -> None:
    labels = tiny_scenes.labels
    there = np.argwhere(labels == PRESENT).tolist()
    (first, cat), (second, dog) = there[0], next(pair for pair in there if pair[0] != there[0][0])
    absent = int(np.flatnonzero(labels[first] == ABSENT)[0])
    made = predictions(tiny_scenes)
    made.points["fused"][second, dog] = np.nan  # no location
    made.scores[first, absent] = 0.5  # found where it is not
    values = data_of(write_evaluation_gallery(tmp_path / "g.html", made, tiny_scenes, quiet=True).read_text())
    told = {(index, point[0]): point[1:] for index, each in enumerate(values["images"]) for point in each[4]}
    assert set(told) == {*map(tuple, there), (first, absent)}
    x, y = made.points["fused"][first, cat]
    assert told[first, cat] == [0, round(x), round(y), 1.0]
    assert told[second, dog] == [1, None, None, 1.0]
    assert told[first, absent] == [2, 1, 1, 0.5]
    # The highest score is the first of an image.
    assert values["images"][first][4][-1][0] == absent


def test_probabilities_thresholds_and_options_decide(tiny_scenes: Dataset, tmp_path: Path) -> None:
    labels = tiny_scenes.labels
    probabilities = np.where(labels == PRESENT, 0.3, 0.2).astype(np.float32)
    probabilities[0, np.flatnonzero(labels[0] == ABSENT)[0]] = 0.75
    made = predictions(
        tiny_scenes,
        probabilities=probabilities,
        thresholds=np.full(labels.shape[1], 0.7),
        scores=np.ones_like(probabilities),
    )
    label, box = next((box.label, box) for sample in tiny_scenes for box in sample.boxes or ())
    made.points["fused"][0, label] = box.x2 + 30, box.y1

    def told(tolerance: float) -> list[list[Any]]:
        options = LocationOptions(tolerance=tolerance)
        file = write_evaluation_gallery(tmp_path / "g.html", made, tiny_scenes, options=options, quiet=True)
        found: list[list[Any]] = [point for each in data_of(file.read_text())["images"] for point in each[4]]
        return found

    points = told(18.0)
    assert sorted(point[4] for point in points) == [*[0.3] * int((labels == PRESENT).sum()), 0.75]
    assert [point[1] for point in points if point[4] == 0.3].count(1) == 1
    assert 1 not in [point[1] for point in told(1000.0)]


def test_pairs_without_a_label_are_left_out(tiny_scenes: Dataset, tmp_path: Path) -> None:
    samples = [
        replace(sample, labels=np.full_like(sample.labels, IGNORE)) if index else sample
        for index, sample in enumerate(tiny_scenes)
    ]
    data = replace(tiny_scenes, samples=tuple(samples))
    made = predictions(tiny_scenes, scores=np.ones(data.labels.shape, np.float32))
    values = data_of(write_evaluation_gallery(tmp_path / "g.html", made, data, quiet=True).read_text())
    assert [bool(each[4]) for each in values["images"]] == [True] + [False] * (len(data) - 1)


def test_copies_are_used_again_and_those_of_other_images_deleted(written: Path, tiny_scenes: Dataset) -> None:
    folder = written.with_name("g_files")
    before = files(folder)
    (folder / "notes.txt").write_text("mine")
    other = folder / "ab" / ("ab" + "0" * 18 + ".jpg")
    mine = folder / "ab" / "holiday.jpg"
    for path in (other, mine):
        path.parent.mkdir(exist_ok=True)
        path.write_bytes(b"")
    write_evaluation_gallery(written, predictions(tiny_scenes), tiny_scenes, quiet=True)
    after = files(folder)
    assert {name: after[name] for name in before} == before
    assert set(after) - set(before) == {"notes.txt", "ab/holiday.jpg"}


def test_what_cannot_be_written(tiny_scenes: Dataset, tmp_path: Path) -> None:
    made = predictions(tiny_scenes)
    with pytest.raises(ConfigurationError, match=r"must be the path of an HTML file"):
        write_evaluation_gallery(tmp_path / "g.jpg", made, tiny_scenes)
    (tmp_path / "g_files").write_text("")
    with pytest.raises(OutputError, match="is not a folder"):
        write_evaluation_gallery(tmp_path / "g.html", made, tiny_scenes)
    data = replace(tiny_scenes, samples=tuple(replace(sample, boxes=None) for sample in tiny_scenes))
    with pytest.raises(DatasetError, match="has no annotated boxes, so a gallery cannot"):
        write_evaluation_gallery(tmp_path / "h.html", made, data)
    with pytest.raises(ImageError, match="."):
        write_evaluation_gallery(
            tmp_path / "h.html", made, tiny_scenes, content_hashes=["0" * 32] * len(data), quiet=True
        )
    assert not (tmp_path / "h.html").exists()


# --- the command line --------------------------------------------------------------------------------------


def test_evaluate_writes_the_gallery_of_its_model(
    freeloc: Callable[..., Any], tiny_run: Path, tiny_coco: Path, tmp_path: Path
) -> None:
    page = tmp_path / "new" / "g.html"
    words = ("evaluate", tiny_run, tiny_coco, "--images", tiny_coco.parent, "--resamples", "2", *TORCH)
    answer = freeloc(*words, "--gallery", page)
    assert (answer.code, answer.err) == (0, "")
    values = data_of(page.read_text())
    assert len(values["images"]) == 6
    assert {len(each[4]) > 0 for each in values["images"]} == {True}
    assert re.search(r"<h1>tiny on .+</h1>", page.read_text())


def test_evaluate_refuses_a_gallery_at_once(
    freeloc: Callable[..., Any], tiny_run: Path, tiny_training: Dataset, tiny_coco: Path, tmp_path: Path
) -> None:
    tags = tiny_training.samples[0].path.parent
    for words, message in (
        ((tiny_run, tags, "--gallery", tmp_path / "g.html"), "has no annotated boxes, so a gallery"),
        ((tiny_run, tiny_coco, "--gallery", tmp_path / "g.pdf"), "must be the path of an HTML file"),
        (
            ("--detections", "a.json", tiny_coco, "--gallery", tmp_path / "g.html"),
            "gallery shows the points of a model: specify a model",
        ),
    ):
        answer = freeloc("evaluate", *words, *TORCH)
        assert answer.code == 2
        assert message in answer.err
        assert "option --gallery" in answer.err
    assert list(tmp_path.iterdir()) == []
