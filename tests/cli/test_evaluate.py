"""``freeloc evaluate``: tables, JSON, several models, and the whole way from tags to numbers."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from freeloc.cli.evaluate import _name
from freeloc.datasets import Dataset, open_dataset
from freeloc.evaluation import EvaluationOptions, collect, evaluate
from freeloc.localizer import Localizer
from freeloc.metrics import LocationOptions, PointingOptions
from freeloc.model import Model

TORCH = ("--runtime", "torch", "--precision", "float32", "--scales", "0.5")


@pytest.mark.slow
def test_from_tags_to_numbers(
    freeloc: Callable[..., Any], tiny_training: Dataset, tiny_run: Path, tiny_coco: Path, tmp_path: Path
) -> None:
    run, out = tmp_path / "round trip", tmp_path / "results" / "all.json"
    data = tiny_training.samples[0].path.parent
    fast = ("--trunk", "lite0", "--scales", "0.5", "--epochs", "2")
    assert freeloc("train", data, "--out", run, *fast).code == 0
    predictions = tmp_path / "predictions"
    photos = tiny_coco.parent
    assert freeloc("predict", run, photos, "--out", predictions, *TORCH).code == 0
    lines = (predictions / "predictions.jsonl").read_text().splitlines()
    assert len(lines) == 6

    words = ("evaluate", run, tiny_coco, "--images", photos, "--against", tiny_run, "--out", out, *TORCH)
    metrics = (
        "--ap",
        "11point",
        "--ranking",
        "response",
        "--tolerance",
        "5",
        "--tolerance-frame",
        "normalized",
    )
    more = ("--distance", "euclidean", "--difficult", "ignore", "--crowd", "miss", "--resamples", "30")
    more += ("--pointing-tolerance", "9", "--pointing-reach", "pixel", "--pointing-difficult", "miss")
    more += ("--pointing-crowd", "ignore", "--seed", "5")
    answer = freeloc(*words, *metrics, *more)
    assert answer.code == 0
    rows = [
        "round trip, fused",
        "round trip, paper",
        "tiny, fused",
        "tiny, paper",
        "centre of the photograph",
    ]
    for row in rows:
        assert row in answer.out
    assert "6 photographs" in answer.out
    assert f"wrote {out}" in answer.err

    page = json.loads(out.read_text(), parse_constant=pytest.fail)
    assert [row["name"] for row in page["rows"]] == rows
    dataset = open_dataset(tiny_coco, images=photos, classes=Model.load(run).classes, boxes=True)
    options = EvaluationOptions(
        flavour="11point",
        location=LocationOptions("response", 5.0, "normalized", "euclidean", "ignore", "miss", "11point"),
        pointing=PointingOptions(9.0, "pixel", "miss", "ignore"),
        resamples=30,
        seed=5,
    )
    found = [
        collect(
            Localizer.load(path, runtime="torch", precision="float32", scales=(0.5,)),
            dataset,
            name,
            quiet=True,
        )
        for path, name in ((run, "round trip"), (tiny_run, "tiny"))
    ]
    assert page == json.loads(json.dumps(evaluate(found, dataset, options).as_json()))
    # What predict wrote are the scores that evaluate measured.
    for line, scores in zip(lines, found[0].scores, strict=True):
        written = {each["name"]: each["score"] for each in json.loads(line)["classes"]}
        assert [written[name] for name in dataset.classes] == pytest.approx(scores.tolist(), rel=1e-5)


def test_data_without_boxes_is_refused_before_the_work(
    freeloc: Callable[..., Any], tiny_run: Path, tiny_scenes: Dataset
) -> None:
    answer = freeloc("evaluate", tiny_run, tiny_scenes.samples[0].path.parent, *TORCH)
    assert (answer.code, answer.out) == (2, "")
    assert "has no boxes: evaluation needs an annotated data set" in answer.err
    assert answer.err.count("\n") == 1, "progress of work that was in vain"


def test_models_with_other_classes_are_refused_before_the_work(
    freeloc: Callable[..., Any], tiny_run: Path, tiny_coco: Path, tmp_path: Path
) -> None:
    import dataclasses

    model = Model.load(tiny_run)
    other = tmp_path / "other.safetensors"
    dataclasses.replace(model, classes=tuple(reversed(model.classes))).save(other)
    words = ("evaluate", tiny_run, tiny_coco, "--images", tiny_coco.parent, *TORCH)
    answer = freeloc(*words, "--against", other)
    assert (answer.code, answer.out) == (2, "")
    assert answer.err.startswith("freeloc: model other knows the classes umbrella, ")
    assert answer.err.count("\n") == 1
    answer = freeloc(*words, "--against", tmp_path / "gone")
    assert (answer.code, answer.out) == (2, "")
    assert "gone does not exist" in answer.err
    assert answer.err.count("\n") == 1


@pytest.mark.parametrize(
    ("words", "wanted"),
    [
        (("--tolerance", "-1"), "location tolerance is -1"),
        (("--tolerance", "nan"), "location tolerance is nan"),
        (("--scales", "x"), "--scales x is not a list of numbers"),
        (("--split", "dusk"), "dusk"),
    ],
)
def test_each_mistake_is_one_line(
    freeloc: Callable[..., Any], tiny_run: Path, tiny_coco: Path, words: tuple[str, ...], wanted: str
) -> None:
    answer = freeloc("evaluate", tiny_run, tiny_coco, "--images", tiny_coco.parent, *TORCH, *words)
    assert (answer.code, answer.out) == (2, "")
    assert answer.err.startswith("freeloc: ")
    assert wanted in answer.err
    assert answer.err.count("\n") == 1


def test_models_get_the_shortest_names_that_differ(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("a/rate0.01", "b/rate0.02", "b/same", "c/same"):
        folder = tmp_path / name
        folder.mkdir(parents=True)
        (folder / "model.safetensors").touch()
    first, second = tmp_path / "a" / "rate0.01", tmp_path / "b" / "rate0.02"
    assert [_name(path, [first, second]) for path in (first, second)] == ["rate0.01", "rate0.02"]
    assert _name(first / "model.safetensors", [first / "model.safetensors"]) == "rate0.01"
    file = tmp_path / "best.safetensors"
    shutil.copy(first / "model.safetensors", file)
    assert _name(file, [first, file]) == "best"
    same = [tmp_path / "b" / "same", tmp_path / "c" / "same"]
    assert [_name(path, same) for path in same] == [str(path) for path in same]
    monkeypatch.chdir(first)
    assert _name(Path(), [Path()]) == "rate0.01"
    assert _name(Path("model.safetensors"), [Path("model.safetensors")]) == "rate0.01"
