"""Suspects, ranked by scores that know the truth except for noise."""

from __future__ import annotations

import logging
import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from freeloc.datasets.dataset import Dataset, Sample
from freeloc.errors import ConfigurationError
from freeloc.inference.localizer import Localizer
from freeloc.training import suspects as module
from freeloc.training.settings import TrainingSettings
from freeloc.training.suspects import find_suspects, rank_suspects
from tests.models.model_files import rewrite

COUNT, CLASSES = 400, 4


def noisy_data() -> tuple[Dataset, np.ndarray, np.ndarray]:
    """A dataset with 30 missing and 10 wrong tags, the true labels, and scores."""
    rng = np.random.default_rng(2)
    truth = np.where(rng.random((COUNT, CLASSES)) < 0.3, 1, -1).astype(np.int8)
    scores = (truth * 2 + rng.normal(0, 0.8, truth.shape)).astype(np.float32)
    labels = truth.copy()
    for value, count in ((1, 30), (-1, 10)):
        pairs = np.argwhere(truth == value)
        for image, name in pairs[rng.choice(len(pairs), count, replace=False)]:
            labels[image, name] = -value
    labels[:5, 0] = 0  # unknown tags are never suspects
    samples = tuple(Sample(Path(f"{index}.jpg"), row) for index, row in enumerate(labels))
    return Dataset("noisy", ("cat", "dog", "cow", "hen"), samples), truth, scores


def test_the_most_certain_suspects_are_right() -> None:
    data, truth, scores = noisy_data()
    found = rank_suspects(data, scores, count=12)
    assert [each.kind for each in found] == ["missing"] * 12 + ["wrong"] * 12
    right = []
    for each in found:
        image, label = int(each.path.stem), data.classes.index(each.name)
        assert data.labels[image, label] == (-1 if each.kind == "missing" else 1)
        right.append(truth[image, label] == (1 if each.kind == "missing" else -1))
    assert sum(right[:12]) == 12
    assert sum(right[12:]) >= 8
    missing = [each.probability for each in found[:12]]
    wrong = [each.probability for each in found[12:]]
    assert missing == sorted(missing, reverse=True)
    assert wrong == sorted(wrong)
    assert min(missing) > 0.5 > max(wrong)
    assert not {each.path for each in found if each.name == "cat"} & {
        Path(f"{index}.jpg") for index in range(5)
    }


def test_a_suspect_as_json() -> None:
    data, _, scores = noisy_data()
    first = rank_suspects(data, scores, count=1)[0]
    assert first.to_dict() == {
        "image": str(first.path),
        "class": first.name,
        "kind": "missing",
        "probability": pytest.approx(first.probability, abs=1e-6),
    }


@pytest.fixture
def trained(monkeypatch: pytest.MonkeyPatch) -> list[TrainingSettings]:
    """The settings of the heads that would be trained; all images get the score 0."""
    found = []

    def fake(given: Dataset, settings: TrainingSettings, *, folds: int, quiet: bool) -> np.ndarray:
        assert (folds, quiet) == (4, True)
        found.append(settings)
        return np.zeros(given.labels.shape, np.float32)

    monkeypatch.setattr(module, "fold_scores", fake)
    return found


def test_without_a_model_heads_are_trained(trained: list[TrainingSettings]) -> None:
    data, _, _ = noisy_data()
    expected = rank_suspects(data, np.zeros(data.labels.shape, np.float32), count=7)
    assert find_suspects(data, count=7, folds=4, quiet=True) == expected
    assert trained == [TrainingSettings()]


def test_a_model_judges_images_that_it_was_not_trained_on(
    tiny_run: Path, tiny_scenes: Dataset, trained: list[TrainingSettings]
) -> None:
    results = Localizer.load(tiny_run).predict_many([sample.path for sample in tiny_scenes])
    scores = np.stack([result.scores for result in results])
    found = find_suspects(tiny_scenes, model=tiny_run, count=5, quiet=True)
    names = [(each.path, each.name, each.kind) for each in found]
    assert names == [
        (each.path, each.name, each.kind) for each in rank_suspects(tiny_scenes, scores, count=5)
    ]
    assert trained == []


def test_tags_that_the_model_does_not_have_are_not_judged(
    tiny_run: Path, tiny_scenes: Dataset, caplog: pytest.LogCaptureFixture
) -> None:
    _, *others = tiny_scenes.classes
    renamed = replace(tiny_scenes, classes=("zebra", *others))
    with caplog.at_level(logging.WARNING, "freeloc"):
        found = find_suspects(renamed, model=tiny_run, count=100, quiet=True)
    assert {each.name for each in found} == set(others)
    assert "'zebra'" in caplog.text
    assert "not judged" in caplog.text
    with pytest.raises(ConfigurationError, match=r"zebra"):
        find_suspects(renamed.select_classes(["zebra"]), model=tiny_run, quiet=True)


def test_its_own_images_are_judged_by_heads_that_are_trained_like_it(
    tiny_run: Path, tiny_training: Dataset, trained: list[TrainingSettings]
) -> None:
    settings = TrainingSettings(seed=3)
    find_suspects(tiny_training, settings, model=tiny_run, folds=4, quiet=True)
    (found,) = trained
    assert (found.backbone, found.seed) == ("efficientnet_lite0", 3)
    assert (found.recipe.name, found.recipe.hidden, found.recipe.scales) == ("tiny", 64, (0.7, 1.0))


def with_corrected_tag(data: Dataset) -> Dataset:
    first, *others = data.samples
    return replace(data, samples=(replace(first, labels=-first.labels), *others))


@pytest.mark.parametrize(
    ("change", "shared", "total"),
    [
        (lambda data, others: with_corrected_tag(data), 16, 16),
        (lambda data, others: data[3:9], 6, 6),
        (lambda data, others: data.select_classes(data.classes[1:4]), 16, 16),
        (lambda data, others: replace(others, samples=(*others.samples, data.samples[5])), 1, 7),
    ],
    ids=["one corrected tag", "a subset", "some classes", "one image among others"],
)
def test_training_images_are_recognized_whatever_else_is_different(
    change: Callable[[Dataset, Dataset], Dataset],
    shared: int,
    total: int,
    tiny_run: Path,
    tiny_training: Dataset,
    tiny_scenes: Dataset,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    scored: list[int] = []

    def fake(data: Dataset, settings: TrainingSettings, *, folds: int, quiet: bool) -> np.ndarray:
        assert (settings.recipe.name, folds, quiet) == ("tiny", 3, False)
        scored.append(len(data))
        return np.zeros(data.labels.shape, np.float32)

    monkeypatch.setattr(module, "fold_scores", fake)
    find_suspects(change(tiny_training, tiny_scenes), model=tiny_run)
    assert scored == [total]
    assert f"model tiny was trained on {shared} of these {total} images: heads are" in capsys.readouterr().err


def test_a_model_of_an_earlier_version_recognizes_only_the_same_dataset(
    tiny_run: Path,
    tiny_training: Dataset,
    trained: list[TrainingSettings],
    tmp_path: Path,
    caplog: pytest.LogCaptureFixture,
) -> None:
    model = tmp_path / "model.safetensors"
    shutil.copy(tiny_run / "model.safetensors", model)
    rewrite(model, lambda header: header["manifest"]["data"].pop("image_hashes"))
    find_suspects(tiny_training, model=model, folds=4, quiet=True)
    assert (len(trained), caplog.text) == (1, "")
    find_suspects(with_corrected_tag(tiny_training), model=model, folds=4, quiet=True)
    assert len(trained) == 1
    assert "does not list the images that it was trained on" in caplog.text


def test_heads_require_as_many_images_as_folds(
    tiny_run: Path, tiny_training: Dataset, tiny_scenes: Dataset
) -> None:
    with pytest.raises(ConfigurationError, match=r"has 2 images, but 3 heads.* require at least 3") as caught:
        find_suspects(tiny_training[:2], model=tiny_run, quiet=True)
    assert caught.value.parameter == "folds"
    with pytest.raises(ConfigurationError, match="use at least 2 folds") as caught:
        find_suspects(tiny_training, folds=1, quiet=True)
    assert caught.value.parameter == "folds"
    assert find_suspects(tiny_scenes[:2], model=tiny_run, quiet=True)
