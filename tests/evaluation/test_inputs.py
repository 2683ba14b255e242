"""Models and datasets that are given by their paths."""

from __future__ import annotations

import logging
import shutil
from dataclasses import replace
from pathlib import Path

import pytest

import freeloc
from freeloc.datasets import Dataset, open_dataset
from freeloc.datasets.training_data import DataOptions
from freeloc.errors import ConfigurationError, MissingDatasetError, ModelError
from freeloc.evaluation.collect import collect
from freeloc.evaluation.evaluate import evaluate
from freeloc.evaluation.inputs import open_for_models, shown_names
from freeloc.evaluation.options import EvaluationOptions
from freeloc.inference.localizer import Localizer

FAST = EvaluationOptions(resamples=20)


def test_a_model_on_data_given_by_its_path(tiny_localizer: Localizer, tiny_coco: Path) -> None:
    data = open_dataset(tiny_coco, boxes=True)
    expected = evaluate([collect(tiny_localizer, data, "model 1", quiet=True)], data, FAST)
    assert evaluate(tiny_localizer, tiny_coco, FAST, quiet=True).to_dict() == expected.to_dict()
    assert evaluate([tiny_localizer], data, FAST, quiet=True).to_dict() == expected.to_dict()
    some = evaluate(tiny_localizer, str(tiny_coco), FAST, quiet=True, classes=data.classes[2:4])
    assert some.classes == data.classes[2:4]


def test_a_model_given_by_its_path(tiny_run: Path, tiny_training: Dataset) -> None:
    folder = tiny_training.samples[0].path.parent
    found = freeloc.evaluate(str(tiny_run), str(folder), FAST, quiet=True)
    assert [row.name for row in found.rows] == [tiny_run.name]
    assert (found.images, found.boxes) == (len(tiny_training), False)


def test_what_does_not_exist_or_fit(tiny_localizer: Localizer, tiny_scenes: Dataset, tmp_path: Path) -> None:
    with pytest.raises(ModelError, match="no model is named 'gone'"):
        freeloc.evaluate("gone", tiny_scenes)
    with pytest.raises(MissingDatasetError, match="few"):
        freeloc.evaluate(tiny_localizer, tmp_path / "few")
    with pytest.raises(
        ConfigurationError, match="a dataset has no option called 'splt': did you mean 'split'"
    ):
        freeloc.evaluate(tiny_localizer, tmp_path, splt="val")  # type: ignore[call-arg]
    with pytest.raises(ConfigurationError, match="split applies only to the path of a dataset"):
        freeloc.evaluate(tiny_localizer, tiny_scenes, split="val")
    predictions = collect(tiny_localizer, tiny_scenes, "tiny", quiet=True)
    with pytest.raises(ConfigurationError, match="have the images of an open dataset") as caught:
        freeloc.evaluate([predictions], "scenes")
    assert caught.value.parameter == "dataset"
    with pytest.raises(ConfigurationError, match="there are also predictions") as caught:
        freeloc.evaluate([predictions, tiny_localizer], tiny_scenes)
    assert caught.value.parameter == "predictions"


def test_classes_that_only_one_of_them_has(tiny_scenes: Dataset, caplog: pytest.LogCaptureFixture) -> None:
    *rest, last = tiny_scenes.classes
    with caplog.at_level(logging.WARNING, "freeloc"):
        found = open_for_models(tiny_scenes, {"model": [*rest, "zebra"]}, {})
    assert found.classes == tuple(rest)
    assert f"model model does not have the class {last!r}" in caplog.text
    with pytest.raises(ConfigurationError, match="has none of the classes"):
        open_for_models(replace(tiny_scenes), {"model": ["zebra"]}, {})


def test_tags_become_the_classes_of_the_models(tiny_scenes: Dataset, tmp_path: Path) -> None:
    tags = ["puppy", "CAT", "cow", "", "Dog", "cat"]
    rows = [f"{sample.path},{tag}" for sample, tag in zip(tiny_scenes, tags, strict=True)]
    (tmp_path / "tags.csv").write_text("\n".join(["file_name,tags", *rows]))
    models = {"model": ["dog", "cat", "zebra"]}
    options: DataOptions = {"aliases": {"dog": ["puppy"]}, "fold_case": True, "untagged": "unknown"}
    found = open_for_models(tmp_path / "tags.csv", models, options, quiet=True)
    assert found.classes == ("dog", "cat")
    assert found.labels.tolist() == [[1, -1], [-1, 1], [-1, -1], [0, 0], [1, -1], [-1, 1]]
    frequent: DataOptions = {**options, "min_images": 3}
    with pytest.raises(ConfigurationError, match="has no class in at least 3 images"):
        open_for_models(tmp_path / "tags.csv", models, frequent, quiet=True)


def test_names_in_tables(tmp_path: Path) -> None:
    for name in ("a/model.safetensors", "b/a/model.safetensors", "c.safetensors"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).touch()
    paths = [tmp_path / "a", tmp_path / "c.safetensors"]
    assert shown_names(paths) == ["a", "c"]
    twice = [tmp_path / "a", tmp_path / "b" / "a" / "model.safetensors"]
    assert shown_names(twice) == list(map(str, twice))


def test_models_get_the_shortest_names_that_differ(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("a/rate0.01", "b/rate0.02", "b/same", "c/same"):
        folder = tmp_path / name
        folder.mkdir(parents=True)
        (folder / "model.safetensors").touch()
    first, second = tmp_path / "a" / "rate0.01", tmp_path / "b" / "rate0.02"
    assert shown_names([first, second]) == ["rate0.01", "rate0.02"]
    assert shown_names([first / "model.safetensors"]) == ["rate0.01"]
    file = tmp_path / "best.safetensors"
    shutil.copy(first / "model.safetensors", file)
    assert shown_names([first, file]) == ["rate0.01", "best"]
    same = [tmp_path / "b" / "same", tmp_path / "c" / "same"]
    assert shown_names(same) == [str(path) for path in same]
    monkeypatch.chdir(first)
    assert shown_names([Path()]) == ["rate0.01"]
    assert shown_names([Path("model.safetensors")]) == ["rate0.01"]
