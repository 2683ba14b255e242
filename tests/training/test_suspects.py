"""Suspects, ranked by scores that know the truth except for noise."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from freeloc.datasets.dataset import Dataset, Sample
from freeloc.training import suspects as module
from freeloc.training.suspects import find_suspects, rank_suspects

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


def test_the_scores_are_those_of_folds(monkeypatch: pytest.MonkeyPatch) -> None:
    data, _, scores = noisy_data()
    calls = []

    def fake(given: Dataset, settings: object, *, folds: int, quiet: bool) -> np.ndarray:
        calls.append((given, settings, folds, quiet))
        return scores

    monkeypatch.setattr(module, "fold_scores", fake)
    assert find_suspects(data, count=7, folds=4, quiet=True) == rank_suspects(data, scores, count=7)
    assert calls == [(data, None, 4, True)]
