"""Reading classification results of the VOC devkit."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from freeloc.datasets import DataProblems, Dataset, Sample
from freeloc.datasets.voc.results import read_classification_results
from freeloc.errors import FreelocError


def dataset(*names: str) -> Dataset:
    samples = tuple(Sample(Path(f"{name}.jpg"), np.full(2, -1, np.int8)) for name in names)
    return Dataset("made", ("cat", "dog"), samples)


def test_scores_are_in_the_order_of_the_images(tmp_path: Path) -> None:
    (tmp_path / "comp2_cls_val_cat.txt").write_text("b 0.5\nother 9\na -1e-3\n")
    (tmp_path / "comp2_cls_val_dog.txt").write_text("a 2\r\n\nb 3\n")
    (tmp_path / "comp2_cls_val_sheep.txt").write_text("a 5\n")
    (tmp_path / "comp4_det_val_dog.txt").write_text("a 2 1 1 2 2\n")
    for path in (tmp_path, tmp_path / "comp2_cls_val_dog.txt"):
        found = read_classification_results(path, dataset("a", "b"))
        assert found.dtype == np.float64
        assert found.tolist() == [[-0.001, 2], [0.5, 3]]


def test_every_mistake_is_reported(tmp_path: Path) -> None:
    with pytest.raises(
        FreelocError, match=r"no results: specify a folder with files such as comp2_cls_val_dog\.txt"
    ):
        read_classification_results(tmp_path, dataset("a"))
    (tmp_path / "comp2_cls_val_cat.txt").write_text("a 1\na 2\na\nb one\nb nan\n")
    with pytest.raises(FreelocError, match="no results for the class dog"):
        read_classification_results(tmp_path, dataset("a"))
    (tmp_path / "comp2_cls_val_dog.txt").write_text("a 1\nb 2\n")
    with pytest.raises(DataProblems) as caught:
        read_classification_results(tmp_path, dataset("a", "b"))
    assert [(each.file.name, each.line, each.message) for each in caught.value.problems] == [
        ("comp2_cls_val_cat.txt", None, "b has no score"),
        ("comp2_cls_val_cat.txt", 2, "a already has a score"),
        ("comp2_cls_val_cat.txt", 3, "'a' is not an image and a score"),
        ("comp2_cls_val_cat.txt", 4, "'b one' is not an image and a score"),
        ("comp2_cls_val_cat.txt", 5, "'b nan' is not an image and a score"),
    ]


def test_two_images_of_one_name_cannot_have_results(tmp_path: Path) -> None:
    for name in ("cat", "dog"):
        (tmp_path / f"comp2_cls_val_{name}.txt").write_text("a 1\n")
    samples = tuple(Sample(Path(name), np.full(2, -1, np.int8)) for name in ("a.jpg", "a.png"))
    with pytest.raises(DataProblems) as caught:
        read_classification_results(tmp_path, Dataset("made", ("cat", "dog"), samples))
    (problem,) = caught.value.problems
    message = "a.jpg and a.png have the same name without suffix, by which results refer to images"
    assert (problem.kind, problem.message) == ("ambiguous_image", message)
