"""Images held out for validation: stratified, in groups where names or folders show them, fixed by the seed."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

import numpy as np
import pytest

from freeloc.datasets.dataset import Dataset, Sample
from freeloc.errors import ConfigurationError, DatasetError
from freeloc.training.hold_out import hold_out, image_groups


def make(names: Iterable[str], labels: np.ndarray, hashes: Iterable[str] | None = None) -> Dataset:
    values = list(names)
    contents = list(hashes) if hashes is not None else [f"{n}" for n in range(len(values))]
    samples = tuple(
        Sample(Path("/d") / name, np.asarray(row, np.int8), content_hash=content)
        for name, row, content in zip(values, labels, contents, strict=True)
    )
    return Dataset("d", tuple(f"c{k}" for k in range(labels.shape[1])), samples)


def random_labels(images: int, classes: int, seed: int = 0) -> np.ndarray:
    return np.where(np.random.default_rng(seed).random((images, classes)) < 0.3, 1, -1)


def names_of(dataset: Dataset) -> set[str]:
    return {str(sample.path) for sample in dataset}


def test_the_fraction_of_all_images_and_of_each_class_is_held_out() -> None:
    dataset = make((f"{n:x}q.jpg" for n in range(400)), random_labels(400, 5))
    parts = hold_out(dataset, 0.2, seed=3)
    assert parts.grouped_by is None
    assert not names_of(parts.training) & names_of(parts.validation)
    assert names_of(parts.training) | names_of(parts.validation) == names_of(dataset)
    assert len(parts.validation) == pytest.approx(80, abs=6)
    wanted = 0.2 * (dataset.labels > 0).sum(axis=0)
    np.testing.assert_allclose((parts.validation.labels > 0).sum(axis=0), wanted, atol=4)


def test_the_seed_decides() -> None:
    dataset = make((f"{n:x}q.jpg" for n in range(60)), random_labels(60, 3))
    first, again, other = (names_of(hold_out(dataset, 0.25, seed).validation) for seed in (1, 1, 2))
    assert first == again != other
    with pytest.raises(ConfigurationError, match="seed"):
        hold_out(dataset, 0.25, -1)


@pytest.mark.parametrize(
    ("pattern", "kind"),
    [
        ("{group:02d}/{number}.jpg", "folder"),
        ("session {group}/IMG_{number:04d}.jpg", "folder"),
        ("kitchen{group}x_{number:04d}.jpg", "name"),
        ("clip-{group}_frame{number}.png", "name"),
        ("clip_{group}_f_{number}.png", "name"),
    ],
)
def test_images_that_belong_together_stay_together(pattern: str, kind: str) -> None:
    names = [pattern.format(group=n // 6, number=n) for n in range(96)]
    dataset = make(names, random_labels(96, 3))
    parts = hold_out(dataset, 0.2)
    assert parts.grouped_by == kind
    assert 12 <= len(parts.validation) <= 27
    held = {names.index(str(sample.path.relative_to("/d"))) // 6 for sample in parts.validation}
    kept = {names.index(str(sample.path.relative_to("/d"))) // 6 for sample in parts.training}
    assert not held & kept


@pytest.mark.parametrize(
    "names",
    [
        [f"c{n % 3}/{n}.jpg" for n in range(60)],  # one folder per class
        [f"c{n % 3}_{n:03d}.jpg" for n in range(60)],  # the same as names
        [f"{2007 + n % 6}_{n:06d}.jpg" for n in range(60)],  # years, as in VOC
        [f"IMG_{n:04d}.jpg" for n in range(60)],  # one camera
        [f"all/{n}.jpg" for n in range(58)] + ["rest/1.jpg", "rest/2.jpg"],
    ],
)
def test_classes_years_and_cameras_are_no_groups(names: list[str]) -> None:
    labels = np.where(np.arange(60)[:, None] % 3 == np.arange(3), 1, -1)
    dataset = make(names, labels)
    assert list(image_groups(dataset)) == [None]
    parts = hold_out(dataset, 0.2)
    assert parts.grouped_by is None
    np.testing.assert_array_equal((parts.validation.labels > 0).sum(axis=0), [4, 4, 4])


def test_every_class_stays_in_training() -> None:
    labels = -np.ones((30, 4), np.int64)
    labels[:15, 0] = 1
    labels[15:, 1] = 1
    labels[0, 2] = 1  # present in a single image
    labels[[3, 20], 3] = 1
    for seed in range(10):
        parts = hold_out(make((f"{n:x}q.jpg" for n in range(30)), labels), 0.5, seed)
        assert (parts.training.labels > 0).any(axis=0).all()
        assert len(parts.validation) >= 10


def test_one_of_few_large_groups_is_held_out() -> None:
    dataset = make((f"clip{n // 24}x_{n}.jpg" for n in range(120)), random_labels(120, 3))
    parts = hold_out(dataset, 0.1)
    assert parts.grouped_by == "name"
    assert len(parts.validation) == 24
    assert len({sample.path.name.split("_")[0] for sample in parts.validation}) == 1


def test_files_with_equal_content_stay_together() -> None:
    hashes = [str(n // 2) for n in range(60)]
    dataset = make((f"{n:x}q.jpg" for n in range(60)), random_labels(60, 2), hashes)
    parts = hold_out(dataset, 0.3)
    held = {sample.content_hash for sample in parts.validation}
    assert held
    assert not held & {sample.content_hash for sample in parts.training}


def test_too_few_images() -> None:
    dataset = make(["a.jpg", "b.jpg"], np.array([[1, -1], [-1, 1]]))
    with pytest.raises(DatasetError, match="cannot hold out 0.1 of 2 images for validation") as caught:
        hold_out(dataset, 0.1)
    assert caught.value.parameter == "val_split"
