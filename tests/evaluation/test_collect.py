"""Predictions collected over a dataset."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from freeloc.datasets import Dataset, Sample
from freeloc.errors import DatasetError
from freeloc.evaluation.collect import collect
from freeloc.inference.fusion import localize
from freeloc.inference.localizer import Localizer
from freeloc.inference.result import Localization
from freeloc.metrics import classification_ranking


def test_other_classes_and_empty_data_are_refused(tiny_localizer: Localizer, tiny_scenes: Dataset) -> None:
    renamed = Dataset("renamed", ("gnu", *tiny_scenes.classes[1:]), tiny_scenes.samples)
    with pytest.raises(DatasetError, match="renamed has the classes 'gnu', which model tiny does not have"):
        collect(tiny_localizer, renamed, "tiny", quiet=True)
    with pytest.raises(DatasetError, match="empty has no images"):
        collect(tiny_localizer, Dataset("empty", tiny_scenes.classes, ()), "tiny", quiet=True)


def test_collect_keeps_what_the_localizer_says(tiny_localizer: Localizer, tiny_scenes: Dataset) -> None:
    visited: list[tuple[Sample, Localization]] = []
    predictions = collect(
        tiny_localizer, tiny_scenes, "tiny", visit=lambda *pair: visited.append(pair), quiet=True
    )
    assert [visitor for visitor, _ in visited] == list(tiny_scenes)
    assert predictions.scores.shape == (6, 8)
    for index, (scene, seen) in enumerate(visited):
        maps = tiny_localizer.score_maps(scene.path)
        one, other = (localize(maps, tiny_localizer.classes, mode=mode) for mode in ("fused", "paper"))
        assert seen.mode == "fused"
        assert predictions.sizes[index] == one.image_size
        np.testing.assert_array_equal(predictions.scores[index], one.scores)
        np.testing.assert_array_equal(predictions.points["fused"][index], one.points)
        np.testing.assert_array_equal(predictions.points["paper"][index], other.points)
        np.testing.assert_array_equal(predictions.responses["fused"][index], one.responses)
        np.testing.assert_array_equal(predictions.responses["paper"][index], other.responses)


def test_collect_finds_the_kind_of_points_that_the_localizer_finds(
    tiny_run: Path, tiny_scenes: Dataset
) -> None:
    localizer = Localizer.load(tiny_run, scales=(0.5,), runtime="torch", precision="float32", point="central")
    found = collect(localizer, tiny_scenes[:2], "tiny", quiet=True)
    for index, result in enumerate(localizer.predict_many([sample.path for sample in tiny_scenes[:2]])):
        np.testing.assert_array_equal(found.points["fused"][index], result.points)
    plain = Localizer.load(tiny_run, scales=(0.5,), runtime="torch", precision="float32")
    assert (plain.predict(tiny_scenes.samples[0].path).points != found.points["fused"][0]).any()


def test_the_classes_are_those_of_the_dataset(tiny_localizer: Localizer, tiny_scenes: Dataset) -> None:
    all_classes = collect(tiny_localizer, tiny_scenes, "tiny", quiet=True)
    chosen = [5, 0, 3]
    some = tiny_scenes.select_classes([tiny_scenes.classes[label] for label in chosen])
    found = collect(tiny_localizer, some, "tiny", quiet=True)
    np.testing.assert_array_equal(found.scores, all_classes.scores[:, chosen])
    np.testing.assert_array_equal(found.probabilities, all_classes.probabilities[:, chosen])  # type: ignore[index]
    np.testing.assert_array_equal(found.points["fused"], all_classes.points["fused"][:, chosen])
    np.testing.assert_array_equal(found.responses["paper"], all_classes.responses["paper"][:, chosen])
    assert found.thresholds is not None
    assert found.thresholds.tolist() == [0.5] * 3


def test_a_trained_model_beats_chance_where_it_was_trained(
    tiny_localizer: Localizer, tiny_training: Dataset
) -> None:
    predictions = collect(tiny_localizer, tiny_training, "tiny", quiet=True)
    found = classification_ranking(predictions.scores, tiny_training.labels)
    chance = np.mean(tiny_training.labels > 0)
    assert found.mean > chance + 0.25
